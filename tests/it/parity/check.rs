//! States that are unsafe for users, in a single recording: bad states that last, and bad writes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::recording::{Facts, Head, Line, Recording, shown};
use super::tracks::{shares, told};

/// How many seconds a bad state may last before it counts.
fn patience(rule: &str) -> f64 {
    match rule {
        "slow-abort" => 2.0,
        "early-healthy" => 0.5,
        _ => 0.0,
    }
}

/// Each as `time rule: what`, in the order in which they end.
pub(super) fn violations(recording: &Recording) -> Vec<String> {
    let head = &recording.head;
    let mut found = Vec::new();
    let mut since: BTreeMap<String, f64> = BTreeMap::new();
    let mut before = Facts::new();
    let mut deployed = false;
    let mut at = 0.0;
    let ended = |what: &str, start: f64, end: f64| {
        let rule = what.split(':').next().unwrap_or_default();
        let lasted = end - start;
        // What ends in the instant in which it began was answered as soon as it can be.
        let counts = lasted > 0.0 && lasted >= patience(rule);
        counts.then(|| format!("{start:6.1} {what} for {lasted:.1} s"))
    };
    for (line, facts) in recording.states() {
        if line.order.is_some() {
            continue;
        }
        at = line.t;
        deployed |= shown(facts.get("rollout.phase")) == "Healthy";
        if deployed {
            let moment = Moment {
                head,
                line,
                before: &before,
                facts: &facts,
            };
            let bad = moment.bad_states();
            let over: Vec<_> = since
                .keys()
                .filter(|what| !bad.contains(what))
                .cloned()
                .collect();
            for what in over {
                let start = since.remove(&what).unwrap_or(at);
                found.extend(ended(&what, start, at));
            }
            for what in bad {
                since.entry(what).or_insert(at);
            }
            let writes = moment.scaled_away().into_iter().chain(moment.moves());
            found.extend(writes.map(|what| format!("{at:6.1} {what}")));
        }
        before = facts;
    }
    let end = at.max(head.seconds);
    found.extend(
        since
            .iter()
            .filter_map(|(what, start)| ended(what, *start, end)),
    );
    found
}

/// One write, with what held before and after it.
struct Moment<'a> {
    head: &'a Head,
    line: &'a Line,
    before: &'a Facts,
    facts: &'a Facts,
}

