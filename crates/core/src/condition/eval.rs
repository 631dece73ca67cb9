//! The value of a tree.

mod each;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::ast::{Kind, Node, Operator};
use super::error::Span;
use super::meter::Meter;
use super::operators::{apply, holds};
use super::value::Value;

/// What names mean: the innermost first.
pub(super) type Scope<'v> = Option<&'v Frame<'v>>;

/// What one name, or one item, means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'v> {
    pub(super) value: &'v Value,
    pub(super) index: usize,
    pub(super) accumulated: &'v Value,
    pub(super) up: Scope<'v>,
}

const NIL: &Value = &Value::Nil;

impl<'v> Frame<'v> {
    pub(super) fn new(value: &'v Value, index: usize, up: Scope<'v>) -> Self {
        Self {
            value,
            index,
            accumulated: NIL,
            up,
        }
    }
}

/// What ends an evaluation early.
#[derive(Debug)]
pub(super) enum Stop {
    /// `?.` met nil.
    Absent,
    /// There is no value.
    Fault(Box<Fault>),
}

/// Which part has no value, and why.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: String,
}

impl Stop {
    pub(super) fn at(node: &Node, message: impl Into<String>) -> Self {
        Self::Fault(Box::new(Fault {
            span: node.span,
            message: message.into(),
        }))
    }
}

pub(super) type Valued<'v> = Result<Cow<'v, Value>, Stop>;

/// One evaluation.
#[derive(Debug)]
pub(super) struct Machine<'r> {
    result: &'r Value,
    pub(super) meter: Meter,
}

impl<'r> Machine<'r> {
    pub(super) fn new(result: &'r Value) -> Self {
        Self {
            result,
            meter: Meter::new(),
        }
    }

    /// Whether a part is true.
    pub(super) fn truth<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Result<bool, Stop>
    where
        'r: 'v,
    {
        match *self.value(node, scope)? {
            Value::Bool(value) => Ok(value),
            ref other => {
                let message = format!("true or false is wanted, not {}", other.type_name());
                Err(Stop::at(node, message))
            }
        }
    }

