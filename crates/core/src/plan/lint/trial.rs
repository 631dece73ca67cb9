//! Header routes and mirrors.

use super::subject::Subject;
use super::{Found, Rule, Site};
use crate::plan::StepKind;
use crate::route::{HeaderRoute, MirrorMatch, MirrorRoute, StringMatch};

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    for (index, step) in subject.plan.steps.iter().enumerate() {
        let site = subject.step_site(index);
        let matches = match &step.kind {
            StepKind::SetHeaderRoute(route) => {
                headers(route, &site.key("setHeaderRoute"), found);
                route.matches.len()
            }
            StepKind::SetMirrorRoute(route) => {
                mirrored(route, &site.key("setMirrorRoute"), found);
                route.matches.len()
            }
            _ => continue,
        };
        let pods = subject.timeline.steps.get(index).map(|row| row.canary_pods);
        if matches > 0 && pods == Some(0) && subject.assumed.replicas > 0 {
            let message = "no pod of the new version exists at this step: it waits for one that no \
                           step before it asks for";
            let help = "setCanaryScale before it";
            found.say(Rule::TrialWithoutPods, &site, message.to_owned(), help);
        }
    }
}

fn headers(route: &HeaderRoute, site: &Site, found: &mut Found) {
    for (at, matched) in route.matches.iter().enumerate() {
        let site = site.key("match").index(at);
        let name = &matched.header_name;
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            let message =
                format!("no request has a header called {name:?}: a name is letters, digits and -");
            found.say(Rule::ImpossibleHeader, &site.key("headerName"), message, "");
        }
        if matched.header_value == StringMatch::Exact(String::new()) {
            let message = format!("an empty {name} is what no client sends on purpose");
            let help = "a value, or a regex such as .+";
            found.say(
                Rule::ImpossibleHeader,
                &site.key("headerValue"),
                message,
                help,
            );
        }
    }
}

/// Methods that change nothing, so that doing them twice is doing them once.
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

fn mirrored(route: &MirrorRoute, site: &Site, found: &mut Found) {
    let safe = |it: &MirrorMatch| match &it.method {
        Some(StringMatch::Exact(method)) => SAFE.contains(&method.as_str()),
        Some(StringMatch::Regex(pattern)) => pattern
            .split('|')
            .all(|method| SAFE.contains(&method.trim_matches(['^', '$', '(', ')']))),
        Some(StringMatch::Prefix(_)) | None => false,
    };
    if route.percentage == 0 || route.matches.iter().all(safe) {
        return;
    }
    let message = "requests that change something are mirrored too: the new version does again what \
                   the old one has done";
    let help = "match the method: {exact: GET}";
    found.say(Rule::MirrorRepeatsWrites, site, message.to_owned(), help);
}
