//! Whether a query can tell the new version from the old one.

use serde_json::Value;

use super::subject::{Metric, Place, Run, Subject};
use super::{Found, Rule, promql};
use crate::analysis::LateArg;
use crate::spec::Strategy;
use crate::template;

/// Labels that tell versions apart when a query selects by one of them.
const LABELS: [&str; 22] = [
    "app_version",
    "build",
    "color",
    "colour",
    "commit",
    "deployment",
    "destination_version",
    "destination_workload",
    "image",
    "image_tag",
    "pod_template_hash",
    "release",
    "replicaset",
    "revision",
    "role",
    "rollouts_pod_template_hash",
    "stage",
    "subset",
    "tag",
    "track",
    "variant",
    "version",
];

/// What a query takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// The new version, or something that may tell versions apart.
    New,
    /// The old version alone.
    Old,
    /// Whatever there is.
    Both,
    /// It is no query.
    Unknown,
}

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    let sides = Sides::of(subject);
    for (run, metric) in subject.judging() {
        if texts(&metric.plan.query)
            .into_iter()
            .any(promql::divides_itself)
        {
            let name = &metric.plan.name;
            let message = format!("{name} divides something by itself: it is 1 whatever happens");
            let help = "what is good or bad above, all of it below";
            found.say(Rule::SameOverSame, &site(metric), message, help);
        }
        let takes = takes(&sides, run, metric);
        if everyone_is_new(subject, run.place) || matches!(takes, Takes::New | Takes::Unknown) {
            continue;
        }
        let name = &metric.plan.name;
        let site = site(metric);
        if takes == Takes::Old {
            let message = format!(
                "{name} measures the old version alone: its query names nothing of the new one"
            );
            found.say(Rule::OldVersionOnly, &site, message, &sides.help());
            continue;
        }
        let message = match run.place {
            Place::BeforeSwitch => format!(
                "{name} is measured before any user reaches the new version, and its query does \
                 not name the preview: it judges the old one"
            ),
            _ => mixed(subject, run.place, name.as_str(), &sides),
        };
        found.say(Rule::SameQuery, &site, message, &sides.help());
    }
}

/// After a switch, and at the full weight, there is nobody else to measure.
fn everyone_is_new(subject: &Subject<'_>, place: Place) -> bool {
    match place {
        Place::AfterSwitch => true,
        Place::Step(index) => subject.weight(index) >= subject.plan.total,
        Place::Background(_) | Place::BeforeSwitch => false,
    }
}

fn mixed(subject: &Subject<'_>, place: Place, name: &str, sides: &Sides) -> String {
    let weight = match place {
        Place::Step(index) => subject.weight(index),
        _ => subject.first_weight,
    };
    let service = match sides.new.first() {
        Some(service) => format!("neither {service:?} nor its pods' hash"),
        None => "no hash of its pods".to_owned(),
    };
    let diluted = match weight {
        0 => String::new(),
        weight => format!(
            "; at {} a version that fails every time is {0} of what it sees",
            subject.percent(weight)
        ),
    };
    format!(
        "{name} cannot tell the new version from the old one: its query names {service}{diluted}"
    )
}

/// Where the query of a metric stands.
pub(super) fn site(metric: &Metric<'_>) -> super::Site {
    let part = metric.site.key("provider").key(&metric.plan.provider);
    match metric.plan.query.get("query") {
        Some(_) => part.key("query"),
        None => part,
    }
}

/// What a metric's query takes in.
pub(super) fn takes(sides: &Sides, run: &Run<'_>, metric: &Metric<'_>) -> Takes {
    let texts = texts(&metric.plan.query);
    if texts.is_empty() {
        return Takes::Unknown;
    }
    let late = |wanted: fn(&LateArg) -> bool| {
        let mut tags = texts.iter().flat_map(|text| template::tags(text));
        tags.any(|tag| run.plan.late_args.get(tag).is_some_and(wanted))
    };
    let names = |names: &[String], others: &[String]| {
        names
            .iter()
            .any(|name| texts.iter().any(|text| holds(text, name, others)))
    };
    let matchers: Vec<_> = texts
        .iter()
        .flat_map(|text| promql::matchers(text))
        .collect();
    let old = matchers.iter().filter(|it| is_place(&it.label));
    let old = old.filter(|it| {
        sides
            .old
            .iter()
            .any(|name| holds(&it.value, name, &sides.new))
    });
    let (not_old, only_old): (Vec<_>, Vec<_>) = old.partition(|it| it.negated);
    let tells = late(|arg| !matches!(arg, LateArg::StableHash))
        || names(&sides.new, &sides.old)
        || texts.iter().any(|text| says_canary(text))
        || matchers
            .iter()
            .any(|it| LABELS.contains(&it.label.to_lowercase().as_str()))
        || !not_old.is_empty();
    match tells {
        true => Takes::New,
        false if late(|arg| matches!(arg, LateArg::StableHash)) || !only_old.is_empty() => {
            Takes::Old
        }
        false => Takes::Both,
    }
}

