//! Next links that several sessions ask with the same words at the same time: one request, one answer.
//!
//! Only sessions of one route share, with the same URL and ids, and whose clients sent the same
//! credentials. An answer with `Grip-Share: yes` says that neither query nor credentials matter at its
//! path: from then on those are left out of account there. Source: `docs/grip.md#shared-links`.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    future::Future,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    rc::Rc,
};

use actix_web::http::header;
use bytes::Bytes;
use futures_util::{
    future::{LocalBoxFuture, Shared, WeakShared},
    FutureExt,
};
use http::HeaderMap;
use url::Url;

use crate::{
    actors::ports::{BodyStream, Turn},
    grip::channel::{ChannelName, ItemId},
};

/// Most paths of which it is remembered that their answers are for everybody.
const OPEN_PATHS_MAX: usize = 1_000;

/// Requests past which those whose sessions have left are looked for.
const ASKING_SWEEP: usize = 1_024;

/// How far a request to a link goes: the same URL may lead one session where another may not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// To the session's own route.
    Route,
    /// To any address.
    Network,
    /// To public addresses.
    PublicNetwork,
}

/// What makes two requests to next links the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkKey {
    /// The route, by its address.
    pub route: usize,
    /// How far the request goes.
    pub reach: Reach,
    /// The link.
    pub url: Url,
    /// What the session has.
    pub last: Vec<(ChannelName, ItemId)>,
    /// Which credentials the client sent.
    pub credentials: (u64, u64),
}

/// An answer, gathered as far as that goes.
pub struct LinkResponse {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, or the first part of a large one.
    pub body: Bytes,
    rest: RefCell<Option<BodyStream>>,
    has_rest: bool,
}

impl LinkResponse {
    /// Makes the value of an answer.
    pub fn new(status: u16, headers: HeaderMap, body: Bytes, rest: Option<BodyStream>) -> Self {
        Self {
            status,
            headers,
            body,
            has_rest: rest.is_some(),
            rest: rest.into(),
        }
    }

    /// Tells whether it is for everybody who asks at its path.
    fn is_open(&self) -> bool {
        let share = self.headers.get("grip-share");
        share.is_some_and(|value| value.as_bytes().trim_ascii() == b"yes")
    }

    /// Tells whether the body is longer than what was gathered.
    pub fn has_rest(&self) -> bool {
        self.has_rest
    }

    /// Takes the rest of the body, if there is any; none at all if another session has taken it.
    pub fn take_rest(&self) -> Option<Option<BodyStream>> {
        let rest = self.rest.borrow_mut().take();
        (rest.is_some() == self.has_rest).then_some(rest)
    }
}

type Answer = Option<Rc<LinkResponse>>;
type Asking = LocalBoxFuture<'static, Answer>;

/// What is being asked by a worker's sessions.
#[derive(Default)]
pub struct LinkSharing {
    asking: RefCell<HashMap<LinkKey, WeakShared<Asking>>>,
    open_paths: RefCell<VecDeque<(usize, Url)>>,
    hashes: (RandomState, RandomState),
}

impl LinkSharing {
    /// Tells credentials apart without keeping them.
    pub fn credentials(&self, headers: &header::HeaderMap) -> (u64, u64) {
        let digest = |hash: &RandomState| {
            let mut hasher = hash.build_hasher();
            for name in [header::AUTHORIZATION, header::COOKIE] {
                for value in headers.get_all(&name) {
                    (name.as_str(), value.as_bytes()).hash(&mut hasher);
                }
            }
            hasher.finish()
        };
        (digest(&self.hashes.0), digest(&self.hashes.1))
    }

    /// Asks, or joins who asks the same already, and says which. Who joins needs no turn.
    pub async fn ask<F>(
        &self,
        key: LinkKey,
        mut turn: Option<Turn>,
        fetch: impl FnOnce(LinkKey, Option<Turn>) -> F,
    ) -> (Answer, bool)
    where
        F: Future<Output = Option<LinkResponse>> + 'static,
    {
        let mut shared_key = self.shared_key(&key);
        while let Some(asking) = self.joined(&shared_key) {
            turn = None;
            let answer = asking.await;
            let is_for_all = answer.as_ref().is_some_and(|answer| answer.is_open());
            if shared_key != key && answer.is_some() && !is_for_all {
                // Another client's answer, which is not for everybody after all.
                shared_key = key.clone();
                continue;
            }
            let is_taken = |answer: &Rc<LinkResponse>| answer.has_rest();
            if !answer.as_ref().is_some_and(is_taken) {
                return (answer, true);
            }
            break;
        }
        let open_path = (key.route, path_of(&key.url));
        let fetched = fetch(key, turn);
        let asking: Asking = async move { fetched.await.map(Rc::new) }.boxed_local();
        let asking = asking.shared();
        if let Some(weak) = asking.downgrade() {
            let mut all = self.asking.borrow_mut();
            if all.len() >= ASKING_SWEEP {
                all.retain(|_, asking| asking.upgrade().is_some());
            }
            all.insert(shared_key.clone(), weak);
        }
        let answer = asking.await;
        self.asking.borrow_mut().remove(&shared_key);
        let is_open = answer.as_ref().is_some_and(|answer| answer.is_open());
        self.note(open_path, is_open);
        (answer, false)
    }

    /// Forgets at which paths answers are for everybody.
    pub fn forget_open_paths(&self) {
        self.open_paths.borrow_mut().clear();
    }

    fn joined(&self, key: &LinkKey) -> Option<Shared<Asking>> {
        let asking = self.asking.borrow().get(key)?.upgrade()?;
        // One that is over must not be served as if it were new.
        asking.peek().is_none().then_some(asking)
    }

    fn shared_key(&self, key: &LinkKey) -> LinkKey {
        let path = path_of(&key.url);
        let open_paths = self.open_paths.borrow();
        if !open_paths.contains(&(key.route, path.clone())) {
            return key.clone();
        }
        LinkKey {
            url: path,
            credentials: (0, 0),
            ..key.clone()
        }
    }

    fn note(&self, path: (usize, Url), is_open: bool) {
        let mut open_paths = self.open_paths.borrow_mut();
        let known = open_paths.iter().position(|known| *known == path);
        match (known, is_open) {
            (None, true) => {
                open_paths.push_back(path);
                if open_paths.len() > OPEN_PATHS_MAX {
                    open_paths.pop_front();
                }
            }
            (Some(place), false) => drop(open_paths.remove(place)),
            _ => {}
        }
    }
}

fn path_of(url: &Url) -> Url {
    let mut path = url.clone();
    path.set_query(None);
    path
}
