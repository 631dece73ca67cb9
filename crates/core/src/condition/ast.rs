//! The tree of a condition.

use regex::Regex;

use super::error::Span;
use super::functions::Function;
use super::value::Value;

/// One part of a condition.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// How many levels stand below, itself included.
    pub(super) depth: u16,
    /// Whether its value may differ from one result to another.
    pub(super) varies: bool,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Literal(Value),
    /// `result`.
    Result,
    /// A name given by `let`, so many frames up.
    Local(usize),
    /// `#`, so many frames up.
    Item(usize),
    /// `#index`, so many frames up.
    Index(usize),
    /// `#acc`, so many frames up.
    Accumulated(usize),
    Not(Box<Node>),
    Negate(Box<Node>),
    Plus(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// `??`.
    Coalesce(Box<[Node; 2]>),
    Binary(Operator, Box<[Node; 2]>),
    /// `a < b <= c`: each operator with what stands on its right.
    Comparisons(Box<Node>, Vec<(Operator, Node)>),
    /// `matches` with a pattern that is known.
    Matches(Box<Node>, Box<Pattern>),
    /// `if`, then, else.
    Choice(Box<[Node; 3]>),
    /// `a ?: b`: `a` when it is true, otherwise `b`.
    Elvis(Box<[Node; 2]>),
    /// A value, and the part that it has a name in.
    Let(Box<[Node; 2]>),
    Sequence(Vec<Node>),
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Member {
        object: Box<Node>,
        key: Box<Node>,
        optional: bool,
    },
    Slice {
        object: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    /// The end of a chain of members: what `?.` stops is nil here.
    Chain(Box<Node>),
    Call(&'static Function, Vec<Node>),
    /// `isNil(x)`: tests the result, whatever its argument.
    IsNil(Box<Node>),
    /// `default(x, y)`: the result, or `y` when it is nil, whatever `x`.
    Default(Box<[Node; 2]>),
    Each(Each, Box<Loop>),
}

impl Kind {
    /// The parts right below.
    pub(super) fn children(&self) -> Vec<&Node> {
        match self {
            Self::Literal(_)
            | Self::Result
            | Self::Local(_)
            | Self::Item(_)
            | Self::Index(_)
            | Self::Accumulated(_) => Vec::new(),
            Self::Not(node)
            | Self::Negate(node)
            | Self::Plus(node)
            | Self::Matches(node, _)
            | Self::Chain(node)
            | Self::IsNil(node) => vec![node],
            Self::And(pair)
            | Self::Or(pair)
            | Self::Coalesce(pair)
            | Self::Binary(_, pair)
            | Self::Elvis(pair)
            | Self::Let(pair)
            | Self::Default(pair) => pair.iter().collect(),
            Self::Choice(three) => three.iter().collect(),
            Self::Comparisons(first, rest) => {
                let rest = rest.iter().map(|(_, node)| node);
                std::iter::once(first.as_ref()).chain(rest).collect()
            }
            Self::Sequence(nodes) | Self::Array(nodes) | Self::Call(_, nodes) => {
                nodes.iter().collect()
            }
            Self::Map(pairs) => pairs.iter().flat_map(|(key, node)| [key, node]).collect(),
            Self::Member { object, key, .. } => vec![object, key],
            Self::Slice { object, from, to } => {
                let ends = [from, to].into_iter().flatten();
                std::iter::once(object)
                    .chain(ends)
                    .map(AsRef::as_ref)
                    .collect()
            }
            Self::Each(_, each) => {
                let Loop { list, body, extra } = each.as_ref();
                let others = [body, extra].into_iter().flatten();
                std::iter::once(list).chain(others).collect()
            }
        }
    }
}

/// A pattern and its source.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// The part that it was written as.
    pub(super) span: Span,
}

/// A function that asks something of each item.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    pub(super) list: Node,
    pub(super) body: Option<Node>,
    /// The start of `reduce`, the order of `sortBy`.
    pub(super) extra: Option<Node>,
}

/// Functions that ask something of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each {
    All,
    None,
    Any,
    One,
    Filter,
    Map,
    Count,
    Sum,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    GroupBy,
    SortBy,
    Reduce,
}

/// Operators of two values, none of which may stay unevaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl Operator {
    pub(super) fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "in" => Self::In,
            "matches" => Self::Matches,
            "contains" => Self::Contains,
            "startsWith" => Self::StartsWith,
            "endsWith" => Self::EndsWith,
            ".." => Self::Range,
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Modulo,
            "**" | "^" => Self::Power,
            _ => return None,
        })
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "**",
        }
    }

    /// Whether it gives true or false.
    pub(super) fn decides(self) -> bool {
        !matches!(
            self,
            Self::Range
                | Self::Add
                | Self::Subtract
                | Self::Multiply
                | Self::Divide
                | Self::Modulo
                | Self::Power
        )
    }

    /// Whether it asks what is in a text or a list.
    pub(super) fn asks_content(self) -> bool {
        matches!(
            self,
            Self::In | Self::Matches | Self::Contains | Self::StartsWith | Self::EndsWith
        )
    }

    /// Whether it is one of the four orderings.
    pub(super) fn orders(self) -> bool {
        matches!(
            self,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual
        )
    }

    /// The operator that says the same with both sides exchanged.
    pub(super) fn mirrored(self) -> Option<Self> {
        Some(match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            _ => return None,
        })
    }
}

impl Each {
    /// The function of a name, with the least and the most arguments it takes.
    pub(super) fn of(name: &str) -> Option<(Self, usize, usize)> {
        Some(match name {
            "all" => (Self::All, 2, 2),
            "none" => (Self::None, 2, 2),
            "any" => (Self::Any, 2, 2),
            "one" => (Self::One, 2, 2),
            "filter" => (Self::Filter, 2, 2),
            "map" => (Self::Map, 2, 2),
            "count" => (Self::Count, 1, 2),
            "sum" => (Self::Sum, 1, 2),
            "find" => (Self::Find, 2, 2),
            "findIndex" => (Self::FindIndex, 2, 2),
            "findLast" => (Self::FindLast, 2, 2),
            "findLastIndex" => (Self::FindLastIndex, 2, 2),
            "groupBy" => (Self::GroupBy, 2, 2),
            "sortBy" => (Self::SortBy, 2, 3),
            "reduce" => (Self::Reduce, 2, 3),
            _ => return None,
        })
    }
}
