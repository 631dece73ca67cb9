//! Advice with its places.

use std::io::{self, Write};

use gradatim_core::id::MetricName;
use gradatim_core::plan::lint::{Advice, Rule};
use gradatim_core::spec::FieldRef;
use gradatim_core::yaml::{Position, SourceMap};
use serde::Serialize;

use super::super::Output;
use super::super::look::Tone;
use super::super::text::{clean, wrap};

/// An advice and where it stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Placed {
    #[serde(flatten)]
    advice: Advice,
    position: Option<Position>,
}

impl Placed {
    pub(super) fn new(advice: Advice, sources: &SourceMap) -> Self {
        let field = FieldRef {
            object: advice.object.clone(),
            path: advice.path.clone(),
        };
        let position = sources.locate(&field.object, &field.path);
        Self { advice, position }
    }

    /// Whether a rule says so of a metric.
    pub(super) fn is(&self, rule: Rule, metric: &MetricName) -> bool {
        self.advice.rule == rule && self.advice.metric.as_ref() == Some(metric)
    }

    fn place(&self) -> (Option<(&str, u32, u32)>, &Advice) {
        let at = self.position.as_ref();
        (
            at.map(|at| (at.file.as_str(), at.line, at.column)),
            &self.advice,
        )
    }
}

/// Writes what is odd, each thing once, in the order in which it stands in the files.
pub(super) fn write(placed: &[&Placed], out: &mut Output<'_>) -> io::Result<usize> {
    let mut all: Vec<&Placed> = Vec::new();
    for one in placed {
        let same = |it: &&Placed| {
            let (it, one) = (&it.advice, &one.advice);
            it.rule == one.rule && it.object == one.object && it.path == one.path
        };
        if !all.iter().any(same) {
            all.push(one);
        }
    }
    all.sort_by(|one, other| {
        let ((at, one), (other_at, other)) = (one.place(), other.place());
        at.cmp(&other_at).then_with(|| one.rule.cmp(&other.rule))
    });
    if all.is_empty() {
        return Ok(0);
    }
    let look = out.look();
    writeln!(out)?;
    writeln!(out, "{}", look.paint(Tone::Strong, "Advice"))?;
    let mut rest: Vec<&Placed> = all.clone();
    while let Some(first) = rest.first().copied() {
        let alike = |it: &&Placed| {
            it.advice.rule == first.advice.rule && it.advice.help == first.advice.help
        };
        let (group, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(alike);
        together(&group, out)?;
        rest = others;
    }
    Ok(all.len())
}

/// Writes what one rule says, and what would be better once below it.
fn together(group: &[&Placed], out: &mut Output<'_>) -> io::Result<()> {
    let Some(first) = group.first() else {
        return Ok(());
    };
    let look = out.look();
    writeln!(
        out,
        "  {}",
        look.paint(Tone::Waiting, first.advice.rule.id())
    )?;
    for (at, placed) in group.iter().enumerate() {
        let place = match &placed.position {
            Some(at) => format!("{}:{}:{}", at.file, at.line, at.column),
            None => format!("{}: {}", placed.advice.object, placed.advice.path),
        };
        writeln!(out, "    {}", look.paint(Tone::Faint, clean(&place)))?;
        let message = &placed.advice.message;
        if group
            .get(at + 1)
            .is_some_and(|next| next.advice.message == *message)
        {
            continue;
        }
        for line in wrap(&clean(message), look.width.saturating_sub(6)) {
            writeln!(out, "      {line}")?;
        }
    }
    if let Some(help) = &first.advice.help {
        for (at, line) in wrap(&clean(help), look.width.saturating_sub(6))
            .iter()
            .enumerate()
        {
            let mark = if at == 0 { '=' } else { ' ' };
            writeln!(out, "    {mark} {line}")?;
        }
    }
    Ok(())
}
