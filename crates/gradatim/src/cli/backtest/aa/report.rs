//! What the judge made of releases that never were, for people and as data.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use gradatim_core::time::Timestamp;
use serde_json::{Value, json};

use super::super::super::look::Tone;
use super::super::super::table::{Side, Table};
use super::super::super::{Exit, Output, text};
use super::replay::{Imaginary, Judged, Release};

/// How many of the releases that were taken back are listed.
const LISTED: usize = 12;

/// One imaginary release.
pub(super) struct Start {
    pub(super) at: Timestamp,
    pub(super) found: Imaginary,
}

/// All of them.
pub(super) struct Report {
    length: Duration,
    /// How much evidence takes a release back.
    needed: f64,
    starts: Vec<Start>,
}

impl Report {
    pub(super) fn new(release: &Release, starts: Vec<Start>) -> Self {
        Self {
            length: release.length(),
            needed: release.judge.needed(),
            starts,
        }
    }

    /// It has an answer where anything could be judged.
    pub(super) fn exit(&self) -> Exit {
        match self.judged().next() {
            Some(_) => Exit::Good,
            None => Exit::Undecided,
        }
    }

    fn judged(&self) -> impl Iterator<Item = (Timestamp, &Judged)> {
        self.starts.iter().filter_map(|start| match &start.found {
            Imaginary::Judged(judged) => Some((start.at, judged)),
            Imaginary::LeftOut(_) => None,
        })
    }

    fn rolled_back(&self) -> impl Iterator<Item = (Timestamp, &Judged, Duration)> {
        let judged = self.judged();
        judged.filter_map(|(at, judged)| Some((at, judged, judged.rolled_back?)))
    }

    /// Why releases were left out, with how many were.
    fn left_out(&self) -> BTreeMap<&str, usize> {
        let mut why = BTreeMap::new();
        for start in &self.starts {
            if let Imaginary::LeftOut(reason) = &start.found {
                *why.entry(reason.as_str()).or_default() += 1;
            }
        }
        why
    }

    pub(super) fn write(&self, out: &mut Output<'_>) -> io::Result<()> {
        let (Some(first), Some(last)) = (self.starts.first(), self.starts.last()) else {
            return Ok(());
        };
        let releases = text::count(self.starts.len(), "imaginary release");
        let length = text::short(self.length);
        writeln!(out, "{releases} of {length}, {} to {}", first.at, last.at)?;
        writeln!(out, "stable's pods split in two: one half plays the canary")?;
        for (why, count) in self.left_out() {
            let line = format!("  left out     {count:>6}   {}", text::clean(why));
            writeln!(
                out,
                "{}",
                out.look().paint(Tone::Waiting, line).into_owned()
            )?;
        }
        let judged = self.judged().count();
        if judged == 0 {
            return writeln!(out, "Nothing could be judged.");
        }
        let back = self.rolled_back().count();
        let tone = if back == 0 { Tone::Good } else { Tone::Bad };
        let line = format!("  rolled back  {back:>6}   of {judged} that were judged");
        writeln!(out, "{}", out.look().paint(tone, line).into_owned())?;
        self.list(out)?;
        for line in text::wrap(&self.sentence(judged, back), out.look().width) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn list(&self, out: &mut Output<'_>) -> io::Result<()> {
        let back: Vec<_> = self.rolled_back().collect();
        if back.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = Table::new();
        table.column("start", Side::Left);
        table.column("after", Side::Right);
        table.column("what the halves differ in", Side::Left);
        for (at, judged, after) in back.iter().take(LISTED) {
            let why = judged.worst.clone().unwrap_or_default();
            table.row(vec![at.to_string(), text::clock(*after), why]);
        }
        table.write(out)?;
        if back.len() > LISTED {
            let more = back.len() - LISTED;
            writeln!(out, "  … and {more} more; --json lists them all")?;
        }
        writeln!(out)
    }

    fn sentence(&self, judged: usize, back: usize) -> String {
        let most = self.judged().map(|(_, judged)| judged.evidence);
        let most = most.fold(0.0, f64::max);
        if back == 0 {
            return format!(
                "Would have rolled back 0 of {judged} imaginary releases. The evidence never rose \
                 above {most:.1}; {:.0} takes a release back.",
                self.needed
            );
        }
        let promise = format!(
            "The promise is at most 1 good release in {:.0}",
            self.needed
        );
        match back > allowed(judged, self.needed) {
            false => {
                format!("Would have rolled back {back} of {judged}. {promise}: it may be chance.")
            }
            true => format!(
                "Would have rolled back {back} of {judged}. {promise}, and this is more than \
                 chance: pods of one version differ from each other for longer than a minute, and \
                 would do so in a release too. --json names the pods of each half."
            ),
        }
    }

    pub(super) fn write_json(&self, out: &mut Output<'_>) -> io::Result<()> {
        let starts: Vec<Value> = self.starts.iter().map(data).collect();
        let report = json!({
            "releaseSeconds": self.length.as_secs_f64(),
            "judged": self.judged().count(),
            "rolledBack": self.rolled_back().count(),
            "starts": starts,
        });
        writeln!(out, "{report:#}")
    }
}

/// How many of so many releases may be taken back before it is more than chance: at one in
/// `needed`, more than these come in fewer than one case in twenty.
fn allowed(judged: usize, needed: f64) -> usize {
    let mean = judged as f64 / needed;
    let (mut count, mut chance) = (0, (-mean).exp());
    let mut sum = chance;
    while sum < 0.95 {
        count += 1;
        chance *= mean / count as f64;
        sum += chance;
    }
    count
}

fn data(start: &Start) -> Value {
    let at = start.at.to_string();
    match &start.found {
        Imaginary::LeftOut(why) => json!({"at": at, "leftOut": why}),
        Imaginary::Judged(judged) => json!({
            "at": at,
            "rolledBackAfterSeconds": judged.rolled_back.map(|it| it.as_secs_f64()),
            "why": judged.worst,
            "evidence": judged.evidence,
            "canary": {
                "pods": judged.canary,
                "requests": judged.seen.canary.requests,
                "errors": judged.seen.canary.events,
            },
            "stable": {
                "pods": judged.stable,
                "requests": judged.seen.stable.requests,
                "errors": judged.seen.stable.events,
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_chance_grows_with_the_number_of_releases() {
        assert_eq!([1, 10, 100, 400].map(|it| allowed(it, 100.0)), [0, 1, 3, 8]);
    }
}
