//! A ten-step canary with four metrics, in a world that does at once what it is told.

use std::time::Duration;

use gradatim_core::action::Action;
use gradatim_core::capability::Capabilities;
use gradatim_core::compile;
use gradatim_core::decide;
use gradatim_core::decision::{Decision, Saved};
use gradatim_core::measurement::{Ask, Measurement, Outcome, Reading, Sample, Series};
use gradatim_core::number::Number;
use gradatim_core::observation::{Observation, Read};
use gradatim_core::plan::Plan;
use gradatim_core::registry::{ProviderTraits, Registry};
use gradatim_core::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Stamped};
use gradatim_core::spec::{
    AnalysisTemplate, ArgSpec, CanarySpec, MetricSpec, Provider, RolloutAnalysis, RolloutSpec,
    StepSpec, TrafficRouting,
};
use gradatim_core::state::{Course, State};
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, WorkloadSeen};
use serde_json::json;

/// One round's arguments.
#[derive(Clone)]
pub(crate) struct Canary {
    pub(crate) plan: Plan,
    pub(crate) saved: Saved,
    pub(crate) seen: Observation,
    pub(crate) now: Timestamp,
}

pub(crate) fn registry() -> Registry {
    let traits = ProviderTraits {
        has_history: true,
        window: None,
    };
    Registry::new()
        .with_router("nginx", |_, _| Ok(Capabilities::all()))
        .with_provider("prometheus", move |_| Ok(traits))
}

pub(crate) fn spec() -> RolloutSpec {
    let steps = [5, 10, 25, 50, 75].map(|weight| {
        let pause = StepSpec::pause_for(Duration::from_secs(300));
        [StepSpec::set_weight(weight), pause]
    });
    let analysis = RolloutAnalysis::new(["slo"]).with_arg(ArgSpec::text("service", "shop-canary"));
    let canary = CanarySpec::new(steps.into_iter().flatten())
        .with_traffic_routing(TrafficRouting::new(
            "nginx",
            json!({ "stableIngress": "shop" }),
        ))
        .with_analysis(analysis);
    RolloutSpec::new("shop", canary).with_replicas(10)
}

pub(crate) fn templates() -> Vec<AnalysisTemplate> {
    let metric = |name: &str, success: &str| {
        let query =
            "sum(rate(http_requests_total{service=\"{{args.service}}\",status!~\"5..\"}[1m]))";
        let part = json!({ "address": "http://prometheus:9090", "query": query });
        MetricSpec::new(name, Provider::new("prometheus", part))
            .with_interval("30s")
            .with_failure_limit(2)
            .with_success(success)
    };
    let metrics = [
        metric("success-rate", "result[0] >= 0.95"),
        metric("latency-p99", "result[0] < 0.5"),
        metric("saturation", "isNaN(result[0]) || result[0] < 0.8"),
        metric("traffic", "len(result) > 0 && result[0] > 0"),
    ];
    vec![AnalysisTemplate::new("slo", metrics).with_arg(ArgSpec::required("service"))]
}

impl Canary {
    /// Half way through the pause after the third weight, with some measurements behind it.
    pub(crate) fn in_its_fifth_step() -> Self {
        let compiled = compile(&spec(), &templates(), &registry()).unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let v1 = RevisionSeen::new("v1", 1, now).serving(10);
        let v2 = RevisionSeen::new("v2", 2, now);
        let mut workload = WorkloadSeen::new("v2", 10, vec![v1, v2]);
        workload.recorded_stable = Some("v1".into());
        let mut canary = Self {
            plan: compiled.plan,
            saved: Saved::Nothing { incarnation: 1 },
            seen: Observation::new(1, workload, vec![RouteSeen::default()]),
            now,
        };
        while !canary.is_in_step(5) {
            canary.turn();
        }
        for _ in 0..5 {
            canary.turn();
        }
        // Everything that is due has been answered, and nothing is due for a while.
        let mut quiet = canary.decide();
        while quiet.state.is_some() || !quiet.wanted.is_empty() {
            canary.follow(quiet);
            quiet = canary.decide();
        }
        assert!(
            quiet.actions.is_empty() && quiet.wake > Some(canary.now),
            "{quiet:?}"
        );
        canary.seen.measurements.clear();
        canary
    }

