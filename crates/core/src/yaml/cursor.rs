//! A value under its path, and the collectors that read it: each reports what is wrong at the
//! place where it stands and lets the reading go on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::mark::Mark;
use super::scalar::Scalar;
use super::suggest;
use super::tree::{Body, Entry, Node};
use crate::spec::{FieldPath, Segment};

/// Something wrong with a field.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) path: FieldPath,
    pub(super) at: Mark,
    pub(super) value: Option<String>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Where problems go; beyond its room they are only counted.
#[derive(Debug, Default)]
pub(super) struct Sink {
    problems: RefCell<Vec<Problem>>,
    dropped: Cell<usize>,
}

/// More errors than this help nobody.
pub(super) const MAX_ERRORS: usize = 100;

impl Sink {
    pub(super) fn add(&self, problem: impl FnOnce() -> Problem) {
        let mut problems = self.problems.borrow_mut();
        match problems.len() < MAX_ERRORS {
            true => problems.push(problem()),
            false => self.dropped.set(self.dropped.get().saturating_add(1)),
        }
    }

    /// The problems, in the order of the text, and how many more there were.
    pub(super) fn finish(self) -> (Vec<Problem>, usize) {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.at);
        (problems, self.dropped.get())
    }
}

/// The largest count that a manifest can hold.
pub(super) const MOST: u32 = 0x7fff_ffff;

/// A value, the path that leads to it, and where its key stands.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    node: &'a Arc<Node>,
    key: Mark,
    path: FieldPath,
    sink: &'a Sink,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(node: &'a Arc<Node>, path: FieldPath, sink: &'a Sink) -> Self {
        Self {
            node,
            key: node.at,
            path,
            sink,
        }
    }

    /// Reports this value.
    pub(super) fn refuse(&self, message: impl Into<String>) {
        self.report(message.into(), None);
    }

    /// Reports this value, and says what would be right.
    pub(super) fn refuse_with(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report(message.into(), Some(help.into()));
    }

    fn report(&self, message: String, help: Option<String>) {
        let (at, value) = match &self.node.body {
            Body::Scalar(scalar) if !scalar.is_null() => {
                (self.node.at, Some(shortened(&scalar.shown())))
            }
            _ => (self.key, None),
        };
        self.sink.add(|| Problem {
            path: self.path.clone(),
            at,
            value,
            message,
            help,
        });
    }

    /// Reports a place inside this value.
    pub(super) fn refuse_at(&self, at: Mark, message: String) {
        let path = self.path.clone();
        self.sink.add(|| Problem {
            path,
            at,
            value: None,
            message,
            help: None,
        });
    }

    /// Where the value itself begins.
    pub(super) fn place(&self) -> Mark {
        self.node.at
    }

    /// The last name of the path, as messages call the field.
    pub(super) fn name(&self) -> String {
        match self.path.segments() {
            [.., Segment::Key(key)] => key.clone(),
            [.., Segment::Key(key), Segment::Index(_)] => format!("an entry of {key}"),
            _ => "this".to_owned(),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.node.is_null()
    }

    pub(super) fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.body {
            Body::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    fn wanted(&self, what: &str) {
        let help = self
            .scalar()
            .is_some_and(|scalar| is_placeholder(&scalar.raw))
            .then(|| "a placeholder that was not filled in".to_owned());
        self.report(format!("{} must be {what}", self.name()), help);
    }

    /// Text; a number, `true` and `false` are refused, as an API server does.
    pub(super) fn text(&self) -> Option<String> {
        match self.scalar() {
            Some(scalar) if scalar.is_typed() => {
                let quoted = format!("put it in quotes: \"{}\"", shortened(&scalar.raw));
                self.refuse_with(format!("{} must be text", self.name()), quoted);
                None
            }
            Some(scalar) => Some(scalar.raw.clone()),
            None => {
                self.wanted("text");
                None
            }
        }
    }

    /// Text that is not empty.
    pub(super) fn word(&self) -> Option<String> {
        let text = self.text()?;
        if text.is_empty() {
            self.refuse(format!("{} must not be empty", self.name()));
            return None;
        }
        Some(text)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        let boolean = self.scalar().and_then(Scalar::boolean);
        if boolean.is_none() {
            self.wanted("true or false");
        }
        boolean
    }

    pub(super) fn integer(&self) -> Option<i64> {
        let integer = self.scalar().and_then(Scalar::integer);
        if integer.is_none() {
            self.wanted("a whole number");
        }
        integer
    }

    /// A whole number from `low` to `high`.
    pub(super) fn between(&self, low: u32, high: u32) -> Option<u32> {
        let integer = self.integer()?;
        let number = u32::try_from(integer)
            .ok()
            .filter(|number| (low..=high).contains(number));
        if number.is_none() {
            let bounds = match high {
                MOST => format!("{low} or more"),
                _ => format!("{low} to {high}"),
            };
            self.refuse(format!("{} is {bounds}", self.name()));
        }
        number
    }

    /// A whole number of things.
    pub(super) fn count(&self) -> Option<u32> {
        self.between(0, MOST)
    }

    /// The entries of a list.
    pub(super) fn list(&self) -> Vec<Self> {
        let Body::List(items) = &self.node.body else {
            self.wanted("a list");
            return Vec::new();
        };
        let one = |(index, node): (usize, &'a Arc<Node>)| Self {
            node,
            key: node.at,
            path: self.path.index(index),
            sink: self.sink,
        };
        items.iter().enumerate().map(one).collect()
    }

    /// The fields of a mapping.
    pub(super) fn fields(&self) -> Option<Fields<'a>> {
        let Body::Map(entries) = &self.node.body else {
            self.wanted("a mapping");
            return None;
        };
        Some(Fields {
            here: self.clone(),
            entries,
            known: RefCell::default(),
            what: "field",
        })
    }

    /// Keys and values of text.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let Some(fields) = self.fields() else {
            return BTreeMap::new();
        };
        let all = fields.rest().into_iter();
        all.filter_map(|(key, value)| Some((key, value.text()?)))
            .collect()
    }

    /// The whole value, as JSON.
    pub(super) fn json(&self) -> Value {
        json(self.node)
    }
}