    /// The value of a part.
    pub(super) fn value<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Valued<'v>
    where
        'r: 'v,
    {
        let fault = |message| Stop::at(node, message);
        self.meter.charge(1).map_err(fault)?;
        match &node.kind {
            Kind::Literal(value) => Ok(Cow::Borrowed(value)),
            Kind::Result => Ok(Cow::Borrowed(self.result)),
            Kind::Local(hops) | Kind::Item(hops) => Ok(Cow::Borrowed(
                frame(scope, *hops).map_or(NIL, |it| it.value),
            )),
            Kind::Accumulated(hops) => Ok(Cow::Borrowed(
                frame(scope, *hops).map_or(NIL, |it| it.accumulated),
            )),
            Kind::Index(hops) => {
                let index = frame(scope, *hops).map_or(0, |it| it.index);
                own(Value::Int(i64::try_from(index).unwrap_or(i64::MAX)))
            }
            Kind::Binary(operator, pair) => self.binary(node, *operator, pair, scope),
            Kind::Member {
                object,
                key,
                optional,
            } => self.member(node, (object, key, *optional), scope),
            Kind::And(_)
            | Kind::Or(_)
            | Kind::Not(_)
            | Kind::Comparisons(..)
            | Kind::Matches(..)
            | Kind::IsNil(_) => own(Value::Bool(self.decide(node, scope)?)),
            Kind::Choice(_)
            | Kind::Elvis(_)
            | Kind::Coalesce(_)
            | Kind::Default(_)
            | Kind::Chain(_)
            | Kind::Let(_)
            | Kind::Sequence(_) => self.branch(node, scope),
            Kind::Negate(_)
            | Kind::Plus(_)
            | Kind::Array(_)
            | Kind::Map(_)
            | Kind::Slice { .. } => self.build(node, scope),
            Kind::Call(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.value(argument, scope)?);
                }
                function.call(values, &mut self.meter).map_err(fault)
            }
            Kind::Each(each, parts) => self.each(node, *each, parts, scope),
        }
    }

    fn binary<'v>(
        &mut self,
        node: &'v Node,
        operator: Operator,
        [left, right]: &'v [Node; 2],
        scope: Scope<'v>,
    ) -> Valued<'v>
    where
        'r: 'v,
    {
        let values = (self.value(left, scope)?, self.value(right, scope)?);
        if operator.asks_content() {
            no_data(right, &values.1)?;
            // Nil may well be in a list.
            if operator != Operator::In {
                no_data(left, &values.0)?;
            }
        }
        apply(operator, &values.0, &values.1, &mut self.meter)
            .map(Cow::Owned)
            .map_err(|message| Stop::at(node, message))
    }

    /// Parts that are true or false.
    fn decide<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Result<bool, Stop>
    where
        'r: 'v,
    {
        match &node.kind {
            Kind::And(pair) => {
                let [left, right] = pair.as_ref();
                Ok(self.truth(left, scope)? && self.truth(right, scope)?)
            }
            Kind::Or(pair) => {
                let [left, right] = pair.as_ref();
                Ok(self.truth(left, scope)? || self.truth(right, scope)?)
            }
            Kind::Not(inner) => Ok(!self.truth(inner, scope)?),
            Kind::Comparisons(first, rest) => {
                let mut left = self.value(first, scope)?;
                for (operator, right) in rest {
                    let right = self.value(right, scope)?;
                    let holds = holds(*operator, &left, &right, &mut self.meter);
                    if !holds.map_err(|message| Stop::at(node, message))? {
                        return Ok(false);
                    }
                    left = right;
                }
                Ok(true)
            }
            Kind::Matches(text, pattern) => match self.value(text, scope)?.as_ref() {
                Value::Nil => no_data(text, NIL).map(|()| false),
                Value::Str(text) => {
                    let charged = self.meter.text(text.len());
                    charged.map_err(|message| Stop::at(node, message))?;
                    Ok(pattern.regex.is_match(text))
                }
                other => {
                    let message = format!("a text is wanted, not {}", other.type_name());
                    Err(Stop::at(node, message))
                }
            },
            Kind::IsNil(argument) => {
                self.value(argument, scope)?;
                Ok(*self.result == Value::Nil)
            }
            _ => Ok(false),
        }
    }

    /// Parts that have the value of one of their parts.
    fn branch<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Valued<'v>
    where
        'r: 'v,
    {
        match &node.kind {
            Kind::Choice(three) => {
                let [condition, then, otherwise] = three.as_ref();
                match self.truth(condition, scope)? {
                    true => self.value(then, scope),
                    false => self.value(otherwise, scope),
                }
            }
            Kind::Elvis(pair) => {
                let [condition, otherwise] = pair.as_ref();
                match self.truth(condition, scope)? {
                    true => own(Value::Bool(true)),
                    false => self.value(otherwise, scope),
                }
            }
            Kind::Coalesce(pair) => {
                let [value, otherwise] = pair.as_ref();
                let value = self.value(value, scope)?;
                match *value {
                    Value::Nil => self.value(otherwise, scope),
                    _ => Ok(value),
                }
            }
            Kind::Default(pair) => {
                let [value, otherwise] = pair.as_ref();
                self.value(value, scope)?;
                let otherwise = self.value(otherwise, scope)?;
                match self.result {
                    Value::Nil => Ok(otherwise),
                    result => Ok(Cow::Borrowed(result)),
                }
            }
            Kind::Chain(inner) => match self.value(inner, scope) {
                Err(Stop::Absent) => own(Value::Nil),
                other => other,
            },
            Kind::Let(pair) => {
                let [value, body] = pair.as_ref();
                let value = self.value(value, scope)?;
                let frame = Frame::new(&value, 0, scope);
                let value = self.value(body, Some(&frame))?;
                self.owned(node, value).map(Cow::Owned)
            }
            Kind::Sequence(nodes) => {
                let mut last = Cow::Borrowed(NIL);
                for node in nodes {
                    last = self.value(node, scope)?;
                }
                Ok(last)
            }
            _ => own(Value::Nil),
        }
    }

    /// Parts that make a new value.
    fn build<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Valued<'v>
    where
        'r: 'v,
    {
        let value = match &node.kind {
            Kind::Negate(inner) => match *self.value(inner, scope)? {
                Value::Int(value) => value.checked_neg().map(Value::Int),
                Value::Float(value) => Some(Value::Float(-value)),
                _ => None,
            }
            .ok_or_else(|| Stop::at(inner, "a number is wanted"))?,
            Kind::Plus(inner) => {
                let value = self.value(inner, scope)?;
                let number = value.number().is_some();
                return number
                    .then_some(value)
                    .ok_or_else(|| Stop::at(inner, "a number is wanted"));
            }
            Kind::Array(nodes) => {
                let mut items = Vec::with_capacity(nodes.len());
                for node in nodes {
                    let item = self.value(node, scope)?;
                    items.push(self.owned(node, item)?);
                }
                Value::Array(items)
            }
            Kind::Map(pairs) => self.map(pairs, scope)?,
            Kind::Slice { object, from, to } => {
                let value = self.value(object, scope)?;
                let from = self.place(from.as_deref(), scope)?.unwrap_or(0);
                let to = self.place(to.as_deref(), scope)?.unwrap_or(i64::MAX);
                self.meter
                    .whole(&value)
                    .and_then(|()| slice(&value, from, to))
                    .map_err(|message| Stop::at(node, message))?
            }
            _ => Value::Nil,
        };
        own(value)
    }

    fn map<'v>(&mut self, pairs: &'v [(Node, Node)], scope: Scope<'v>) -> Result<Value, Stop>
    where
        'r: 'v,
    {
        let mut fields = BTreeMap::new();
        for (key, node) in pairs {
            let value = self.value(key, scope)?;
            let Value::Str(text) = self.owned(key, value)? else {
                return Err(Stop::at(key, "the key of a map is a text"));
            };
            let value = self.value(node, scope)?;
            fields.insert(text, self.owned(node, value)?);
        }
        Ok(Value::Map(fields))
    }

    /// An end of a slice.
    fn place<'v>(&mut self, node: Option<&'v Node>, scope: Scope<'v>) -> Result<Option<i64>, Stop>
    where
        'r: 'v,
    {
        let Some(node) = node else { return Ok(None) };
        let place = self.value(node, scope)?.whole();
        place
            .map(Some)
            .ok_or_else(|| Stop::at(node, "a whole number is wanted"))
    }

    fn member<'v>(
        &mut self,
        node: &'v Node,
        (object, key, optional): (&'v Node, &'v Node, bool),
        scope: Scope<'v>,
    ) -> Valued<'v>
    where
        'r: 'v,
    {
        let object = self.value(object, scope)?;
        if optional && *object == Value::Nil {
            return Err(Stop::Absent);
        }
        let key = self.value(key, scope)?;
        let fault = |message| Stop::at(node, message);
        match object {
            Cow::Borrowed(object) => item(object, &key).map(Cow::Borrowed).map_err(fault),
            Cow::Owned(object) => {
                let found = item(&object, &key).map_err(fault)?;
                self.owned(node, Cow::Borrowed(found)).map(Cow::Owned)
            }
        }
    }

    /// A value of its own.
    fn owned(&mut self, node: &Node, value: Cow<'_, Value>) -> Result<Value, Stop> {
        let value = self.meter.own(value);
        value.map_err(|message| Stop::at(node, message))
    }
}

