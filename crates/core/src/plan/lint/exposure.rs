//! More users on the new version, or more load on its pods, than the weight says.

use super::subject::{Subject, percent};
use super::{Found, Rule};
use crate::plan::StrategyKind;
use crate::plan::forecast::What;

/// So much more than its weight is more than the operator may think.
const MORE: f64 = 0.05;
/// So many times the usual load of a pod is much.
const LOAD: f64 = 1.5;

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    if subject.canary().is_none() || subject.plan.strategy != StrategyKind::Canary {
        return;
    }
    match subject.plan.splits() {
        true => load(subject, found),
        false => share(subject, found),
    }
}

/// Without a router pods make the share.
fn share(subject: &Subject<'_>, found: &mut Found) {
    for (index, row) in subject.timeline.steps.iter().enumerate() {
        let pods = f64::from(row.canary_pods) + f64::from(row.stable_pods);
        if row.what != What::Weight || pods <= 0.0 {
            continue;
        }
        let wanted = f64::from(row.weight) / f64::from(subject.plan.total.max(1));
        let reached = f64::from(row.canary_pods) / pods;
        if reached - wanted <= MORE {
            continue;
        }
        let message = format!(
            "without a router pods make the share: {} of {pods} pods get {} of the requests, not {}",
            row.canary_pods,
            percent(reached),
            percent(wanted),
        );
        let site = subject.step_site(index).key("setWeight");
        let help = "more replicas, or a trafficRouting";
        found.say(Rule::CoarseShare, &site, message, help);
    }
}

/// Pods that get more requests than a stable pod usually does.
fn load(subject: &Subject<'_>, found: &mut Found) {
    for (index, row) in subject.timeline.steps.iter().enumerate() {
        if !matches!(row.what, What::Weight | What::Scale) || row.weight == 0 {
            continue;
        }
        let enough = f64::from(subject.plan.enough(row.canary_pods)).max(1.0);
        let usual = f64::from(subject.assumed.replicas) * f64::from(row.weight)
            / f64::from(subject.plan.total.max(1));
        if usual / enough < LOAD {
            continue;
        }
        let message = format!(
            "at {} each of {enough} new pods gets as many requests as {usual:.1} pods usually do",
            subject.percent(row.weight),
        );
        let site = subject.step_site(index);
        let help = "setCanaryScale: {matchTrafficWeight: true} before the weight rises";
        found.say(Rule::CanaryTooSmall, &site, message, help);
    }
}
