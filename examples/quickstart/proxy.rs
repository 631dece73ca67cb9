//! A `TrafficRouter`: an HTTP proxy in front of the pods, which shares requests out by weight.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gradatim::capability::Capabilities;
use gradatim::driver::clock::Clock;
use gradatim::fault::FaultKind;
use gradatim::id::RevisionId;
use gradatim::port::{PortError, TrafficRouter};
use gradatim::registry::{PartError, RouterFrame};
use gradatim::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Slot, Split, Stamped};
use gradatim::time::Timestamp;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::http::{self, Client};
use crate::pace::Pace;
use crate::pods::Pods;
use crate::tally::Tally;

/// The largest body of a request that is passed on, in bytes.
const MOST: usize = 1 << 20;
/// How many pods are tried for one request, when one after the other cannot be reached.
const TRIES: usize = 3;

/// What the proxy can do: bind slots and split by whole percents; it is the data plane itself,
/// so what it says is so, at once.
fn capabilities() -> Capabilities {
    Capabilities {
        confidence: Confidence::Proxy,
        ..Capabilities::default()
    }
}

/// The proxy's own part of a manifest, `trafficRouting.plugins.demo/proxy`: nothing.
pub(crate) fn parse(part: &Value, _: &RouterFrame) -> Result<Capabilities, Vec<PartError>> {
    match part {
        Value::Null => Ok(capabilities()),
        Value::Object(fields) if fields.is_empty() => Ok(capabilities()),
        _ => Err(vec![PartError::new("", "this proxy has no settings")]),
    }
}

/// The proxy. Dropping it ends every connection.
pub(crate) struct Proxy {
    address: SocketAddr,
    pipe: Arc<Pipe>,
    task: JoinHandle<()>,
}

/// What answers a request.
struct Pipe {
    clock: Arc<Pace>,
    pods: Pods,
    tally: Arc<Tally>,
    client: Client,
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Default)]
struct Table {
    route: Option<Written>,
    /// What the canary is owed, in parts of the total: one request when it is a whole one.
    owed: u32,
    /// Counts requests, so that pods take turns.
    turn: usize,
}

struct Written {
    route: Route,
    bound_since: Timestamp,
    split_since: Timestamp,
}

impl Proxy {
    /// A proxy that listens on a free port and answers 503 until it is given a route.
    pub(crate) async fn start(clock: Arc<Pace>, pods: Pods, tally: Arc<Tally>) -> io::Result<Self> {
        let listener = TcpListener::bind(http::LOOPBACK).await?;
        let address = listener.local_addr()?;
        let pipe = Arc::new(Pipe {
            clock,
            pods,
            tally,
            client: http::client(),
            table: Mutex::default(),
            changed: Notify::new(),
        });
        let answering = Arc::clone(&pipe);
        let answer = move |request| Arc::clone(&answering).answer(request);
        let task = tokio::spawn(http::serve(listener, answer));
        Ok(Self {
            address,
            pipe,
            task,
        })
    }

