//! Advice on what is legal but odd: a plan that compiles may still not do what its author thinks.
//!
//! Each rule looks at one thing and says what it found, where, and what would be better. Rules
//! prefer silence to a guess: what a query selects or what a router can do is not always known.
//!
//! ```
//! use gradatim_core::compile;
//! use gradatim_core::plan::lint::{Rule, lint};
//! use gradatim_core::registry::Registry;
//! use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec};
//!
//! let shop = RolloutSpec::new("shop", CanarySpec::new([StepSpec::set_weight(60)]));
//! let plan = compile(&shop, &[], &Registry::new())?.plan;
//! let advice = lint(&shop, &[], &plan);
//! assert!(advice.iter().any(|advice| advice.rule == Rule::LargeFirstStep));
//! # Ok::<(), gradatim_core::plan::CompileErrors>(())
//! ```

mod data;
mod exposure;
mod judges;
mod limits;
mod pods;
mod promql;
mod query;
mod subject;
mod time;
mod trial;
mod weights;
mod window;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use self::subject::Subject;
use super::Plan;
use crate::id::MetricName;
use crate::registry::Registry;
use crate::spec::{AnalysisTemplate, FieldPath, ObjectRef, RolloutSpec};

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "&'static str")]
#[non_exhaustive]
pub enum Rule {
    /// A metric without any condition.
    NoCondition,
    /// A condition that does not look at what was measured.
    ConstantCondition,
    /// A limit that no number of failures passes.
    NeverFails,
    /// A limit that only the failure of every measurement passes.
    AllMustFail,
    /// A limit of errors that is meant in intervals and counts in tries.
    ErrorsInTries,
    /// An analysis whose metrics are all only watched.
    OnlyWatched,
    /// Two metrics that ask and want the same.
    SameTwice,
    /// A condition that takes a list of series for a number.
    VectorAsNumber,
    /// A query that divides something by itself.
    SameOverSame,
    /// An empty answer that nothing in the condition foresees.
    UnguardedEmpty,
    /// A NaN that nothing in the condition foresees.
    UnguardedNan,
    /// Values that are a success and a failure.
    ConditionsOverlap,
    /// Values that are neither a success nor a failure.
    ConditionsGap,
    /// A query that takes both versions together.
    SameQuery,
    /// A query that takes the old version alone.
    OldVersionOnly,
    /// A weight below the one before.
    WeightsGoDown,
    /// A weight that is set already.
    WeightUnchanged,
    /// A first weight that many users meet.
    LargeFirstStep,
    /// A last weight far below everyone.
    LongJump,
    /// A weight that nothing holds.
    NoHold,
    /// Pods that make another share than the weight says.
    CoarseShare,
    /// A plan in which nothing can take a release back.
    NothingJudges,
    /// A plan in which no metric sees failing requests.
    NoErrorMetric,
    /// Canary pods that get more than their share of the requests.
    CanaryTooSmall,
    /// A delay of 0 that means for ever.
    AbortKeepsPods,
    /// Old pods that go before their clients have.
    ScaleDownEarly,
    /// A deadline that a step needs longer than.
    DeadlineTooShort,
    /// Pauses in which no measurement falls.
    IntervalExceedsPause,
    /// A background analysis that begins after users have met the version.
    LateBackground,
    /// A measurement before there can be data.
    MeasuresTooEarly,
    /// A query that looks back to before the step that it judges.
    WindowBeforeStep,
    /// Measurements that see the same moment more often than their limit allows failures.
    OverlappingWindows,
    /// A pause without end that nothing watches.
    UnwatchedPause,
    /// A query on traffic that the version does not get.
    MeasuresNoTraffic,
    /// A header that no request has.
    ImpossibleHeader,
    /// Requests that change something, sent to both versions.
    MirrorRepeatsWrites,
    /// A header route or a mirror to a version without pods.
    TrialWithoutPods,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 37] = [
        Self::NoCondition,
        Self::ConstantCondition,
        Self::NeverFails,
        Self::AllMustFail,
        Self::ErrorsInTries,
        Self::OnlyWatched,
        Self::SameTwice,
        Self::VectorAsNumber,
        Self::SameOverSame,
        Self::UnguardedEmpty,
        Self::UnguardedNan,
        Self::ConditionsOverlap,
        Self::ConditionsGap,
        Self::SameQuery,
        Self::OldVersionOnly,
        Self::WeightsGoDown,
        Self::WeightUnchanged,
        Self::LargeFirstStep,
        Self::LongJump,
        Self::NoHold,
        Self::CoarseShare,
        Self::NothingJudges,
        Self::NoErrorMetric,
        Self::CanaryTooSmall,
        Self::AbortKeepsPods,
        Self::ScaleDownEarly,
        Self::DeadlineTooShort,
        Self::IntervalExceedsPause,
        Self::LateBackground,
        Self::MeasuresTooEarly,
        Self::WindowBeforeStep,
        Self::OverlappingWindows,
        Self::UnwatchedPause,
        Self::MeasuresNoTraffic,
        Self::ImpossibleHeader,
        Self::MirrorRepeatsWrites,
        Self::TrialWithoutPods,
    ];

    /// Its name.
    pub fn id(self) -> &'static str {
        match self {
            Self::NoCondition => "no-condition",
            Self::ConstantCondition => "constant-condition",
            Self::NeverFails => "never-fails",
            Self::AllMustFail => "all-must-fail",
            Self::ErrorsInTries => "errors-in-tries",
            Self::OnlyWatched => "only-watched",
            Self::SameTwice => "same-twice",
            Self::VectorAsNumber => "vector-as-number",
            Self::SameOverSame => "same-over-same",
            Self::UnguardedEmpty => "unguarded-empty",
            Self::UnguardedNan => "unguarded-nan",
            Self::ConditionsOverlap => "conditions-overlap",
            Self::ConditionsGap => "conditions-gap",
            Self::SameQuery => "same-query",
            Self::OldVersionOnly => "old-version-only",
            Self::WeightsGoDown => "weights-go-down",
            Self::WeightUnchanged => "weight-unchanged",
            Self::LargeFirstStep => "large-first-step",
            Self::LongJump => "long-jump",
            Self::NoHold => "no-hold",
            Self::CoarseShare => "coarse-share",
            Self::NothingJudges => "nothing-judges",
            Self::NoErrorMetric => "no-error-metric",
            Self::CanaryTooSmall => "canary-too-small",
            Self::AbortKeepsPods => "abort-keeps-pods",
            Self::ScaleDownEarly => "scale-down-early",
            Self::DeadlineTooShort => "deadline-too-short",
            Self::IntervalExceedsPause => "interval-exceeds-pause",
            Self::LateBackground => "late-background",
            Self::MeasuresTooEarly => "measures-too-early",
            Self::WindowBeforeStep => "window-before-step",
            Self::OverlappingWindows => "overlapping-windows",
            Self::UnwatchedPause => "unwatched-pause",
            Self::MeasuresNoTraffic => "measures-no-traffic",
            Self::ImpossibleHeader => "impossible-header",
            Self::MirrorRepeatsWrites => "mirror-repeats-writes",
            Self::TrialWithoutPods => "trial-without-pods",
        }
    }
}

