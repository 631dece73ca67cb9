use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use super::Input;
use super::args::Args;
use super::findings::{Findings, Site};
use super::templates::{self, Used};
use super::{judge, metric};
use crate::analysis::{MetricPlan, RunPlan};
use crate::id::MetricName;
use crate::spec::{Retention, RolloutAnalysis};

/// The most patterns of names in one analysis.
const PATTERNS: usize = 100;
/// The most memory that one of them takes, in bytes.
const PATTERN_SIZE: usize = 250_000;

/// Where in a rollout an analysis stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Beside the steps: it may run for as long as they do.
    Background,
    /// In a step, or before or after a switch: it must come to an end.
    Inline,
}

/// What an analysis measures; `site` is the analysis in the rollout.
pub(super) fn run(
    input: Input<'_>,
    analysis: &RolloutAnalysis,
    place: Place,
    site: &Site,
    found: &mut Findings,
) -> RunPlan {
    check(analysis, place, site, found);
    let (used, whole) = templates::used(input, analysis, site, found);
    let args = Args::merge(&used, whole, analysis, site, found);
    let dry = dry_run(&used, analysis, site, found);
    let mut names = BTreeSet::new();
    let mut late = BTreeSet::new();
    let mut metrics = Vec::new();
    for used in &used {
        for (at, spec) in used.template.metrics.iter().enumerate() {
            let site = used.site.key("metrics").index(at);
            if !found.spend(1_000 + dry.len(), &site) {
                break;
            }
            let mut plan = metric::metric(input, spec, &args, &mut late, &site, found);
            unique(&mut names, &plan, &site, found);
            if place == Place::Inline && plan.count.is_none() {
                endless(&plan, used, found);
            }
            plan.dry_run = dry
                .iter()
                .any(|pattern| pattern.is_match(plan.name.as_str()));
            metrics.push(plan.sealed());
        }
        if let Some(spec) = &used.template.judge {
            let site = used.site.key("judge");
            let plan = judge::judge(input, spec, &args, &mut late, &site, found);
            unique(&mut names, &plan, &site, found);
            metrics.push(plan.sealed());
        }
    }
    RunPlan {
        templates: used.iter().map(|used| used.template.name.clone()).collect(),
        metrics,
        late_args: args.late(&late),
    }
}

fn unique(names: &mut BTreeSet<MetricName>, plan: &MetricPlan, site: &Site, found: &mut Findings) {
    if !names.insert(plan.name.clone()) {
        let finding = site
            .key("name")
            .says("another metric of the run has this name");
        found.error(finding.value(&plan.name));
    }
}

fn endless(plan: &MetricPlan, used: &Used<'_>, found: &mut Findings) {
    let message = format!(
        "its metric {:?} never ends: only a background analysis may",
        plan.name
    );
    let finding = used.by.says(message).value(&used.template.name);
    found.error(finding.help("give the metric a count"));
}

fn check(analysis: &RolloutAnalysis, place: Place, site: &Site, found: &mut Findings) {
    if analysis.templates.is_empty() {
        found.error(
            site.key("templates")
                .says("an analysis names at least one template"),
        );
    }
    if place == Place::Inline && analysis.starting_step.is_some() {
        let message = "not honoured here: only a background analysis has a startingStep";
        found.warn(site.key("startingStep").says(message));
    }
    if analysis.run_metadata.is_some() {
        let message = "not honoured yet: there is no AnalysisRun object to bear it";
        found.warn(site.key("analysisRunMetadata").says(message));
    }
}

/// The patterns of the metrics that are only watched; the retention's are checked with them.
fn dry_run(
    used: &[Used<'_>],
    analysis: &RolloutAnalysis,
    site: &Site,
    found: &mut Findings,
) -> Vec<Regex> {
    let names: Vec<_> = used
        .iter()
        .flat_map(|used| &used.template.metrics)
        .collect();
    let ours = (site, &analysis.dry_run, &analysis.measurement_retention);
    let theirs = used.iter().map(|used| {
        let template = used.template;
        (
            &used.site,
            &template.dry_run,
            &template.measurement_retention,
        )
    });
    let mut patterns = Vec::new();
    for (site, dry_run, retention) in std::iter::once(ours).chain(theirs) {
        for (at, text) in dry_run.iter().enumerate() {
            let site = site.key("dryRun").index(at).key("metricName");
            if patterns.len() >= PATTERNS {
                found.error(site.says(format!("more than {PATTERNS} patterns in one analysis")));
                return patterns;
            }
            if !found.spend(names.len(), &site) {
                return patterns;
            }
            let Some(pattern) = pattern(text, &site, found) else {
                continue;
            };
            if !names.iter().any(|metric| pattern.is_match(&metric.name)) {
                found.warn(site.says("this matches no metric of the run").value(text));
            }
            patterns.push(pattern);
        }
        retained(retention, &site.key("measurementRetention"), found);
    }
    patterns
}

fn retained(retention: &[Retention], site: &Site, found: &mut Findings) {
    for (at, retention) in retention.iter().enumerate() {
        let site = site.index(at);
        let message = "not honoured yet: measurements are kept in the events and the decision log";
        if pattern(&retention.metric_name, &site.key("metricName"), found).is_some() {
            found.warn(site.key("limit").says(message).value(retention.limit));
        }
    }
}

/// A regular expression that may match anywhere in a name.
fn pattern(text: &str, site: &Site, found: &mut Findings) -> Option<Regex> {
    if !found.spend(20_000, site) {
        return None;
    }
    let pattern = RegexBuilder::new(text).size_limit(PATTERN_SIZE).build();
    if pattern.is_err() {
        let finding = site.says("not a regular expression").value(text);
        found.error(finding.help("every metric: .*"));
    }
    pattern.ok()
}
