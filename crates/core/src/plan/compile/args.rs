use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::findings::{Findings, Site};
use super::templates::Used;
use crate::analysis::LateArg;
use crate::registry::SecretRef;
use crate::spec::{ArgValue, HashOf, RolloutAnalysis};

/// How many arguments are named to someone who looks for one.
const NAMED: usize = 10;

/// The arguments of an analysis, with their values.
#[derive(Debug, Default)]
pub(super) struct Args {
    values: BTreeMap<String, ArgValue>,
    /// Arguments without a value: reported already, so that their tags need not be.
    missing: BTreeSet<String>,
}

/// What was put in, and what was not.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// The text, in which late arguments are still `{{args.name}}`.
    pub(super) text: String,
    /// Whether a tag could not be put in; this has been reported.
    pub(super) broken: bool,
    /// The late arguments that it names.
    pub(super) late: BTreeSet<String>,
    /// The secrets that it names, as placeholders.
    pub(super) secrets: BTreeSet<String>,
}

impl Args {
    /// What the templates declare, filled with what the rollout sets; `site` is the analysis,
    /// `whole` whether all of its templates are there.
    pub(super) fn merge(
        used: &[Used<'_>],
        whole: bool,
        analysis: &RolloutAnalysis,
        site: &Site,
        found: &mut Findings,
    ) -> Self {
        let site = site.key("args");
        let mut declared = declared(used, found);
        set(&mut declared, whole, analysis, &site, found);
        let mut args = Self::default();
        for (name, value) in declared {
            if let Some(value) = value {
                args.values.insert(name, value);
                continue;
            }
            let finding = site.says(format!("the argument {name:?} has no value"));
            found.error(finding.help(format!("add an entry with name: {name} and a value")));
            args.missing.insert(name);
        }
        args
    }

    /// The arguments among `names` that are known only when a run starts.
    pub(super) fn late(&self, names: &BTreeSet<String>) -> BTreeMap<String, LateArg> {
        let late = names.iter().filter_map(|name| {
            let value = match self.values.get(name)? {
                ArgValue::PodTemplateHash(HashOf::Stable) => LateArg::StableHash,
                ArgValue::PodTemplateHash(HashOf::Latest) => LateArg::LatestHash,
                ArgValue::Field(path) => LateArg::Field(path.clone()),
                ArgValue::Text(_) | ArgValue::Secret { .. } => return None,
            };
            Some((name.clone(), value))
        });
        late.collect()
    }

    /// Puts the arguments into a text; a tag that names none is an error.
    pub(super) fn fill(&self, text: &str, site: &Site, found: &mut Findings) -> Filled {
        let mut filled = Filled::default();
        if !found.spend(text.len(), site) {
            filled.broken = true;
            return filled;
        }
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((tag, after)) = after.split_once("}}") else {
                let finding = site.says("a {{ without its }}");
                found.error(finding.value(text));
                filled.broken = true;
                break;
            };
            filled.text.push_str(before);
            if !found.spend(self.length(tag), site) {
                filled.broken = true;
                return filled;
            }
            match tag.trim() {
                // A provider's own template language, such as LogQL's `line_format "{{.msg}}"`.
                own if own.starts_with('.') => filled.text.push_str(&format!("{{{{{tag}}}}}")),
                name => self.put(name, &mut filled, site, found),
            }
            rest = after;
        }
        filled.text.push_str(rest);
        filled
    }

    /// How much is put in the place of a tag.
    fn length(&self, tag: &str) -> usize {
        let name = tag.trim().strip_prefix("args.");
        match name.and_then(|name| self.values.get(name)) {
            Some(ArgValue::Text(text)) => text.len(),
            _ => tag.len(),
        }
    }

