//! A route as a change of the canary Ingress; pure.

use std::collections::BTreeMap;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::route::{HeaderMatch, HeaderRoute, Route, Slot, Split, StringMatch};
use gradatim_kubernetes::fence::refuse_older;
use gradatim_kubernetes::objects::{Objects, annotation, difference, name_of};
use gradatim_kubernetes::owner::Owner;
use gradatim_kubernetes::several::Write;
use serde_json::{Map, Value, json};

use super::config::{AFFINITY, IngressConfig};
use super::decode::{
    self, AFFINITY as AFFINITY_OF, ALWAYS, COOKIE, HEADER_ROUTE, HEADERS_STAMP, SPLIT_STAMP,
    in_parts_of,
};

/// What an object's name may be long.
const LONGEST_NAME: usize = 253;
/// The class in the way of before `ingressClassName`.
const OLD_CLASS: &str = "kubernetes.io/ingress.class";

/// The name of the canary Ingress beside a stable one.
pub(super) fn canary_name(rollout: &str, stable: &str) -> String {
    const END: &str = "-canary";
    let mut name = format!("{rollout}-{stable}");
    while name.len() + END.len() > LONGEST_NAME {
        name.pop();
    }
    name + END
}

/// The canary's weight in the router's own total.
///
/// # Errors
/// [`Invalid`](FaultKind::Invalid) when the split has no whole weight, or names another slot.
pub(super) fn weight(config: &IngressConfig, split: &Split) -> Result<u32, PortError> {
    let canary = split.part(Slot::Canary);
    let others = split.total() - canary - split.part(Slot::Stable);
    let weight = in_parts_of(canary, split.total(), config.total);
    weight.filter(|_| others == 0).ok_or_else(|| {
        let text = format!("{split} is no whole weight of {}", config.total);
        PortError::new(FaultKind::Invalid, text)
    })
}

/// What leads to the canary whatever the split: a header and a cookie at most.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Trials<'a> {
    header: Option<&'a HeaderMatch>,
    cookie: Option<&'a str>,
    names: Vec<String>,
}

impl<'a> Trials<'a> {
    /// # Errors
    /// [`Invalid`](FaultKind::Invalid) when there is more than the controller can compare.
    pub(super) fn of(config: &IngressConfig, routes: &'a [HeaderRoute]) -> Result<Self, PortError> {
        let mut trials = Self::default();
        for route in routes {
            let [one] = route.matches.as_slice() else {
                return Err(beyond());
            };
            match cookie(one) {
                Some(name) if trials.cookie.is_none() && !config.has_own_cookie() => {
                    trials.cookie = Some(name);
                    trials.names.push(format!("{COOKIE}{}", route.name));
                }
                None if trials.header.is_none() && !is_prefix(one) => {
                    trials.header = Some(one);
                    trials.names.push(route.name.clone());
                }
                _ => return Err(beyond()),
            }
        }
        Ok(trials)
    }
}

/// The cookie that a match on the header `Cookie` asks for, as `NAME=always`.
fn cookie(one: &HeaderMatch) -> Option<&str> {
    let StringMatch::Exact(value) = &one.header_value else {
        return None;
    };
    let name = value.strip_suffix(ALWAYS)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_cookie = one.header_name == "Cookie" && !name.is_empty() && name.chars().all(is_name);
    is_cookie.then_some(name)
}

fn is_prefix(one: &HeaderMatch) -> bool {
    matches!(one.header_value, StringMatch::Prefix(_))
}

fn beyond() -> PortError {
    let text = "the controller compares one header, by its whole value or by a pattern, and one \
                cookie (the header Cookie, exactly NAME=always)";
    PortError::new(FaultKind::Invalid, text)
}

/// What becomes of one canary Ingress: the whole object where there is none, else a patch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) value: Value,
    /// Whether the canary gets more than it has.
    pub(super) raises: bool,
}

impl Change {
    /// As a write of the Ingress that was found.
    pub(super) fn written(self, ingresses: &Objects, canary: Option<&Value>) -> Write {
        match canary {
            Some(canary) => Write::merge(ingresses, canary, self.value, self.raises),
            None => Write::create(ingresses, self.value, self.raises),
        }
    }
}

