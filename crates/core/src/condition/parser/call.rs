//! Calls.

use super::{Frame, Parsed, Parser};
use crate::condition::ast::{Each, Kind, Loop, Node};
use crate::condition::error::{ConditionError, Span};
use crate::condition::functions;
use crate::condition::lexer::Token;

impl Parser<'_> {
    /// `left | name(…)` is `name(left, …)`.
    pub(super) fn pipe(&mut self, left: Node) -> Parsed {
        self.wants("|")?;
        let (Token::Name(name), span) = self.next() else {
            self.at = self.at.saturating_sub(1);
            return Err(self.unexpected());
        };
        let node = self.call(&name, span, Some(left))?;
        self.members(node)
    }

    /// A call, its name already taken; `first` is what a pipe brings.
    pub(super) fn call(&mut self, name: &str, span: Span, first: Option<Node>) -> Parsed {
        self.wants("(")?;
        if let Some((each, least, most)) = Each::of(name) {
            return self.each(each, (name, span), (least, most), first);
        }
        let start = first.as_ref().map_or(span, |first| first.span.to(span));
        let mut arguments: Vec<Node> = first.into_iter().collect();
        while !self.is(")") {
            arguments.push(self.expression()?);
            if !self.takes(",") {
                break;
            }
        }
        let all = start.to(self.wants(")")?);
        let kind = self.function(name, span, arguments)?;
        // These two look at the result, whatever their arguments are.
        let varies = matches!(kind, Kind::IsNil(_) | Kind::Default(_));
        self.node_that(kind, all, varies)
    }

    fn function(
        &self,
        name: &str,
        span: Span,
        arguments: Vec<Node>,
    ) -> Result<Kind, ConditionError> {
        let given = arguments.len();
        match name {
            "isNil" => match <[Node; 1]>::try_from(arguments) {
                Ok([argument]) => Ok(Kind::IsNil(Box::new(argument))),
                Err(_) => Err(self.arity(name, span, (1, 1), given)),
            },
            "default" => match <[Node; 2]>::try_from(arguments) {
                Ok(pair) => Ok(Kind::Default(Box::new(pair))),
                Err(_) => Err(self.arity(name, span, (2, 2), given)),
            },
            _ => {
                let function =
                    functions::find(name).ok_or_else(|| self.error(span, unknown(name)))?;
                if (function.least..=function.most).contains(&given) {
                    return Ok(Kind::Call(function, arguments));
                }
                Err(self.arity(name, span, (function.least, function.most), given))
            }
        }
    }

    /// A function whose second argument is asked of each item of the first.
    fn each(
        &mut self,
        each: Each,
        (name, span): (&str, Span),
        (least, most): (usize, usize),
        first: Option<Node>,
    ) -> Parsed {
        let start = first.as_ref().map_or(span, |first| first.span.to(span));
        let piped = first.is_some();
        let list = match first {
            Some(first) => first,
            None if self.is(")") => return Err(self.arity(name, span, (least, most), 0)),
            None => self.expression()?,
        };
        let mut given = 1;
        let mut body = None;
        if self.another(piped) {
            given += 1;
            body = Some(self.body(each, list.varies)?);
        }
        let mut extra = None;
        if most > 2 && body.is_some() && self.another(false) {
            given += 1;
            extra = Some(self.expression()?);
        }
        self.takes(",");
        if given < least {
            return Err(self.arity(name, span, (least, most), given));
        }
        let all = start.to(self.wants(")")?);
        let each = Kind::Each(each, Box::new(Loop { list, body, extra }));
        self.node(each, all)
    }

    /// Whether one more argument comes; its comma is taken.
    fn another(&mut self, first: bool) -> bool {
        if first {
            return !self.is(")") && !self.is(",");
        }
        let more = self.is(",") && self.ahead(1) != &Token::Sign(")");
        self.at += usize::from(more);
        more
    }

    /// `# > 1` or `{ let x = #; x > 1 }`.
    fn body(&mut self, each: Each, varies: bool) -> Parsed {
        let accumulates = each == Each::Reduce;
        self.frames.push(Frame::Item {
            accumulates,
            varies,
        });
        let node = match self.is("{") {
            true => self.nested(Self::block),
            false => self.expression(),
        }?;
        self.frames.pop();
        Ok(node)
    }

    fn arity(
        &self,
        name: &str,
        span: Span,
        (least, most): (usize, usize),
        given: usize,
    ) -> ConditionError {
        let wanted = match (least, most) {
            (1, 1) => "1 argument".to_owned(),
            (least, usize::MAX) => format!("at least {least} arguments"),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        self.error(span, format!("{name} wants {wanted} and was given {given}"))
    }
}

fn unknown(name: &str) -> String {
    match name {
        "now" | "date" | "duration" | "timezone" => {
            format!("{name} is not there: a condition reads no clock")
        }
        "result" => "result is a value, not a function".to_owned(),
        _ => format!("unknown function {name}"),
    }
}