    fn put(&self, tag: &str, filled: &mut Filled, site: &Site, found: &mut Findings) {
        let name = tag.strip_prefix("args.");
        match name.and_then(|name| self.values.get(name)) {
            Some(ArgValue::Text(text)) => filled.text.push_str(text),
            Some(ArgValue::Secret { name, key }) => {
                let placeholder = SecretRef::new(name, key).to_string();
                filled.text.push_str(&placeholder);
                filled.secrets.insert(placeholder);
            }
            Some(ArgValue::PodTemplateHash(_) | ArgValue::Field(_)) => {
                // `tag` was trimmed: whoever fills it in later looks for this spelling.
                filled.text.push_str(&format!("{{{{{tag}}}}}"));
                filled.late.extend(name.map(str::to_owned));
            }
            None => {
                filled.text.push_str(&format!("{{{{{tag}}}}}"));
                filled.broken = true;
                if name.is_some_and(|name| self.missing.contains(name)) {
                    return;
                }
                let finding = site.says(format!("{{{{{tag}}}}} is no argument of this template"));
                found.error(finding.value(tag).help(self.known()));
            }
        }
    }

    /// Puts the arguments into every text below a value; `late` collects the late ones.
    pub(super) fn fill_value(
        &self,
        value: &Value,
        late: &mut BTreeSet<String>,
        site: &Site,
        found: &mut Findings,
    ) -> Value {
        match value {
            Value::String(text) => {
                let filled = self.fill(text, site, found);
                late.extend(filled.late);
                Value::String(filled.text)
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(at, item)| self.fill_value(item, late, &site.index(at), found))
                    .collect()
            }
            Value::Object(fields) => {
                let fields = fields.iter();
                fields
                    .map(|(key, item)| {
                        let site = site.key(key);
                        let key = self.fill(key, &site, found);
                        late.extend(key.late);
                        (key.text, self.fill_value(item, late, &site, found))
                    })
                    .collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn known(&self) -> String {
        let names = self.values.keys().chain(&self.missing).take(NAMED);
        let tags: Vec<_> = names.map(|name| format!("{{{{args.{name}}}}}")).collect();
        match tags.is_empty() {
            true => "it declares no argument: add one to spec.args".to_owned(),
            false => format!("it knows {}", tags.join(", ")),
        }
    }
}

type Declared = BTreeMap<String, Option<ArgValue>>;

/// The arguments of all templates; two that give one a value must agree.
fn declared(used: &[Used<'_>], found: &mut Findings) -> Declared {
    let mut declared = Declared::new();
    for used in used {
        for (at, arg) in used.template.args.iter().enumerate() {
            let known = declared.entry(arg.name.clone()).or_default();
            match (&known, &arg.value) {
                (Some(one), Some(other)) if one != other => {
                    let site = used.site.key("args").index(at).key("value");
                    let message = format!("another template gives {:?} another value", arg.name);
                    let finding = site.says(message).value(shown(other));
                    found.error(finding.help(format!("the other says {}", shown(one))));
                }
                (None, Some(value)) => *known = Some(value.clone()),
                _ => {}
            }
        }
    }
    declared
}

/// What the rollout sets wins over what a template says.
fn set(
    declared: &mut Declared,
    whole: bool,
    analysis: &RolloutAnalysis,
    site: &Site,
    found: &mut Findings,
) {
    let mut names = BTreeSet::new();
    for (at, arg) in analysis.args.iter().enumerate() {
        let site = site.index(at).key("name");
        if !names.insert(&arg.name) {
            found.error(site.says("this argument is set already").value(&arg.name));
        }
        match declared.get_mut(&arg.name) {
            Some(value) if arg.value.is_some() => value.clone_from(&arg.value),
            Some(_) => {}
            // A template that is not there may well know it.
            None if !whole => {}
            None => {
                let message = "no template of this analysis knows this argument: it does nothing";
                found.warn(site.says(message).value(&arg.name));
            }
        }
    }
}

fn shown(value: &ArgValue) -> String {
    match value {
        ArgValue::Text(text) => format!("{text:?}"),
        ArgValue::PodTemplateHash(which) => format!("podTemplateHashValue {which:?}"),
        ArgValue::Field(path) => format!("field {path}"),
        ArgValue::Secret { name, key } => format!("key {key} of the secret {name}"),
    }
}
