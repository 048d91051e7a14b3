//! Sockets are bound and unbound as routes change.

use std::os::unix::net::{UnixListener, UnixStream};

use p8::engine::route::{Route, RouteTable, Target, Zhttpreq};
use p8::engine::zmq::endpoint::Endpoint;
use p8::http::zmq::Sockets;
use p8::{Broker, BrokerOptions};

use crate::support::programs::TempDir;
use crate::support::wait::DEADLINE;
use crate::support::wait_until;
use crate::support::zmtp::{ipc, path};

fn table(specs: &[&str]) -> RouteTable {
    let mut route = Route::new("*");
    let target = |spec: &&str| {
        let endpoint = Endpoint::parse(spec).expect("an endpoint");
        Target::new(Zhttpreq::new(endpoint).into())
    };
    route.targets = specs.iter().map(target).collect();
    RouteTable::new(vec![route]).expect("a table")
}

#[test]
fn they_come_and_go_with_the_routes_and_a_failure_changes_nothing() {
    let folder = TempDir::new("zhttpreq");
    let (one, two, taken) = (ipc(folder.path()), ipc(folder.path()), ipc(folder.path()));
    let is_bound = |spec: &str| UnixStream::connect(path(spec)).is_ok();
    let other = UnixListener::bind(path(&taken)).expect("a socket");
    actix::System::new().block_on(async {
        let broker = Broker::start(BrokerOptions::default())
            .await
            .expect("it starts");
        let sockets = Sockets::new(&broker);
        sockets.bind(&table(&[&one, &one])).expect("bound");
        assert!(is_bound(&one) && !is_bound(&two));
        sockets.bind(&table(&[&one, &two])).expect("bound");
        assert!(is_bound(&one) && is_bound(&two));
        let error = sockets.bind(&table(&[&two, &taken])).expect_err("taken");
        assert!(error
            .to_string()
            .starts_with(&format!("cannot bind {taken} for zhttpreq")));
        assert!(is_bound(&one) && is_bound(&two), "nothing has changed");
        drop(other);
        let last = table(&[&two, &taken]);
        sockets.bind(&last).expect("the stale file is replaced");
        sockets.keep_only(&last);
        assert!(is_bound(&two) && is_bound(&taken));
        wait_until(DEADLINE, "the first to go", || !is_bound(&one));
        sockets.stop();
        assert!(!path(&two).exists() && !path(&taken).exists());
        broker.stop();
    });
}
