//! What operators stand between: literals, names, brackets, and members of them.

use super::{Frame, Parsed, Parser};
use crate::condition::ast::{Each, Kind, Node};
use crate::condition::error::{ConditionError, Span};
use crate::condition::functions;
use crate::condition::lexer::Token;
use crate::condition::value::Value;

/// What a sign before a part makes of it.
type Signed = fn(Box<Node>) -> Kind;

/// A sign before a part, with how tight it binds.
fn sign(token: &Token) -> Option<(u16, Signed)> {
    match token {
        Token::Sign("!") | Token::Word("not") => Some((50, Kind::Not)),
        Token::Sign("-") => Some((90, Kind::Negate)),
        Token::Sign("+") => Some((90, Kind::Plus)),
        _ => None,
    }
}

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed {
        let start = self.span();
        if let Some((strength, kind)) = sign(self.peek()) {
            self.at += 1;
            let node = self.nested(|it| it.operators(strength))?;
            let span = start.to(node.span);
            return self.node(kind(Box::new(node)), span);
        }
        match self.next() {
            (Token::Int(value), span) => self.node(Kind::Literal(Value::Int(value)), span),
            (Token::Float(value), span) => self.node(Kind::Literal(Value::Float(value)), span),
            (Token::Text(text), span) => {
                let node = self.node(Kind::Literal(Value::Str(text)), span)?;
                self.members(node)
            }
            (Token::Name(name), span) => self.name(&name, span),
            (Token::Item(name), span) => {
                let node = self.item(&name, span)?;
                self.members(node)
            }
            (Token::Sign(sign), span) => self.bracket(sign, span),
            _ => Err(self.step_back()),
        }
    }

    /// The last token taken has no business there.
    fn step_back(&mut self) -> ConditionError {
        self.at = self.at.saturating_sub(1);
        self.unexpected()
    }

    fn bracket(&mut self, sign: &str, start: Span) -> Parsed {
        let node = match sign {
            "(" => {
                let mut node = self.sequence()?;
                node.span = start.to(self.wants(")")?);
                node
            }
            "[" => self.array(start)?,
            "{" => self.map(start)?,
            "." if self.item_frame().is_some() => {
                // `.field` is `#.field`.
                self.at -= 1;
                self.item("", start)?
            }
            "::" => match self.next() {
                (Token::Name(name), span) if self.is("(") => self.call(&name, span, None)?,
                _ => return Err(self.step_back()),
            },
            _ => return Err(self.step_back()),
        };
        self.members(node)
    }

    fn array(&mut self, start: Span) -> Parsed {
        let mut nodes = Vec::new();
        while !self.is("]") {
            nodes.push(self.expression()?);
            if !self.takes(",") {
                break;
            }
        }
        let span = start.to(self.wants("]")?);
        self.node(Kind::Array(nodes), span)
    }

    fn map(&mut self, start: Span) -> Parsed {
        let mut pairs = Vec::new();
        while !self.is("}") {
            let key = self.key()?;
            self.wants(":")?;
            pairs.push((key, self.expression()?));
            if !self.takes(",") {
                break;
            }
        }
        let span = start.to(self.wants("}")?);
        self.node(Kind::Map(pairs), span)
    }

    /// A name, a number or a text stands for itself; anything else needs parentheses.
    fn key(&mut self) -> Parsed {
        if self.is("(") {
            return self.expression();
        }
        let (token, span) = self.next();
        let text = match token {
            Token::Name(text) | Token::Text(text) => text,
            Token::Int(_) | Token::Float(_) => span.text(self.source, usize::MAX),
            _ => return Err(self.step_back()),
        };
        self.node(Kind::Literal(Value::Str(text)), span)
    }

    fn name(&mut self, name: &str, span: Span) -> Parsed {
        let literal = match name {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "nil" => Some(Value::Nil),
            _ => None,
        };
        if let Some(value) = literal {
            return self.node(Kind::Literal(value), span);
        }
        let node = match self.is("(") {
            true => self.call(name, span, None)?,
            false => self.variable(name, span)?,
        };
        self.members(node)
    }

    fn variable(&self, name: &str, span: Span) -> Parsed {
        if name == "result" {
            return self.node_that(Kind::Result, span, true);
        }
        for (hops, frame) in self.frames.iter().rev().enumerate() {
            match frame {
                Frame::Let { name: it, varies } if it == name => {
                    return self.node_that(Kind::Local(hops), span, *varies);
                }
                _ => {}
            }
        }
        let message = match self.is_taken(name) {
            true => format!("{name} is a function: write {name}(…)"),
            false => format!("unknown name {name}: a condition knows result"),
        };
        Err(self.error(span, message))
    }

    /// Whether a name cannot be given again by `let`.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        const NAMES: [&str; 6] = ["result", "true", "false", "nil", "isNil", "default"];
        NAMES.contains(&name)
            || Each::of(name).is_some()
            || functions::find(name).is_some()
            || self
                .frames
                .iter()
                .any(|frame| matches!(frame, Frame::Let { name: it, .. } if it == name))
    }

    /// How far up the innermost item stands, whether it accumulates, whether it varies.
    fn item_frame(&self) -> Option<(usize, bool, bool)> {
        let mut frames = self.frames.iter().rev().enumerate();
        frames.find_map(|(hops, frame)| match frame {
            Frame::Item {
                accumulates,
                varies,
            } => Some((hops, *accumulates, *varies)),
            Frame::Let { .. } => None,
        })
    }

    fn item(&self, name: &str, span: Span) -> Parsed {
        let Some((hops, accumulates, varies)) = self.item_frame() else {
            let message = "# stands only inside all, any, filter and the like";
            return Err(self.error(span, message));
        };
        let kind = match name {
            "" => Kind::Item(hops),
            "index" => Kind::Index(hops),
            "acc" if accumulates => Kind::Accumulated(hops),
            "acc" => return Err(self.error(span, "#acc stands only inside reduce")),
            _ => return Err(self.error(span, format!("unknown #{name}"))),
        };
        self.node_that(kind, span, varies)
    }

    /// `.name`, `?.name`, `[key]`, `?.[key]`, `[from:to]`, as often as they come.
    pub(super) fn members(&mut self, mut node: Node) -> Parsed {
        loop {
            let optional = self.is("?.");
            if (optional && self.ahead(1) == &Token::Sign("[")) || self.is("[") {
                self.at += 1 + usize::from(optional);
                node = self.subscript(node, optional)?;
            } else if optional || self.is(".") {
                self.at += 1;
                node = self.property(node, optional)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn property(&mut self, node: Node, optional: bool) -> Parsed {
        let (name, span) = match self.next() {
            (Token::Name(name), span) => (name, span),
            (Token::Word(word), span) => (word.to_owned(), span),
            _ => return Err(self.step_back()),
        };
        if self.is("(") {
            let message = format!("values have no method {name}: write {name}(…) as a function");
            return Err(self.error(span, message));
        }
        // What `?.` stops, the names after it are stopped with.
        let (object, chained) = match node.kind {
            Kind::Chain(inner) => (inner, true),
            kind => (Box::new(Node { kind, ..node }), optional),
        };
        let all = object.span.to(span);
        let member = Kind::Member {
            object,
            key: Box::new(self.node(Kind::Literal(Value::Str(name)), span)?),
            optional,
        };
        let member = self.node(member, all)?;
        self.chain(member, chained)
    }

    fn chain(&self, member: Node, chained: bool) -> Parsed {
        let span = member.span;
        match chained {
            true => self.node(Kind::Chain(Box::new(member)), span),
            false => Ok(member),
        }
    }

    fn subscript(&mut self, node: Node, optional: bool) -> Parsed {
        let start = node.span;
        let object = Box::new(node);
        let from = match self.is(":") {
            true => None,
            false => Some(Box::new(self.expression()?)),
        };
        if !self.takes(":") {
            let key = from.ok_or_else(|| self.unexpected())?;
            let span = start.to(self.wants("]")?);
            let member = Kind::Member {
                object,
                key,
                optional,
            };
            let member = self.node(member, span)?;
            return self.chain(member, optional);
        }
        let to = match self.is("]") {
            true => None,
            false => Some(Box::new(self.expression()?)),
        };
        let span = start.to(self.wants("]")?);
        self.node(Kind::Slice { object, from, to }, span)
    }
}
