use super::Input;
use super::findings::{Findings, Site};
use crate::spec::{AnalysisTemplate, RolloutAnalysis, TemplateRef};

/// How many templates are named to someone who looks for one.
const NAMED: usize = 10;

/// A template of an analysis, and the reference of the rollout that led to it.
#[derive(Clone)]
pub(super) struct Used<'a> {
    pub(super) template: &'a AnalysisTemplate,
    /// The template's own `spec`.
    pub(super) site: Site,
    /// Where the rollout names it, or names what names it.
    pub(super) by: Site,
}

/// The templates of an analysis, those that they name included, each once, in their order; and
/// whether all of them are there.
pub(super) fn used<'a>(
    input: Input<'a>,
    analysis: &RolloutAnalysis,
    site: &Site,
    found: &mut Findings,
) -> (Vec<Used<'a>>, bool) {
    let mut used: Vec<Used<'a>> = Vec::new();
    let mut whole = true;
    for (at, reference) in analysis.templates.iter().enumerate() {
        let by = site.key("templates").index(at).key("templateName");
        // Last in, first out: a template's own references come right after it.
        let mut open = vec![(reference, by.clone())];
        while let Some((reference, named)) = open.pop() {
            if !found.spend(input.templates.len() + used.len(), site) {
                return (used, false);
            }
            let Some(template) = find(input, reference, &named, found) else {
                whole = false;
                continue;
            };
            if used
                .iter()
                .any(|other| std::ptr::eq(other.template, template))
            {
                continue;
            }
            let site = Site::spec(template.object());
            let nested = template.templates.iter().enumerate().rev();
            open.extend(nested.map(|(at, reference)| {
                let named = site.key("templates").index(at).key("templateName");
                (reference, named)
            }));
            let by = by.clone();
            used.push(Used { template, site, by });
        }
    }
    (used, whole)
}

fn find<'a>(
    input: Input<'a>,
    reference: &TemplateRef,
    site: &Site,
    found: &mut Findings,
) -> Option<&'a AnalysisTemplate> {
    let namespace = input.spec.namespace.as_deref();
    let mut templates = input.templates.iter();
    let template = templates.find(|template| template.answers(reference, namespace));
    if template.is_none() {
        let kind = match reference.cluster_scope {
            true => "ClusterAnalysisTemplate",
            false => "AnalysisTemplate",
        };
        let missing = format!("there is no {kind} of this name");
        let about = |text: String| {
            let finding = site.says(text).value(&reference.name);
            finding.help(near(input, reference))
        };
        match input.registry.is_lenient() {
            true => found.warn(about(format!("{missing}: what it measures is left out"))),
            false => found.error(about(missing)),
        }
    }
    template
}

fn near(input: Input<'_>, reference: &TemplateRef) -> String {
    let other_scope = TemplateRef {
        name: reference.name.clone(),
        cluster_scope: !reference.cluster_scope,
    };
    let namespace = input.spec.namespace.as_deref();
    let mut templates = input.templates.iter();
    if templates.any(|template| template.answers(&other_scope, namespace)) {
        let scope = other_scope.cluster_scope;
        return format!("there is one with clusterScope: {scope}");
    }
    let scope = |template: &&AnalysisTemplate| template.cluster_scope == reference.cluster_scope;
    let names = input.templates.iter().filter(scope);
    let mut names: Vec<_> = names.map(|template| template.name.as_str()).collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match (names.is_empty(), more) {
        (true, _) => "none was given: add the file that holds it".to_owned(),
        (false, 0) => format!("there are: {}", names.join(", ")),
        (false, more) => format!("there are: {} and {more} more", names.join(", ")),
    }
}
