use std::time::Duration;

use super::Input;
use super::findings::{Findings, Site};
use super::steps::Scope;
use crate::plan::{Plan, StepKind};
use crate::registry::RouterFrame;
use crate::spec::{CanarySpec, PaceSpec, TrafficRouting};

/// What a split sums to where evidence chooses the weight: it begins below one percent.
const FINE: u32 = 10_000;
/// The most that the canary gets, in percent, and how long the ramp takes at least.
const MOST: u32 = 50;
const BAKE: Duration = Duration::from_secs(300);
/// How many requests may be lost finding out.
const BUDGET: u32 = 50;

/// One paced step.
pub(super) fn pace(
    scope: Scope<'_>,
    spec: PaceSpec,
    site: &Site,
    plan: &Plan,
    found: &mut Findings,
) -> StepKind {
    let percent = spec.max_weight.unwrap_or(MOST);
    if !(1..100).contains(&percent) {
        let finding = site.key("maxWeight").says("1 to 99 percent");
        found.error(finding.value(percent));
    }
    if !scope.routed {
        let finding = site.says("a paced ramp needs a trafficRouting");
        found.error(finding.help("without a router the pods make the ratio: use setWeight"));
    }
    let most = u64::from(plan.total) * u64::from(percent.min(100)) / 100;
    let most = u32::try_from(most).unwrap_or(plan.total);
    StepKind::Pace {
        most: plan.rounded(most).max(1),
        bake: spec.bake.unwrap_or(BAKE),
    }
}

/// Makes the weights of a paced canary as fine as all of its routers take them; how many parts
/// of the total one of a step's weight is then.
pub(super) fn refine(
    input: Input<'_>,
    canary: &CanarySpec,
    routing: &TrafficRouting,
    frame: &mut RouterFrame,
) -> u32 {
    let is_paced = canary.steps.iter().any(|step| step.pace.is_some());
    if !is_paced || routing.max_traffic_weight.is_some() {
        return 1;
    }
    let mut fine = frame.clone();
    fine.max_traffic_weight = FINE;
    let takes = |(name, part): (&String, _)| {
        let parsed = input.registry.parse_router(name, part, &fine);
        parsed.is_none_or(|parsed| parsed.is_ok())
    };
    if !routing.routers.iter().all(takes) {
        return 1;
    }
    let unit = FINE / frame.max_traffic_weight.max(1);
    *frame = fine;
    unit
}

/// A paced step follows the judge beside the steps, and gives it a budget.
pub(super) fn check(plan: &mut Plan, site: &Site, found: &mut Findings) {
    let paced = |step: &&crate::plan::Step| matches!(step.kind, StepKind::Pace { .. });
    let Some(step) = plan.steps.iter().find(paced) else {
        return unused(plan, site, found);
    };
    let index = usize::try_from(step.index).unwrap_or(usize::MAX);
    let starts = plan.background.as_ref().map(|it| it.starting_step);
    let background = plan.background.as_mut().map(|it| &mut it.run.metrics);
    let judge = background.and_then(|metrics| {
        let mut judged = metrics.iter_mut().filter(|metric| !metric.dry_run);
        judged.find(|metric| metric.judge.is_some())
    });
    let site = site.key("steps").index(index).key("pace");
    match judge {
        Some(metric) if starts.is_some_and(|starts| starts <= step.index) => {
            if let Some(judge) = &mut metric.judge {
                judge.failure_budget.get_or_insert(BUDGET);
            }
            *metric = metric.clone().sealed();
        }
        Some(_) => {
            let message = "the judge that it follows begins only after it";
            found.error(
                site.says(message)
                    .help("startingStep at this step or before"),
            );
        }
        None => {
            let message = "it follows a judge, and there is none beside the steps";
            found.error(
                site.says(message)
                    .help("analysis: {templates: […]} with a judge"),
            );
        }
    }
}

/// A budget that nothing spends.
fn unused(plan: &Plan, site: &Site, found: &mut Findings) {
    let background = plan.background.iter().flat_map(|it| &it.run.metrics);
    let mut judges = background.filter_map(|metric| metric.judge.as_ref());
    if judges.any(|judge| judge.failure_budget.is_some()) {
        let message = "its judge has a failureBudget, which only a paced step spends";
        found.warn(site.key("analysis").says(message));
    }
}
