//! What thousands of rollouts in flight cost in one process while nothing happens: memory and
//! processor time.
//!
//! ```text
//! cargo bench -p gradatim-driver --bench fleet            # 10,000 rollouts, one minute
//! cargo bench -p gradatim-driver --bench fleet -- 500 10  # 500 rollouts, ten seconds
//! cargo bench -p gradatim-driver --bench fleet -- 500 10 unwatched
//! ```
//!
//! Each stands in a pause in the middle of a ten-step canary with a router and four metrics. The
//! ports are in memory, and say of every change, as a watch on Kubernetes objects does; with
//! `unwatched` they say nothing, so that the driver looks at each rollout every ten seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::capability::Capabilities;
use gradatim_core::compile;
use gradatim_core::id::{RevisionId, RolloutId};
use gradatim_core::measurement::{Ask, Outcome, Reading, Sample, Series};
use gradatim_core::number::Number;
use gradatim_core::plan::Plan;
use gradatim_core::port::{MetricProvider, PortError, TrafficRouter, Workload};
use gradatim_core::registry::{ProviderTraits, Registry};
use gradatim_core::route::{BoundSlot, Confidence, Route, RouteSeen, Seen};
use gradatim_core::spec::{
    AnalysisTemplate, CanarySpec, MetricSpec, Provider, RolloutAnalysis, RolloutSpec, StepSpec,
    TrafficRouting,
};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, WorkloadSeen};
use gradatim_driver::clock::{Clock, SystemClock};
use gradatim_driver::metrics::Metrics;
use gradatim_driver::store::MemoryStore;
use gradatim_driver::{Driver, Ports, Release, Turn, Witness};
use serde_json::json;
use tokio::sync::Notify;

