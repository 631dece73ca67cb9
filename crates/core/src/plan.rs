//! A checked plan: what a spec means, with nothing left to find wrong.

mod compile;
mod error;
pub mod forecast;
pub mod lint;
mod reach;
mod step;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::compile::{compile, compile_analysis};
pub use self::error::{CompileError, CompileErrors, Compiled, Warning};
use self::reach::Reach;
pub(crate) use self::reach::share_of;
pub use self::step::{Amount, CanaryScale, Gate, Step, StepKind, Threshold};
use crate::analysis::{MetricPlan, RunPlan};
use crate::capability::{Capabilities, Part};
use crate::id::{Digest, RolloutId};
use crate::route::Slot;
use crate::workload::TroubleKind;

/// Which of the strategies a plan was written as; it changes words, not the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StrategyKind {
    /// Weights, step by step.
    Canary,
    /// Two whole sets of pods and one switch.
    BlueGreen,
    /// Pods replaced a few at a time.
    RollingUpdate,
}

/// A router of the plan: its name, its own part of the manifest, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouterPlan {
    /// The name a manifest calls it by.
    pub name: String,
    /// Its own part of the manifest, checked by its own parser.
    pub part: serde_json::Value,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// The analysis beside all steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Background {
    /// What is measured.
    pub run: RunPlan,
    /// The step, as the user counts them, at which it starts.
    pub starting_step: u32,
}

/// What a spec means. Immutable; its digest names it.
///
/// Replicas, `paused` and `restartAt` are not part of it: an autoscaler never makes a new plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Which rollout.
    pub name: RolloutId,
    /// Which strategy it was written as.
    pub strategy: StrategyKind,
    /// What a split sums to: the router's maximum (100), or 10,000 when paced.
    pub total: u32,
    /// The routers; all of them must show a route before it is seen. Empty: pods make the ratio.
    pub routers: Vec<RouterPlan>,
    /// The slots that the routers bind: those that the rollout has services or subsets for.
    pub slots: BTreeSet<Slot>,
    /// The steps, in order. After the last one the new version is promoted.
    pub steps: Vec<Step>,
    /// The analysis beside the steps.
    pub background: Option<Background>,
    /// The gates.
    pub gates: Vec<Gate>,
    /// Without a router: how many pods more than `replicas` there may be. Rounds up.
    pub max_surge: Amount,
    /// Without a router, and in a restart: how many fewer may be available. Rounds down.
    pub max_unavailable: Amount,
    /// With a router: whether stable shrinks as the canary grows.
    pub dynamic_stable_scale: bool,
    /// With a router: how many canary pods may start at once; all of them when absent. Rounds
    /// up, and is one at least.
    pub canary_surge: Option<Amount>,
    /// With a router: the fewest pods of a side that has any.
    pub min_pods: Option<u32>,
    /// How many available canary pods complete a step; all of them when absent.
    pub threshold: Option<Threshold>,
    /// How long the old side keeps its pods after a promotion.
    pub scale_down_delay: Duration,
    /// How long the canary keeps its pods after an abort; for ever when absent.
    pub abort_scale_down_delay: Option<Duration>,
    /// How long a side keeps the pods of a share it has lost, where no delay above applies.
    pub drain_delay: Duration,
    /// How long a wait may take before it is Degraded.
    pub progress_deadline: Duration,
    /// Whether reaching that deadline aborts.
    pub deadline_aborts: bool,
    /// Which troubles of canary pods abort at once.
    pub abort_on: BTreeSet<TroubleKind>,
    /// How many revisions back skip the steps.
    pub rollback_window: Option<u32>,
    /// The digest of the steps alone: a change of it resets progress.
    pub steps_digest: Digest,
    /// The digest of the whole plan.
    pub digest: Digest,
}

impl Plan {
    /// A plan that replaces pods a few at a time, with Kubernetes' defaults.
    pub fn rolling_update(name: impl Into<RolloutId>) -> Self {
        Self {
            name: name.into(),
            strategy: StrategyKind::RollingUpdate,
            total: 100,
            routers: Vec::new(),
            slots: BTreeSet::from([Slot::Stable, Slot::Canary]),
            steps: Vec::new(),
            background: None,
            gates: Vec::new(),
            max_surge: Amount::Percent(25),
            max_unavailable: Amount::Percent(25),
            dynamic_stable_scale: false,
            canary_surge: None,
            min_pods: None,
            threshold: None,
            scale_down_delay: Duration::from_secs(30),
            abort_scale_down_delay: Some(Duration::from_secs(30)),
            drain_delay: Duration::from_secs(10),
            progress_deadline: Duration::from_secs(600),
            deadline_aborts: false,
            abort_on: BTreeSet::new(),
            rollback_window: None,
            steps_digest: Digest::default(),
            digest: Digest::default(),
        }
        .sealed()
    }

    /// The same plan under the digests of what it holds now; call it after every change.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        (self.digest, self.steps_digest) = (Digest::default(), Digest::default());
        self.steps_digest = Digest::of(&self.steps.iter().map(step::untimed).collect::<Vec<_>>());
        self.digest = Digest::of(&self);
        self
    }

    /// How long a wait may last at a step, counted as the steps are.
    pub(crate) fn deadline_at(&self, step: usize) -> Duration {
        let own = self.steps.get(step).and_then(|step| step.progress_deadline);
        own.unwrap_or(self.progress_deadline)
    }

    /// Every analysis: the one beside the steps, then those of the steps.
    pub fn runs(&self) -> impl Iterator<Item = &RunPlan> {
        let background = self.background.iter().map(|background| &background.run);
        background.chain(self.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Analysis(run) => Some(run),
            _ => None,
        }))
    }

    /// Every metric of every analysis, then those of the gates.
    pub fn metrics(&self) -> impl Iterator<Item = &MetricPlan> {
        let metrics = self.runs().flat_map(|run| &run.metrics);
        metrics.chain(self.gates.iter().map(|gate| &gate.metric))
    }

    /// Whether a router that splits traffic is part of the plan.
    pub fn splits(&self) -> bool {
        self.carries(Part::Split)
    }

    /// Whether any router carries a part.
    pub fn carries(&self, part: Part) -> bool {
        self.routers
            .iter()
            .any(|router| router.capabilities.carries(part))
    }

    /// The coarsest grain among the routers that split; the total where none does.
    pub fn grain(&self) -> u32 {
        let splitting = self
            .routers
            .iter()
            .filter(|router| router.capabilities.carries(Part::Split));
        let grains = splitting.map(|router| router.capabilities.grain.max(1));
        grains.min().unwrap_or(self.total).min(self.total.max(1))
    }

    /// A weight rounded down to the grain.
    pub fn rounded(&self, weight: u32) -> u32 {
        let (total, grain) = (u64::from(self.total.max(1)), u64::from(self.grain()));
        let shares = u64::from(weight.min(self.total)) * grain / total;
        u32::try_from((shares * total).div_ceil(grain)).unwrap_or(self.total)
    }
}
