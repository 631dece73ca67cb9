use std::time::Duration;

use super::findings::{Findings, Site};
use super::{Input, analysis, judge, pace, routes, steps};
use crate::capability::Part;
use crate::plan::{Amount, Background, Plan, StrategyKind, Threshold};
use crate::registry::RouterFrame;
use crate::spec::{CanarySpec, RolloutAnalysis, TrafficRouting};

const DEFAULT_DELAY: u32 = 30;

/// Makes the plan a canary; `site` is `spec.strategy.canary`.
pub(super) fn lower(
    input: Input<'_>,
    canary: &CanarySpec,
    site: &Site,
    plan: &mut Plan,
    found: &mut Findings,
) -> RouterFrame {
    let mut frame = routes::frame(input.spec);
    let routing = canary.traffic_routing.as_ref();
    let unit = routing.map_or(1, |it| pace::refine(input, canary, it, &mut frame));
    plan.strategy = StrategyKind::Canary;
    plan.threshold = canary.replica_progress_threshold;
    check(input, canary, site, found);
    warn(canary, site, found);
    pods(canary, site, plan, found);
    match routing {
        Some(routing) => routed(input, canary, routing, &frame, site, plan, found),
        None => unrouted(input, canary, &frame, site, plan, found),
    }
    plan.slots = routes::slots(&plan.routers, &frame);
    let scope = steps::Scope {
        input,
        routed: canary.traffic_routing.is_some(),
        certain: parsed(canary, plan),
        frame: &frame,
        unit,
    };
    plan.steps = steps::steps(scope, &canary.steps, &site.key("steps"), plan, found);
    let background = canary.analysis.as_ref();
    plan.background = background.map(|background| {
        let site = site.key("analysis");
        beside(input, background, canary.steps.len(), &site, found)
    });
    judge::canary(plan, site, found);
    pace::check(plan, site, found);
    judge::plan_scrapes(plan);
    frame
}

/// Whether every router of the manifest was understood: what one lacks is a guess otherwise.
fn parsed(canary: &CanarySpec, plan: &Plan) -> bool {
    let named = canary.traffic_routing.iter().flat_map(|r| r.routers.keys());
    let mut named = named.peekable();
    named.peek().is_some() && named.all(|name| plan.routers.iter().any(|r| r.name == *name))
}

fn check(input: Input<'_>, canary: &CanarySpec, site: &Site, found: &mut Findings) {
    if let (Some(stable), Some(other)) = (&canary.stable_service, &canary.canary_service)
        && stable == other
    {
        let finding = site
            .key("canaryService")
            .says("the stable side has the same service");
        found.error(finding.value(other).help("two services, one for each side"));
    }
    if let Some(pair) = &canary.ping_pong
        && pair.ping_service == pair.pong_service
    {
        let site = site.key("pingPong").key("pongService");
        let finding = site.says("pingService is the same service");
        found.error(finding.value(&pair.pong_service));
    }
    if let Some(Threshold::Percent(percent @ 101..)) = canary.replica_progress_threshold {
        let site = site.key("replicaProgressThreshold").key("value");
        found.error(site.says("a percentage is 0 to 100").value(percent));
    }
    let history = input.spec.revision_history_limit;
    revision_limit(canary.scale_down_delay_revision_limit, history, site, found);
}

/// Checks and warns about `scaleDownDelayRevisionLimit`, which both strategies have.
pub(super) fn revision_limit(limit: Option<u32>, history: u32, site: &Site, found: &mut Findings) {
    let site = site.key("scaleDownDelayRevisionLimit");
    match limit {
        Some(limit) if limit > history => {
            let finding = site.says("more revisions than revisionHistoryLimit keeps");
            found.error(finding.value(limit).help(format!("at most {history}")));
        }
        Some(_) => found.warn(site.says("not honoured yet: every old revision waits its delay")),
        None => {}
    }
}

fn warn(canary: &CanarySpec, site: &Site, found: &mut Findings) {
    let lost = [
        (
            "antiAffinity",
            canary.anti_affinity.is_some(),
            "not honoured yet: pods of both revisions may share a node",
        ),
        (
            "canaryMetadata",
            canary.canary_metadata.is_some(),
            "not honoured yet: canary pods do not get these labels and annotations",
        ),
        (
            "stableMetadata",
            canary.stable_metadata.is_some(),
            "not honoured yet: stable pods do not get these labels and annotations",
        ),
        (
            "pingPong",
            canary.ping_pong.is_some(),
            "not honoured as such: ping is the stable service and pong the canary's for good; \
             a promotion rebinds them while they carry nothing",
        ),
    ];
    for (field, _, message) in lost.into_iter().filter(|(_, there, _)| *there) {
        found.warn(site.key(field).says(message));
    }
}