impl Moment<'_> {
    fn bad_states(&self) -> Vec<String> {
        let facts = self.facts;
        let split = shares(self.head, facts);
        let alive = facts.keys().any(|name| name.starts_with("pods."));
        let stable = shown(facts.get("rollout.stable"));
        let healthy = shown(facts.get("rollout.phase")) == "Healthy";
        let mut bad = Vec::new();
        if split.values().any(|share| *share > 100.01 || *share < 0.0) {
            bad.push(format!("bad-weight: {}", told(&split)));
        }
        for revision in split.keys() {
            if alive && number(facts, "rollout.replicas") > 0 && ready(facts, revision) == 0 {
                bad.push(format!(
                    "no-pods: {revision} is given traffic with 0 ready pods"
                ));
            }
            if facts.contains_key("rollout.abort") && *revision != stable {
                bad.push(format!(
                    "slow-abort: aborted, and {revision} is still given traffic"
                ));
            }
            if healthy && *revision != stable {
                bad.push(format!(
                    "early-healthy: Healthy, and {revision} is given traffic, which is not stable"
                ));
            }
        }
        bad
    }

    fn scaled_away(&self) -> Vec<String> {
        let split = shares(self.head, self.facts);
        let mut bad = Vec::new();
        for (name, value) in &self.line.set {
            let Some(revision) = name
                .strip_prefix("rs.")
                .and_then(|rest| rest.strip_suffix(".want"))
            else {
                continue;
            };
            let emptied = value.as_u64() == Some(0) && number(self.before, name) > 0;
            if !emptied || number(self.facts, "rollout.replicas") == 0 {
                continue;
            }
            if let Some(share) = split.get(revision) {
                bad.push(format!(
                    "scaled-away: {revision} scaled to 0 while it is given {share} %"
                ));
            }
            let services = self
                .facts
                .iter()
                .filter(|(name, value)| name.starts_with("svc.") && shown(Some(value)) == revision);
            let services: Vec<_> = services.map(|(name, _)| &name[4..]).collect();
            if !services.is_empty() {
                bad.push(format!(
                    "still-selected: {revision} scaled to 0 while selected by {}",
                    services.join(", ")
                ));
            }
        }
        bad
    }

    fn moves(&self) -> Vec<String> {
        let (old, new) = (
            shares(self.head, self.before),
            shares(self.head, self.facts),
        );
        let mut bad = Vec::new();
        for (revision, share) in &new {
            let was = old.get(revision).copied().unwrap_or(0.0);
            if old.is_empty() || *share <= was + 0.001 {
                continue;
            }
            let aborted = |facts: &Facts| facts.contains_key("rollout.abort");
            if aborted(self.before)
                && aborted(self.facts)
                && *revision != shown(self.facts.get("rollout.stable"))
            {
                bad.push(format!("raised-after-abort: {revision} {was} -> {share} %"));
            }
            let (needed, ready) = (needed(self.facts, *share), ready(self.facts, revision));
            if ready > 0 && ready < needed {
                bad.push(format!("too-few-pods: {revision} raised to {share} % with {ready} ready, its share needs {needed}"));
            }
        }
        bad.extend(self.relabelled(&old, &new));
        bad.extend(self.over_surge());
        bad
    }

    fn relabelled(&self, old: &BTreeMap<String, f64>, new: &BTreeMap<String, f64>) -> Vec<String> {
        let moved = self.facts.iter().filter_map(|(name, value)| {
            let (was, now) = (shown(self.before.get(name)), shown(Some(value)));
            let carried = self.before.contains_key(name)
                && was != "any"
                && was != now
                && old.contains_key(&was);
            (name.starts_with("svc.") && carried && new != old).then(|| {
                format!(
                    "relabelled: service {} moved {was} -> {now}: {} -> {}",
                    &name[4..],
                    told(old),
                    told(new)
                )
            })
        });
        if self.head.router.is_empty() {
            Vec::new()
        } else {
            moved.collect()
        }
    }

    fn over_surge(&self) -> Option<String> {
        let canary = self.head.strategy.get("canary")?;
        let replicas = number(self.facts, "rollout.replicas");
        if canary.get("trafficRouting").is_some()
            || number(self.before, "rollout.replicas") != replicas
        {
            return None;
        }
        let surge = match canary.get("maxSurge") {
            Some(Value::Number(pods)) => pods.as_u64().unwrap_or(0),
            Some(Value::String(percent)) => percentage(percent, replicas),
            _ => percentage("25%", replicas),
        };
        let (wanted, was) = (all_wanted(self.facts), all_wanted(self.before));
        let over = wanted > replicas + surge && wanted > was;
        over.then(|| format!("over-surge: {wanted} pods wanted, {replicas} + {surge} allowed"))
    }
}

fn percentage(text: &str, replicas: u64) -> u64 {
    let percent: u64 = text.trim_end_matches('%').parse().unwrap();
    (percent * replicas).div_ceil(100)
}

fn number(facts: &Facts, name: &str) -> u64 {
    facts.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn ready(facts: &Facts, revision: &str) -> u64 {
    number(facts, &format!("pods.{revision}.ready"))
}

fn all_wanted(facts: &Facts) -> u64 {
    let wanted = facts
        .keys()
        .filter(|name| name.starts_with("rs.") && name.ends_with(".want"));
    wanted.map(|name| number(facts, name)).sum()
}

/// Pods that a share of the traffic asks for: rounded down, at least one; an explicit canary
/// scale counts where it is lower.
fn needed(facts: &Facts, share: f64) -> u64 {
    let replicas = number(facts, "rollout.replicas");
    let needed = ((share * replicas as f64 / 100.0 + 1e-9).floor() as u64).max(1);
    let steps: Vec<Value> = facts
        .get("rollout.steps")
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let so_far = steps
        .iter()
        .take(number(facts, "rollout.step") as usize + 1)
        .rev();
    let Some(scale) = so_far
        .into_iter()
        .find_map(|step| step.get("setCanaryScale"))
    else {
        return needed;
    };
    let given = |field: &str| scale.get(field).and_then(Value::as_u64);
    let scaled =
        given("replicas").or(given("weight").map(|weight| (replicas * weight).div_ceil(100)));
    scaled.map_or(needed, |scaled| needed.min(scaled))
}
