//! What the owner and a ReplicaSet say; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::PortError;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::RevisionSeen;
use serde_json::{Map, Value};

use super::pods;
use crate::fence::stamp_of;
use crate::names::{POD_TEMPLATE_HASH, REVISION, STAMP, TAKEN};
use crate::objects::{annotation, label, name_of, text};

/// How many old ReplicaSets are kept where the owner does not say.
const HISTORY: u32 = 10;

/// What the owner asks for.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) template: Value,
    /// The whole selector, its `matchLabels` never empty.
    pub(super) selector: Value,
    pub(super) replicas: u32,
    pub(super) min_ready_seconds: u64,
    pub(super) paused: bool,
    pub(super) restart_at: Option<Timestamp>,
    /// How many ReplicaSets without pods are kept beside those that run.
    pub(super) history: usize,
}

impl Spec {
    pub(super) fn of(owner: &Value) -> Result<Self, PortError> {
        let spec = &owner["spec"];
        let lacks = |field: &str| {
            let text = format!("{} has no {field}", name_of(owner));
            PortError::new(FaultKind::Invalid, text)
        };
        let labels = spec["selector"]["matchLabels"].as_object();
        if labels.is_none_or(Map::is_empty) {
            return Err(lacks("spec.selector.matchLabels"));
        }
        if !spec["template"].is_object() {
            return Err(lacks("spec.template"));
        }
        Ok(Self {
            template: spec["template"].clone(),
            selector: spec["selector"].clone(),
            replicas: spec["replicas"].as_u64().map_or(1, count),
            min_ready_seconds: spec["minReadySeconds"].as_u64().unwrap_or(0),
            paused: spec["paused"] == true,
            restart_at: spec["restartAt"]
                .as_str()
                .and_then(|text| text.parse().ok()),
            history: spec["revisionHistoryLimit"].as_u64().map_or(HISTORY, count) as usize,
        })
    }

    /// The labels that all ReplicaSets and pods of the owner bear.
    pub(super) fn labels(&self) -> String {
        let labels = self.selector["matchLabels"]
            .as_object()
            .into_iter()
            .flatten();
        let labels = labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
        labels.collect::<Vec<_>>().join(",")
    }
}

/// The revision that a ReplicaSet is.
pub(super) fn revision(set: &Value) -> Option<RevisionId> {
    label(set, POD_TEMPLATE_HASH).map(RevisionId::new)
}

/// Its number, 0 where it has none.
pub(super) fn number(set: &Value) -> u64 {
    annotation(set, REVISION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// The highest number of all.
pub(super) fn newest(sets: &[Value]) -> u64 {
    sets.iter().map(number).max().unwrap_or(0)
}

/// The ReplicaSet of a revision.
pub(super) fn find<'a>(sets: &'a [Value], id: &RevisionId) -> Option<&'a Value> {
    sets.iter().find(|set| revision(set).as_ref() == Some(id))
}

/// How many pods a ReplicaSet shall have; 1 where it does not say.
pub(super) fn desired(set: &Value) -> u32 {
    set["spec"]["replicas"].as_u64().map_or(1, count)
}

/// The ReplicaSets that are beyond the history: without pods, the oldest first. None where the owner
/// asks for no pods at all, because there the stable one has none either.
pub(super) fn surplus<'a>(sets: &'a [Value], spec: &Spec) -> Vec<&'a Value> {
    let is_idle = |set: &&Value| desired(set) == 0 && set["status"]["replicas"] == 0;
    let mut idle: Vec<_> = sets.iter().filter(is_idle).collect();
    idle.sort_by_key(|set| number(set));
    let beyond = match spec.replicas {
        0 => 0,
        _ => idle.len().saturating_sub(spec.history),
    };
    idle.truncate(beyond);
    idle
}

