//! What the rules look at: a plan, beside it what the user wrote, and where that stands.

use super::Site;
use crate::analysis::{MetricPlan, RunPlan};
use crate::plan::compile::templates_of;
use crate::plan::forecast::{Assumed, Timeline, What, timeline};
use crate::plan::{Plan, StepKind};
use crate::registry::Registry;
use crate::spec::{
    AnalysisTemplate, BlueGreenSpec, CanarySpec, FieldPath, MetricSpec, RolloutAnalysis,
    RolloutSpec, Strategy,
};

/// Where an analysis stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Beside the steps, from this one of the user's on.
    Background(u32),
    /// In a step, by the step's index in the plan.
    Step(usize),
    /// Before the switch of blue-green.
    BeforeSwitch,
    /// After it.
    AfterSwitch,
}

/// An analysis of the rollout.
pub(super) struct Run<'a> {
    pub(super) place: Place,
    pub(super) site: Site,
    pub(super) plan: &'a RunPlan,
    pub(super) metrics: Vec<Metric<'a>>,
}

/// A metric of an analysis.
pub(super) struct Metric<'a> {
    pub(super) plan: &'a MetricPlan,
    pub(super) spec: &'a MetricSpec,
    /// Where it is written, in its template.
    pub(super) site: Site,
}

/// A rollout.
pub(super) struct Subject<'a> {
    pub(super) spec: &'a RolloutSpec,
    pub(super) plan: &'a Plan,
    pub(super) assumed: Assumed,
    pub(super) timeline: Timeline,
    pub(super) runs: Vec<Run<'a>>,
    /// What stands before each step.
    before: Vec<Before>,
    /// The first weight above 0.
    pub(super) first_weight: u32,
}

/// What stands before a step of the plan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// The last step that raised the weight, by its index in the plan.
    pub(super) raise: Option<usize>,
    /// The weight before that.
    pub(super) below: u32,
    /// Whether a header route or a mirror was set.
    pub(super) trial: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        spec: &'a RolloutSpec,
        templates: &'a [AnalysisTemplate],
        registry: &'a Registry,
        plan: &'a Plan,
    ) -> Self {
        let assumed = Assumed::of(spec);
        let mut subject = Self {
            spec,
            plan,
            assumed,
            timeline: timeline(plan, &assumed),
            runs: Vec::new(),
            before: Vec::new(),
            first_weight: 0,
        };
        subject.before = before(&subject.timeline);
        let weights = subject.timeline.steps.iter().map(|row| row.weight);
        subject.first_weight = weights.into_iter().find(|it| *it > 0).unwrap_or(0);
        let finder = Finder {
            subject: &subject,
            templates,
            registry,
        };
        subject.runs = finder.runs();
        subject
    }

    /// A field of the rollout's `spec`.
    pub(super) fn site(&self, path: &str) -> Site {
        let path = FieldPath::from("spec").join(&FieldPath::from(path));
        Site {
            object: self.spec.object(),
            path,
            metric: None,
        }
    }

    /// The canary, where it is one with steps.
    pub(super) fn canary(&self) -> Option<&'a CanarySpec> {
        match &self.spec.strategy {
            Strategy::Canary(canary) if !self.plan.steps.is_empty() => Some(canary),
            _ => None,
        }
    }

    /// The site of a step of the plan.
    pub(super) fn step_site(&self, index: usize) -> Site {
        let steps = self.site("strategy.canary.steps");
        let step = self.plan.steps.get(index).map_or(0, |step| step.index);
        steps.index(usize::try_from(step).unwrap_or(usize::MAX))
    }

    /// The weights that steps set, with their index in the plan.
    pub(super) fn weights(&self) -> Vec<(usize, u32)> {
        let steps = self.plan.steps.iter().enumerate();
        let weights = steps.filter_map(|(index, step)| match step.kind {
            StepKind::SetWeight(weight) => Some((index, weight)),
            _ => None,
        });
        weights.collect()
    }

    /// What stands before a step of the plan.
    pub(super) fn before(&self, index: usize) -> Before {
        self.before.get(index).copied().unwrap_or_default()
    }

    /// The weight at a step of the plan.
    pub(super) fn weight(&self, index: usize) -> u32 {
        self.timeline.steps.get(index).map_or(0, |row| row.weight)
    }

    /// Every metric that may change the course of things, with its analysis.
    pub(super) fn judging(&self) -> impl Iterator<Item = (&Run<'a>, &Metric<'a>)> {
        let metrics = self
            .runs
            .iter()
            .flat_map(|run| run.metrics.iter().map(move |it| (run, it)));
        metrics.filter(|(_, metric)| !metric.plan.dry_run)
    }

    /// Whether a judge compares both sides, which sees errors and takes back.
    pub(super) fn is_compared(&self) -> bool {
        let mut metrics = self.runs.iter().flat_map(|run| &run.plan.metrics);
        metrics.any(|metric| metric.judge.is_some() && !metric.dry_run)
    }

    /// A weight as a percentage of the total.
    pub(super) fn percent(&self, weight: u32) -> String {
        percent(f64::from(weight) / f64::from(self.plan.total.max(1)))
    }
}

