//! From files to objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cursor::{Cursor, Problem, Sink, shortened};
use super::document::{Chunk, chunks};
use super::mark::{Frame, Mark};
use super::tree::{self, Body, Flaw, Node, Size, Tree};
use super::{Diagnostic, MAX_DOCUMENTS, MAX_ERRORS, Reading, Skipped};
use super::{bytes, decode, extension, helm, stranger};
use crate::spec::{FieldPath, Manifests, ObjectKind, ObjectRef};

const GROUP: &str = "argoproj.io/";
const VERSION: &str = "argoproj.io/v1alpha1";

#[derive(Default)]
pub(super) struct Reader {
    reading: Reading,
    file: usize,
    document: u32,
    /// How much this file's objects of ours hold so far.
    size: Size,
    /// Whether the YAML of this document has flaws of its own.
    flawed: bool,
}

/// What a document turned out to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// One of ours, or something that should be.
    Ours,
    /// Objects of other kinds.
    Others,
}

impl Reader {
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) {
        let text = match bytes::decoded(bytes) {
            Ok(text) => text,
            Err((line, message, help)) => {
                self.file = self.reading.sources.add(name, "");
                self.document = 1;
                return self.error(
                    Mark {
                        line,
                        column: 1,
                        length: 1,
                    },
                    message,
                    Some(help),
                );
            }
        };
        self.file = self.reading.sources.add(name, &text);
        self.document = 0;
        self.size = Size::default();
        let before = self.reading.errors.len();
        for chunk in chunks(&text) {
            if let Some(tag) = self.chunk(chunk) {
                // Whatever else is wrong with a template says nothing about what it becomes.
                self.reading.errors.truncate(before);
                let message = "a Helm template that was not rendered".to_owned();
                return self.error(
                    tag,
                    message,
                    Some("render it first: helm template … | gradatim …"),
                );
            }
            if self.document > MAX_DOCUMENTS {
                let message = format!("more than {MAX_DOCUMENTS} documents in one file");
                return self.error(
                    Mark {
                        line: chunk.lines,
                        column: 1,
                        length: 1,
                    },
                    message,
                    None,
                );
            }
        }
        if self.document == 0 {
            let at = Mark {
                line: 1,
                column: 1,
                length: 1,
            };
            let help = "a Rollout or an AnalysisTemplate was expected";
            self.error(at, "no object in this file".to_owned(), Some(help));
        }
    }

    pub(super) fn finish(mut self) -> Reading {
        let nothing = self.reading.manifests.rollouts.is_empty()
            && self.reading.manifests.templates.is_empty()
            && self.reading.errors.is_empty();
        if nothing {
            let wanted = "no Rollout, AnalysisTemplate or ClusterAnalysisTemplate was found";
            let kinds: BTreeSet<&str> = self.reading.skipped.iter().map(|one| &*one.kind).collect();
            let kinds: Vec<&str> = kinds.into_iter().take(10).collect();
            let found = format!("found only: {}", kinds.join(", "));
            let error = Diagnostic::new(wanted);
            self.reading.errors.push(match kinds.is_empty() {
                true => error,
                false => error.with_help(found),
            });
        }
        self.reading
    }

    /// Reads a piece of a file; gives the place of Helm's tag where that is why it is wrong.
    fn chunk(&mut self, chunk: Chunk<'_>) -> Option<Mark> {
        let frame = Frame::Shifted {
            lines: chunk.lines,
            columns: 0,
        };
        for tree in tree::parse(chunk.text, frame) {
            if tree.fatal.is_none() && tree.root.as_ref().is_none_or(|root| root.is_null()) {
                continue;
            }
            self.document = self.document.saturating_add(1);
            let before = self.reading.errors.len();
            let tag = match (&tree.fatal, &tree.root) {
                (Some(_), _) => helm::tag(chunk.text, chunk.lines),
                (None, root) => root.as_ref().and_then(|root| helm::within(root)),
            };
            let holds = self.tree(tree);
            if let Some(errors) = self.reading.errors.get_mut(before..) {
                errors.sort_by_key(|error| error.position.as_ref().map(|at| (at.line, at.column)));
            }
            if tag.is_some() && holds == Holds::Ours {
                return tag;
            }
        }
        None
    }

    fn tree(&mut self, tree: Tree) -> Holds {
        if let Some(flaw) = tree.fatal {
            self.flaw(flaw);
            return Holds::Ours;
        }
        let Some(root) = tree.root else {
            return Holds::Others;
        };
        self.flawed = !tree.flaws.is_empty();
        let holds = self.object(&root);
        if holds == Holds::Ours {
            tree.flaws.into_iter().for_each(|flaw| self.flaw(flaw));
        }
        holds
    }

    fn object(&mut self, root: &Arc<Node>) -> Holds {
        if !matches!(root.body, Body::Map(_)) {
            self.error(
                root.at,
                "this is no object: a mapping was expected".to_owned(),
                None,
            );
            return Holds::Ours;
        }
        let Some(kind) = root.text("kind") else {
            if stranger::is_kustomization(root) {
                self.skip(root, stranger::KUSTOMIZATION);
                return Holds::Others;
            }
            let message = "this is no object: it has no kind".to_owned();
            self.error(root.at, message, Some(stranger::help(root)));
            return Holds::Ours;
        };
        if kind.ends_with("List") && root.value("items").is_some() {
            return self.list(root);
        }
        let version = root.text("apiVersion");
        match known(kind) {
            Some(kind) if version.is_none_or(|version| version.starts_with(GROUP)) => {
                self.ours(root, kind, version);
                Holds::Ours
            }
            // Another project has a kind of that name: which one it is, its version says.
            Some(_) => {
                let kind = format!("{kind} ({})", version.unwrap_or_default());
                self.skip(root, &kind);
                Holds::Others
            }
            None => {
                self.skip(root, kind);
                Holds::Others
            }
        }
    }

    fn list(&mut self, root: &Arc<Node>) -> Holds {
        let Some(items) = root.value("items") else {
            return Holds::Others;
        };
        let Body::List(items) = &items.body else {
            self.error(items.at, "items must be a list".to_owned(), None);
            return Holds::Ours;
        };
        let mut holds = Holds::Others;
        for item in items {
            if self.object(item) == Holds::Ours {
                holds = Holds::Ours;
            }
        }
        holds
    }

    fn skip(&mut self, root: &Node, kind: &str) {
        let name = root.value("metadata").and_then(|meta| meta.text("name"));
        let at = self
            .reading
            .sources
            .position(self.file, self.document, root.at);
        self.reading.skipped.push(Skipped {
            file: at.file,
            line: at.line,
            kind: shortened(kind),
            name: name.map(str::to_owned),
        });
    }

    fn ours(&mut self, root: &Arc<Node>, kind: ObjectKind, version: Option<&str>) {
        self.size = self.size.plus(root.size);
        if let Some(message) = self.size.excess() {
            return self.error(root.at, message, None);
        }
        let sink = Sink::default();
        stranger::annotations(root, &sink);
        let root = extension::merged(root, kind, &sink);
        let object = identity(&root, kind, version, &sink);
        if let Some(object) = &object {
            self.place(object, &root, &sink);
        }
        let found = decode(&root, kind, object.as_ref(), &sink);
        self.warn(stranger::notes(&root, kind), object.as_ref());
        let (problems, dropped) = sink.finish();
        if problems.is_empty() && !self.flawed {
            self.reading.manifests.rollouts.extend(found.rollouts);
            self.reading.manifests.templates.extend(found.templates);
        }
        self.reading.more_errors = self.reading.more_errors.saturating_add(dropped);
        for problem in problems {
            let sources = &self.reading.sources;
            self.push(sources.problem(self.file, self.document, object.as_ref(), problem));
        }
    }

    fn warn(&mut self, notes: Vec<Problem>, object: Option<&ObjectRef>) {
        for note in notes {
            let sources = &self.reading.sources;
            let warning = sources.problem(self.file, self.document, object, note);
            if self.reading.warnings.len() < MAX_ERRORS {
                self.reading.warnings.push(warning);
            }
        }
    }

    /// Remembers where an object stands, and reports one that has that name already.
    fn place(&mut self, object: &ObjectRef, root: &Arc<Node>, sink: &Sink) {
        let sources = &mut self.reading.sources;
        if let Some(first) = sources.locate(object, &FieldPath::root()) {
            let message = format!(
                "{object} is given twice, first in {}:{}",
                first.file, first.line
            );
            let path = FieldPath::from("metadata.name");
            sink.add(|| Problem {
                path,
                at: root.at,
                value: None,
                message,
                help: None,
            });
        }
        sources.place(object.clone(), self.file, self.document, Arc::clone(root));
    }

    fn flaw(&mut self, flaw: Flaw) {
        self.error(flaw.at, flaw.message, flaw.help);
    }

    fn error(&mut self, at: Mark, message: String, help: Option<&str>) {
        let help = help.map(str::to_owned);
        let problem = Problem {
            path: FieldPath::root(),
            at,
            value: None,
            message,
            help,
        };
        let error = self
            .reading
            .sources
            .problem(self.file, self.document, None, problem);
        self.push(error);
    }

    fn push(&mut self, error: Diagnostic) {
        match self.reading.errors.len() < MAX_ERRORS {
            true => self.reading.errors.push(error),
            false => self.reading.more_errors = self.reading.more_errors.saturating_add(1),
        }
    }
}

