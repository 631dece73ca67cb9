//! Functions of arrays and maps.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Arguments, Function, Given, argument, give, list_of, text_of, whole_of};
use crate::condition::eval::{at, item};
use crate::condition::meter::Meter;
use crate::condition::operators::same;
use crate::condition::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::quick("len", 1, |args, meter| {
        give(len(argument(&args, 0), meter)?)
    }),
    Function::quick("type", 1, |args, _| give(argument(&args, 0).type_name())),
    Function::quick("first", 1, |args, meter| end(args, 0, meter)),
    Function::quick("last", 1, |args, meter| end(args, -1, meter)),
    Function::quick("get", 2, get),
    Function::new("take", 2, 2, |args, _| take(&args)),
    Function::new("keys", 1, 1, |args, _| {
        give(map(&args)?.keys().map(String::as_str).collect::<Vec<_>>())
    }),
    Function::new("values", 1, 1, |args, _| {
        give(map(&args)?.values().cloned().collect::<Vec<_>>())
    }),
    Function::new("toPairs", 1, 1, |args, _| {
        let pair = |(key, value): (&String, &Value)| vec![key.as_str().into(), value.clone()];
        give(map(&args)?.iter().map(pair).collect::<Vec<Vec<Value>>>())
    }),
    Function::new("fromPairs", 1, 1, |args, _| from_pairs(&args)),
    Function::new("reverse", 1, 1, |args, _| {
        give(list_of(&args, 0)?.iter().rev().cloned().collect::<Vec<_>>())
    }),
    Function::new("uniq", 1, 1, |args, meter| uniq(&args, meter)),
    Function::new("concat", 1, usize::MAX, |args, _| {
        let lists: Result<Vec<_>, _> = (0..args.len()).map(|at| list_of(&args, at)).collect();
        give(lists?.concat())
    }),
    Function::new("flatten", 1, 1, |args, _| {
        let mut flat = Vec::new();
        flatten(list_of(&args, 0)?, &mut flat);
        give(flat)
    }),
    Function::new("sort", 1, 2, |args, _| sort(&args)),
];

fn len(value: &Value, meter: &mut Meter) -> Result<i64, String> {
    let length = match value {
        Value::Array(items) => items.len(),
        Value::Map(fields) => fields.len(),
        Value::Str(text) => {
            meter.text(text.len())?;
            text.chars().count()
        }
        other => return Err(format!("{} has no length", other.type_name())),
    };
    Ok(i64::try_from(length).unwrap_or(i64::MAX))
}

/// The item at a place, or nil where there is none: these functions ask on purpose.
fn get<'v>(arguments: Arguments<'v>, meter: &mut Meter) -> Given<'v> {
    let mut arguments = arguments.into_iter();
    let (Some(object), Some(key)) = (arguments.next(), arguments.next()) else {
        return give(Value::Nil);
    };
    pick(object, &key, meter)
}

fn end<'v>(arguments: Arguments<'v>, place: i64, meter: &mut Meter) -> Given<'v> {
    match arguments.into_iter().next() {
        Some(list) if matches!(*list, Value::Array(_)) => pick(list, &Value::Int(place), meter),
        Some(other) if *other != Value::Nil => {
            Err(format!("an array is wanted, not {}", other.type_name()))
        }
        _ => give(Value::Nil),
    }
}

fn pick<'v>(object: Cow<'v, Value>, key: &Value, meter: &mut Meter) -> Given<'v> {
    match object {
        Cow::Borrowed(object) => {
            Ok(item(object, key).map_or(Cow::Owned(Value::Nil), Cow::Borrowed))
        }
        Cow::Owned(object) => match item(&object, key) {
            Ok(found) => Ok(Cow::Owned(meter.own(Cow::Borrowed(found))?)),
            Err(_) => give(Value::Nil),
        },
    }
}

fn take<'v>(arguments: &Arguments<'_>) -> Given<'v> {
    let items = list_of(arguments, 0)?;
    let most = usize::try_from(whole_of(arguments, 1)?)
        .map_err(|_| "less than 0 items cannot be taken")?;
    give(items.iter().take(most).cloned().collect::<Vec<_>>())
}

fn map<'a>(arguments: &'a Arguments<'_>) -> Result<&'a BTreeMap<String, Value>, String> {
    match argument(arguments, 0) {
        Value::Map(fields) => Ok(fields),
        other => Err(format!("a map is wanted, not {}", other.type_name())),
    }
}

fn from_pairs<'v>(arguments: &Arguments<'_>) -> Given<'v> {
    let pair = |pair: &Value| match pair {
        Value::Array(pair) => match pair.as_slice() {
            [Value::Str(key), value] => Ok((key.clone(), value.clone())),
            _ => Err("a pair is a text and a value"),
        },
        _ => Err("a pair is an array of two"),
    };
    let fields: Result<BTreeMap<_, _>, _> = list_of(arguments, 0)?.iter().map(pair).collect();
    give(fields?)
}

fn uniq<'v>(arguments: &Arguments<'_>, meter: &mut Meter) -> Given<'v> {
    let mut kept: Vec<&Value> = Vec::new();
    'items: for item in list_of(arguments, 0)? {
        for other in &kept {
            if same(item, other, meter)? {
                continue 'items;
            }
        }
        kept.push(item);
    }
    give(kept.into_iter().cloned().collect::<Vec<_>>())
}

fn flatten(items: &[Value], flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::Array(items) => flatten(items, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn sort<'v>(arguments: &Arguments<'_>) -> Given<'v> {
    let descending = match arguments.len() {
        1 => false,
        _ => is_descending(text_of(arguments, 1)?)?,
    };
    let items = list_of(arguments, 0)?;
    let order = sorted(items, descending)?;
    let item = |place: &usize| at(items, *place).clone();
    give(order.iter().map(item).collect::<Vec<_>>())
}

/// `asc` or `desc`.
pub(in crate::condition) fn is_descending(order: &str) -> Result<bool, String> {
    match order {
        "asc" => Ok(false),
        "desc" => Ok(true),
        other => Err(format!("the order is asc or desc, not {other:?}")),
    }
}

/// The places of all keys in their order, which is one of numbers or one of texts.
pub(in crate::condition) fn sorted(keys: &[Value], descending: bool) -> Result<Vec<usize>, String> {
    let texts = keys.iter().all(|key| matches!(key, Value::Str(_)));
    let ints = keys.iter().all(|key| matches!(key, Value::Int(_)));
    let numbers = keys.iter().all(|key| key.number().is_some());
    if !texts && !numbers && keys.len() > 1 {
        return Err("only numbers or only texts can be sorted".to_owned());
    }
    let mut places: Vec<usize> = (0..keys.len()).collect();
    let float = |place: usize| at(keys, place).number().unwrap_or(f64::NAN);
    places.sort_by(|left, right| {
        let (left, right) = match descending {
            true => (*right, *left),
            false => (*left, *right),
        };
        match (at(keys, left), at(keys, right)) {
            (Value::Str(left), Value::Str(right)) => left.cmp(right),
            (Value::Int(left), Value::Int(right)) if ints => left.cmp(right),
            _ => float(left).total_cmp(&float(right)),
        }
    });
    Ok(places)
}
