//! Advice with its places.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use gradatim_core::id::MetricName;
use gradatim_core::plan::lint::{Advice, Rule};
use gradatim_core::spec::FieldRef;
use gradatim_core::yaml::{Position, SourceMap};
use serde::Serialize;

use super::super::Output;
use super::super::look::Tone;
use super::super::text::{clean, count, wrap};

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

/// How many places of one rule are named.
const MOST: usize = 12;

/// Writes what is odd, each thing once, in the order in which it stands in the files.
pub(super) fn write(placed: &[&Placed], out: &mut Output<'_>) -> io::Result<usize> {
    let mut known = BTreeSet::new();
    let mut all: Vec<&Placed> = Vec::new();
    for one in placed {
        let Advice {
            rule, object, path, ..
        } = &one.advice;
        if known.insert((rule, object, path)) {
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
    for group in groups(&all) {
        together(&group, out)?;
    }
    Ok(all.len())
}

/// What one rule says with one help, in the order of the first of each.
fn groups<'a>(all: &[&'a Placed]) -> Vec<Vec<&'a Placed>> {
    let mut groups: Vec<Vec<&Placed>> = Vec::new();
    let mut places = BTreeMap::new();
    for placed in all {
        let like = (placed.advice.rule, placed.advice.help.as_deref());
        let place = *places.entry(like).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(placed),
            None => groups.push(vec![placed]),
        }
    }
    groups
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
    let shown = group.get(..MOST).unwrap_or(group);
    for (at, placed) in shown.iter().enumerate() {
        let place = match &placed.position {
            Some(at) => format!("{}:{}:{}", at.file, at.line, at.column),
            None => format!("{}: {}", placed.advice.object, placed.advice.path),
        };
        writeln!(out, "    {}", look.paint(Tone::Faint, clean(&place)))?;
        let message = &placed.advice.message;
        if shown
            .get(at + 1)
            .is_some_and(|next| next.advice.message == *message)
        {
            continue;
        }
        for line in wrap(&clean(message), look.width.saturating_sub(6)) {
            writeln!(out, "      {line}")?;
        }
    }
    if group.len() > shown.len() {
        writeln!(
            out,
            "    … and {}",
            count(group.len() - shown.len(), "more place")
        )?;
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
