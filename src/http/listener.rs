//! P-8's own listeners: for clients, on the parking connection loop, and for publishers and operators.

use std::{
    cell::{Cell, RefCell},
    io,
    net::TcpListener,
    os::unix::net::UnixListener,
    rc::{Rc, Weak},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_http::Request;
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    fn_factory, fn_service, map_config, IntoServiceFactory, Service, ServiceFactory,
    ServiceFactoryExt,
};
use actix_web::{
    dev::{AppConfig, ServiceResponse},
    middleware::from_fn,
    App,
};

use super::{
    admin,
    arrival::{Conversation, Door},
    client_socket::ClientSocket,
    connection::{Worker, SCRATCH},
    control, front,
    guard::guard,
    http1::Http1,
    http2::Http2,
    liveness, metrics,
    reload::{self, Reload},
    tls::PortTls,
};
use crate::{actors::broker::Broker, engine::accept_rate::AcceptRate};

/// Settings of the client listener; the bounds of clients are among the broker's options.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Worker threads.
    pub workers: usize,
    /// Connections that there are descriptors for; past it none is accepted.
    pub room: usize,
    /// How long requests in flight may take once the server is told to stop.
    pub drain: Duration,
}

/// Where clients come in.
pub struct ClientListener {
    /// The bound socket.
    pub socket: ListeningSocket,
    /// Its clients speak TLS.
    pub tls: Option<Arc<PortTls>>,
}

/// A bound socket.
pub enum ListeningSocket {
    /// For TCP connections.
    Tcp(TcpListener),
    /// For connections by a path.
    Unix(UnixListener),
}

/// How long a new connection may wait for its turn.
pub const TURN_MAX: Duration = Duration::from_secs(5);

/// Connections to the control port at a time; more wait. Above the most publishes under way by default, so
/// that those past it are answered, and operators too.
const CONTROL_CONNECTIONS_MAX: usize = 4_096;

/// Makes the server for clients; it runs when polled.
pub fn clients(
    listeners: Vec<ClientListener>,
    broker: &Broker,
    options: ClientOptions,
) -> io::Result<Server> {
    let building = Server::build();
    let stopping = building.graceful_shutdown_signal();
    let mut server = building
        .workers(options.workers)
        .max_concurrent_connections(options.room.saturating_add(256))
        .shutdown_timeout(options.drain.as_secs())
        .disable_signals();
    let turns = AcceptRate::new(broker.options().clients.accept_rate, TURN_MAX);
    let turns = Arc::new(Mutex::new(turns));
    for listener in listeners {
        let door = Door {
            tls: listener.tls,
            turns: turns.clone(),
        };
        let room = Room {
            broker: broker.clone(),
            stopping: stopping.clone(),
            door,
        };
        server = match listener.socket {
            ListeningSocket::Tcp(socket) => server.listen("clients", socket, move || {
                let room = room.clone();
                fn_factory(move || connection_service(room.clone()))
            })?,
            ListeningSocket::Unix(socket) => server.listen_uds("clients", socket, move || {
                let room = room.clone();
                fn_factory(move || connection_service(room.clone()))
            })?,
        };
    }
    Ok(server.run())
}

/// What the connections of one listener need.
#[derive(Clone)]
struct Room {
    broker: Broker,
    stopping: GracefulShutdownSignal,
    door: Door,
}

/// Starts the service that turns a worker's accepted sockets into connections.
async fn connection_service<S: Into<ClientSocket>>(
    room: Room,
) -> Result<impl Service<S, Response = (), Error = (), Future = Conversation>, ()> {
    let made = MADE.with_borrow(Weak::upgrade);
    let worker = match made {
        Some(worker) => worker,
        None => worker(&room).await?,
    };
    Ok(fn_service(move |socket: S| {
        room.door.open(socket.into(), &worker)
    }))
}

thread_local! {
    /// What this worker's connections share, whatever listener they came by.
    static MADE: RefCell<Weak<Worker>> = const { RefCell::new(Weak::new()) };
}

async fn worker(room: &Room) -> Result<Rc<Worker>, ()> {
    let Room {
        broker, stopping, ..
    } = room.clone();
    let app = App::new().configure(front::proxy(&broker));
    let app = app
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    let app = map_config(app, |_| AppConfig::default());
    // One for all versions of HTTP: what handlers share is there once for each worker.
    let app = Rc::new(app.new_service(()).await?);
    let http2 = http2(&broker, &stopping, app.clone());
    let edge = broker.edge();
    let scratch = Rc::new(RefCell::new(vec![0; SCRATCH].into()));
    let http1 = Rc::new(Http1 {
        app,
        counters: edge.counters().clone(),
        stopping,
        scratch: scratch.clone(),
        buffer: Cell::default(),
        date: RefCell::default(),
    });
    let worker = Rc::new(Worker {
        broker,
        edge,
        http1: Box::new(move |slot| Box::pin(http1.clone().serve(slot))),
        http2,
        scratch,
        leaving: Cell::new(0),
    });
    // Another listener's may have been made meanwhile.
    Ok(MADE.with_borrow_mut(|made| {
        made.upgrade().unwrap_or_else(|| {
            *made = Rc::downgrade(&worker);
            worker
        })
    }))
}

fn http2<S>(broker: &Broker, stopping: &GracefulShutdownSignal, app: Rc<S>) -> Rc<Http2>
where
    S: Service<Request, Response = ServiceResponse> + 'static,
{
    Rc::new(Http2 {
        broker: broker.clone(),
        edge: broker.edge(),
        stopping: stopping.clone(),
        answer: Box::new(move |request| {
            let answering = app.call(request);
            Box::pin(async move { answering.await.ok() })
        }),
    })
}

/// Makes the server for publishers and operators; it runs when polled.
pub fn operators(
    listener: TcpListener,
    broker: &Broker,
    reload: Arc<dyn Reload>,
    prefix: Arc<str>,
) -> io::Result<actix_web::dev::Server> {
    let broker = broker.clone();
    let server = actix_web::HttpServer::new(move || {
        let guarded = broker.clone();
        App::new()
            .wrap(from_fn(move |request, next| {
                guard(guarded.clone(), request, next)
            }))
            .configure(reload::reload(reload.clone()))
            .configure(admin::admin(&broker))
            .configure(metrics::metrics(&broker, &prefix))
            .configure(liveness::liveness(&broker))
            .configure(control::limited(&broker))
    });
    Ok(server
        .workers(1)
        .max_connections(CONTROL_CONNECTIONS_MAX)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run())
}
