//! Plans in which nothing, or nothing that sees an error, can take a release back.

use super::subject::Subject;
use super::{Found, Rule};
use crate::measurement::GatePoint;
use crate::plan::forecast::{MetricForecast, sees_failures};
use crate::plan::{StepKind, StrategyKind};
use crate::spec::Strategy;

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    let field = match &subject.spec.strategy {
        Strategy::Canary(_) if subject.canary().is_some() => "strategy.canary",
        Strategy::BlueGreen(_) => "strategy.blueGreen",
        _ => return,
    };
    if subject.is_compared() {
        return;
    }
    let site = subject.site(field);
    let mut judges = subject
        .judging()
        .filter(|(_, metric)| !MetricForecast::from(metric.plan).fails_at.is_empty())
        .peekable();
    if judges.peek().is_none() {
        if !waits_for_someone(subject) {
            let message = "nothing here can take a release back: no analysis that can fail, no gate, \
                           no pause that a person ends";
            let help = "add an analysis, beside the steps or in one";
            found.say(Rule::NothingJudges, &site, message.to_owned(), help);
        }
        return;
    }
    if !judges.any(|(_, metric)| sees_failures(metric.plan)) && !waits_for_someone(subject) {
        let message = "no metric here speaks of errors: a version that answers every request with a \
                       500, and quickly, is promoted";
        let help = "measure a rate of errors or of successes too";
        found.say(Rule::NoErrorMetric, &site, message.to_owned(), help);
    }
}

fn waits_for_someone(subject: &Subject<'_>) -> bool {
    let plan = subject.plan;
    let gated = plan
        .gates
        .iter()
        .any(|gate| gate.point != GatePoint::AfterPromotion);
    gated
        || plan.steps.iter().any(|step| match &step.kind {
            StepKind::Pause(None) => true,
            StepKind::Analysis(run) => {
                run.gate().is_some() && plan.strategy == StrategyKind::Canary
            }
            _ => false,
        })
}
