//! Functions by name.

mod lists;
mod numbers;
mod text;

use std::borrow::Cow;

pub(super) use self::lists::{is_descending, sorted};

use super::meter::Meter;
use super::value::Value;

/// What a function is called with.
type Arguments<'v> = Vec<Cow<'v, Value>>;
/// What it gives.
type Given<'v> = Result<Cow<'v, Value>, String>;
type Call = for<'v> fn(Arguments<'v>, &mut Meter) -> Given<'v>;

/// A function whose arguments are all values.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The least number of arguments.
    pub(super) least: usize,
    /// The largest.
    pub(super) most: usize,
    /// Whether it reads its arguments to the ground.
    reads: bool,
    call: Call,
}

impl Function {
    const fn new(name: &'static str, least: usize, most: usize, call: Call) -> Self {
        Self {
            name,
            least,
            most,
            reads: true,
            call,
        }
    }

    /// A function that costs the same however large its arguments are.
    const fn quick(name: &'static str, least: usize, call: Call) -> Self {
        Self {
            name,
            least,
            most: least,
            reads: false,
            call,
        }
    }

    pub(super) fn call<'v>(&self, arguments: Arguments<'v>, meter: &mut Meter) -> Given<'v> {
        if self.reads {
            for argument in &arguments {
                meter.whole(argument)?;
            }
        }
        (self.call)(arguments, meter)
    }
}

/// The function of a name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    let mut all = lists::FUNCTIONS
        .iter()
        .chain(numbers::FUNCTIONS)
        .chain(text::FUNCTIONS);
    all.find(|function| function.name == name)
}

/// The argument at a place; nil beyond the last.
fn argument<'a>(arguments: &'a Arguments<'_>, at: usize) -> &'a Value {
    const NIL: &Value = &Value::Nil;
    arguments.get(at).map_or(NIL, AsRef::as_ref)
}

fn text_of<'a>(arguments: &'a Arguments<'_>, at: usize) -> Result<&'a str, String> {
    match argument(arguments, at) {
        Value::Str(text) => Ok(text),
        other => Err(format!("a text is wanted, not {}", other.type_name())),
    }
}

fn whole_of(arguments: &Arguments<'_>, at: usize) -> Result<i64, String> {
    let value = argument(arguments, at);
    let wrong = || format!("a whole number is wanted, not {value}");
    value.whole().ok_or_else(wrong)
}

fn list_of<'a>(arguments: &'a Arguments<'_>, at: usize) -> Result<&'a [Value], String> {
    match argument(arguments, at) {
        Value::Array(items) => Ok(items),
        other => Err(format!("an array is wanted, not {}", other.type_name())),
    }
}

fn give<'v>(value: impl Into<Value>) -> Given<'v> {
    Ok(Cow::Owned(value.into()))
}
