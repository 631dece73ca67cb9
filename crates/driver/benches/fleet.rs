//! What thousands of rollouts in flight cost in one process while nothing happens: memory and
//! processor time.
//!
//! ```text
//! cargo bench -p gradatim-driver --bench fleet            # 10,000 rollouts, one minute
//! cargo bench -p gradatim-driver --bench fleet -- 500 10  # 500 rollouts, ten seconds
//! ```
//!
//! Each stands in a pause in the middle of a ten-step canary with a router and four metrics. The
//! ports are in memory and say nothing by themselves, so that the driver looks at each rollout
//! every ten seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::capability::Capabilities;
use gradatim_core::compile;
use gradatim_core::id::RevisionId;
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
use gradatim_driver::{Driver, Ports, Release};
use serde_json::json;

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
    match runtime {
        Ok(runtime) => runtime.block_on(measure(rollouts, seconds)),
        Err(error) => eprintln!("no runtime: {error}"),
    }
}

async fn measure(rollouts: usize, seconds: u64) {
    let (before, metrics) = (memory(), Arc::new(Metrics::new()));
    let driver = Driver::builder().witness(Arc::clone(&metrics) as _).build();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let began = processor();
    let mut releases: Vec<Release> = Vec::with_capacity(rollouts);
    for index in 0..rollouts {
        let ports = ports(Arc::clone(&clock));
        match driver
            .start(format!("shop-{index}"), plan(index), ports)
            .await
        {
            Ok(release) => releases.push(release),
            Err(error) => return eprintln!("rollout {index}: {error}"),
        }
    }
    while !releases.iter().all(stands) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{rollouts} rollouts stand in their fifth step");
    println!("processor time until then: {:.1} s", processor() - began);
    let (used, rounds) = (processor(), rounds(&metrics));
    let rss = memory();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (used, rounds) = (processor() - used, self::rounds(&metrics) - rounds);
    println!(
        "memory: {:.0} MB, {:.0} MB before the first",
        memory().max(rss),
        before
    );
    let share = used / seconds as f64 * 100.0;
    println!("{seconds} quiet seconds: {used:.2} s of a core, {share:.2} %, {rounds} rounds");
    println!(
        "of these {:.1} µs a round",
        used * 1e6 / f64::max(rounds, 1.0)
    );
    driver.shut_down().await;
}

/// Whether a rollout stands in its long pause at 25 %.
fn stands(release: &Release) -> bool {
    let summary = &release.status().decision.summary;
    summary.step == 5 && summary.weight_seen == Some(25)
}

fn rounds(metrics: &Metrics) -> f64 {
    let page = metrics.render();
    let counts = page
        .lines()
        .filter(|line| line.starts_with("rollout_reconcile_count"));
    counts
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
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

fn ports(clock: Arc<dyn Clock>) -> Ports {
    let router = Proxy {
        clock: Arc::clone(&clock),
        route: Mutex::default(),
    };
    Ports::new(Arc::new(Servers), Arc::new(MemoryStore::new()))
        .router(Arc::new(router))
        .provider("prometheus", Arc::new(Good))
        .clock(clock)
}

/// Ten servers of each version, which nobody scales.
struct Servers;

#[async_trait]
impl Workload for Servers {
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
}

#[async_trait]
impl TrafficRouter for Proxy {
    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let mut known = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((route.clone(), self.clock.now()));
        Ok(())
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