/// A revision, from its ReplicaSet and from all pods of the owner.
pub(super) fn seen(set: &Value, all: &[Value], spec: &Spec) -> Option<RevisionSeen> {
    let pods: Vec<_> = pods::of(set, all).collect();
    let ready = count(pods.iter().filter(|pod| pods::is_ready(pod)).count() as u64);
    // Who has been ready for long enough is the controller's to tell: its clock wrote the times.
    let told = set["status"]["availableReplicas"].as_u64().map_or(0, count);
    Some(RevisionSeen {
        number: number(set),
        created: created(set).unwrap_or_default(),
        desired: desired(set),
        stamp: stamp_of(set, STAMP),
        pods: count(pods.len() as u64),
        ready,
        available: if spec.min_ready_seconds == 0 {
            ready
        } else {
            ready.min(told)
        },
        oldest_pod: pods.iter().filter_map(|pod| pods::started(pod)).min(),
        trouble: pods::trouble(set, &pods),
        ..RevisionSeen::new(revision(set)?.as_str(), 0, Timestamp::ZERO)
    })
}

/// Since when a revision is there: a Deployment of a pair is older than what it runs.
fn created(set: &Value) -> Option<Timestamp> {
    let taken = annotation(set, TAKEN).and_then(|text| text.parse().ok());
    taken.or_else(|| instant(set, "/metadata/creationTimestamp"))
}

/// An instant in an object, by its JSON pointer.
pub(super) fn instant(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer)?.parse().ok()
}

/// A field by the path that an argument names it by: `spec.x` or `metadata.labels['a.b/c']`.
pub(super) fn field(object: &Value, path: &str) -> Option<String> {
    let mut value = object;
    let mut rest = path;
    while !rest.is_empty() {
        let (key, after) = match rest.strip_prefix("['") {
            Some(quoted) => quoted.split_once("']")?,
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        value = value.get(key)?;
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_found_by_its_path() {
        let labels = json!({"a.b/c": "x"});
        let owner = json!({"metadata": {"labels": labels}, "spec": {"replicas": 3, "list": [1]}});
        let found = |path| field(&owner, path);
        assert_eq!(found("metadata.labels['a.b/c']").as_deref(), Some("x"));
        assert_eq!(found("spec.replicas").as_deref(), Some("3"));
        for none in [
            "spec.none",
            "spec.list",
            "metadata.labels['a.b/c",
            "spec..replicas",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn the_oldest_without_pods_are_beyond_the_history() {
        let set = |number: u32, replicas: u32, there: u32| {
            json!({
                "metadata": {"annotations": {REVISION: number.to_string()}},
                "spec": {"replicas": replicas}, "status": {"replicas": there},
            })
        };
        let sets = [
            set(4, 0, 0),
            set(1, 3, 3),
            set(2, 0, 0),
            set(3, 0, 1),
            set(10, 0, 0),
        ];
        let owner = |replicas: u32, limit: Value| {
            let selector = json!({"matchLabels": {"app": "shop"}});
            let spec = json!({
                "replicas": replicas, "revisionHistoryLimit": limit,
                "selector": selector, "template": {},
            });
            Spec::of(&json!({"metadata": {"name": "shop"}, "spec": spec})).unwrap()
        };
        let numbers = |replicas, limit: Value| {
            let beyond = surplus(&sets, &owner(replicas, limit)).into_iter();
            beyond.map(number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(3, json!(1)), [2, 4]);
        assert_eq!(numbers(3, json!(0)), [2, 4, 10]);
        assert_eq!(numbers(3, json!(3)), [0; 0]);
        assert_eq!(numbers(3, Value::Null), [0; 0]);
        assert_eq!(numbers(0, json!(0)), [0; 0], "stable has no pods either");
    }

    #[test]
    fn an_owner_says_what_it_lacks() {
        let owner = |spec: Value| json!({"metadata": {"name": "shop"}, "spec": spec});
        let lacks = |spec| Spec::of(&owner(spec)).unwrap_err().to_string();
        assert_eq!(lacks(json!({})), "shop has no spec.selector.matchLabels");
        let selector = json!({"matchLabels": {"app": "shop", "tier": "web"}});
        let told = lacks(json!({"selector": selector}));
        assert_eq!(told, "shop has no spec.template");
        let whole = Spec::of(&owner(json!({"selector": selector, "template": {}}))).unwrap();
        assert_eq!(
            (whole.replicas, whole.labels().as_str()),
            (1, "app=shop,tier=web")
        );
    }
}