/// Whether a label says where a request went, not which application it is.
fn is_place(label: &str) -> bool {
    let label = label.to_lowercase();
    let words = [
        "service",
        "destination",
        "host",
        "upstream",
        "backend",
        "target",
    ];
    words.iter().any(|word| label.contains(word))
}

/// The queries in a provider's part: every text below a key that is called so.
pub(super) fn texts(part: &Value) -> Vec<&str> {
    fn collect<'a>(value: &'a Value, asked: bool, texts: &mut Vec<&'a str>) {
        match value {
            Value::String(text) if asked => texts.push(text),
            Value::Array(items) => items.iter().for_each(|item| collect(item, asked, texts)),
            Value::Object(fields) => fields.iter().for_each(|(key, field)| {
                collect(field, asked || key.to_lowercase().contains("quer"), texts);
            }),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    collect(part, false, &mut texts);
    texts
}

/// What each version is called where traffic or metrics are told apart.
pub(super) struct Sides {
    new: Vec<String>,
    old: Vec<String>,
}

impl Sides {
    pub(super) fn of(subject: &Subject<'_>) -> Self {
        let mut sides = Self {
            new: Vec::new(),
            old: Vec::new(),
        };
        match &subject.spec.strategy {
            Strategy::Canary(canary) => {
                let pair = canary.ping_pong.as_ref();
                sides.new.extend(canary.canary_service.clone());
                sides.old.extend(canary.stable_service.clone());
                sides.new.extend(pair.map(|pair| pair.pong_service.clone()));
                sides.old.extend(pair.map(|pair| pair.ping_service.clone()));
                let routers = canary
                    .traffic_routing
                    .iter()
                    .flat_map(|routing| routing.routers.values());
                routers.for_each(|part| sides.named(part));
                let labels = |metadata: &Option<crate::spec::Metadata>| {
                    metadata
                        .iter()
                        .flat_map(|it| it.labels.values().cloned())
                        .collect::<Vec<_>>()
                };
                sides.new.extend(labels(&canary.canary_metadata));
                sides.old.extend(labels(&canary.stable_metadata));
            }
            Strategy::BlueGreen(blue_green) => {
                sides.new.extend(blue_green.preview_service.clone());
                sides.old.push(blue_green.active_service.clone());
            }
            Strategy::RollingUpdate => {}
        }
        let known = |name: &String| !name.is_empty();
        sides.new.retain(known);
        sides.old.retain(known);
        sides
    }

    /// What a router's own part calls canary and stable, such as a subset.
    fn named(&mut self, part: &Value) {
        match part {
            Value::Array(items) => items.iter().for_each(|item| self.named(item)),
            Value::Object(fields) => {
                for (key, field) in fields {
                    let key = key.to_lowercase();
                    match field {
                        Value::String(name) if key.contains("canary") => {
                            self.new.push(name.clone())
                        }
                        // The stable Ingress is the one that users reach: it serves both.
                        Value::String(name)
                            if key.contains("stable") && !key.contains("ingress") =>
                        {
                            self.old.push(name.clone());
                        }
                        field => self.named(field),
                    }
                }
            }
            _ => {}
        }
    }

    fn help(&self) -> String {
        let hash = "pass podTemplateHashValue: Latest as an argument and select \
                    rollouts_pod_template_hash by it";
        match self.new.first() {
            Some(service) => format!("select service={service:?}, or {hash}"),
            None => hash.to_owned(),
        }
    }
}

/// Whether a name stands in a text by itself, and not as a piece of a longer one of `others`.
fn holds(text: &str, name: &str, others: &[String]) -> bool {
    let longer: Vec<_> = others
        .iter()
        .filter(|other| other.contains(name) && *other != name)
        .collect();
    let text = longer.into_iter().fold(text.to_owned(), |text, other| {
        text.replace(other.as_str(), " ")
    });
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text
            .get(at + name.len()..)
            .and_then(|after| after.chars().next());
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !inside(before) && !inside(after)
    })
}

fn says_canary(text: &str) -> bool {
    let text = text.to_lowercase();
    ["canary", "preview"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_by_itself_and_not_in_a_longer_one() {
        let canary = ["web-canary".to_owned()];
        assert!(holds("{service=\"web\"}", "web", &canary));
        assert!(holds("{host=\"web.prod.svc\"}", "web", &canary));
        assert!(holds("{service=\"prod-web-canary-80\"}", "web-canary", &[]));
        assert!(!holds("{service=\"web-canary\"}", "web", &canary));
        assert!(!holds("{service=\"webshop\"}", "web", &[]));
    }
}
