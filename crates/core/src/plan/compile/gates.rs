use std::collections::BTreeSet;
use std::time::Duration;

use super::findings::{Findings, Site};
use super::{Input, args::Args, metric};
use crate::analysis::{MetricPlan, RunPlan};
use crate::measurement::GatePoint;
use crate::plan::Gate;
use crate::spec::GateSpec;

/// How often a gate is asked where its spec does not say.
const INTERVAL: Duration = Duration::from_secs(10);

/// The gates of the whole rollout, point by point.
pub(super) fn gates(input: Input<'_>, site: &Site, found: &mut Findings) -> Vec<Gate> {
    let mut gates = Vec::new();
    for (point, specs) in &input.spec.gates {
        let site = site.key(field(*point));
        let mut names = BTreeSet::new();
        for (at, spec) in specs.iter().enumerate() {
            let site = site.index(at);
            if !names.insert(&spec.name) {
                let finding = site
                    .key("name")
                    .says("another gate of this point has this name");
                found.error(finding.value(&spec.name));
            }
            let metric = gate(input, spec, &site, found);
            gates.push(Gate {
                progress_deadline: deadline(spec.progress_deadline, &site, found),
                ..Gate::new(*point, metric)
            });
        }
    }
    gates
}

/// How long a wait may last before it is Degraded, where the user says so.
pub(super) fn deadline(
    given: Option<Duration>,
    site: &Site,
    found: &mut Findings,
) -> Option<Duration> {
    if given == Some(Duration::ZERO) {
        let finding = site
            .key("progressDeadline")
            .says("progressDeadline is longer than 0");
        found.error(finding.help("leave it out, and the rollout's applies"));
    }
    given
}

/// A gate inside a step: a run that is over when it was open once.
pub(super) fn step(
    input: Input<'_>,
    spec: &GateSpec,
    site: &Site,
    found: &mut Findings,
) -> RunPlan {
    let metric = MetricPlan {
        count: Some(1),
        ..gate(input, spec, site, found)
    };
    RunPlan {
        metrics: vec![metric.sealed()],
        ..RunPlan::default()
    }
}

/// A gate has no verdict: closed and unknown wait, for as long as it takes.
fn gate(input: Input<'_>, spec: &GateSpec, site: &Site, found: &mut Findings) -> MetricPlan {
    let args = Args::default();
    let provider = site.key("provider").key(&spec.provider.name);
    let traits = metric::provider(
        input,
        &spec.provider.name,
        &spec.provider.part,
        &provider,
        found,
    );
    let interval = metric::duration(
        spec.interval.as_deref(),
        &site.key("interval"),
        &args,
        found,
    );
    let interval = interval.unwrap_or(INTERVAL);
    MetricPlan {
        interval: Some(interval),
        count: None,
        failure_limit: None,
        inconclusive_limit: None,
        consecutive_error_limit: None,
        window: traits.window.unwrap_or(interval),
        ..MetricPlan::new(
            &*spec.name,
            &*spec.provider.name,
            spec.provider.part.clone(),
        )
    }
    .sealed()
}

fn field(point: GatePoint) -> &'static str {
    match point {
        GatePoint::BeforeStart => "beforeStart",
        GatePoint::BeforeRaise => "beforeRaise",
        GatePoint::BeforePromotion => "beforePromotion",
        GatePoint::AfterPromotion => "afterPromotion",
        GatePoint::Rollback => "rollback",
    }
}
