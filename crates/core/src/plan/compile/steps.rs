use super::findings::{Findings, Site};
use super::{Input, analysis, gates, pace, trial};
use crate::plan::{CanaryScale, Plan, Step, StepKind};
use crate::registry::RouterFrame;
use crate::spec::StepSpec;

/// The most steps that one rollout has; what looks at each of them from each other one stays fast.
const STEPS: usize = 1_000;

/// What the steps of a canary stand in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) input: Input<'a>,
    /// Whether the manifest names routers.
    pub(super) routed: bool,
    /// Whether all of them were understood, so that what they lack is known.
    pub(super) certain: bool,
    pub(super) frame: &'a RouterFrame,
    /// How many parts of the total one of a step's weight is.
    pub(super) unit: u32,
}

/// The steps of a canary; `plan` has its routers and its total already.
pub(super) fn steps(
    scope: Scope<'_>,
    specs: &[StepSpec],
    site: &Site,
    plan: &Plan,
    found: &mut Findings,
) -> Vec<Step> {
    if specs.len() > STEPS {
        let finding = site.says(format!("more than {STEPS} steps"));
        found.error(finding.value(specs.len()));
    }
    let specs = specs.get(..STEPS).unwrap_or(specs);
    let mut steps = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        let site = site.index(at);
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        refuse(spec, &site, found);
        let kinds = kinds(scope, spec, &site, plan, found);
        let before = steps.len();
        let deadline = gates::deadline(spec.progress_deadline, &site, found);
        steps.extend(kinds.into_iter().map(|kind| Step {
            progress_deadline: deadline,
            ..Step::new(index, kind)
        }));
        if let (Some(gate), Some(first)) = (&spec.gate, steps.get_mut(before)) {
            let own = gates::deadline(gate.progress_deadline, &site.key("gate"), found);
            first.progress_deadline = own.or(deadline);
        }
    }
    steps
}

/// What one step does. Its gate comes first, what else waits comes last: all of a step is in
/// effect while it waits.
fn kinds(
    scope: Scope<'_>,
    spec: &StepSpec,
    site: &Site,
    plan: &Plan,
    found: &mut Findings,
) -> Vec<StepKind> {
    let mut kinds = Vec::new();
    if let Some(gate) = &spec.gate {
        let run = gates::step(scope.input, gate, &site.key("gate"), found);
        kinds.push(StepKind::Analysis(run));
    }
    if let Some(scale) = spec.set_canary_scale {
        check_scale(scope, scale, &site.key("setCanaryScale"), found);
        kinds.push(StepKind::SetCanaryScale(scale));
    }
    if let Some(weight) = spec
        .set_weight
        .map(|weight| weight.saturating_mul(scope.unit))
    {
        check_weight(scope, weight, &site.key("setWeight"), plan, found);
        kinds.push(StepKind::SetWeight(weight));
    }
    if let Some(pace) = &spec.pace {
        kinds.push(pace::pace(scope, *pace, &site.key("pace"), plan, found));
    }
    if let Some(route) = &spec.set_header_route {
        trial::header(scope, route, &site.key("setHeaderRoute"), plan, found);
        kinds.push(StepKind::SetHeaderRoute(route.clone()));
    }
    if let Some(route) = &spec.set_mirror_route {
        trial::mirror(scope, route, &site.key("setMirrorRoute"), plan, found);
        kinds.push(StepKind::SetMirrorRoute(route.clone()));
    }
    if let Some(pause) = &spec.pause {
        kinds.push(StepKind::Pause(pause.duration));
    }
    if let Some(analysis) = &spec.analysis {
        let place = analysis::Place::Inline;
        let site = site.key("analysis");
        let run = analysis::run(scope.input, analysis, place, &site, found);
        kinds.push(StepKind::Analysis(run));
    }
    kinds
}

fn refuse(spec: &StepSpec, site: &Site, found: &mut Findings) {
    let kinds = spec.kinds();
    if kinds.is_empty() {
        found.error(
            site.says("a step that does nothing")
                .help("setWeight, pause, analysis, …"),
        );
    }
    let ends = ["setWeight", "pace", "pause", "experiment", "analysis"];
    let ends: Vec<_> = kinds.iter().filter(|kind| ends.contains(*kind)).collect();
    if let [first, second, ..] = ends.as_slice() {
        let message = format!("{first} and {second} in one step: which of them ends it is unclear");
        found.error(site.says(message).help("write them as two steps"));
    }
    if spec.experiment.is_some() {
        let finding = site
            .key("experiment")
            .says("experiment steps are not supported yet");
        found.error(finding.help("setCanaryScale, then an analysis step"));
    }
    if let Some(plugin) = spec.plugin.as_ref().filter(|plugin| !plugin.disabled) {
        let finding = site
            .key("plugin")
            .says("plugin steps are not supported yet");
        found.error(
            finding
                .value(&plugin.name)
                .help("a gate, or a web or job metric"),
        );
    }
}

fn check_weight(scope: Scope<'_>, weight: u32, site: &Site, plan: &Plan, found: &mut Findings) {
    let total = plan.total;
    if weight > total {
        let finding = site.says(format!("setWeight is 0 to {total}"));
        found.error(finding.value(weight));
        return;
    }
    let rounded = plan.rounded(weight);
    if !scope.certain || rounded == weight {
        return;
    }
    let grain = plan.grain();
    let least = total.div_ceil(grain);
    if rounded == 0 {
        let message = format!("the router knows {grain} shares of {total}: this becomes 0");
        found.error(
            site.says(message)
                .value(weight)
                .help(format!("at least {least}")),
        );
    } else {
        let message = format!("the router knows {grain} shares of {total}: this becomes {rounded}");
        found.warn(site.says(message).value(weight));
    }
}

fn check_scale(scope: Scope<'_>, scale: CanaryScale, site: &Site, found: &mut Findings) {
    if !scope.routed {
        let finding = site.says("setCanaryScale needs a trafficRouting");
        found.error(finding.help("without a router the pods make the ratio: use setWeight"));
    }
    if let CanaryScale::Weight(weight @ 101..) = scale {
        let finding = site
            .key("weight")
            .says("a share of the replicas is 0 to 100");
        found.error(finding.value(weight));
    }
}