fn before(timeline: &Timeline) -> Vec<Before> {
    let mut before = Before::default();
    let mut weight = 0;
    let rows = timeline.steps.iter().enumerate().map(|(index, row)| {
        let here = before;
        if row.weight > weight {
            (before.raise, before.below) = (Some(index), weight);
        } else if row.weight < weight {
            before.raise = None;
        }
        weight = row.weight;
        before.trial |= matches!(row.what, What::Headers | What::Mirror);
        here
    });
    rows.collect()
}

/// A share as a percentage, without needless digits.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match (percent - percent.round()).abs() < 0.05 {
        true => format!("{percent:.0} %"),
        false => format!("{percent:.1} %"),
    }
}

/// Finds where each analysis of a plan is written.
struct Finder<'a, 's> {
    subject: &'s Subject<'a>,
    templates: &'a [AnalysisTemplate],
    registry: &'a Registry,
}

impl<'a> Finder<'a, '_> {
    fn runs(&self) -> Vec<Run<'a>> {
        match &self.subject.spec.strategy {
            Strategy::Canary(canary) => self.canary(canary),
            Strategy::BlueGreen(blue_green) => self.blue_green(blue_green),
            Strategy::RollingUpdate => Vec::new(),
        }
    }

    fn canary(&self, canary: &CanarySpec) -> Vec<Run<'a>> {
        let (subject, plan) = (self.subject, self.subject.plan);
        let mut runs = Vec::new();
        if let (Some(analysis), Some(background)) = (&canary.analysis, &plan.background) {
            let site = subject.site("strategy.canary.analysis");
            let place = Place::Background(background.starting_step);
            runs.push(self.run(place, analysis, site, &background.run));
        }
        for (index, run) in analyses(plan) {
            let step = plan.steps.get(index).map_or(0, |step| step.index);
            let step = canary
                .steps
                .get(usize::try_from(step).unwrap_or(usize::MAX));
            if let Some(analysis) = step.and_then(|step| step.analysis.as_ref()) {
                let site = subject.step_site(index).key("analysis");
                runs.push(self.run(Place::Step(index), analysis, site, run));
            }
        }
        runs
    }

    fn blue_green(&self, blue_green: &BlueGreenSpec) -> Vec<Run<'a>> {
        let plan = self.subject.plan;
        let switch = plan
            .steps
            .iter()
            .position(|step| step.kind == StepKind::Switch);
        let mut runs = Vec::new();
        for (index, run) in analyses(plan) {
            let (field, analysis, place) = match switch.is_some_and(|switch| index < switch) {
                true => (
                    "prePromotionAnalysis",
                    &blue_green.pre_promotion_analysis,
                    Place::BeforeSwitch,
                ),
                false => (
                    "postPromotionAnalysis",
                    &blue_green.post_promotion_analysis,
                    Place::AfterSwitch,
                ),
            };
            if let Some(analysis) = analysis {
                let site = self.subject.site("strategy.blueGreen").key(field);
                runs.push(self.run(place, analysis, site, run));
            }
        }
        runs
    }

    fn run(
        &self,
        place: Place,
        analysis: &RolloutAnalysis,
        site: Site,
        plan: &'a RunPlan,
    ) -> Run<'a> {
        let written = templates_of(self.subject.spec, self.templates, self.registry, analysis);
        let written = written.into_iter().flat_map(|template| {
            let site = Site {
                object: template.object(),
                path: FieldPath::from("spec.metrics"),
                metric: None,
            };
            let metrics = template.metrics.iter().enumerate();
            metrics.map(move |(at, spec)| (spec, site.index(at)))
        });
        // A judge is written apart from the metrics.
        let metrics = plan.metrics.iter().filter(|metric| metric.judge.is_none());
        let metrics = metrics.zip(written);
        let metrics = metrics.map(|(plan, (spec, site))| {
            let metric = Some(plan.name.clone());
            let site = Site { metric, ..site };
            Metric { plan, spec, site }
        });
        Run {
            place,
            site,
            plan,
            metrics: metrics.collect(),
        }
    }
}

/// The analyses of a plan's steps, gates left out.
fn analyses(plan: &Plan) -> impl Iterator<Item = (usize, &RunPlan)> {
    let steps = plan.steps.iter().enumerate();
    steps.filter_map(|(index, step)| match &step.kind {
        StepKind::Analysis(run) if run.gate().is_none() => Some((index, run)),
        _ => None,
    })
}
