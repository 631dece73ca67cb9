//! Delays and deadlines of pods.

use std::time::Duration;

use super::subject::Subject;
use super::{Found, Rule, Site};
use crate::capability::Part;
use crate::plan::StrategyKind;
use crate::plan::forecast::settle;
use crate::spec::Strategy;

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    match &subject.spec.strategy {
        Strategy::Canary(it) if it.traffic_routing.is_some() => {
            let site = subject.site("strategy.canary");
            let (down, abort) = (
                it.scale_down_delay_seconds,
                it.abort_scale_down_delay_seconds,
            );
            delays(subject, &site, down, abort, found);
        }
        Strategy::BlueGreen(it) => {
            let site = subject.site("strategy.blueGreen");
            let (down, abort) = (
                it.scale_down_delay_seconds,
                it.abort_scale_down_delay_seconds,
            );
            delays(subject, &site, down, abort, found);
        }
        _ => {}
    }
    deadline(subject, found);
}

fn delays(
    subject: &Subject<'_>,
    site: &Site,
    down: Option<u32>,
    abort: Option<u32>,
    found: &mut Found,
) {
    if abort == Some(0) {
        let message = "0 keeps the pods of a failed version for ever, not for no time";
        let site = site.key("abortScaleDownDelaySeconds");
        found.say(
            Rule::AbortKeepsPods,
            &site,
            message.to_owned(),
            "leave it out for 30 s",
        );
    }
    let drain = subject.plan.drain_delay;
    if let Some(delay) = down.filter(|delay| Duration::from_secs((*delay).into()) < drain) {
        let message = format!(
            "the old pods go {delay} s after they lost their traffic: kept connections and cached \
             endpoints lead to them for longer, and an undo finds no pods"
        );
        let site = site.key("scaleDownDelaySeconds");
        found.say(Rule::ScaleDownEarly, &site, message, "30 s is the default");
    }
}

fn deadline(subject: &Subject<'_>, found: &mut Found) {
    let plan = subject.plan;
    let routed = plan.splits() || plan.strategy == StrategyKind::BlueGreen;
    let ready = subject.assumed.pod_start;
    let settles = settle(plan, Part::Bind).saturating_add(settle(plan, Part::Split));
    let needs = ready.saturating_add(settles);
    if !routed || plan.progress_deadline >= needs {
        return;
    }
    let then = match plan.deadline_aborts {
        true => "takes every release back",
        false => "makes every release Degraded",
    };
    let message = format!(
        "a step needs {} s at least, {} until its pods count as available and {} until its route is \
         seen: a deadline of {} s {then}",
        needs.as_secs(),
        ready.as_secs(),
        settles.as_secs(),
        plan.progress_deadline.as_secs(),
    );
    let site = subject.site("progressDeadlineSeconds");
    found.say(Rule::DeadlineTooShort, &site, message, "the default is 600");
}