fn main() {
    let numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    let (rollouts, seconds) = match numbers.as_slice() {
        [rollouts, seconds, ..] => (*rollouts, *seconds as u64),
        _ => (10_000, 60),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let watched = !std::env::args().any(|argument| argument == "unwatched");
    match runtime {
        Ok(runtime) => runtime.block_on(measure(rollouts, seconds, watched)),
        Err(error) => eprintln!("no runtime: {error}"),
    }
}

async fn measure(rollouts: usize, seconds: u64, watched: bool) {
    let (before, counted) = (memory(), Arc::new(Counted::default()));
    let driver = Driver::builder()
        .witness(Arc::new(Metrics::new()))
        .witness(Arc::clone(&counted) as _)
        .build();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let began = processor();
    let mut releases: Vec<Release> = Vec::with_capacity(rollouts);
    for index in 0..rollouts {
        let ports = ports(Arc::clone(&clock), watched);
        match driver
            .start(format!("shop-{index}"), plan(index), ports)
            .await
        {
            Ok(release) => releases.push(release),
            Err(error) => return eprintln!("rollout {index}: {error}"),
        }
        // Ports that reach over a network let the loop run meanwhile.
        tokio::task::yield_now().await;
    }
    while !releases.iter().all(stands) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{rollouts} rollouts stand in their fifth step");
    println!("processor time until then: {:.1} s", processor() - began);
    let (used, rounds) = (processor(), counted.rounds());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (used, rounds) = (processor() - used, counted.rounds() - rounds);
    println!(
        "memory: {:.0} MB, {before:.0} MB before the first",
        memory()
    );
    let share = used / seconds as f64 * 100.0;
    println!("{seconds} quiet seconds: {used:.2} s of a core, {share:.2} %, {rounds} rounds");
    driver.shut_down().await;
}

/// Whether a rollout stands in its long pause at 25 %.
fn stands(release: &Release) -> bool {
    let summary = &release.status().decision.summary;
    summary.step == 5 && summary.weight_seen == Some(25)
}

/// Counts rounds.
#[derive(Default)]
struct Counted(AtomicU64);

impl Counted {
    fn rounds(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Witness for Counted {
    fn turned(&self, _: &RolloutId, _: &Turn) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Megabytes of resident memory.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// Seconds of processor time of this process.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

fn plan(index: usize) -> Plan {
    let pause = |weight| match weight {
        25 => StepSpec::pause(),
        _ => StepSpec::pause_for(Duration::from_millis(100)),
    };
    let steps = [5, 10, 25, 50, 75].map(|weight| [StepSpec::set_weight(weight), pause(weight)]);
    let canary = CanarySpec::new(steps.into_iter().flatten())
        .with_traffic_routing(TrafficRouting::new(
            "nginx",
            json!({ "stableIngress": "shop" }),
        ))
        .with_analysis(RolloutAnalysis::new(["slo"]));
    let metrics = ["success", "latency", "saturation", "traffic"].map(|name| {
        let query = format!("sum(rate({name}_total{{service=\"shop-{index}\"}}[5m]))");
        MetricSpec::new(name, Provider::new("prometheus", json!({ "query": query })))
            .with_interval("1h")
            .with_success("len(result) > 0 && result[0] >= 0.95")
    });
    let registry = Registry::new()
        .with_router("nginx", |_, _| Ok(Capabilities::all()))
        .with_provider("prometheus", |_| Ok(ProviderTraits::default()));
    let spec = RolloutSpec::new(format!("shop-{index}"), canary).with_replicas(10);
    match compile(&spec, &[AnalysisTemplate::new("slo", metrics)], &registry) {
        Ok(compiled) => compiled.plan,
        Err(errors) => unreachable!("the plan of this bench compiles: {errors}"),
    }
}

fn ports(clock: Arc<dyn Clock>, watched: bool) -> Ports {
    let router = Proxy {
        clock: Arc::clone(&clock),
        route: Mutex::default(),
        watched,
        bell: Notify::new(),
    };
    Ports::new(Arc::new(Servers { watched }), Arc::new(MemoryStore::new()))
        .router(Arc::new(router))
        .provider("prometheus", Arc::new(Good))
        .clock(clock)
}

/// Ten servers of each version, which nobody scales.
struct Servers {
    watched: bool,
}

#[async_trait]
impl Workload for Servers {
    fn is_watched(&self) -> bool {
        self.watched
    }
    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let version = |id, number| RevisionSeen::new(id, number, Timestamp::ZERO).serving(10);
        let mut seen = WorkloadSeen::new("v2", 10, vec![version("v1", 1), version("v2", 2)]);
        seen.recorded_stable = Some("v1".into());
        seen.scales = false;
        Ok(seen)
    }
    async fn scale(&self, _: &RevisionId, _: u32, _: Stamp) -> Result<(), PortError> {
        Ok(())
    }
    async fn restart(&self, _: Timestamp, _: u32, _: Stamp) -> Result<(), PortError> {
        Ok(())
    }
    async fn undo(&self, _: &RevisionId, _: Stamp) -> Result<(), PortError> {
        Ok(())
    }
}

/// Does at once what it is told.
struct Proxy {
    clock: Arc<dyn Clock>,
    route: Mutex<Option<(Route, Timestamp)>>,
    watched: bool,
    bell: Notify,
}

#[async_trait]
impl TrafficRouter for Proxy {
    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let mut known = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((route.clone(), self.clock.now()));
        self.bell.notify_one();
        Ok(())
    }

    fn is_watched(&self) -> bool {
        self.watched
    }

    async fn changed(&self) {
        self.bell.notified().await;
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let known = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((route, since)) = &*known else {
            return Ok(RouteSeen::default());
        };
        let bound = |id: &RevisionId| BoundSlot {
            revision: Some(id.clone()),
            ready_endpoints: Some(10),
        };
        let slots = route.bind.value.iter().map(|(slot, id)| (*slot, bound(id)));
        Ok(RouteSeen {
            bind: seen(slots.collect(), route.bind.stamp, *since),
            split: seen(route.split.value.clone(), route.split.stamp, *since),
            headers: seen(route.headers.value.clone(), route.headers.stamp, *since),
            mirrors: seen(route.mirrors.value.clone(), route.mirrors.stamp, *since),
        })
    }
}

fn seen<T: PartialEq>(value: T, stamp: Stamp, since: Timestamp) -> Option<Seen<T>> {
    Some(Seen::agreed(value, Some(stamp), Confidence::Proxy, since))
}

struct Good;

#[async_trait]
impl MetricProvider for Good {
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let sample = Sample {
            at: ask.at,
            value: Number::new(0.99),
        };
        let series = Series {
            labels: [("service".to_owned(), "shop".to_owned())].into(),
            samples: vec![sample],
        };
        Ok(Outcome::done(Reading::Series(vec![series])))
    }
}
