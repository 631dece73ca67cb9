use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cursor::Problem;
use super::mark::Mark;
use super::tree::{Body, Node};
use crate::spec::{FieldPath, FieldRef, ObjectRef, Segment};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The file's name, as it was given.
    pub file: String,
    /// Which of the file's documents, from 1; those without content are not counted.
    pub document: u32,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// How many characters are meant; at least 1.
    pub length: u32,
    /// The line itself, cut after 200 characters, so that the column may lie beyond it.
    pub text: String,
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Diagnostic {
    /// Where it stands; absent where it concerns no place in a file.
    pub position: Option<Position>,
    /// The object, where one could be made out.
    pub object: Option<ObjectRef>,
    /// The field within it; the root where it concerns no field.
    pub path: FieldPath,
    /// The value that was found, as it was written.
    pub value: Option<String>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something wrong that concerns no place in a file.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            position: None,
            object: None,
            path: FieldPath::root(),
            value: None,
            message: message.into(),
            help: None,
        }
    }

    /// The same with what would be right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A file as it was given.
#[derive(Clone, Debug)]
struct File {
    name: String,
    text: Arc<str>,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

/// An object and where it stands.
#[derive(Clone, Debug)]
struct Placed {
    file: usize,
    document: u32,
    root: Arc<Node>,
}

/// Where every field of every object that was read stands.
///
/// Errors and advice from `compile` carry an object and a path alone; this gives them their
/// line and column.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<File>,
    objects: BTreeMap<ObjectRef, Placed>,
}

impl SourceMap {
    /// Where a field stands: its value, or the nearest thing around it that was written.
    ///
    /// None where the object was not read from a file. What an annotation holds is found there,
    /// and what is below `plugins` or `plugin` is found without that step as well.
    pub fn locate(&self, object: &ObjectRef, path: &FieldPath) -> Option<Position> {
        let placed = self.objects.get(object)?;
        Some(self.position(
            placed.file,
            placed.document,
            find(&placed.root, path.segments()),
        ))
    }

    /// A diagnostic for a field, with its position where the object was read from a file.
    pub fn diagnose(&self, field: &FieldRef, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            position: self.locate(&field.object, &field.path),
            object: Some(field.object.clone()),
            path: field.path.clone(),
            ..Diagnostic::new(message)
        }
    }

    /// A line of a file, from 1, without its end.
    pub fn line(&self, file: &str, line: u32) -> Option<&str> {
        self.files.iter().find(|one| one.name == file)?.line(line)
    }

    pub(super) fn add(&mut self, name: &str, text: &str) -> usize {
        let starts = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        self.files.push(File {
            name: name.to_owned(),
            text: Arc::from(text),
            lines,
        });
        self.files.len() - 1
    }

    /// Remembers where an object stands; of two of one name, the first.
    pub(super) fn place(&mut self, object: ObjectRef, file: usize, document: u32, root: Arc<Node>) {
        self.objects.entry(object).or_insert(Placed {
            file,
            document,
            root,
        });
    }

    pub(super) fn position(&self, file: usize, document: u32, at: Mark) -> Position {
        let file = self.files.get(file);
        let text = file.and_then(|file| file.line(at.line)).unwrap_or_default();
        Position {
            file: file.map(|file| file.name.clone()).unwrap_or_default(),
            document,
            line: at.line,
            column: at.column,
            length: at.length.max(1),
            text: text.chars().take(200).collect(),
        }
    }

    pub(super) fn problem(
        &self,
        file: usize,
        document: u32,
        object: Option<&ObjectRef>,
        problem: Problem,
    ) -> Diagnostic {
        Diagnostic {
            position: Some(self.position(file, document, problem.at)),
            object: object.cloned(),
            path: problem.path,
            value: problem.value,
            message: problem.message,
            help: problem.help,
        }
    }
}

impl File {
    fn line(&self, line: u32) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let rest = self.text.get(*self.lines.get(index)?..)?;
        Some(rest.lines().next().unwrap_or_default())
    }
}

fn find(root: &Node, path: &[Segment]) -> Mark {
    let (mut node, mut at) = (root, root.at);
    for segment in path {
        let Some((next, key)) = child(node, segment) else {
            return at;
        };
        at = match (&next.body, key) {
            (Body::Scalar(_), _) | (_, None) => next.at,
            (_, Some(key)) => key,
        };
        node = next;
    }
    at
}

fn child<'a>(node: &'a Node, segment: &Segment) -> Option<(&'a Node, Option<Mark>)> {
    match segment {
        Segment::Index(index) => match &node.body {
            Body::List(items) => items.get(*index).map(|item| (&**item, None)),
            _ => None,
        },
        Segment::Key(key) => {
            let held = |holder: &str| node.value(holder).and_then(|inner| inner.entry(key));
            let entry = node
                .entry(key)
                .or_else(|| held("plugins"))
                .or_else(|| held("plugin"))?;
            Some((&*entry.value, Some(entry.at)))
        }
    }
}
