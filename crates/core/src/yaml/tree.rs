//! YAML as a tree that knows where every key and value stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use super::mark::{Frame, Mark};
use super::scalar::Scalar;

/// The deepest nesting that is read, aliases followed.
pub(super) const MAX_DEPTH: u32 = 100;
/// The most values that a file may hold once its aliases are followed.
pub(super) const MAX_NODES: u64 = 500_000;
/// The most bytes of text that it may hold then.
pub(super) const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Mark,
    pub(super) body: Body,
    /// How much it holds, itself included and aliases followed.
    pub(super) size: Size,
    depth: u32,
}

/// How much a value holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    nodes: u64,
    text: u64,
}

impl Size {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(other.nodes),
            text: self.text.saturating_add(other.text),
        }
    }

    /// What is wrong with this size, if it is too much.
    pub(super) fn excess(self) -> Option<String> {
        if self.nodes > MAX_NODES {
            return Some(format!(
                "more than {MAX_NODES} values once aliases are followed"
            ));
        }
        let text = format!("more than {MAX_TEXT} bytes of text once aliases are followed");
        (self.text > MAX_TEXT).then_some(text)
    }

    fn of(text: &str) -> Self {
        Self {
            nodes: 0,
            text: u64::try_from(text.len()).unwrap_or(u64::MAX),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Scalar(Scalar),
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Mark,
    pub(super) value: Arc<Node>,
    /// Whether it is `<<`, which merges.
    merges: bool,
}

/// Something wrong with the YAML itself.
#[derive(Clone, Debug)]
pub(super) struct Flaw {
    pub(super) at: Mark,
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

impl Flaw {
    fn new(at: Mark, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            help: None,
        }
    }
}

/// One document: its tree, where it could be read, and what is wrong with its YAML.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) root: Option<Arc<Node>>,
    /// What keeps it from being read at all.
    pub(super) fatal: Option<Flaw>,
    /// Keys that are given twice, and the like.
    pub(super) flaws: Vec<Flaw>,
}

impl Node {
    pub(super) fn new(at: Mark, body: Body) -> Self {
        let (mut size, mut depth) = (Size { nodes: 1, text: 0 }, 0_u32);
        let mut hold = |child: &Arc<Self>, key: &str| {
            size = size.plus(child.size).plus(Size::of(key));
            depth = depth.max(child.depth);
        };
        match &body {
            Body::Scalar(scalar) => size = size.plus(Size::of(&scalar.raw)),
            Body::List(items) => items.iter().for_each(|item| hold(item, "")),
            Body::Map(entries) => entries
                .iter()
                .for_each(|entry| hold(&entry.value, &entry.key)),
        }
        Self {
            at,
            body,
            size,
            depth: depth.saturating_add(1),
        }
    }

    /// The value of a key, where this is a mapping that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.body {
            Body::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The same, where null counts as absent.
    pub(super) fn value(&self, key: &str) -> Option<&Arc<Self>> {
        self.entry(key)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// The text of a key's value, where that is a scalar.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.value(key)?.body {
            Body::Scalar(scalar) => Some(&scalar.raw),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(&self.body, Body::Scalar(scalar) if scalar.is_null())
    }
}

impl Entry {
    pub(super) fn new(key: impl Into<String>, at: Mark, value: Arc<Node>) -> Self {
        Self {
            key: key.into(),
            at,
            value,
            merges: false,
        }
    }
}

/// Reads every document of a text; one that is broken ends the reading of this text.
pub(super) fn parse(text: &str, frame: Frame) -> Vec<Tree> {
    let depth = MAX_DEPTH as usize;
    let options = options! {
        emit_comments: false,
        flow_nesting_limit: depth,
        block_nesting_limit: depth,
    };
    let mut builder = Builder {
        frame,
        ..Builder::default()
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(broken(&error, frame)),
        };
        if let Err(flaw) = step {
            builder.tree.fatal = Some(flaw);
            builder.tree.root = None;
            builder.done.push(builder.tree);
            break;
        }
    }
    builder.done
}

fn broken(error: &ScanError, frame: Frame) -> Flaw {
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => format!("nested more than {MAX_DEPTH} deep"),
        _ => format!("invalid YAML: {}", error.info()),
    };
    let lost = error.info().contains("unknown anchor");
    Flaw {
        help: lost.then_some("an anchor is known below it, in its own document"),
        ..Flaw::new(frame.point(error.marker()), message)
    }
}

/// A mapping or a list that is not closed yet.
struct Open {
    at: Mark,
    anchor: usize,
    body: Body,
    /// The key whose value comes next.
    key: Option<(String, Mark, bool)>,
}