    /// Where users reach the shop.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The share of a version in percent, and since when it is that.
    pub(crate) fn share(&self, id: &RevisionId) -> (u32, Timestamp) {
        let table = self.pipe.table();
        let share = |it: &Written| (it.route.share(id), it.split_since);
        table.route.as_ref().map_or_else(Default::default, share)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Table {
    /// Whose turn it is: of a hundred requests the canary gets exactly its percentage.
    fn pick(&mut self) -> Option<RevisionId> {
        let Route { bind, split, .. } = &self.route.as_ref()?.route;
        self.owed += split.value.part(Slot::Canary);
        let slot = if self.owed >= split.value.total() {
            self.owed -= split.value.total();
            Slot::Canary
        } else {
            Slot::Stable
        };
        self.turn = self.turn.wrapping_add(1);
        bind.value.get(&slot).cloned()
    }
}

impl Pipe {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let began = Instant::now();
        let (picked, turn) = {
            let mut table = self.table();
            (table.pick(), table.turn)
        };
        let Some(version) = picked else {
            return alone(StatusCode::SERVICE_UNAVAILABLE);
        };
        let response = self.forward(&version, turn, request).await;
        let failed = response.status().is_server_error();
        let now = self.clock.now();
        self.tally.count(&version, now, began.elapsed(), failed);
        response
    }

    /// Asks one pod of a version; another one when it cannot be reached, as proxies do.
    async fn forward(
        &self,
        version: &RevisionId,
        turn: usize,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let (mut head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MOST).collect().await else {
            return alone(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let body = body.to_bytes();
        head.headers.remove(HOST);
        let path = head
            .uri
            .path_and_query()
            .map_or("/", |it| it.as_str())
            .to_owned();
        for attempt in 0..TRIES {
            let pods = self.pods.endpoints(version);
            let place = turn.wrapping_add(attempt).checked_rem(pods.len());
            let Some(pod) = place.and_then(|place| pods.get(place)) else {
                break;
            };
            let Ok(uri) = format!("http://{pod}{path}").parse::<Uri>() else {
                return alone(StatusCode::BAD_REQUEST);
            };
            let mut asked = Request::from_parts(head.clone(), Full::new(body.clone()));
            *asked.uri_mut() = uri;
            match http::send(&self.client, asked).await {
                Ok(answer) => return answer.map(Full::new),
                // What may have been done must not be done twice.
                Err(error) if !error.is_connect() && !head.method.is_safe() => break,
                Err(_) => {}
            }
        }
        alone(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// An answer of the proxy's own.
fn alone(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[async_trait]
impl TrafficRouter for Proxy {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let split = &route.split.value;
        if let Some((slot, _)) = split.parts().find(|(slot, _)| !is_known(*slot)) {
            let text = format!("this proxy has no slot {slot}");
            return Err(PortError::new(FaultKind::Invalid, text));
        }
        let now = self.pipe.clock.now();
        let mut table = self.pipe.table();
        let there = table.route.as_ref();
        if let Some(newer) = there.filter(|it| route.newest() < it.route.newest()) {
            let text = format!("a newer route is there: {}", newer.route.newest());
            return Err(PortError::new(FaultKind::Fenced, text));
        }
        let written = Written {
            bound_since: since(
                there.map(|it| (&it.route.bind, it.bound_since)),
                &route.bind,
                now,
            ),
            split_since: since(
                there.map(|it| (&it.route.split, it.split_since)),
                &route.split,
                now,
            ),
            route: route.clone(),
        };
        table.route = Some(written);
        self.pipe.changed.notify_one();
        Ok(())
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let table = self.pipe.table();
        let Some(written) = &table.route else {
            return Ok(RouteSeen::default());
        };
        let Route { bind, split, .. } = &written.route;
        let bound = |(slot, id): (&Slot, &RevisionId)| {
            let ready = u32::try_from(self.pipe.pods.endpoints(id).len()).ok();
            let bound = BoundSlot {
                revision: Some(id.clone()),
                ready_endpoints: ready,
            };
            (*slot, bound)
        };
        let bindings: BTreeMap<Slot, BoundSlot> = bind.value.iter().map(bound).collect();
        let sure = Confidence::Proxy;
        let (bind, split) = (
            Seen::agreed(bindings, Some(bind.stamp), sure, written.bound_since),
            Seen::<Split>::agreed(
                split.value.clone(),
                Some(split.stamp),
                sure,
                written.split_since,
            ),
        );
        Ok(RouteSeen {
            bind: Some(bind),
            split: Some(split),
            ..RouteSeen::default()
        })
    }

    async fn changed(&self) {
        self.pipe.changed.notified().await;
    }
}

fn is_known(slot: Slot) -> bool {
    matches!(slot, Slot::Stable | Slot::Canary)
}

/// Since when a part is what it is about to be: what stays as it is keeps its age.
fn since<T: PartialEq>(
    there: Option<(&Stamped<T>, Timestamp)>,
    wanted: &Stamped<T>,
    now: Timestamp,
) -> Timestamp {
    match there {
        Some((same, since)) if same == wanted => since,
        _ => now,
    }
}
