//! When each step may begin, and what it waits for.

use std::time::Duration;

use serde::Serialize;

use super::metric::{self, MetricForecast};
use super::{Assumed, Moment, Span, seconds, some_seconds};
use crate::analysis::RunPlan;
use crate::capability::Part;
use crate::decide::ratio;
use crate::measurement::GatePoint;
use crate::plan::{Plan, Reach, StepKind, StrategyKind};

/// What a step does, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum What {
    /// Sets the weight.
    Weight,
    /// Lets evidence choose the weight.
    Pace,
    /// Waits.
    Pause,
    /// Sets the canary's pods.
    Scale,
    /// Measures.
    Analysis,
    /// Asks a gate of the step's own.
    Gate,
    /// Sets or removes a header route.
    Headers,
    /// Sets or removes a mirror.
    Mirror,
    /// Brings the preview up.
    Preview,
    /// Binds the active service to the new version.
    Switch,
    /// After the last step: the new version becomes stable.
    Promotion,
}

/// What must be before a step is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum Hold {
    /// A gate must be open.
    Gate {
        /// Where it stands; none for one of the step's own.
        point: Option<GatePoint>,
        /// Its name.
        name: String,
    },
    /// So many pods of the new version must be available.
    Pods {
        /// How many.
        pods: u32,
    },
    /// The old version must be down to so many pods, or up to them.
    StablePods {
        /// How many.
        pods: u32,
    },
    /// The route must be seen.
    Route,
    /// A time must pass.
    Pause {
        /// How long; none until an operator promotes.
        #[serde(serialize_with = "some_seconds")]
        duration: Option<Duration>,
    },
    /// A judge must find the new version good enough, after this time at least.
    Evidence {
        /// How long.
        #[serde(serialize_with = "seconds")]
        bake: Duration,
    },
    /// An analysis must pass.
    Analysis {
        /// What is measured.
        metrics: Vec<MetricForecast>,
    },
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepForecast {
    /// The user's index of it; none for what a strategy adds by itself.
    pub step: Option<u32>,
    /// What it does.
    pub what: What,
    /// The new version's weight, in parts of the total.
    pub weight: u32,
    /// Its pods.
    pub canary_pods: u32,
    /// The old version's pods.
    pub stable_pods: u32,
    /// When it begins.
    pub from: Span,
    /// When it is complete.
    pub until: Span,
    /// What it waits for.
    pub held_by: Vec<Hold>,
}

/// The weight from an instant on, in the earliest course of things.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exposure {
    pub(super) at: Moment,
    /// The share of the requests, 0 to 1.
    pub(super) share: f64,
}

/// A plan over time.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Timeline {
    pub(in crate::plan) steps: Vec<StepForecast>,
    pub(super) exposure: Vec<Exposure>,
    pub(super) promoted: Span,
}

impl Timeline {
    /// When a step of the user's is entered, or the promotion after all of them.
    pub(super) fn entered(&self, step: u32) -> Span {
        if step == 0 {
            return Span::default();
        }
        let mut rows = self.steps.iter();
        let entered = rows.find(|row| row.step.is_none_or(|index| index >= step));
        entered.map_or(self.promoted, |row| row.from)
    }
}

