//! Tokens to a tree, by the binding strength of operators.

mod call;
mod primary;

use regex::RegexBuilder;

use super::ast::{Kind, Node, Operator, Pattern};
use super::error::{ConditionError, Span};
use super::lexer::{Token, tokens};
use super::value::Value;

/// The longest condition, in bytes.
const LENGTH: usize = 16 * 1024;
/// How deep brackets, signs and branches may stand in each other.
const NESTING: usize = 60;
/// How deep the parser calls itself, operators included.
const RECURSION: usize = 150;
/// How many levels a tree may have.
const DEPTH: u16 = 120;
/// How many patterns a condition may hold, and how large each may become, in bytes.
const PATTERNS: usize = 16;
const PATTERN_SIZE: usize = 256 * 1024;

/// Reads a condition.
pub(super) fn parse(source: &str) -> Result<Node, ConditionError> {
    if source.len() > LENGTH {
        let message = format!("a condition may have at most {LENGTH} bytes");
        return Err(ConditionError::at(source, 0, message));
    }
    let mut parser = Parser {
        source,
        tokens: tokens(source)?,
        at: 0,
        nesting: 0,
        recursion: 0,
        patterns: 0,
        frames: Vec::new(),
    };
    let node = parser.sequence()?;
    match parser.peek() {
        Token::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

/// Compiles a pattern within bounds.
pub(super) fn pattern(text: &str) -> Result<regex::Regex, String> {
    RegexBuilder::new(text)
        .size_limit(PATTERN_SIZE)
        .dfa_size_limit(PATTERN_SIZE)
        .nest_limit(NESTING as u32)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "this pattern is too large".to_owned(),
            _ => format!("{text:?} is not a regular expression"),
        })
}

/// What names mean in a part of a condition.
enum Frame {
    /// The body of a function that asks something of each item.
    Item { accumulates: bool, varies: bool },
    /// After `let`.
    Let { name: String, varies: bool },
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<(Token, Span)>,
    at: usize,
    nesting: usize,
    recursion: usize,
    patterns: usize,
    frames: Vec<Frame>,
}

type Parsed = Result<Node, ConditionError>;

/// Binding strength, from loose to tight.
fn strength(token: &Token) -> Option<u16> {
    let (Token::Sign(sign) | Token::Word(sign)) = token else {
        return None;
    };
    Some(match *sign {
        "|" => 0,
        "||" | "or" => 10,
        "&&" | "and" => 15,
        "==" | "!=" | "<" | ">" | ">=" | "<=" => 20,
        "in" | "matches" | "contains" | "startsWith" | "endsWith" => 20,
        ".." => 25,
        "+" | "-" => 30,
        "*" | "/" | "%" => 60,
        "**" | "^" => 100,
        "??" => 500,
        _ => return None,
    })
}

