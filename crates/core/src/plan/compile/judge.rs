use std::collections::BTreeSet;
use std::time::Duration;

use super::Input;
use super::args::Args;
use super::findings::{Findings, Site};
use super::metric;
use crate::analysis::judge::{JudgePlan, Undecided, WarmUp};
use crate::analysis::{MetricPlan, RunPlan};
use crate::number::Number;
use crate::plan::{Plan, StepKind};
use crate::spec::{IntOrText, JudgeSpec, WarmUpSpec};

/// How often counters are read.
const INTERVAL: Duration = Duration::from_secs(15);
/// How long a release is taken to be, where nothing says.
const RELEASE: Duration = Duration::from_secs(900);
/// The fewest and the most scrapes that are planned.
const SCRAPES: std::ops::RangeInclusive<u128> = 20..=5_000;

/// A judge with its arguments put in; `site` is its entry in the template, `late` collects the
/// arguments that are left.
pub(super) fn judge(
    input: Input<'_>,
    spec: &JudgeSpec,
    args: &Args,
    late: &mut BTreeSet<String>,
    site: &Site,
    found: &mut Findings,
) -> MetricPlan {
    let interval = metric::duration(spec.interval.as_deref(), &site.key("interval"), args, found);
    let provider_site = site.key("provider").key(&spec.provider.name);
    let query = args.fill_value(&spec.provider.part, late, &provider_site, found);
    metric::provider(input, &spec.provider.name, &query, &provider_site, found);
    let evidence = spec.evidence.as_ref();
    let evidence = evidence.map(|it| args.fill_value(it, late, &site.key("evidence"), found));
    let mut words = Words { args, site, found };
    let plan = words.plan(spec);
    let name = words.known("name", &spec.name).unwrap_or_default();
    let interval = interval.unwrap_or(INTERVAL);
    MetricPlan {
        evidence,
        ..MetricPlan::judged(name, &*spec.provider.name, query, interval, plan)
    }
}

/// The words of one judge.
struct Words<'a> {
    args: &'a Args,
    site: &'a Site,
    found: &'a mut Findings,
}

impl Words<'_> {
    fn plan(&mut self, spec: &JudgeSpec) -> JudgePlan {
        let usual = JudgePlan::default();
        let (site, stop) = (self.site, self.site.key("stopIf"));
        let promote = site.key("promoteIf");
        let (extend, undecided) = self.not_enough_data(spec.not_enough_data.as_deref());
        JudgePlan {
            max_false_rollback: self
                .share(&site.key("maxFalseRollback"), &spec.max_false_rollback)
                .unwrap_or(usual.max_false_rollback),
            stop_errors: self
                .times(&stop.key("errors"), spec.stop_errors.as_ref())
                .unwrap_or(usual.stop_errors),
            stop_slow: self
                .times(&stop.key("slow"), spec.stop_slow.as_ref())
                .unwrap_or(usual.stop_slow),
            not_worse_than: self
                .times(&promote.key("notWorseThan"), spec.not_worse_than.as_ref())
                .unwrap_or(usual.not_worse_than),
            sure: self
                .share(&promote.key("sure"), &spec.sure)
                .unwrap_or(usual.sure),
            or_below: self
                .share(&promote.key("orBelow"), &spec.or_below)
                .unwrap_or(usual.or_below),
            warm_up: self.warm_up(&spec.warm_up).unwrap_or(usual.warm_up),
            extend,
            undecided,
            missing_after: self.missing(spec.missing_metrics.as_deref()),
            failure_budget: self.budget(spec.failure_budget.as_ref()),
            scrapes: usual.scrapes,
        }
    }

    fn known(&mut self, field: &str, text: &str) -> Option<String> {
        metric::known(text, &self.site.key(field), self.args, self.found)
    }

    /// `1%`, above 0 and below 100.
    fn share(&mut self, site: &Site, text: &Option<String>) -> Option<Number> {
        let text = metric::known(text.as_ref()?, site, self.args, self.found)?;
        let percent = text.trim().strip_suffix('%');
        let percent = percent.and_then(|it| it.trim().parse::<f64>().ok());
        match percent.filter(|percent| *percent > 0.0 && *percent < 100.0) {
            Some(percent) => Some(Number::new(percent / 100.0)),
            None => {
                let finding = site.says("a share above 0% and below 100%").value(text);
                self.found.error(finding.help("write it as 1%"));
                None
            }
        }
    }

    /// `1.3x`, above 1.
    fn times(&mut self, site: &Site, text: Option<&String>) -> Option<Number> {
        let text = metric::known(text?, site, self.args, self.found)?;
        let number = text.trim().trim_end_matches(['x', '×']);
        let ratio = number.trim().parse::<f64>().ok();
        match ratio.filter(|ratio| *ratio > 1.0 && *ratio <= 1000.0) {
            Some(ratio) => Some(Number::new(ratio)),
            None => {
                let finding = site.says("how many times as much, above 1").value(text);
                self.found.error(finding.help("write it as 1.3x"));
                None
            }
        }
    }

    fn duration(&mut self, site: &Site, text: &str) -> Option<Duration> {
        metric::duration(Some(text), site, self.args, self.found)
    }

    fn warm_up(&mut self, spec: &WarmUpSpec) -> Option<WarmUp> {
        let site = self.site.key("warmup");
        match spec {
            WarmUpSpec::Learned => Some(WarmUp::Learned),
            WarmUpSpec::None => Some(WarmUp::None),
            WarmUpSpec::Fixed { lasts, tolerate } => {
                let lasts = self.duration(&site.key("for"), lasts);
                let ratio = self.times(&site.key("tolerate"), Some(tolerate));
                Some(WarmUp::Fixed {
                    lasts: lasts?,
                    ratio: ratio?,
                })
            }
        }
    }

    /// `hold`, `proceed`, `roll back`, `extend 30m`, `extend 30m, then proceed`.
    fn not_enough_data(&mut self, text: Option<&str>) -> (Duration, Undecided) {
        let usual = (Duration::ZERO, Undecided::Hold);
        let Some(text) = text.and_then(|text| self.known("notEnoughData", text)) else {
            return usual;
        };
        let site = self.site.key("notEnoughData");
        let said = text.trim();
        let (extend, then) = match said.strip_prefix("extend ") {
            None => (None, Some(said)),
            Some(rest) => match rest.split_once(", then ") {
                Some((extend, then)) => (Some(extend), Some(then)),
                None => (Some(rest), None),
            },
        };
        let then = match then.map(str::trim) {
            None | Some("hold") => Undecided::Hold,
            Some("proceed") => Undecided::Proceed,
            Some("roll back") => Undecided::RollBack,
            Some(_) => {
                let finding = site.says("hold, proceed or roll back").value(text);
                let help = "at once, or after a while: extend 30m, then proceed";
                self.found.error(finding.help(help));
                return usual;
            }
        };
        let extend = extend.and_then(|it| self.duration(&site, it.trim()));
        (extend.unwrap_or_default(), then)
    }

    /// `hold after 2m`.
    fn missing(&mut self, text: Option<&str>) -> Duration {
        let usual = JudgePlan::default().missing_after;
        let Some(text) = text.and_then(|text| self.known("missingMetrics", text)) else {
            return usual;
        };
        let site = self.site.key("missingMetrics");
        let after = match text.trim() {
            "hold" => None,
            said => match said.strip_prefix("hold after ") {
                Some(after) => self.duration(&site, after.trim()),
                None => {
                    let finding = site.says("missing metrics hold the release").value(&text);
                    let help = "hold after 2m: it is never a rollback by itself";
                    self.found.error(finding.help(help));
                    None
                }
            },
        };
        after.unwrap_or(usual)
    }

    fn budget(&mut self, budget: Option<&IntOrText>) -> Option<u32> {
        let text = match budget? {
            IntOrText::Int(number) => number.to_string(),
            IntOrText::Text(text) => self.known("failureBudget", text)?,
        };
        let budget = text.trim().parse().ok().filter(|budget| *budget > 0);
        if budget.is_none() {
            let finding = self.site.key("failureBudget");
            let finding = finding.says("a number of requests, 1 or more").value(text);
            self.found.error(finding.help("50"));
        }
        budget
    }
}