    /// The same 30 s later, when what is due has been answered.
    pub(crate) fn with_measurements(&self) -> Self {
        let mut busy = self.clone();
        busy.now = busy.now + Duration::from_secs(30);
        let wanted = busy.decide().wanted;
        busy.seen.measurements = wanted.iter().map(|ask| answer(ask, busy.now)).collect();
        busy
    }

    pub(crate) fn decide(&self) -> Decision {
        decide(&self.plan, &self.saved, &self.seen, self.now)
    }

    pub(crate) fn state(&self) -> State {
        match &self.saved {
            Saved::State(state) => State::clone(state),
            other => unreachable!("a round saves a state, not {other:?}"),
        }
    }

    fn is_in_step(&self, index: u32) -> bool {
        let Saved::State(state) = &self.saved else {
            return false;
        };
        matches!(state.course, Course::Forward { step, .. } if step == index)
    }

    /// One round, and on to the next that is due, 30 s later at most.
    fn turn(&mut self) {
        let decision = self.decide();
        let wake = decision.wake.unwrap_or(self.now);
        self.follow(decision);
        let latest = self.now + Duration::from_secs(30);
        self.now = wake.clamp(self.now, latest) + Duration::from_secs(1);
    }

    /// What was decided shows at once.
    fn follow(&mut self, decision: Decision) {
        if let Some(state) = decision.state {
            self.saved = Saved::State(state);
        }
        for action in &decision.actions {
            self.perform(action);
        }
        let answers = decision.wanted.iter().map(|ask| answer(ask, self.now));
        self.seen.measurements = answers.collect();
        self.seen.delivered = decision.events.iter().map(|event| event.id).collect();
    }

    fn perform(&mut self, action: &Action) {
        match action {
            Action::Route { route, .. } => {
                self.seen.routes = vec![Read::Seen(shown(route, self.now))];
            }
            Action::Scale {
                revision,
                replicas,
                stamp,
            } => {
                let Read::Seen(workload) = &mut self.seen.workload else {
                    return;
                };
                for seen in workload
                    .revisions
                    .iter_mut()
                    .filter(|seen| seen.id == *revision)
                {
                    *seen = seen.clone().serving(*replicas);
                    seen.stamp = Some(*stamp);
                }
            }
            _ => {}
        }
    }
}

fn shown(route: &Route, now: Timestamp) -> RouteSeen {
    fn part<T: PartialEq + Clone>(part: &Stamped<T>, now: Timestamp) -> Option<Seen<T>> {
        let stamp = Some(part.stamp);
        Some(Seen::agreed(
            part.value.clone(),
            stamp,
            Confidence::Proxy,
            now,
        ))
    }
    let slots = route.bind.value.iter().map(|(slot, revision)| {
        let bound = BoundSlot {
            revision: Some(revision.clone()),
            ready_endpoints: Some(10),
        };
        (*slot, bound)
    });
    RouteSeen {
        bind: part(&Stamped::new(slots.collect(), route.bind.stamp), now),
        split: part(&route.split, now),
        headers: part(&route.headers, now),
        mirrors: part(&route.mirrors, now),
    }
}

/// One series with one sample that every metric likes.
fn answer(ask: &Ask, now: Timestamp) -> Measurement {
    let value = match ask.id.metric.as_str() {
        "latency-p99" => 0.2,
        "saturation" => 0.5,
        _ => 0.99,
    };
    let sample = Sample {
        at: ask.at,
        value: Number::new(value),
    };
    let series = Series {
        labels: [("service".to_owned(), "shop-canary".to_owned())].into(),
        samples: vec![sample],
    };
    Measurement {
        id: ask.id.clone(),
        outcome: Outcome::done(Reading::Series(vec![series])),
        at: now,
    }
}