/// A missing text contains nothing, but a missing result is no answer at all.
fn no_data(node: &Node, value: &Value) -> Result<(), Stop> {
    match (value, &node.kind) {
        (Value::Nil, Kind::Result | Kind::Literal(_)) => Err(Stop::at(node, "no data: it is nil")),
        _ => Ok(()),
    }
}

fn own<'v>(value: Value) -> Valued<'v> {
    Ok(Cow::Owned(value))
}

fn frame(scope: Scope<'_>, hops: usize) -> Scope<'_> {
    (0..hops).try_fold(scope?, |frame, _| frame.up)
}

/// The value at a place that is known to be there.
pub(super) fn at(items: &[Value], place: usize) -> &Value {
    items.get(place).unwrap_or(NIL)
}

/// A member of a value. A missing key is nil; an index out of range is a fault.
pub(super) fn item<'v>(object: &'v Value, key: &Value) -> Result<&'v Value, String> {
    match (object, key) {
        (Value::Map(fields), Value::Str(key)) => Ok(fields.get(key).unwrap_or(NIL)),
        (Value::Array(items), key) if key.whole().is_some() => {
            let wanted = key.whole().unwrap_or_default();
            let index = match usize::try_from(wanted) {
                Ok(index) => Some(index),
                Err(_) => usize::try_from(wanted.unsigned_abs())
                    .ok()
                    .and_then(|back| items.len().checked_sub(back)),
            };
            index
                .and_then(|index| items.get(index))
                .ok_or_else(|| match items.len() {
                    0 => format!("no data: index {wanted} of an empty array"),
                    length => format!("index {wanted} is out of range: there are {length} items"),
                })
        }
        (Value::Map(_), key) => Err(format!("a map has no key of type {}", key.type_name())),
        (Value::Array(_), key) => Err(format!("an array has no item {key}")),
        (Value::Nil, key) => Err(format!("nil has no member {key}")),
        (other, key) => Err(format!("a {} has no member {key}", other.type_name())),
    }
}

/// Part of an array or of a text, in characters; places below zero count from the end.
fn slice(value: &Value, from: i64, to: i64) -> Result<Value, String> {
    let length = match value {
        Value::Array(items) => items.len(),
        Value::Str(text) => text.chars().count(),
        other => return Err(format!("a {} cannot be sliced", other.type_name())),
    };
    let place = |wanted: i64| match usize::try_from(wanted) {
        Ok(place) => place.min(length),
        Err(_) => length.saturating_sub(usize::try_from(wanted.unsigned_abs()).unwrap_or(length)),
    };
    let (from, to) = (place(from), place(to));
    let count = to.saturating_sub(from);
    Ok(match value {
        Value::Str(text) => Value::Str(text.chars().skip(from).take(count).collect()),
        Value::Array(items) => Value::Array(items.iter().skip(from).take(count).cloned().collect()),
        _ => Value::Nil,
    })
}
