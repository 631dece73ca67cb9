//! Why a condition holds or does not, in the values that decided.

use super::ast::{Each, Kind, Loop, Node, Operator};
use super::eval::{Frame, Machine, Scope, Stop};
use super::value::Value;

/// The longest part of a condition that is quoted, in characters.
const QUOTED: usize = 60;

/// Says why the root is true or false of a result.
pub(super) fn why(root: &Node, source: &str, result: &Value) -> Result<String, Stop> {
    let mut teller = Teller {
        source,
        machine: Machine::new(result),
    };
    teller.tell(root, None, false)
}

struct Teller<'s, 'r> {
    source: &'s str,
    machine: Machine<'r>,
}

impl<'r> Teller<'_, 'r> {
    fn quote(&self, node: &Node) -> String {
        node.span.text(self.source, QUOTED)
    }

    /// `negated` is whether the condition wants this part to be false.
    fn tell<'v>(&mut self, node: &'v Node, scope: Scope<'v>, negated: bool) -> Result<String, Stop>
    where
        'r: 'v,
    {
        match &node.kind {
            Kind::And(_) => self.parts(node, scope, negated, false),
            Kind::Or(_) => self.parts(node, scope, negated, true),
            Kind::Not(inner) => self.tell(inner, scope, !negated),
            Kind::Binary(operator, pair) if operator.decides() => {
                let [left, right] = pair.as_ref();
                let holds = self.machine.truth(node, scope)?;
                let (left, operator, right) = match (left.varies, operator.mirrored()) {
                    (false, Some(mirrored)) if right.varies => (right, mirrored, left),
                    _ => (left, *operator, right),
                };
                let shown = self.shown(left, scope)?;
                let wanted = self.wanted(right, scope)?;
                Ok(relation(&shown, operator, &wanted, holds, negated))
            }
            Kind::Comparisons(first, rest) => self.comparisons(first, rest, scope, negated),
            Kind::Matches(text, pattern) => {
                let holds = self.machine.truth(node, scope)?;
                let shown = self.shown(text, scope)?;
                let pattern = pattern.span.text(self.source, QUOTED);
                Ok(relation(
                    &shown,
                    Operator::Matches,
                    &pattern,
                    holds,
                    negated,
                ))
            }
            Kind::Choice(three) => {
                let [condition, then, otherwise] = three.as_ref();
                let taken = match self.machine.truth(condition, scope)? {
                    true => then,
                    false => otherwise,
                };
                self.tell(taken, scope, negated)
            }
            Kind::Let(pair) => {
                let [value, body] = pair.as_ref();
                let value = self.machine.value(value, scope)?;
                let frame = Frame::new(&value, 0, scope);
                self.tell(body, Some(&frame), negated)
            }
            Kind::Each(each, parts) => self.items(node, *each, parts, scope, negated),
            _ => self.plain(node, scope),
        }
    }

    /// `isNaN(result[0]) is true`.
    fn plain<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Result<String, Stop>
    where
        'r: 'v,
    {
        let holds = self.machine.truth(node, scope)?;
        let mut told = format!("{} is {holds}", self.quote(node));
        if let Kind::Call(_, arguments) = &node.kind
            && let Some(first) = arguments.first().filter(|it| it.varies)
        {
            told.push_str(&format!(" ({})", self.shown(first, scope)?));
        }
        Ok(told)
    }

    /// The parts of `&&` or `||` that decide: the first that ends it, or all of them.
    fn parts<'v>(
        &mut self,
        node: &'v Node,
        scope: Scope<'v>,
        negated: bool,
        ending: bool,
    ) -> Result<String, Stop>
    where
        'r: 'v,
    {
        let mut parts = Vec::new();
        flatten(node, ending, &mut parts);
        let mut told = Vec::new();
        for part in parts {
            let value = self.machine.truth(part, scope)?;
            let text = self.tell(part, scope, negated)?;
            if value == ending {
                return Ok(text);
            }
            told.push(text);
        }
        Ok(told.join(" and "))
    }

    fn comparisons<'v>(
        &mut self,
        first: &'v Node,
        rest: &'v [(Operator, Node)],
        scope: Scope<'v>,
        negated: bool,
    ) -> Result<String, Stop>
    where
        'r: 'v,
    {
        let mut told = Vec::new();
        let mut left = first;
        for (operator, right) in rest {
            let values = (
                self.machine.value(left, scope)?,
                self.machine.value(right, scope)?,
            );
            let meter = &mut self.machine.meter;
            let holds = super::operators::holds(*operator, &values.0, &values.1, meter)
                .map_err(|message| Stop::at(right, message))?;
            let (from, operator, to) = match (left.varies, operator.mirrored()) {
                (false, Some(mirrored)) if right.varies => (right, mirrored, left),
                _ => (left, *operator, right),
            };
            let (shown, wanted) = (self.shown(from, scope)?, self.wanted(to, scope)?);
            let text = relation(&shown, operator, &wanted, holds, negated);
            if !holds {
                return Ok(text);
            }
            told.push(text);
            left = right;
        }
        Ok(told.join(" and "))
    }

    /// The item that decides, when one does.
    fn items<'v>(
        &mut self,
        node: &'v Node,
        each: Each,
        parts: &'v Loop,
        scope: Scope<'v>,
        negated: bool,
    ) -> Result<String, Stop>
    where
        'r: 'v,
    {
        let holds = self.machine.truth(node, scope)?;
        let (decides, negated) = match (each, holds) {
            (Each::All, false) => (false, negated),
            (Each::Any, true) => (true, negated),
            (Each::None, false) => (true, !negated),
            _ => return self.plain_items(node, parts, scope, holds),
        };
        let list = self.machine.value(&parts.list, scope)?;
        let (Value::Array(items), Some(body)) = (list.as_ref(), &parts.body) else {
            return Ok(format!("{} is {holds}", self.quote(node)));
        };
        for (index, item) in items.iter().enumerate() {
            let frame = Frame::new(item, index, scope);
            if self.machine.truth(body, Some(&frame))? == decides {
                let told = self.tell(body, Some(&frame), negated)?;
                return Ok(format!(
                    "item {index} of {}: {told}",
                    self.quote(&parts.list)
                ));
            }
        }
        Ok(format!("{} is {holds}", self.quote(node)))
    }

    /// `all(result, # < 5) is true (result = [1, 2])`.
    fn plain_items<'v>(
        &mut self,
        node: &'v Node,
        parts: &'v Loop,
        scope: Scope<'v>,
        holds: bool,
    ) -> Result<String, Stop>
    where
        'r: 'v,
    {
        let list = self.shown(&parts.list, scope)?;
        Ok(format!("{} is {holds} ({list})", self.quote(node)))
    }

    /// `result[0] = 0.93`, or only the value where the part is written as one.
    fn shown<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Result<String, Stop>
    where
        'r: 'v,
    {
        let value = self.machine.value(node, scope)?;
        Ok(match node.kind {
            Kind::Literal(_) => self.quote(node),
            _ => format!("{} = {value}", self.quote(node)),
        })
    }

    /// What stands on the other side: as it is written, with its value where that varies.
    fn wanted<'v>(&mut self, node: &'v Node, scope: Scope<'v>) -> Result<String, Stop>
    where
        'r: 'v,
    {
        match node.varies {
            true => self.shown(node, scope),
            false => Ok(self.quote(node)),
        }
    }
}

/// The parts of a chain of the same operator, from left to right.
fn flatten<'v>(node: &'v Node, or: bool, parts: &mut Vec<&'v Node>) {
    match (&node.kind, or) {
        (Kind::And(pair), false) | (Kind::Or(pair), true) => {
            pair.iter().for_each(|part| flatten(part, or, parts));
        }
        _ => parts.push(node),
    }
}

fn relation(shown: &str, operator: Operator, wanted: &str, holds: bool, negated: bool) -> String {
    let sign = operator.sign();
    let verb = match operator {
        // These are verbs themselves.
        Operator::Matches | Operator::Contains | Operator::StartsWith | Operator::EndsWith => "",
        _ => "is ",
    };
    match (holds, negated) {
        (true, false) => format!("{shown}, which {verb}{sign} {wanted}"),
        (false, false) => format!("{shown}, wanted {sign} {wanted}"),
        (true, true) => format!("{shown}, wanted not {sign} {wanted}"),
        (false, true) if verb.is_empty() => format!("{shown}, which not {sign} {wanted}"),
        (false, true) => format!("{shown}, which is not {sign} {wanted}"),
    }
}