/// What a route asks of every canary Ingress.
pub(super) struct Wanted<'a> {
    config: &'a IngressConfig,
    route: &'a Route,
    weight: u32,
    trials: Trials<'a>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(config: &'a IngressConfig, route: &'a Route) -> Result<Self, PortError> {
        Ok(Self {
            weight: weight(config, &route.split.value)?,
            trials: Trials::of(config, &route.headers.value)?,
            config,
            route,
        })
    }

    /// The change that makes one canary Ingress so, none when it is.
    ///
    /// Without a stable Ingress or an owner that can be read, what lowers is written all the same.
    pub(super) fn plan(
        &self,
        stable: Result<&Value, PortError>,
        owner: Result<&Owner, PortError>,
        canary: Option<&Value>,
    ) -> Result<Option<Change>, PortError> {
        let raises = self.raises(canary);
        let Some(canary) = canary else {
            let value = self.fresh(stable?, owner?)?;
            return Ok(Some(Change { value, raises }));
        };
        refuse_older(canary, SPLIT_STAMP, self.route.split.stamp)?;
        refuse_older(canary, HEADERS_STAMP, self.route.headers.stamp)?;
        match owner {
            Ok(owner) => owner.refuse_others(canary)?,
            Err(error) if raises => return Err(error),
            Err(_) => {}
        }
        let rules = match stable.and_then(|stable| rules(self.config, stable)) {
            Err(error) if raises => return Err(error),
            rules => rules.ok(),
        };
        let patch = self.patch(canary, rules);
        Ok(patch.map(|value| Change { value, raises }))
    }

    /// Whether the canary gets more than it has.
    fn raises(&self, canary: Option<&Value>) -> bool {
        let before = decode::split(self.config, canary);
        let wanted = &self.route.split.value;
        let share =
            |split: &Split, of: &Split| u64::from(split.part(Slot::Canary)) * u64::from(of.total());
        let there = decode::headers(self.config, canary);
        let mut trials = self.route.headers.value.iter();
        let opens = !self.config.has_own_header() && trials.any(|it| !there.contains(it));
        share(wanted, &before) > share(&before, wanted) || opens
    }

    fn fresh(&self, stable: &Value, owner: &Owner) -> Result<Value, PortError> {
        let name = canary_name(&self.config.rollout, name_of(stable));
        let annotations = self.annotations();
        let mut annotations: Map<_, _> = annotations
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        if let Some(class) = stable["metadata"]["annotations"].get(OLD_CLASS) {
            annotations.insert(OLD_CLASS.to_owned(), class.clone());
        }
        Ok(json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": name,
                "annotations": annotations,
                "ownerReferences": [owner.reference()],
            },
            "spec": rules(self.config, stable)?,
        }))
    }

    /// What differs from the canary Ingress as it is.
    fn patch(&self, canary: &Value, rules: Option<Value>) -> Option<Value> {
        let mut patch = Map::new();
        let there = &canary["metadata"]["annotations"];
        let mut annotations = self.annotations();
        let had_cookie = |names: &str| names.split(',').any(|name| name.starts_with(COOKIE));
        if self.trials.cookie.is_none() && annotation(canary, HEADER_ROUTE).is_some_and(had_cookie)
        {
            annotations.insert(self.config.key("canary-by-cookie"), Value::Null);
        }
        if annotation(canary, AFFINITY_OF).is_some() {
            for name in AFFINITY {
                let key = self.config.key(name);
                annotations.entry(key).or_insert(Value::Null);
            }
        }
        annotations.retain(|key, value| there.get(key).unwrap_or(&Value::Null) != value);
        if !annotations.is_empty() {
            patch.insert("metadata".to_owned(), json!({"annotations": annotations}));
        }
        let mut spec = Map::new();
        for (field, value) in rules.iter().filter_map(Value::as_object).flatten() {
            let before = canary["spec"].get(field).unwrap_or(&Value::Null);
            if before != value {
                spec.insert(field.clone(), difference(before, value));
            }
        }
        if !spec.is_empty() {
            patch.insert("spec".to_owned(), spec.into());
        }
        (!patch.is_empty()).then(|| patch.into())
    }

    /// Every annotation of ours; null where there shall be none.
    fn annotations(&self) -> BTreeMap<String, Value> {
        let config = self.config;
        let asked = config.annotations().into_iter();
        let mut all: BTreeMap<_, _> = asked.map(|(key, value)| (key, json!(value))).collect();
        let total = (config.total != 100).then(|| config.total.to_string());
        all.insert(config.key("canary"), json!("true"));
        all.insert(config.key("canary-weight"), json!(self.weight.to_string()));
        all.insert(config.key("canary-weight-total"), json!(total));
        all.insert(
            SPLIT_STAMP.to_owned(),
            json!(self.route.split.stamp.to_string()),
        );
        all.extend(self.affinity());
        if !config.has_own_header() {
            let header = self.trials.header;
            let (value, pattern) = match header.map(|header| &header.header_value) {
                Some(StringMatch::Exact(value)) => (Some(value), None),
                Some(StringMatch::Regex(pattern)) => (None, Some(pattern)),
                Some(StringMatch::Prefix(_)) | None => (None, None),
            };
            let name = header.map(|header| &header.header_name);
            all.insert(config.key("canary-by-header"), json!(name));
            all.insert(config.key("canary-by-header-value"), json!(value));
            all.insert(config.key("canary-by-header-pattern"), json!(pattern));
            if let Some(cookie) = self.trials.cookie {
                all.insert(config.key("canary-by-cookie"), json!(cookie));
            }
            let names = &self.trials.names;
            let names = (!names.is_empty()).then(|| names.join(","));
            all.insert(HEADER_ROUTE.to_owned(), json!(names));
            all.insert(
                HEADERS_STAMP.to_owned(),
                json!(self.route.headers.stamp.to_string()),
            );
        }
        all
    }
}

