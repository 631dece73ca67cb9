use super::findings::{Findings, Site};
use super::{Input, analysis, canary, judge, routes};
use crate::capability::Part;
use crate::plan::{Amount, Plan, Step, StepKind, StrategyKind};
use crate::registry::RouterFrame;
use crate::spec::{BlueGreenSpec, RolloutAnalysis};

/// Makes the plan a blue-green one; `site` is `spec.strategy.blueGreen`.
pub(super) fn lower(
    input: Input<'_>,
    spec: &BlueGreenSpec,
    site: &Site,
    plan: &mut Plan,
    found: &mut Findings,
) -> RouterFrame {
    let frame = routes::frame(input.spec);
    check(spec, site, found);
    warn(spec, site, found);
    let history = input.spec.revision_history_limit;
    canary::revision_limit(spec.scale_down_delay_revision_limit, history, site, found);
    plan.strategy = StrategyKind::BlueGreen;
    let services = routes::services(input, &plan.routers, &frame, site, found);
    plan.routers.extend(services);
    if plan.routers.is_empty() {
        let message = "nothing can switch this service: no router \"services\" is registered";
        let finding = site.key("activeService").says(message);
        found.error(finding.value(&spec.active_service));
    } else if !plan.carries(Part::Bind) {
        let message = "the router \"services\" cannot bind a service to a revision";
        found.error(site.key("activeService").says(message));
    }
    plan.slots = routes::slots(&plan.routers, &frame);
    plan.max_unavailable = spec.max_unavailable.unwrap_or(Amount::Percent(25));
    plan.scale_down_delay = canary::seconds(spec.scale_down_delay_seconds.unwrap_or(30));
    plan.abort_scale_down_delay = canary::abort_delay(spec.abort_scale_down_delay_seconds);
    plan.steps = steps(input, spec, site, found);
    frame
}

/// Preview, analyse, wait, switch, analyse: what the strategy adds by itself has no user's step.
fn steps(input: Input<'_>, spec: &BlueGreenSpec, site: &Site, found: &mut Findings) -> Vec<Step> {
    let mut analyse = |analysis: &Option<RolloutAnalysis>, field, apart| {
        let (place, site) = (analysis::Place::Inline, site.key(field));
        let run = analysis::run(input, analysis.as_ref()?, place, &site, found);
        judge::refuse(&run, apart, &site, found);
        Some(StepKind::Analysis(run))
    };
    let before = analyse(
        &spec.pre_promotion_analysis,
        "prePromotionAnalysis",
        "the new version has no users before the switch",
    );
    let after = analyse(
        &spec.post_promotion_analysis,
        "postPromotionAnalysis",
        "nobody is held back on the old version after the switch",
    );
    let kinds = [
        Some(StepKind::Preview(spec.preview_replica_count)),
        before,
        pause(spec),
        Some(StepKind::Switch),
        after,
    ];
    let step = |kind| Step::new(0, kind);
    kinds.into_iter().flatten().map(step).collect()
}

fn pause(spec: &BlueGreenSpec) -> Option<StepKind> {
    match spec.auto_promotion_seconds {
        _ if !spec.auto_promotion_enabled => Some(StepKind::Pause(None)),
        None | Some(0) => None,
        Some(seconds) => Some(StepKind::Pause(Some(canary::seconds(seconds)))),
    }
}

fn check(spec: &BlueGreenSpec, site: &Site, found: &mut Findings) {
    if spec.active_service.is_empty() {
        let finding = site.key("activeService");
        found.error(finding.says("blue-green needs the service that the users reach"));
    }
    if spec.preview_service.as_ref() == Some(&spec.active_service) {
        let finding = site
            .key("previewService")
            .says("activeService is the same service");
        found.error(
            finding
                .value(&spec.active_service)
                .help("another one, or none"),
        );
    }
    if let Some(Amount::Percent(percent @ 101..)) = spec.max_unavailable {
        let finding = site
            .key("maxUnavailable")
            .says("at most all pods may be unavailable");
        found.error(finding.value(format!("{percent}%")).help("0% to 100%"));
    }
}

fn warn(spec: &BlueGreenSpec, site: &Site, found: &mut Findings) {
    let lost = [
        (
            "antiAffinity",
            spec.anti_affinity.is_some(),
            "not honoured yet: pods of both revisions may share a node",
        ),
        (
            "previewMetadata",
            spec.preview_metadata.is_some(),
            "not honoured yet: preview pods do not get these labels and annotations",
        ),
        (
            "activeMetadata",
            spec.active_metadata.is_some(),
            "not honoured yet: active pods do not get these labels and annotations",
        ),
        (
            "autoPromotionSeconds",
            !spec.auto_promotion_enabled && spec.auto_promotion_seconds.is_some_and(|s| s > 0),
            "not honoured while autoPromotionEnabled is false: it waits for an operator",
        ),
    ];
    for (field, _, message) in lost.into_iter().filter(|(_, there, _)| *there) {
        found.warn(site.key(field).says(message));
    }
}