fn may_follow_not(token: &Token) -> bool {
    const WORDS: [&str; 5] = ["in", "matches", "contains", "startsWith", "endsWith"];
    matches!(token, Token::Word(word) if WORDS.contains(word))
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> &Token {
        self.tokens
            .get(self.at + by)
            .map_or(&Token::End, |(token, _)| token)
    }

    /// Where the next token stands.
    fn span(&self) -> Span {
        let last = self.tokens.last();
        let here = self.tokens.get(self.at).or(last);
        here.map_or(Span::default(), |(_, span)| *span)
    }

    fn next(&mut self) -> (Token, Span) {
        let token = (self.peek().clone(), self.span());
        self.at += 1;
        token
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(it) | Token::Word(it) if *it == sign)
    }

    /// Takes the next token when it is this sign or word.
    fn takes(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    /// Takes this sign or word, which must come now.
    fn wants(&mut self, sign: &str) -> Result<Span, ConditionError> {
        let span = self.span();
        if self.takes(sign) {
            return Ok(span);
        }
        Err(match self.peek() {
            Token::End => self.error(span, format!("{sign:?} is missing at the end")),
            _ => self.unexpected(),
        })
    }

    fn error(&self, span: Span, message: impl Into<String>) -> ConditionError {
        ConditionError::at(self.source, span.start(), message)
    }

    fn unexpected(&self) -> ConditionError {
        let span = self.span();
        match self.peek() {
            Token::End => self.error(span, "the condition ends too early"),
            _ => {
                let text = span.text(self.source, 40);
                self.error(span, format!("unexpected {text}"))
            }
        }
    }

    /// Makes a part whose value varies when one of its own parts does.
    fn node(&self, kind: Kind, span: Span) -> Parsed {
        self.node_that(kind, span, false)
    }

    fn node_that(&self, kind: Kind, span: Span, varies: bool) -> Parsed {
        let children = kind.children();
        let varies = varies || children.iter().any(|child| child.varies);
        let depth = 1 + children.iter().map(|child| child.depth).max().unwrap_or(0);
        if depth > DEPTH {
            return Err(self.error(span, "this condition has too many levels"));
        }
        let node = Node {
            kind,
            span,
            depth,
            varies,
        };
        Ok(node)
    }

    /// Runs `inner` one level further in.
    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.nesting == NESTING {
            return Err(self.error(self.span(), "this is nested too deep"));
        }
        self.nesting += 1;
        let node = inner(self);
        self.nesting -= 1;
        node
    }

    /// `a; b; c`: the value of the last.
    fn sequence(&mut self) -> Parsed {
        let first = self.expression()?;
        if !self.is(";") {
            return Ok(first);
        }
        let mut span = first.span;
        let mut nodes = vec![first];
        while self.takes(";") && *self.peek() != Token::End {
            let node = self.expression()?;
            span = span.to(node.span);
            nodes.push(node);
        }
        self.node(Kind::Sequence(nodes), span)
    }

    /// Anything but a sequence.
    fn expression(&mut self) -> Parsed {
        self.nested(|it| {
            if it.is("let") {
                return it.declaration();
            }
            if it.is("if") {
                return it.statement();
            }
            let condition = it.operators(0)?;
            it.ternary(condition)
        })
    }

    /// `let name = value; …`
    fn declaration(&mut self) -> Parsed {
        let start = self.wants("let")?;
        let (Token::Name(name), span) = self.next() else {
            return Err(self.error(start, "let wants a name"));
        };
        if self.is_taken(&name) {
            return Err(self.error(span, format!("{name} means something already")));
        }
        self.wants("=")?;
        let value = self.expression()?;
        self.wants(";")?;
        let varies = value.varies;
        self.frames.push(Frame::Let { name, varies });
        let body = self.sequence()?;
        self.frames.pop();
        let span = start.to(body.span);
        self.node(Kind::Let(Box::new([value, body])), span)
    }

    /// `if a { b } else { c }`
    fn statement(&mut self) -> Parsed {
        let start = self.wants("if")?;
        let condition = self.expression()?;
        let then = self.block()?;
        self.wants("else")?;
        let otherwise = match self.is("if") {
            true => self.nested(Self::statement)?,
            false => self.block()?,
        };
        let span = start.to(otherwise.span);
        self.node(Kind::Choice(Box::new([condition, then, otherwise])), span)
    }

    fn block(&mut self) -> Parsed {
        self.wants("{")?;
        let node = self.sequence()?;
        self.wants("}")?;
        Ok(node)
    }

    /// `a ? b : c` and `a ?: b`.
    fn ternary(&mut self, condition: Node) -> Parsed {
        if !self.takes("?") {
            return Ok(condition);
        }
        let start = condition.span;
        let then = match self.is(":") {
            true => None,
            false => Some(self.expression()?),
        };
        self.wants(":")?;
        let otherwise = self.expression()?;
        let span = start.to(otherwise.span);
        let kind = match then {
            Some(then) => Kind::Choice(Box::new([condition, then, otherwise])),
            None => Kind::Elvis(Box::new([condition, otherwise])),
        };
        self.node(kind, span)
    }

    /// Operators that bind at least as tight as `least`.
    fn operators(&mut self, least: u16) -> Parsed {
        if self.recursion == RECURSION {
            return Err(self.error(self.span(), "this is nested too deep"));
        }
        self.recursion += 1;
        let node = self.climb(least);
        self.recursion -= 1;
        node
    }

    fn climb(&mut self, least: u16) -> Parsed {
        let mut left = self.primary()?;
        let mut after_coalesce = false;
        loop {
            let negated = self.is("not");
            let operator = self.ahead(usize::from(negated));
            if negated && !may_follow_not(operator) {
                return Err(self.unexpected());
            }
            let Some(strength) = strength(operator).filter(|it| *it >= least) else {
                return Ok(left);
            };
            self.at += usize::from(negated);
            if self.is("|") {
                left = self.pipe(left)?;
                after_coalesce = false;
                continue;
            }
            if after_coalesce && !self.is("??") {
                let message = "?? and other operators need parentheses between them";
                return Err(self.error(self.span(), message));
            }
            after_coalesce = self.is("??");
            left = self.operator(left, strength)?;
            if negated {
                let span = left.span;
                left = self.node(Kind::Not(Box::new(left)), span)?;
            }
        }
    }

    /// One operator and what stands on its right.
    fn operator(&mut self, left: Node, strength: u16) -> Parsed {
        let (Token::Sign(sign) | Token::Word(sign), span) = self.next() else {
            return Err(self.unexpected());
        };
        if let Some(operator) = Operator::of(sign).filter(|it| it.orders()) {
            return self.comparisons(left, operator, strength);
        }
        let right = match sign {
            "**" | "^" => self.nested(|it| it.operators(strength))?,
            _ => self.operators(strength + 1)?,
        };
        let all = left.span.to(right.span);
        let pair = Box::new([left, right]);
        let kind = match (sign, Operator::of(sign)) {
            ("&&" | "and", _) => Kind::And(pair),
            ("||" | "or", _) => Kind::Or(pair),
            ("??", _) => Kind::Coalesce(pair),
            (_, Some(Operator::Matches)) => self.matches(pair)?,
            (_, Some(operator)) => Kind::Binary(operator, pair),
            (_, None) => return Err(self.error(span, format!("unexpected {sign}"))),
        };
        self.node(kind, all)
    }

    /// `a < b <= c` is `a < b && b <= c`.
    fn comparisons(&mut self, left: Node, first: Operator, strength: u16) -> Parsed {
        let mut span = left.span;
        let mut rest = Vec::new();
        let mut operator = Some(first);
        while let Some(sign) = operator {
            let right = self.operators(strength + 1)?;
            span = span.to(right.span);
            rest.push((sign, right));
            operator = match self.peek() {
                Token::Sign(sign) => Operator::of(sign).filter(|it| it.orders()),
                _ => None,
            };
            self.at += usize::from(operator.is_some());
        }
        let kind = match (rest.pop(), rest.is_empty()) {
            (Some((operator, right)), true) => Kind::Binary(operator, Box::new([left, right])),
            (Some(last), false) => {
                rest.push(last);
                Kind::Comparisons(Box::new(left), rest)
            }
            (None, _) => return Ok(left),
        };
        self.node(kind, span)
    }

    fn matches(&mut self, pair: Box<[Node; 2]>) -> Result<Kind, ConditionError> {
        let [_, Node { kind, span, .. }] = pair.as_ref();
        let Kind::Literal(Value::Str(text)) = kind else {
            return Ok(Kind::Binary(Operator::Matches, pair));
        };
        if self.patterns == PATTERNS {
            return Err(self.error(*span, "too many patterns in one condition"));
        }
        self.patterns += 1;
        let regex = pattern(text).map_err(|message| self.error(*span, message))?;
        let pattern = Pattern { regex, span: *span };
        let [text, _] = *pair;
        Ok(Kind::Matches(Box::new(text), Box::new(pattern)))
    }
}