/// How a plan goes on in time.
pub(in crate::plan) fn timeline(plan: &Plan, assumed: &Assumed) -> Timeline {
    let mut walk = Walk {
        plan,
        assumed,
        now: Span::default(),
        deadline: plan.progress_deadline,
        canary: 0,
        stable: assumed.replicas,
        reach: Reach::default(),
        weight: 0,
        steps: Vec::new(),
        exposure: Vec::new(),
    };
    for index in 0..=plan.steps.len() {
        walk.step(index);
    }
    Timeline {
        promoted: walk.now,
        steps: walk.steps,
        exposure: walk.exposure,
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    assumed: &'a Assumed,
    now: Span,
    /// How long a wait of the step may last.
    deadline: Duration,
    /// Pods of both sides that are there.
    canary: u32,
    stable: u32,
    /// What the plan asks for, and the weight that there is.
    reach: Reach,
    weight: u32,
    steps: Vec<StepForecast>,
    exposure: Vec<Exposure>,
}

impl Walk<'_> {
    fn step(&mut self, index: usize) {
        let step = self.plan.steps.get(index);
        self.reach.enter(self.plan, step.map(|step| &step.kind));
        self.deadline = self.plan.deadline_at(index);
        let from = self.now;
        let mut held_by = Vec::new();
        if index == 0 && self.gates(GatePoint::BeforeStart, &mut held_by) {
            self.wait(Duration::ZERO);
        }
        let what = match step.map(|step| &step.kind) {
            Some(StepKind::Pause(duration)) => self.pause(*duration, &mut held_by),
            Some(StepKind::Analysis(run)) => self.analysis(run, &mut held_by),
            Some(StepKind::SetWeight(_)) => self.moves(What::Weight, &mut held_by),
            Some(StepKind::Pace { bake, .. }) => self.pace(*bake, &mut held_by),
            Some(StepKind::SetCanaryScale(_)) => self.moves(What::Scale, &mut held_by),
            Some(StepKind::SetHeaderRoute(_)) => self.moves(What::Headers, &mut held_by),
            Some(StepKind::SetMirrorRoute(_)) => self.moves(What::Mirror, &mut held_by),
            Some(StepKind::Preview(_)) => self.moves(What::Preview, &mut held_by),
            Some(StepKind::Switch) => self.moves(What::Switch, &mut held_by),
            None => self.moves(What::Promotion, &mut held_by),
        };
        let of_user = step.filter(|_| self.plan.strategy == StrategyKind::Canary);
        self.steps.push(StepForecast {
            step: of_user.map(|step| step.index),
            what,
            weight: self.weight,
            canary_pods: self.canary,
            stable_pods: self.stable,
            from,
            until: self.now,
            held_by,
        });
    }

    /// A wait that takes at least `earliest` and is overdue at the progress deadline.
    fn wait(&mut self, earliest: Duration) {
        let latest = self.deadline.max(earliest);
        self.now = self.now.plus(earliest, latest);
    }

    /// Evidence moves the weight: it takes the bake time, and what the judge takes beyond it.
    fn pace(&mut self, bake: Duration, held_by: &mut Vec<Hold>) -> What {
        self.moves(What::Pace, held_by);
        self.wait(bake);
        held_by.push(Hold::Evidence { bake });
        What::Pace
    }

    fn pause(&mut self, duration: Option<Duration>, held_by: &mut Vec<Hold>) -> What {
        self.now = match duration {
            Some(duration) => self.now.plus(duration, duration),
            None => Span {
                pauses: self.now.pauses.saturating_add(1),
                ..Span::default()
            },
        };
        held_by.push(Hold::Pause { duration });
        What::Pause
    }

    fn analysis(&mut self, run: &RunPlan, held_by: &mut Vec<Hold>) -> What {
        if let Some(gate) = run.gate() {
            self.wait(Duration::ZERO);
            held_by.push(Hold::Gate {
                point: None,
                name: gate.name.to_string(),
            });
            return What::Gate;
        }
        let shortest = run.metrics.iter().filter_map(metric::shortest).max();
        let longest = run.longest().unwrap_or_default();
        self.now = self.now.plus(
            shortest.unwrap_or_default(),
            longest.saturating_add(self.deadline),
        );
        let metrics = run.metrics.iter().map(Into::into).collect();
        held_by.push(Hold::Analysis { metrics });
        What::Analysis
    }

    /// Adds the gates of a point; whether there are any.
    fn gates(&mut self, point: GatePoint, held_by: &mut Vec<Hold>) -> bool {
        let before = held_by.len();
        let gates = self.plan.gates.iter().filter(|gate| gate.point == point);
        let own = gates.clone().filter_map(|gate| gate.progress_deadline);
        self.deadline = own.fold(self.deadline, Duration::max);
        held_by.extend(gates.map(|gate| Hold::Gate {
            point: Some(point),
            name: gate.metric.name.to_string(),
        }));
        held_by.len() > before
    }

    /// A step that moves pods or traffic.
    fn moves(&mut self, what: What, held_by: &mut Vec<Hold>) -> What {
        let already = held_by.len();
        let blue_green = self.plan.strategy == StrategyKind::BlueGreen;
        let weight = match what {
            // The traffic of blue-green moves at its switch alone.
            What::Promotion if blue_green => self.weight,
            _ => self.plan.rounded(self.reach.weight()),
        };
        if weight > self.weight {
            self.gates(GatePoint::BeforeRaise, held_by);
        }
        let takes = match self.plan.splits() || blue_green {
            true => self.routed(what, weight, held_by),
            false => self.ratio(weight, held_by),
        };
        self.weight = weight;
        if what == What::Promotion {
            self.stable = 0;
            self.gates(GatePoint::BeforePromotion, held_by);
        }
        if held_by.len() > already {
            self.wait(takes);
        }
        what
    }

    /// Where a router moves the traffic: how long it takes at least.
    fn routed(&mut self, what: What, weight: u32, held_by: &mut Vec<Hold>) -> Duration {
        let (plan, replicas) = (self.plan, self.assumed.replicas);
        let pods = self.reach.canary_pods(plan, replicas);
        let mut takes = Duration::ZERO;
        if pods > self.canary {
            takes = self.assumed.pod_start;
            held_by.push(Hold::Pods {
                pods: plan.enough(pods),
            });
        }
        let moves = weight != self.weight;
        let share = f64::from(weight) / f64::from(plan.total.max(1));
        let part = match (plan.strategy, what) {
            (_, What::Headers) => Some(Part::Headers),
            (_, What::Mirror) => Some(Part::Mirrors),
            (_, What::Preview) => Some(Part::Bind),
            (StrategyKind::BlueGreen, _) => moves.then_some(Part::Bind),
            _ => moves.then_some(Part::Split),
        };
        if part == Some(Part::Split) && self.weight == 0 {
            // Its service is bound to the new pods, and seen so, before it gets anything.
            takes = takes.saturating_add(settle(plan, Part::Bind));
        }
        if moves {
            self.exposed(takes, share);
        }
        if let Some(part) = part {
            takes = takes.saturating_add(settle(plan, part));
            held_by.push(Hold::Route);
        }
        (self.canary, self.stable) = (pods, plan.stable_pods(weight, replicas));
        takes
    }

    /// Where pods make the ratio: how long it takes at least.
    fn ratio(&mut self, weight: u32, held_by: &mut Vec<Hold>) -> Duration {
        let replicas = self.assumed.replicas;
        let (surge, unavailable) = ratio::bounds(self.plan, replicas);
        let pair = ratio::nearest(replicas, weight, self.plan.total, surge);
        if (pair.canary, pair.stable) == (self.canary, self.stable) {
            return Duration::ZERO;
        }
        let more = pair.canary.abs_diff(self.canary);
        let batches = more.div_ceil(surge.saturating_add(unavailable).max(1));
        held_by.push(Hold::Pods {
            pods: self.plan.enough(pair.canary),
        });
        held_by.push(Hold::StablePods { pods: pair.stable });
        let pods = f64::from(pair.canary) + f64::from(pair.stable);
        self.exposed(
            self.assumed.pod_start,
            f64::from(pair.canary) / pods.max(1.0),
        );
        (self.canary, self.stable) = (pair.canary, pair.stable);
        self.assumed.pod_start.saturating_mul(batches)
    }

    fn exposed(&mut self, after: Duration, share: f64) {
        let at = self.now.first().plus(after);
        self.exposure.push(Exposure { at, share });
    }
}

/// The longest settle time among the routers that carry a part.
pub(in crate::plan) fn settle(plan: &Plan, part: Part) -> Duration {
    let carrying = plan
        .routers
        .iter()
        .filter(|router| router.capabilities.carries(part));
    let settling = carrying
        .filter(|router| router.capabilities.confidence == crate::route::Confidence::Config);
    settling
        .map(|router| router.capabilities.settle)
        .max()
        .unwrap_or_default()
}
