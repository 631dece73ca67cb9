//! Functions that ask something of each item.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Frame, Machine, Scope, Stop, Valued, own};
use crate::condition::ast::{Each, Loop, Node};
use crate::condition::functions::{is_descending, sorted};
use crate::condition::operators::add;
use crate::condition::value::Value;

impl<'r> Machine<'r> {
    pub(super) fn each<'v>(
        &mut self,
        node: &'v Node,
        each: Each,
        parts: &'v Loop,
        scope: Scope<'v>,
    ) -> Valued<'v>
    where
        'r: 'v,
    {
        let list = self.value(&parts.list, scope)?;
        let Value::Array(items) = list.as_ref() else {
            let message = format!("an array is wanted, not {}", list.type_name());
            return Err(Stop::at(&parts.list, message));
        };
        let walk = Walk {
            node,
            items,
            body: parts.body.as_ref(),
            up: scope,
        };
        let value = match each {
            Each::All => walk.first(self, false)?.is_none().into(),
            Each::Any => walk.first(self, true)?.is_some().into(),
            Each::None => walk.first(self, true)?.is_none().into(),
            Each::One => (walk.count(self)? == 1).into(),
            Each::Count => Value::Int(walk.count(self)?),
            Each::Find => walk
                .found(self, false)?
                .map_or(Ok(Value::Nil), |(_, item)| {
                    self.owned(node, Cow::Borrowed(item))
                })?,
            Each::FindLast => walk
                .found(self, true)?
                .map_or(Ok(Value::Nil), |(_, item)| {
                    self.owned(node, Cow::Borrowed(item))
                })?,
            Each::FindIndex => place(walk.found(self, false)?),
            Each::FindLastIndex => place(walk.found(self, true)?),
            Each::Filter => walk.filter(self)?,
            Each::Map => Value::Array(walk.map(self)?),
            Each::Sum => walk.sum(self)?,
            Each::GroupBy => walk.group(self)?,
            Each::SortBy => walk.sort(self, parts.extra.as_ref())?,
            Each::Reduce => walk.reduce(self, parts.extra.as_ref())?,
        };
        own(value)
    }
}

fn place(found: Option<(usize, &Value)>) -> Value {
    found.map_or(Value::Nil, |(index, _)| int(index))
}

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// One pass over a list.
struct Walk<'v> {
    node: &'v Node,
    items: &'v [Value],
    body: Option<&'v Node>,
    up: Scope<'v>,
}

type Machinery<'a, 'r> = &'a mut Machine<'r>;