impl Wanted<'_> {
    /// What keeps clients with the canary, while it has a share.
    ///
    /// The controller asks for the cookie before it looks at the weight: without a share there
    /// must be none. Its own mark names the Service alone, so that the cookie's name has to say
    /// the version, or clients of one release would be led to the next. By `legacy` the canary
    /// keeps these annotations; by `sticky` the stable Ingress's would take their place.
    fn affinity(&self) -> BTreeMap<String, Value> {
        let config = self.config;
        let revision = self.route.bind.value.get(&Slot::Canary);
        let wanted = config.session_affinity.as_ref().zip(revision);
        let wanted = wanted.filter(|_| self.weight > 0);
        let mark = wanted.map(|(_, revision)| revision.as_str());
        let mut all = BTreeMap::from([(AFFINITY_OF.to_owned(), json!(mark))]);
        if let Some((affinity, revision)) = wanted {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            let plain = |c: char| if is_plain(c) { c } else { '_' };
            let version: String = revision.as_str().chars().map(plain).collect();
            let values = [
                "cookie".to_owned(),
                "legacy".to_owned(),
                format!("{}-{version}", affinity.cookie_name),
                affinity.max_age.as_secs().to_string(),
            ];
            let keys = AFFINITY.map(|name| config.key(name));
            all.extend(keys.into_iter().zip(values.map(Value::from)));
        }
        all
    }
}

/// The rules of a stable Ingress that lead to the stable Service, for the canary's.
pub(super) fn rules(config: &IngressConfig, stable: &Value) -> Result<Value, PortError> {
    let (from, to) = (&config.stable_service, &config.canary_service);
    let rules = stable["spec"]["rules"].as_array().into_iter().flatten();
    let rules: Vec<Value> = rules
        .filter_map(|rule| redirected(rule, from, to))
        .collect();
    if rules.is_empty() {
        let name = name_of(stable);
        let text = format!("Ingress {name} has no rule with a path to the Service {from}");
        return Err(PortError::new(FaultKind::Invalid, text));
    }
    let mut spec = json!({"rules": rules});
    for field in ["ingressClassName", "tls"] {
        if let Some(value) = stable["spec"].get(field) {
            spec[field] = value.clone();
        }
    }
    Ok(spec)
}

/// A whole rule with one Service in the place of another; none when no path leads there.
fn redirected(rule: &Value, from: &str, to: &str) -> Option<Value> {
    let mut rule = rule.clone();
    // A rule need have no paths, and a backend need be no Service.
    let paths = rule.pointer_mut("/http/paths")?.as_array_mut()?;
    let mut found = false;
    for path in paths {
        let name = path.pointer_mut("/backend/service/name");
        if let Some(name) = name.filter(|name| **name == from) {
            *name = to.into();
            found = true;
        }
    }
    found.then_some(rule)
}

#[cfg(test)]
mod tests;
