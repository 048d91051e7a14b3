//! Floor 3: the network. actix-web and actix-http towards clients, hyper towards backends.
//!
//! | file | what |
//! |---|---|
//! | `listener` | sockets accepted, for clients and for publishers and operators |
//! | `arrival` | from an accepted socket to a client that is served: its place, its TLS handshake |
//! | `client_socket`, `tls_socket` | what a client came by: TCP, TLS, a unix socket |
//! | `tls`, `certificates` | how TLS is spoken, and with which certificates |
//! | `connection`, `slot`, `record`, `patience`, `parked` | a client connection: served, its socket taken, held |
//! | `http1` | requests and responses of HTTP/1 connections |
//! | `http2` | HTTP/2 connections and their streams |
//! | `front` | where requests come in: routes, refusals, what handlers share |
//! | `worker_options` | what a worker derives from the options, anew after a reload |
//! | `proxy`, `body`, `upstream` | a request to its backend and the answer back |
//! | `tunnel` | a client and a backend that switch to a protocol of their own |
//! | `hold`, `begin`, `held_body` | from instructions to a held session |
//! | `way_back`, `own_request`, `link_sharing`, `turns` | what held sessions ask their backends |
//! | `zmq` | backends that connect to P-8, by ZeroMQ |
//! | `websocket`, `sockjs` | WebSocket handshakes, and how their sessions reach backends; SockJS clients |
//! | `guard` | who may use the control listener |
//! | `control`, `admin`, `metrics`, `liveness`, `reload`, `builtin`, `pages` | what P-8 serves itself |
//! | `present` | answers shown to pages of other origins: cross-origin headers, JSON-P |
//! | `reply` | the only map from errors to statuses |

pub mod admin;
pub mod arrival;
pub mod begin;
pub mod body;
pub mod border;
pub mod builtin;
pub mod certificates;
pub mod client_socket;
pub mod connection;
pub mod control;
mod embed;
pub mod exchange;
pub mod front;
pub mod guard;
pub mod health;
pub mod held_body;
pub mod hold;
pub mod http1;
pub mod http2;
pub mod link_sharing;
pub mod listener;
pub mod liveness;
pub mod metrics;
pub mod own_request;
pub mod pages;
pub mod parked;
pub mod patience;
pub mod present;
pub mod proxy;
pub mod record;
pub mod reload;
pub mod reply;
pub mod slot;
pub mod socket_file;
pub mod sockjs;
pub mod tls;
pub mod tls_socket;
pub mod tunnel;
pub mod turns;
pub mod upstream;
pub mod way_back;
pub mod websocket;
pub mod worker_options;
pub mod zmq;

pub use admin::admin;
pub use control::control;
pub use front::proxy;
