//! P-8's own listeners: for clients, on the parking connection loop, and for publishers and operators.

use std::{
    cell::RefCell, future::Future, io, net::TcpListener, pin::Pin, rc::Rc, sync::atomic::Ordering,
    time::Duration,
};

use actix_http::{Extensions, HttpService, Protocol};
use actix_rt::net::TcpStream;
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    fn_factory, fn_service, map_config, IntoServiceFactory, Service, ServiceFactory,
    ServiceFactoryExt,
};
use actix_web::{dev::AppConfig, App};

use super::{
    admin,
    connection::{Connection, Serve, Worker, SCRATCH},
    control,
    detach::Detachable,
    front,
    gate::GateLimits,
    slot::Slot,
};
use crate::{actors::broker::Broker, stats::counters::Refused};

/// Settings of the client listener.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// Worker threads.
    pub workers: usize,
    /// Bounds of request heads.
    pub limits: GateLimits,
    /// Client connections at a time, over all workers; more are answered 503.
    pub connections_max: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long requests in flight may take once the server is told to stop.
    pub drain: Duration,
}

/// How long a client may take to read the answer to a request whose body was not read.
const LINGER: Duration = Duration::from_secs(2);

/// Connections to the control port at a time; more wait.
const CONTROL_CONNECTIONS_MAX: usize = 1_024;

/// What a client over `connections_max` is told.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
    P8-Reason: too-many-connections\r\nRetry-After: 1\r\nContent-Length: 22\r\n\
    Connection: close\r\n\r\nToo many connections.\n";

type Accepted = (Detachable, Protocol, Option<std::net::SocketAddr>);

/// Makes the server for clients; it runs when polled.
pub fn clients(
    listeners: Vec<TcpListener>,
    broker: &Broker,
    options: ClientOptions,
) -> io::Result<Server> {
    let building = Server::build();
    let stopping = building.graceful_shutdown_signal();
    let mut server = building
        .workers(options.workers)
        .max_concurrent_connections(options.connections_max + 256)
        .shutdown_timeout(options.drain.as_secs())
        .disable_signals();
    for listener in listeners {
        let (broker, stopping) = (broker.clone(), stopping.clone());
        server = server.listen("clients", listener, move || {
            let (broker, stopping) = (broker.clone(), stopping.clone());
            fn_factory(move || connection_service(broker.clone(), options, stopping.clone()))
        })?;
    }
    Ok(server.run())
}

/// Starts the service that turns a worker's accepted sockets into connections.
async fn connection_service(
    broker: Broker,
    options: ClientOptions,
    stopping: GracefulShutdownSignal,
) -> Result<impl Service<TcpStream, Response = (), Error = (), Future = Conversation>, ()> {
    let app = App::new().configure(front::proxy(&broker));
    let app = app
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    let http = HttpService::<Detachable, _, _>::build()
        .keep_alive(options.keep_alive)
        // The gate knows better than the dispatcher how long a client has been silent.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .on_connect_ext(|io: &Detachable, extensions: &mut Extensions| {
            extensions.insert(io.0.clone());
        })
        .finish(map_config(app, |_| AppConfig::default()));
    let http = ServiceFactory::<Accepted>::new_service(&http, ())
        .await
        .map_err(|_| ())?;
    let http = Rc::new(http);
    let serve: Serve = Rc::new(move |slot: Rc<Slot>| {
        let peer = slot.peer();
        let serving = http.call((Detachable(slot), Protocol::Http1, peer));
        Box::pin(async move { drop(serving.await) })
    });
    let edge = broker.edge();
    let worker = Rc::new(Worker {
        broker,
        edge,
        limits: options.limits,
        serve,
        scratch: RefCell::new(vec![0; SCRATCH].into()),
    });
    Ok(fn_service(move |socket: TcpStream| {
        converse(socket, &worker, options.connections_max)
    }))
}

/// One client connection as actix-server runs it.
type Conversation = Pin<Box<dyn Future<Output = Result<(), ()>>>>;

fn converse(socket: TcpStream, worker: &Rc<Worker>, connections_max: usize) -> Conversation {
    let before = worker.broker.connections().fetch_add(1, Ordering::Relaxed);
    if before >= connections_max {
        worker.broker.connections().fetch_sub(1, Ordering::Relaxed);
        worker.edge.counters().refuse(Refused::Connections, 1);
        log::warn!(limit = connections_max; "too many client connections: refused");
        let _ = socket2::SockRef::from(&socket).send(TOO_MANY);
        return Box::pin(std::future::ready(Ok(())));
    }
    Connection::new(socket.into(), worker.clone())
}

/// Makes the server for publishers and operators; it runs when polled.
pub fn operators(
    listener: TcpListener,
    broker: &Broker,
    head_max: usize,
) -> io::Result<actix_web::dev::Server> {
    let broker = broker.clone();
    let server = actix_web::HttpServer::new(move || {
        App::new()
            .configure(admin::admin(&broker))
            .configure(control::limited(&broker, head_max))
    });
    Ok(server
        .workers(1)
        .max_connections(CONTROL_CONNECTIONS_MAX)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run())
}
