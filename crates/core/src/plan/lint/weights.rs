//! The order and the size of the steps.

use super::subject::{Subject, percent};
use super::{Found, Rule};
use crate::measurement::GatePoint;
use crate::plan::StepKind;

/// A first step above this share is much.
const LARGE: f64 = 0.25;
/// A last jump of this share or more is long.
const LONG: f64 = 0.5;

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    if subject.canary().is_none() {
        return;
    }
    order(subject, found);
    first(subject, found);
    last(subject, found);
    holds(subject, found);
}

fn order(subject: &Subject<'_>, found: &mut Found) {
    let weights = subject.weights();
    for pair in weights.windows(2) {
        let [(_, before), (index, weight)] = pair else {
            continue;
        };
        let site = subject.step_site(*index).key("setWeight");
        let (from, to) = (subject.percent(*before), subject.percent(*weight));
        if weight < before {
            let message =
                format!("from {from} back to {to}: users who met the new version leave it again");
            found.say(Rule::WeightsGoDown, &site, message, "");
        }
        if weight == before {
            let message = format!("the weight is {to} already: this step moves no traffic");
            found.say(Rule::WeightUnchanged, &site, message, "");
        }
    }
}

fn share(subject: &Subject<'_>, weight: u32) -> f64 {
    f64::from(weight) / f64::from(subject.plan.total.max(1))
}

fn first(subject: &Subject<'_>, found: &mut Found) {
    let first = subject
        .weights()
        .into_iter()
        .find(|(_, weight)| *weight > 0);
    let Some((index, weight)) = first else { return };
    if share(subject, weight) > LARGE && weight < subject.plan.total {
        let message = format!(
            "the first step already gives {} of the users to a version that nobody has met",
            subject.percent(weight)
        );
        let site = subject.step_site(index).key("setWeight");
        found.say(
            Rule::LargeFirstStep,
            &site,
            message,
            "a first step of 1 to 10 %",
        );
    }
}

fn last(subject: &Subject<'_>, found: &mut Found) {
    let Some((index, weight)) = subject.weights().into_iter().next_back() else {
        return;
    };
    let jump = 1.0 - share(subject, weight);
    if jump < LONG || weight == 0 {
        return;
    }
    let message = format!(
        "from {} straight to 100 %: {} of the users come at once, to a load that it has not carried",
        subject.percent(weight),
        percent(jump),
    );
    let site = subject.step_site(index).key("setWeight");
    found.say(Rule::LongJump, &site, message, "one more step between them");
}

/// Weights that are left as soon as they are seen.
fn holds(subject: &Subject<'_>, found: &mut Found) {
    let plan = subject.plan;
    let gated = |point| plan.gates.iter().any(|gate| gate.point == point);
    if gated(GatePoint::BeforeRaise) {
        return;
    }
    for (index, weight) in subject.weights() {
        if weight == 0 || weight >= plan.total {
            continue;
        }
        let after = plan.steps.iter().skip(index.saturating_add(1));
        let mut after = after.take_while(|step| !matches!(step.kind, StepKind::SetWeight(_)));
        let held = after.any(|step| match &step.kind {
            StepKind::Pause(duration) => duration.is_none_or(|duration| !duration.is_zero()),
            StepKind::Analysis(_) => true,
            _ => false,
        });
        if !held {
            let message = format!(
                "nothing holds it at {}: no pause and no analysis before the next raise",
                subject.percent(weight)
            );
            let site = subject.step_site(index).key("setWeight");
            found.say(
                Rule::NoHold,
                &site,
                message,
                "a pause or an analysis after it",
            );
        }
    }
}