/// Reads an object's own frame and its `spec`.
fn decode(
    root: &Arc<Node>,
    kind: ObjectKind,
    object: Option<&ObjectRef>,
    sink: &Sink,
) -> Manifests {
    let name = object
        .map(|object| object.name.as_str())
        .unwrap_or_default();
    let namespace = object.and_then(|object| object.namespace.clone());
    let mut found = Manifests::default();
    let Some(fields) = Cursor::new(root, FieldPath::root(), sink).fields() else {
        return found;
    };
    for known in ["apiVersion", "kind", "metadata", "status"] {
        fields.given(known);
    }
    let spec = fields.require("spec");
    fields.close();
    let Some(spec) = spec else { return found };
    match kind {
        ObjectKind::Rollout => found
            .rollouts
            .extend(decode::rollout(name, namespace, &spec)),
        ObjectKind::AnalysisTemplate | ObjectKind::ClusterAnalysisTemplate => {
            let cluster = kind == ObjectKind::ClusterAnalysisTemplate;
            found
                .templates
                .extend(decode::template(name, namespace, cluster, &spec));
        }
    }
    found
}

fn known(kind: &str) -> Option<ObjectKind> {
    match kind {
        "Rollout" => Some(ObjectKind::Rollout),
        "AnalysisTemplate" => Some(ObjectKind::AnalysisTemplate),
        "ClusterAnalysisTemplate" => Some(ObjectKind::ClusterAnalysisTemplate),
        _ => None,
    }
}

/// Which object it is; its version and its name are checked on the way.
fn identity(
    root: &Arc<Node>,
    kind: ObjectKind,
    version: Option<&str>,
    sink: &Sink,
) -> Option<ObjectRef> {
    let fields = Cursor::new(root, FieldPath::root(), sink).fields()?;
    if let Some(given) = fields.require("apiVersion")
        && version != Some(VERSION)
    {
        given.refuse_with("this version is not known", format!("write {VERSION}"));
    }
    let meta = fields.require("metadata")?.fields()?;
    let given = meta.require("name")?;
    let name = given.word()?;
    if name.len() > 253 || name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
    {
        given.refuse_with(
            "no name of an object",
            "lower-case letters, digits, - and .",
        );
        return None;
    }
    let namespace = meta.get("namespace").and_then(|namespace| namespace.text());
    let namespace = namespace.filter(|_| kind != ObjectKind::ClusterAnalysisTemplate);
    Some(ObjectRef {
        kind,
        namespace,
        name,
    })
}