/// A judge compares: it is refused where one side has no traffic. `apart` says why.
pub(super) fn refuse(run: &RunPlan, apart: &str, site: &Site, found: &mut Findings) {
    if let Some(judge) = run.metrics.iter().find(|metric| metric.judge.is_some()) {
        let message = format!("the judge {:?} has nothing to compare: {apart}", judge.name);
        let help = "let it run beside the steps of a canary, or in a step while both have traffic";
        found.error(site.says(message).help(help));
    }
}

/// Checks the judges of a canary's steps and the one beside them; `site` is the canary.
pub(super) fn canary(plan: &Plan, site: &Site, found: &mut Findings) {
    for (at, step) in plan.steps.iter().enumerate() {
        let StepKind::Analysis(run) = &step.kind else {
            continue;
        };
        let index = usize::try_from(step.index).unwrap_or(usize::MAX);
        let site = site.key("steps").index(index).key("analysis");
        match plan.weight_at(at) {
            0 => refuse(run, "the new version has no traffic here", &site, found),
            all if all >= plan.total => {
                refuse(run, "the old version has no traffic here", &site, found);
            }
            _ => {}
        }
    }
    let parts = |step: &crate::plan::Step| match step.kind {
        StepKind::SetWeight(weight) => weight > 0 && weight < plan.total,
        StepKind::Pace { .. } => true,
        _ => false,
    };
    if let Some(background) = &plan.background
        && !plan.steps.iter().any(parts)
    {
        let apart = "no step gives the new version a part of the traffic";
        refuse(&background.run, apart, &site.key("analysis"), found);
    }
}

/// Tells each judge how many scrapes are planned: as many as the steps have time for.
pub(super) fn plan_scrapes(plan: &mut Plan) {
    let times = plan.steps.iter().map(|step| match &step.kind {
        StepKind::Pause(duration) => duration.unwrap_or_default(),
        StepKind::Pace { bake, .. } => *bake,
        StepKind::Analysis(run) => run.longest().unwrap_or_default(),
        _ => Duration::ZERO,
    });
    let lasts = times.fold(Duration::ZERO, Duration::saturating_add);
    if let Some(background) = &mut plan.background {
        set_scrapes(&mut background.run, lasts);
    }
    for step in &mut plan.steps {
        if let StepKind::Analysis(run) = &mut step.kind {
            plan_scrapes_of(run);
        }
    }
}

/// The same for an analysis that comes to an end by itself.
pub(super) fn plan_scrapes_of(run: &mut RunPlan) {
    let lasts = run.longest().unwrap_or_default();
    set_scrapes(run, lasts);
}

fn set_scrapes(run: &mut RunPlan, lasts: Duration) {
    for metric in &mut run.metrics {
        let interval = metric.interval.unwrap_or(INTERVAL).as_millis().max(1);
        let Some(judge) = &mut metric.judge else {
            continue;
        };
        let lasts = if lasts.is_zero() { RELEASE } else { lasts };
        let scrapes = (lasts.saturating_add(judge.extend).as_millis() / interval)
            .clamp(*SCRAPES.start(), *SCRAPES.end());
        judge.scrapes = u32::try_from(scrapes).unwrap_or(u32::MAX);
        *metric = metric.clone().sealed();
    }
}