impl From<Rule> for &'static str {
    fn from(rule: Rule) -> Self {
        rule.id()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

/// Something legal but odd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// Which rule says so.
    pub rule: Rule,
    /// The object that it stands in.
    pub object: ObjectRef,
    /// Where in the object.
    pub path: FieldPath,
    /// The metric that it speaks of, where it is one.
    pub metric: Option<MetricName>,
    /// What is odd, and what comes of it, in one sentence without a full stop.
    pub message: String,
    /// What would be better.
    pub help: Option<String>,
}

/// What is odd about a rollout that compiles to `plan`.
///
/// `templates` are those it was compiled with. Each thing is said once: a template that several
/// steps use is odd only once.
pub fn lint(spec: &RolloutSpec, templates: &[AnalysisTemplate], plan: &Plan) -> Vec<Advice> {
    let registry = Registry::lenient();
    let subject = Subject::new(spec, templates, &registry, plan);
    let mut found = Found::default();
    for rules in [
        limits::look,
        data::look,
        query::look,
        judges::look,
        window::look,
        time::look,
        weights::look,
        exposure::look,
        pods::look,
        trial::look,
    ] {
        rules(&subject, &mut found);
    }
    found.advice
}

/// Collects advice, each once.
#[derive(Debug, Default)]
struct Found {
    advice: Vec<Advice>,
    known: BTreeSet<(Rule, ObjectRef, FieldPath)>,
}

/// A field that advice can speak of.
#[derive(Clone, Debug)]
struct Site {
    object: ObjectRef,
    path: FieldPath,
    metric: Option<MetricName>,
}

impl Site {
    fn key(&self, key: &str) -> Self {
        self.at(self.path.key(key))
    }

    fn index(&self, index: usize) -> Self {
        self.at(self.path.index(index))
    }

    fn at(&self, path: FieldPath) -> Self {
        let (object, metric) = (self.object.clone(), self.metric.clone());
        Self {
            object,
            path,
            metric,
        }
    }
}

impl Found {
    fn say(&mut self, rule: Rule, site: &Site, message: String, help: &str) {
        let place = (rule, site.object.clone(), site.path.clone());
        if !self.known.insert(place) {
            return;
        }
        self.advice.push(Advice {
            rule,
            object: site.object.clone(),
            path: site.path.clone(),
            metric: site.metric.clone(),
            message,
            help: (!help.is_empty()).then(|| help.to_owned()),
        });
    }
}