#[derive(Default)]
struct Builder {
    frame: Frame,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Arc<Node>>,
    tree: Tree,
    done: Vec<Tree>,
    /// How many values were put in their places so far, keys included.
    put: u64,
    /// How many entries merges have looked at in this document.
    merged: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Flaw> {
        let at = self.frame.mark(&span);
        match event {
            Event::DocumentStart(..) => {
                self.tree = Tree::default();
                self.anchors.clear();
                self.merged = 0;
            }
            Event::DocumentEnd => self.done.push(std::mem::take(&mut self.tree)),
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain;
                let forced = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let raw = text.into_owned();
                let literal = style == ScalarStyle::Literal;
                let scalar = Scalar {
                    raw,
                    plain: !quoted && !forced,
                    literal,
                };
                return self.place(Node::new(at, Body::Scalar(scalar)), anchor);
            }
            Event::Alias(id) => return self.alias(id, at),
            Event::SequenceStart(_, anchor, _) => self.begin(at, anchor, Body::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.begin(at, anchor, Body::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => return self.end(),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Mark, anchor: usize, body: Body) {
        self.open.push(Open {
            at,
            anchor,
            body,
            key: None,
        });
    }

    fn end(&mut self) -> Result<(), Flaw> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let body = match open.body {
            Body::Map(entries) => Body::Map(self.settle(entries)?),
            other => other,
        };
        self.place(Node::new(open.at, body), open.anchor)
    }

    fn alias(&mut self, id: usize, at: Mark) -> Result<(), Flaw> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(Flaw::new(
                at,
                "an alias inside the value that it stands for",
            ));
        };
        self.put(node, at)
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Flaw> {
        let at = node.at;
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        self.put(node, at)
    }

    /// Puts a finished value where it belongs; `at` is where it is used.
    fn put(&mut self, node: Arc<Node>, at: Mark) -> Result<(), Flaw> {
        let depth = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        if node.depth.saturating_add(depth) > MAX_DEPTH {
            return Err(Flaw::new(at, format!("nested more than {MAX_DEPTH} deep")));
        }
        self.put = self.put.saturating_add(1);
        let literal = Size {
            nodes: self.put,
            text: 0,
        };
        if let Some(message) = node.size.excess().or_else(|| literal.excess()) {
            return Err(Flaw::new(at, message));
        }
        match self.open.last_mut() {
            None => self.tree.root = Some(node),
            Some(Open {
                body: Body::List(items),
                ..
            }) => items.push(node),
            Some(Open {
                body: Body::Map(entries),
                key,
                ..
            }) => match key.take() {
                Some((name, at, merges)) => {
                    entries.push(Entry {
                        key: name,
                        at,
                        value: node,
                        merges,
                    });
                }
                None => *key = Some(as_key(&node, at)?),
            },
            Some(Open {
                body: Body::Scalar(_),
                ..
            }) => {}
        }
        Ok(())
    }

    /// Follows the merges of a finished mapping and reports keys that are given twice.
    fn settle(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Flaw> {
        let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|e| e.merges);
        let mut known: BTreeMap<String, Mark> = BTreeMap::new();
        own.retain(|entry| match known.get(&entry.key) {
            Some(first) => {
                let message = format!(
                    "\"{}\" is given twice, first on line {}",
                    entry.key, first.line
                );
                self.tree.flaws.push(Flaw::new(entry.at, message));
                false
            }
            None => {
                known.insert(entry.key.clone(), entry.at);
                true
            }
        });
        for entry in merges {
            for source in merge_sources(&entry)? {
                let Body::Map(theirs) = &source.body else {
                    continue;
                };
                self.merged = self.merged.saturating_add(theirs.len());
                if self.merged > 100_000 {
                    return Err(Flaw::new(entry.at, "merges of more than 100000 keys"));
                }
                for one in theirs {
                    if !known.contains_key(&one.key) {
                        known.insert(one.key.clone(), one.at);
                        own.push(one.clone());
                    }
                }
            }
        }
        Ok(own)
    }
}

fn as_key(node: &Node, at: Mark) -> Result<(String, Mark, bool), Flaw> {
    match &node.body {
        Body::Scalar(scalar) => Ok((scalar.raw.clone(), at, scalar.plain && scalar.raw == "<<")),
        Body::Map(_) => Err(Flaw {
            at,
            message:
                "a mapping where a key should be: a template's {{ … }} that was not filled in?"
                    .to_owned(),
            help: Some("render the template first; text that begins with { stands in quotes"),
        }),
        Body::List(_) => Err(Flaw {
            at,
            message: "a list where a key should be".to_owned(),
            help: Some("text that begins with [ stands in quotes"),
        }),
    }
}

fn merge_sources(entry: &Entry) -> Result<Vec<Arc<Node>>, Flaw> {
    let sources = match &entry.value.body {
        Body::List(items) => items.clone(),
        _ => vec![Arc::clone(&entry.value)],
    };
    match sources
        .iter()
        .all(|source| matches!(source.body, Body::Map(_)))
    {
        true => Ok(sources),
        false => Err(Flaw::new(entry.at, "<< takes a mapping, or a list of them")),
    }
}
