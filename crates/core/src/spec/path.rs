use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of object that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A rollout.
    Rollout,
    /// An analysis template of one namespace.
    AnalysisTemplate,
    /// An analysis template of the whole cluster.
    ClusterAnalysisTemplate,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rollout => "Rollout",
            Self::AnalysisTemplate => "AnalysisTemplate",
            Self::ClusterAnalysisTemplate => "ClusterAnalysisTemplate",
        })
    }
}

/// Which object a field belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace, where one is written.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// An object whose namespace is not written.
    pub fn new(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            namespace: None,
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A field of an object: what an error or an advice speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldRef {
    /// The object.
    pub object: ObjectRef,
    /// Where in it.
    pub path: FieldPath,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a mapping.
    Key(String),
    /// An index of a list, from 0.
    Index(usize),
}

/// Where in an object a field stands: `spec.strategy.canary.steps[2].setWeight`.
///
/// Keys that are no plain words stand in brackets: `plugins["example.com/router"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The object itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of a key below this one.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// The path of a list's entry below this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// This path and then `rest`.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// Its steps, from the object inwards.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The same path within its object.
    pub fn of(self, object: ObjectRef) -> FieldRef {
        FieldRef { object, path: self }
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = Vec::with_capacity(self.0.len() + 1);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Self(segments)
    }
}

impl From<&str> for FieldPath {
    /// Reads what `Display` writes; what fits no form is taken as a key.
    fn from(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (segment, after) = first_segment(rest);
            segments.push(segment);
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        Self(segments)
    }
}

fn first_segment(text: &str) -> (Segment, &str) {
    if let Some(inner) = text.strip_prefix("[\"")
        && let Some((key, after)) = inner.split_once("\"]")
    {
        return (Segment::Key(key.to_owned()), after);
    }
    if let Some((digits, after)) = text
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
        && let Ok(index) = digits.parse()
    {
        return (Segment::Index(index), after);
    }
    let first = text.chars().next().map_or(0, char::len_utf8);
    let end = text
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '.' | '['))
        .map(|(at, _)| at);
    let (key, after) = text.split_at(end.unwrap_or(text.len()).max(first));
    (Segment::Key(key.to_owned()), after)
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if !is_plain(key) => write!(f, "[\"{key}\"]")?,
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_what_it_shows() {
        let path = FieldPath::root()
            .key("spec")
            .key("steps")
            .index(2)
            .key("setWeight");
        assert_eq!(path.to_string(), "spec.steps[2].setWeight");
        assert_eq!(FieldPath::from("spec.steps[2].setWeight"), path);
    }

    #[test]
    fn a_key_with_dots_or_slashes_stands_in_brackets() {
        let path = FieldPath::root()
            .key("plugins")
            .key("example.com/router")
            .key("a");
        assert_eq!(path.to_string(), "plugins[\"example.com/router\"].a");
        assert_eq!(FieldPath::from(path.to_string().as_str()), path);
    }

    #[test]
    fn any_text_is_some_path() {
        for text in [
            "",
            ".",
            "..",
            "[",
            "[x]",
            "é[",
            "[\"",
            "a.[",
            "[99999999999999999999]",
        ] {
            let _ = FieldPath::from(text);
        }
    }
}
