//! Our own fields from the annotation: an API server keeps those, and prunes unknown fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cursor::{Cursor, Problem, Sink, shortened};
use super::mark::{Frame, Mark};
use super::suggest;
use super::tree::{self, Body, Entry, Node};
use crate::spec::{FieldPath, ObjectKind};

/// The annotation that may hold our own fields, as YAML in the shape of the object's `spec`.
pub const EXTENSIONS: &str = "gradatim.dev/extensions";

/// Which fields are ours.
enum Shape {
    /// Ours, with all that it holds.
    Ours,
    /// Argo's, with fields of ours in it.
    Holds(&'static [(&'static str, Self)]),
    /// A list of Argo's whose entries are matched by index.
    ByIndex(&'static Self),
    /// A list of Argo's whose entries are matched by `name`.
    ByName(&'static Self),
}

const STEP: Shape = Shape::Holds(&[
    ("gate", Shape::Ours),
    ("pace", Shape::Ours),
    ("progressDeadline", Shape::Ours),
]);
const CANARY: Shape = Shape::Holds(&[("steps", Shape::ByIndex(&STEP))]);
const ROLLOUT: Shape = Shape::Holds(&[
    ("abortOn", Shape::Ours),
    ("gates", Shape::Ours),
    ("sessionAffinity", Shape::Ours),
    ("strategy", Shape::Holds(&[("canary", CANARY)])),
]);
const METRIC: Shape = Shape::Holds(&[
    ("consecutiveFailureLimit", Shape::Ours),
    ("failureFor", Shape::Ours),
    ("onNoData", Shape::Ours),
    ("onNaN", Shape::Ours),
    ("evidence", Shape::Ours),
]);
const TEMPLATE: Shape =
    Shape::Holds(&[("judge", Shape::Ours), ("metrics", Shape::ByName(&METRIC))]);

/// The object with what its annotation adds to its `spec`.
pub(super) fn merged(root: &Arc<Node>, kind: ObjectKind, sink: &Sink) -> Arc<Node> {
    let Some(note) = root
        .value("metadata")
        .and_then(|meta| meta.value("annotations")?.value(EXTENSIONS))
    else {
        return Arc::clone(root);
    };
    let path = FieldPath::root()
        .key("metadata")
        .key("annotations")
        .key(EXTENSIONS);
    let Some(ours) = read(&Cursor::new(note, path.clone(), sink)) else {
        return Arc::clone(root);
    };
    let shape = match kind {
        ObjectKind::Rollout => &ROLLOUT,
        _ => &TEMPLATE,
    };
    let merge = Merge { sink };
    let empty = Arc::new(Node::new(root.at, Body::Map(Vec::new())));
    let spec = merge.merge(root.value("spec").unwrap_or(&empty), &ours, shape, &path);
    with_entry(
        root,
        Entry::new("spec", root.entry("spec").map_or(root.at, |e| e.at), spec),
    )
}

fn read(note: &Cursor<'_>) -> Option<Arc<Node>> {
    let Some(scalar) = note.scalar() else {
        note.refuse_with(
            "the annotation must be text",
            "begin it with | and indent the YAML below",
        );
        return None;
    };
    let at = note.place();
    let frame = match scalar.literal {
        true => Frame::Shifted {
            lines: at.line.saturating_sub(1),
            columns: at.column.saturating_sub(1),
        },
        false => Frame::Fixed(at),
    };
    let mut trees = tree::parse(&scalar.raw, frame).into_iter();
    let first = trees.next()?;
    for flaw in first.fatal.iter().chain(&first.flaws) {
        note.refuse_at(flaw.at, format!("in the annotation: {}", flaw.message));
    }
    if trees.next().is_some() {
        note.refuse("the annotation holds one YAML document");
    }
    first.root.filter(|root| !root.is_null())
}

struct Merge<'a> {
    sink: &'a Sink,
}

