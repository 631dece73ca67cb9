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
        if let Some(text) = refusal(&route.split.value) {
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

/// Why this proxy cannot do a split; nothing is rounded in silence.
fn refusal(split: &Split) -> Option<String> {
    let is_whole = |part: u32| (u64::from(part) * 100).is_multiple_of(split.total().into());
    split.parts().find_map(|(slot, part)| match slot {
        Slot::Stable | Slot::Canary if is_whole(part) => None,
        Slot::Stable | Slot::Canary => Some(format!("{split} is not of whole percents")),
        slot => Some(format!("this proxy has no slot {slot}")),
    })
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gradatim_conformance::router::{self, Bench};
    use gradatim_examples::demo_service::Behaviour;

    use super::*;

    struct ProxyBench;

    /// The proxy is its own world: there is no object beside it.
    impl Bench for ProxyBench {
        type World = Arc<Proxy>;

        async fn world(&self) -> Arc<Proxy> {
            let clock = Arc::new(Pace::new(100.0));
            let pods = Pods::new(Arc::clone(&clock), 4, Behaviour::good("v1"));
            pods.want(Behaviour::good("v2"));
            Arc::new(Proxy::start(clock, pods, Arc::default()).await.unwrap())
        }

        async fn router(&self, world: &Arc<Proxy>) -> Arc<dyn TrafficRouter> {
            Arc::clone(world) as _
        }

        async fn pass(&self, world: &Arc<Proxy>, time: Duration) -> bool {
            let clock = &world.pipe.clock;
            clock.sleep_until(clock.now() + time).await;
            true
        }
    }

    #[tokio::test]
    async fn the_proxy_keeps_the_rules_of_a_router() {
        let report = router::all(&ProxyBench).await;
        eprintln!("{report}");
        report.assert_clean();
    }

    #[tokio::test]
    async fn of_a_hundred_requests_the_canary_gets_exactly_its_percentage() {
        let proxy = ProxyBench.world().await;
        for percent in [0, 1, 10, 33, 99, 100] {
            let names = [(Slot::Stable, "v1"), (Slot::Canary, "v2")];
            let bind = names.map(|(slot, name)| (slot, RevisionId::new(name)));
            let stamp = Default::default();
            let route = Route {
                bind: Stamped::new(bind.into(), stamp),
                split: Stamped::new(Split::canary(percent, 100), stamp),
                headers: Stamped::new(Vec::new(), stamp),
                mirrors: Stamped::new(Vec::new(), stamp),
            };
            proxy.apply(&route).await.unwrap();
            let picked = (0..100).filter_map(|_| proxy.pipe.table().pick());
            let canary = picked.filter(|id| id.as_str() == "v2").count();
            assert_eq!(canary, percent as usize);
        }
    }

    #[tokio::test]
    async fn without_a_route_or_a_pod_the_proxy_answers_503() {
        let proxy = ProxyBench.world().await;
        let status = http::get(&http::client(), proxy.address(), "/").await;
        assert_eq!(status, Some(StatusCode::SERVICE_UNAVAILABLE));
    }
}