fn pods(canary: &CanarySpec, site: &Site, plan: &mut Plan, found: &mut Findings) {
    plan.max_surge = canary.max_surge.unwrap_or(Amount::Percent(25));
    plan.max_unavailable = canary.max_unavailable.unwrap_or(Amount::Percent(25));
    if let Amount::Percent(percent @ 101..) = plan.max_unavailable {
        let finding = site
            .key("maxUnavailable")
            .says("at most all pods may be unavailable");
        found.error(finding.value(format!("{percent}%")).help("0% to 100%"));
    }
    if is_none(plan.max_surge) && is_none(plan.max_unavailable) {
        plan.max_unavailable = Amount::Pods(1);
    }
}

fn is_none(amount: Amount) -> bool {
    matches!(amount, Amount::Pods(0) | Amount::Percent(0))
}

/// What holds with a router.
fn routed(
    input: Input<'_>,
    canary: &CanarySpec,
    routing: &TrafficRouting,
    frame: &RouterFrame,
    site: &Site,
    plan: &mut Plan,
    found: &mut Findings,
) {
    let place = site.key("trafficRouting");
    plan.total = frame.max_traffic_weight.max(1);
    plan.routers = routes::routers(input, routing, frame, &place, found);
    let services = routes::services(input, &plan.routers, frame, site, found);
    plan.routers.extend(services);
    if parsed(canary, plan) {
        missing_parts(plan, &place, found);
    }
    plan.dynamic_stable_scale = canary.dynamic_stable_scale;
    plan.min_pods = canary.min_pods_per_replica_set;
    let delay = canary.scale_down_delay_seconds;
    if canary.dynamic_stable_scale && delay.is_some() {
        let finding = site.key("scaleDownDelaySeconds");
        let finding = finding.says("stable has no pods left to keep under dynamicStableScale");
        found.error(
            finding
                .value(delay.unwrap_or_default())
                .help("one of the two"),
        );
    }
    plan.scale_down_delay = match canary.dynamic_stable_scale {
        true => plan.drain_delay,
        false => seconds(delay.unwrap_or(DEFAULT_DELAY)),
    };
    plan.abort_scale_down_delay = match canary.abort_scale_down_delay_seconds {
        None if canary.dynamic_stable_scale => Some(plan.drain_delay),
        delay => abort_delay(delay),
    };
    plan.canary_surge = canary.max_surge;
}

fn missing_parts(plan: &Plan, site: &Site, found: &mut Findings) {
    if !plan.carries(Part::Split) {
        let finding = site.says("none of these routers can split traffic");
        found.error(finding.help("name one that can, or leave trafficRouting out"));
    }
    if !plan.carries(Part::Bind) {
        let message = "nothing here says which pods are stable and which are canary";
        let help = "name canaryService and stableService and register a router \"services\", \
                    or use a router that tells pods apart by itself";
        found.error(site.says(message).help(help));
    }
}

/// What holds without a router: the pods make the ratio.
fn unrouted(
    input: Input<'_>,
    canary: &CanarySpec,
    frame: &RouterFrame,
    site: &Site,
    plan: &mut Plan,
    found: &mut Findings,
) {
    let services = routes::services(input, &plan.routers, frame, site, found);
    plan.routers.extend(services);
    if frame.has_services() && plan.routers.is_empty() {
        let message = "not honoured: no router \"services\" is registered, so nothing binds it";
        let field = match frame.canary_service {
            Some(_) => "canaryService",
            None => "stableService",
        };
        found.warn(site.key(field).says(message));
    }
    if canary.dynamic_stable_scale {
        let finding = site.key("dynamicStableScale");
        found.error(finding.says("needs a trafficRouting").value(true));
    }
    let routed_only = [
        ("scaleDownDelaySeconds", canary.scale_down_delay_seconds),
        (
            "abortScaleDownDelaySeconds",
            canary.abort_scale_down_delay_seconds,
        ),
        ("minPodsPerReplicaSet", canary.min_pods_per_replica_set),
    ];
    for (field, value) in routed_only {
        if let Some(value) = value {
            let message = "not honoured without trafficRouting: the pods make the ratio";
            found.warn(site.key(field).says(message).value(value));
        }
    }
}

fn beside(
    input: Input<'_>,
    analysis: &RolloutAnalysis,
    steps: usize,
    site: &Site,
    found: &mut Findings,
) -> Background {
    let starting_step = analysis.starting_step.unwrap_or(0);
    if usize::try_from(starting_step).is_ok_and(|start| start > steps) {
        let finding = site
            .key("startingStep")
            .says("there is no such step: it would never start");
        found.error(finding.value(starting_step).help(format!("0 to {steps}")));
    }
    Background {
        run: analysis::run(input, analysis, analysis::Place::Background, site, found),
        starting_step,
    }
}

pub(super) fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// The default is 30 s; 0 means for ever.
pub(super) fn abort_delay(delay: Option<u32>) -> Option<Duration> {
    let delay = delay.unwrap_or(DEFAULT_DELAY);
    (delay > 0).then(|| seconds(delay))
}