impl Merge<'_> {
    fn refuse(&self, path: &FieldPath, at: Mark, message: String) {
        self.sink.add(|| Problem {
            path: path.clone(),
            at,
            value: None,
            message,
            help: None,
        });
    }

    fn merge(
        &self,
        base: &Arc<Node>,
        ours: &Arc<Node>,
        shape: &Shape,
        path: &FieldPath,
    ) -> Arc<Node> {
        let merged = match (shape, &ours.body) {
            (Shape::Ours, _) => return Arc::clone(ours),
            _ if ours.is_null() => return Arc::clone(base),
            (Shape::Holds(known), Body::Map(entries)) => self.fields(base, entries, known, path),
            (Shape::ByIndex(shape), Body::List(items)) => self.by_index(base, items, shape, path),
            (Shape::ByIndex(shape), Body::Map(entries)) => {
                self.by_number(base, entries, shape, path)
            }
            (Shape::ByName(shape), Body::List(items)) => self.by_name(base, items, shape, path),
            (Shape::Holds(_), _) => {
                self.refuse(
                    path,
                    ours.at,
                    "must be a mapping that holds our own fields".to_owned(),
                );
                None
            }
            (Shape::ByIndex(_) | Shape::ByName(_), _) => {
                self.refuse(path, ours.at, "must be a list".to_owned());
                None
            }
        };
        merged.unwrap_or_else(|| Arc::clone(base))
    }

    fn fields(
        &self,
        base: &Arc<Node>,
        ours: &[Entry],
        known: &[(&'static str, Shape)],
        path: &FieldPath,
    ) -> Option<Arc<Node>> {
        let mut merged = Arc::clone(base);
        for entry in ours {
            let path = path.key(entry.key.clone());
            let Some((_, shape)) = known.iter().find(|(name, _)| *name == entry.key) else {
                self.sink.add(|| Problem {
                    path,
                    at: entry.at,
                    value: None,
                    message: stranger(&entry.key, known),
                    help: None,
                });
                continue;
            };
            let value = match (base.value(&entry.key), shape) {
                (None, Shape::Ours) => Arc::clone(&entry.value),
                (Some(_), Shape::Ours) => {
                    let message = format!("{} is given in the object as well", entry.key);
                    self.refuse(&path, entry.at, message);
                    continue;
                }
                (Some(inner), shape) => self.merge(inner, &entry.value, shape, &path),
                (None, _) => {
                    let message = format!("the object has no {} to add this to", entry.key);
                    self.refuse(&path, entry.at, message);
                    continue;
                }
            };
            let at = base.entry(&entry.key).map_or(entry.at, |theirs| theirs.at);
            merged = with_entry(&merged, Entry::new(entry.key.clone(), at, value));
        }
        Some(merged)
    }

    fn by_index(
        &self,
        base: &Arc<Node>,
        ours: &[Arc<Node>],
        shape: &Shape,
        path: &FieldPath,
    ) -> Option<Arc<Node>> {
        let Body::List(theirs) = &base.body else {
            return None;
        };
        let mut merged = theirs.clone();
        for (index, item) in ours.iter().enumerate() {
            let path = path.index(index);
            match merged.get_mut(index) {
                Some(step) => *step = self.merge(step, item, shape, &path),
                None if item.is_null() => {}
                None => self.refuse(
                    &path,
                    item.at,
                    format!("the object has {} steps", theirs.len()),
                ),
            }
        }
        Some(Arc::new(Node::new(base.at, Body::List(merged))))
    }

    /// A mapping from index to entry, which spares the empty ones.
    fn by_number(
        &self,
        base: &Arc<Node>,
        ours: &[Entry],
        shape: &Shape,
        path: &FieldPath,
    ) -> Option<Arc<Node>> {
        let Body::List(theirs) = &base.body else {
            return None;
        };
        let mut merged = theirs.clone();
        for entry in ours {
            let index = entry.key.parse::<usize>().ok();
            let path = index.map_or_else(|| path.key(entry.key.clone()), |index| path.index(index));
            match index.and_then(|index| merged.get_mut(index)) {
                Some(step) => *step = self.merge(step, &entry.value, shape, &path),
                None => {
                    let message = format!(
                        "\"{}\" is no index of the object's {} steps",
                        shortened(&entry.key),
                        theirs.len()
                    );
                    self.refuse(&path, entry.at, message);
                }
            }
        }
        Some(Arc::new(Node::new(base.at, Body::List(merged))))
    }

    fn by_name(
        &self,
        base: &Arc<Node>,
        ours: &[Arc<Node>],
        shape: &Shape,
        path: &FieldPath,
    ) -> Option<Arc<Node>> {
        let Body::List(theirs) = &base.body else {
            return None;
        };
        let mut merged = theirs.clone();
        let named = theirs.iter().enumerate().rev();
        let named: BTreeMap<&str, usize> = named
            .filter_map(|(at, one)| Some((one.text("name")?, at)))
            .collect();
        for (index, item) in ours.iter().enumerate() {
            let path = path.index(index);
            let Some(name) = item.text("name") else {
                self.refuse(
                    &path,
                    item.at,
                    "name is missing: it says which metric is meant".to_owned(),
                );
                continue;
            };
            match named.get(name).and_then(|at| merged.get_mut(*at)) {
                Some(metric) => *metric = self.merge(metric, &without_name(item), shape, &path),
                None => {
                    let message = format!("the object has no metric \"{}\"", shortened(name));
                    self.refuse(
                        &path.key("name"),
                        item.value("name").map_or(item.at, |n| n.at),
                        message,
                    );
                }
            }
        }
        Some(Arc::new(Node::new(base.at, Body::List(merged))))
    }
}

fn stranger(key: &str, known: &[(&'static str, Shape)]) -> String {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    match suggest::nearest(key, &names) {
        Some(near) => format!(
            "\"{}\" is none of our fields; did you mean \"{near}\"?",
            shortened(key)
        ),
        None => format!(
            "\"{}\" is none of our fields: write it in spec",
            shortened(key)
        ),
    }
}

fn without_name(node: &Arc<Node>) -> Arc<Node> {
    let Body::Map(entries) = &node.body else {
        return Arc::clone(node);
    };
    let rest = entries
        .iter()
        .filter(|entry| entry.key != "name")
        .cloned()
        .collect();
    Arc::new(Node::new(node.at, Body::Map(rest)))
}

fn with_entry(node: &Arc<Node>, entry: Entry) -> Arc<Node> {
    let mut entries = match &node.body {
        Body::Map(entries) => entries.clone(),
        _ => return Arc::clone(node),
    };
    match entries.iter_mut().find(|theirs| theirs.key == entry.key) {
        Some(theirs) => *theirs = entry,
        None => entries.push(entry),
    }
    Arc::new(Node::new(node.at, Body::Map(entries)))
}
