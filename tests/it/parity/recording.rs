//! What was done, as facts in their order.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// What holds, by name.
pub(super) type Facts = BTreeMap<String, Value>;

/// A value as it is shown and compared.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A write that changed facts, or an operator's order.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Line {
    /// Seconds since the start.
    pub(super) t: f64,
    #[serde(default)]
    pub(super) order: Option<String>,
    /// The facts that changed; null when one is gone.
    #[serde(default)]
    pub(super) set: Facts,
}

/// What a recording is of.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Head {
    /// `reached`, or what was waited for.
    pub(super) end: String,
    pub(super) seconds: f64,
    pub(super) router: String,
    pub(super) strategy: Value,
}

/// A play from beginning to end.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) head: Head,
    pub(super) lines: Vec<Line>,
}

impl Recording {
    /// Reads one: a line of JSON for the head, and one for each change.
    pub(super) fn read(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        Self {
            head: serde_json::from_str(lines.next().unwrap()).unwrap(),
            lines: lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        }
    }

    /// Each line with the facts that hold after it.
    pub(super) fn states(&self) -> Vec<(&Line, Facts)> {
        let mut facts = Facts::new();
        let mut states = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            for (name, value) in &line.set {
                match value {
                    Value::Null => facts.remove(name),
                    value => facts.insert(name.clone(), value.clone()),
                };
            }
            states.push((line, facts.clone()));
        }
        states
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ended: {}", self.head.end)?;
        for Line { t, order, set } in &self.lines {
            match order {
                Some(order) => writeln!(f, "{t:7.1} > {order}")?,
                None => {
                    let words = set.iter().map(|(name, value)| {
                        let name = name.strip_prefix("rollout.").unwrap_or(name);
                        format!("{name} {}", shown(Some(value)))
                    });
                    writeln!(f, "{t:7.1}   {}", words.collect::<Vec<_>>().join(", "))?;
                }
            }
        }
        Ok(())
    }
}