fn json(node: &Node) -> Value {
    match &node.body {
        Body::Scalar(scalar) => scalar.json(),
        Body::List(items) => items.iter().map(|item| json(item)).collect(),
        Body::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|e| (e.key.clone(), json(&e.value)))
                .collect(),
        ),
    }
}

/// Whether a text stands for another that a tool should have put in its place.
fn is_placeholder(text: &str) -> bool {
    let marked = ["${", "$(", "{{"].iter().any(|open| text.contains(open));
    marked || (text.starts_with('<') && text.ends_with('>'))
}

/// A value as a message shows it.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The fields of a mapping; it learns the known names from what is asked of it.
pub(super) struct Fields<'a> {
    here: Cursor<'a>,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// The same, whose fields are called something else in messages.
    pub(super) fn called(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    fn at(&self, entry: &'a Entry) -> Cursor<'a> {
        Cursor {
            node: &entry.value,
            key: entry.at,
            path: self.here.path.key(entry.key.clone()),
            sink: self.here.sink,
        }
    }

    /// The field's value, null included.
    pub(super) fn given(&self, name: &'static str) -> Option<Cursor<'a>> {
        self.known.borrow_mut().push(name);
        self.entries
            .iter()
            .find(|entry| entry.key == name)
            .map(|entry| self.at(entry))
    }

    /// The field's value; null is as good as none.
    pub(super) fn get(&self, name: &'static str) -> Option<Cursor<'a>> {
        self.given(name).filter(|value| !value.is_null())
    }

    /// The field's value, reported where there is none.
    pub(super) fn require(&self, name: &'static str) -> Option<Cursor<'a>> {
        let value = self.get(name);
        if value.is_none() {
            self.missing(name);
        }
        value
    }

    /// Reports that a field is missing, at the mapping that should hold it.
    pub(super) fn missing(&self, name: &str) {
        let problem = || Problem {
            path: self.here.path.key(name),
            at: self.here.key,
            value: None,
            message: format!("{name} is missing"),
            help: None,
        };
        self.here.sink.add(problem);
    }

    /// The entries of a list; none where it is absent.
    pub(super) fn list(&self, name: &'static str) -> Vec<Cursor<'a>> {
        self.get(name).map(|value| value.list()).unwrap_or_default()
    }

    /// Whether a list is absent or empty.
    pub(super) fn lacks(&self, name: &'static str) -> bool {
        let empty =
            |value: Cursor<'_>| matches!(&value.node.body, Body::List(items) if items.is_empty());
        self.get(name).is_none_or(empty)
    }

    /// Every field that nobody asked for, which makes all of them known.
    pub(super) fn rest(&self) -> Vec<(String, Cursor<'a>)> {
        let known = self.known.borrow();
        let unasked = self
            .entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()));
        unasked
            .map(|entry| (entry.key.clone(), self.at(entry)))
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reports every field that nobody asked for.
    pub(super) fn close(self) {
        let known = self.known.borrow();
        for entry in self
            .entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()))
        {
            self.here.sink.add(|| {
                let mut message = format!("unknown {} \"{}\"", self.what, shortened(&entry.key));
                if let Some(near) = suggest::nearest(&entry.key, &known) {
                    message.push_str(&format!("; did you mean \"{near}\"?"));
                }
                let path = self.here.path.key(entry.key.clone());
                Problem {
                    path,
                    at: entry.at,
                    value: None,
                    message,
                    help: None,
                }
            });
        }
    }
}
