//! How long a simulated release of half an hour takes, with an analysis every 30 seconds and every
//! invariant checked after each round: to be below a millisecond on one core.
//!
//! ```text
//! cargo bench -p gradatim-sim
//! ```

// What criterion's macros write has no documentation.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gradatim_core::compile;
use gradatim_core::plan::Plan;
use gradatim_core::spec::{
    AnalysisTemplate, CanarySpec, MetricSpec, Provider, RolloutAnalysis, RolloutSpec, StepSpec,
    TrafficRouting,
};
use gradatim_sim::{Simulation, Traffic, Version, registry};
use serde_json::json;

/// Five weights in half an hour, a success rate beside them.
fn plan() -> Plan {
    let weights = [10, 25, 50, 75, 100];
    let steps = weights.into_iter().flat_map(|weight| {
        let pause = StepSpec::pause_for(Duration::from_secs(345));
        [StepSpec::set_weight(weight), pause]
    });
    let mut success = MetricSpec::new("success-rate", Provider::new("prometheus", json!({})));
    success.interval = Some("30s".to_owned());
    success.initial_delay = Some("60s".to_owned());
    success.success_condition = Some("result[0] >= 0.95".to_owned());
    let canary = CanarySpec::new(steps)
        .with_traffic_routing(TrafficRouting::new("toy", json!({})))
        .with_analysis(RolloutAnalysis::new(["success"]));
    let template = AnalysisTemplate::new("success", [success]);
    let spec = RolloutSpec::new("shop", canary);
    compile(&spec, &[template], &registry()).unwrap().plan
}

fn half_hour(c: &mut Criterion) {
    let plan = plan();
    let release = || Simulation::new(plan.clone()).wants("v2");
    let report = release().run();
    assert!(report.outcome.is_promoted() && report.holds());
    let minutes = report.took.as_secs() / 60;
    assert!((29..=31).contains(&minutes), "{minutes}");

    c.bench_function("half an hour, promoted", |b| {
        b.iter(|| black_box(release().run()));
    });
    let scattered = || release().traffic(Traffic::per_second(20.0).scattered());
    c.bench_function("half an hour, traffic drawn", |b| {
        b.iter(|| black_box(scattered().run()));
    });
    let bad = || release().version("v2", Version::failing(0.2));
    c.bench_function("taken back at the first failure", |b| {
        b.iter(|| black_box(bad().run()));
    });
}

criterion_group!(benches, half_hour);
criterion_main!(benches);