impl<'v> Walk<'v> {
    fn frame(&self, index: usize, item: &'v Value) -> Frame<'v> {
        Frame::new(item, index, self.up)
    }

    /// Whether the body is true of an item.
    fn asks<'r: 'v>(
        &self,
        machine: Machinery<'_, 'r>,
        index: usize,
        item: &'v Value,
    ) -> Result<bool, Stop> {
        let Some(body) = self.body else {
            machine
                .meter
                .charge(1)
                .map_err(|it| Stop::at(self.node, it))?;
            let message = format!(
                "an array of true and false is wanted, not of {}",
                item.type_name()
            );
            return match item {
                Value::Bool(value) => Ok(*value),
                _ => Err(Stop::at(self.node, message)),
            };
        };
        machine.truth(body, Some(&self.frame(index, item)))
    }

    /// The body's value of an item, which is the item itself where there is no body.
    fn gives<'r: 'v>(
        &self,
        machine: Machinery<'_, 'r>,
        index: usize,
        item: &'v Value,
    ) -> Result<Value, Stop> {
        let frame = self.frame(index, item);
        let value = match self.body {
            Some(body) => machine.value(body, Some(&frame))?,
            None => Cow::Borrowed(item),
        };
        machine.owned(self.node, value)
    }

    /// The first item of which the body is this.
    fn first<'r: 'v>(
        &self,
        machine: Machinery<'_, 'r>,
        wanted: bool,
    ) -> Result<Option<usize>, Stop> {
        for (index, item) in self.items.iter().enumerate() {
            if self.asks(machine, index, item)? == wanted {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn found<'r: 'v>(
        &self,
        machine: Machinery<'_, 'r>,
        last: bool,
    ) -> Result<Option<(usize, &'v Value)>, Stop> {
        for step in 0..self.items.len() {
            let index = if last {
                self.items.len() - 1 - step
            } else {
                step
            };
            let item = super::at(self.items, index);
            if self.asks(machine, index, item)? {
                return Ok(Some((index, item)));
            }
        }
        Ok(None)
    }

    fn count<'r: 'v>(&self, machine: Machinery<'_, 'r>) -> Result<i64, Stop> {
        let mut count = 0;
        for (index, item) in self.items.iter().enumerate() {
            count += i64::from(self.asks(machine, index, item)?);
        }
        Ok(count)
    }

    fn filter<'r: 'v>(&self, machine: Machinery<'_, 'r>) -> Result<Value, Stop> {
        let mut kept = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            if self.asks(machine, index, item)? {
                kept.push(machine.owned(self.node, Cow::Borrowed(item))?);
            }
        }
        Ok(Value::Array(kept))
    }

    fn map<'r: 'v>(&self, machine: Machinery<'_, 'r>) -> Result<Vec<Value>, Stop> {
        let mut made = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            made.push(self.gives(machine, index, item)?);
        }
        Ok(made)
    }

    fn sum<'r: 'v>(&self, machine: Machinery<'_, 'r>) -> Result<Value, Stop> {
        let mut sum = Value::Int(0);
        for (index, item) in self.items.iter().enumerate() {
            let value = self.gives(machine, index, item)?;
            sum = add(&sum, &value, &mut machine.meter).map_err(|it| Stop::at(self.node, it))?;
        }
        Ok(sum)
    }

    /// Lists by what the body says of their items, as text.
    fn group<'r: 'v>(&self, machine: Machinery<'_, 'r>) -> Result<Value, Stop> {
        let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            let key = match self.gives(machine, index, item)? {
                Value::Str(text) => text,
                other => other.to_string(),
            };
            let item = machine.owned(self.node, Cow::Borrowed(item))?;
            groups.entry(key).or_default().push(item);
        }
        let groups = groups.into_iter();
        Ok(Value::Map(
            groups
                .map(|(key, items)| (key, Value::Array(items)))
                .collect(),
        ))
    }

    fn sort<'r: 'v>(
        &self,
        machine: Machinery<'_, 'r>,
        order: Option<&'v Node>,
    ) -> Result<Value, Stop> {
        let descending = match order {
            None => Ok(false),
            Some(order) => match machine.value(order, self.up)?.as_ref() {
                Value::Str(text) => is_descending(text),
                other => is_descending(&other.to_string()),
            },
        };
        let descending = descending.map_err(|it| Stop::at(self.node, it))?;
        let keys = self.map(machine)?;
        let order = sorted(&keys, descending).map_err(|it| Stop::at(self.node, it))?;
        let mut items = Vec::with_capacity(order.len());
        for place in order {
            let item = super::at(self.items, place);
            items.push(machine.owned(self.node, Cow::Borrowed(item))?);
        }
        Ok(Value::Array(items))
    }

    /// Without a start, the first item is it.
    fn reduce<'r: 'v>(
        &self,
        machine: Machinery<'_, 'r>,
        start: Option<&'v Node>,
    ) -> Result<Value, Stop> {
        let mut items = self.items.iter().enumerate();
        let first = match start {
            Some(start) => machine.value(start, self.up)?,
            None => match items.next() {
                Some((_, first)) => Cow::Borrowed(first),
                None => return Err(Stop::at(self.node, "an empty array has no first item")),
            },
        };
        let mut accumulated = machine.owned(self.node, first)?;
        let body = self.body.unwrap_or(self.node);
        for (index, item) in items {
            let frame = Frame {
                accumulated: &accumulated,
                ..self.frame(index, item)
            };
            let value = machine.value(body, Some(&frame))?;
            accumulated = machine.owned(self.node, value)?;
        }
        Ok(accumulated)
    }
}
