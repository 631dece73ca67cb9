//! One picture of a release under way, for a terminal of any size.

use std::time::Duration;

use gradatim_core::analysis::AnalysisPhase;
use gradatim_core::decision::Phase;
use gradatim_core::time::Timestamp;

use super::trial::Metric;
use crate::cli::look::{Look, Tone};
use crate::cli::store::tone;
use crate::cli::text::{clock, percent, wrap};

/// The longest name of a version that is shown in full.
const LONGEST: usize = 20;

/// What is to be seen.
pub(super) struct Scene<'a> {
    pub(super) rollout: &'a str,
    pub(super) old: &'a str,
    pub(super) new: &'a str,
    pub(super) phase: Phase,
    /// The step as a person counts it; none where no step is under way.
    pub(super) step: Option<(u32, u32)>,
    pub(super) elapsed: Duration,
    /// The new version's share that is wanted, from 0 to 1.
    pub(super) wanted: f64,
    /// The share as it was read; none when that is unknown or mixed.
    pub(super) seen: Option<f64>,
    /// Shares of the past, oldest first.
    pub(super) past: &'a [f64],
    pub(super) metrics: &'a [Metric],
    pub(super) now: Timestamp,
    /// How far a judge is, in its own words.
    pub(super) judge: Option<&'a str>,
    /// What it waits for.
    pub(super) waiting: &'a str,
    /// What one can do.
    pub(super) hint: &'a str,
}

impl Scene<'_> {
    /// The picture's lines, from top to bottom.
    pub(super) fn lines(&self, look: Look) -> Vec<String> {
        let mut lines = self.head(look);
        lines.extend(self.bars(look));
        lines.push(self.weight(look));
        lines.extend(self.metrics.iter().map(|it| self.metric(it, look)));
        let judge = self.judge.map(|it| wrap(it, look.width.saturating_sub(4)));
        let judge = judge.unwrap_or_default();
        lines.extend(judge.iter().map(|it| format!("  {it}")));
        let waiting = wrap(self.waiting, look.width.saturating_sub(4));
        lines.extend(waiting.iter().map(|it| {
            let line = format!("  {it}");
            look.paint(Tone::Waiting, line).into_owned()
        }));
        let room = look.height.saturating_sub(2).max(2);
        let hint = match self.hint.chars().count() <= look.width.saturating_sub(4) {
            true => vec![self.hint.to_owned()],
            false => wrap(self.hint, look.width.saturating_sub(4)),
        };
        if lines.len() + hint.len() < room {
            lines.extend(hint.iter().map(|it| {
                let line = format!("  {it}");
                look.paint(Tone::Faint, line).into_owned()
            }));
        }
        lines.truncate(room);
        lines
    }

    fn head(&self, look: Look) -> Vec<String> {
        let left = format!("{} · {} → {}", self.rollout, self.old, self.new);
        let phase = self.phase.to_string();
        let step = self
            .step
            .map_or_else(String::new, |(step, of)| format!("step {step} of {of} · "));
        let right = format!("   {step}{}", clock(self.elapsed));
        let used = [&left, &phase, &right].map(|it| it.chars().count());
        let painted = look.paint(tone(self.phase), phase);
        match look.width.checked_sub(used.iter().sum()) {
            Some(gap @ 1..) => vec![format!("{left}{:gap$}{painted}{right}", "")],
            _ => vec![cut(&left, look.width), format!("  {painted}{right}")],
        }
    }

    /// Each version's part of all traffic.
    fn bars(&self, look: Look) -> [String; 2] {
        let names = [self.old, self.new].map(|name| cut(name, LONGEST));
        let column = names.iter().map(|it| it.chars().count()).max().unwrap_or(0);
        let numbers = match self.seen {
            Some(seen) => [1.0 - seen, seen].map(percent),
            None => ["?".to_owned(), "?".to_owned()],
        };
        let cells = look.width.saturating_sub(column + 14).max(4);
        let right = (self.seen.unwrap_or(0.0) * cells as f64).round() as usize;
        // Somebody who gets anything is seen.
        let right = right.clamp(usize::from(self.seen > Some(0.0)), cells);
        let left = cells - right;
        let (full, empty) = (|many| "█".repeat(many), |many| "░".repeat(many));
        let stable = look.paint(Tone::Good, full(left)).into_owned();
        let rest = look.paint(Tone::Faint, empty(right)).into_owned();
        let before = look.paint(Tone::Faint, empty(left)).into_owned();
        let canary = look.paint(Tone::Waiting, full(right)).into_owned();
        let line = |name: &str, bar: String, number: &str| {
            let gap = " ".repeat(column - name.chars().count());
            format!("  {name}{gap}  {bar}  {number:>7}")
        };
        let [old, new] = names;
        let [of_old, of_new] = numbers;
        [
            line(&old, stable + &rest, &of_old),
            line(&new, before + &canary, &of_new),
        ]
    }

    fn weight(&self, look: Look) -> String {
        let seen = self.seen.map_or_else(|| "unknown".to_owned(), percent);
        let text = format!("wanted {}, seen {seen}", percent(self.wanted));
        let room = look.width.saturating_sub(text.chars().count() + 14);
        let newest = self.past.len().saturating_sub(room);
        let sparks: String = self.past[newest..].iter().map(|it| spark(*it)).collect();
        format!("  weight  {sparks}  {text}")
    }

    fn metric(&self, metric: &Metric, look: Look) -> String {
        let (mark, tone, state) = match metric.phase {
            AnalysisPhase::Successful => ("✓", Tone::Good, "passed".to_owned()),
            AnalysisPhase::Failed => ("✗", Tone::Bad, "failed".to_owned()),
            AnalysisPhase::Error => ("✗", Tone::Bad, "no answer".to_owned()),
            AnalysisPhase::Inconclusive => ("?", Tone::Waiting, "undecided".to_owned()),
            _ => ("·", Tone::Plain, self.next(metric)),
        };
        let values = metric.values.join("  ");
        let (failed, allowed) = metric.failed;
        let failures = match allowed {
            Some(allowed) => format!("{failed} of {allowed} failures allowed"),
            None => format!("{failed} failed"),
        };
        let wanted = metric.wanted.as_ref();
        let wanted = wanted.map_or_else(String::new, |it| format!("wanted {it}, "));
        let mark = look.paint(tone, mark);
        let text = format!("{}  {values}  {state}  {wanted}{failures}", metric.name);
        format!("  {mark} {}", cut(&text, look.width.saturating_sub(4)))
    }

    fn next(&self, metric: &Metric) -> String {
        match metric.next {
            Some(next) if next > self.now => {
                let wait = next.since(self.now).as_millis().div_ceil(1000);
                format!("next in {wait} s")
            }
            _ => "being measured".to_owned(),
        }
    }
}

fn spark(share: f64) -> char {
    const CELLS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let place = (share.clamp(0.0, 1.0) * (CELLS.len() - 1) as f64).ceil();
    CELLS.get(place as usize).copied().unwrap_or('█')
}

/// No more characters than so many; an ellipsis says that there were more.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene<'a>(new: &'a str, past: &'a [f64], seen: Option<f64>) -> Scene<'a> {
        Scene {
            rollout: "shop",
            old: "v1",
            new,
            phase: Phase::Paused,
            step: Some((2, 4)),
            elapsed: Duration::from_secs(21),
            wanted: 0.2,
            seen,
            past,
            metrics: &[],
            now: Timestamp::ZERO,
            judge: None,
            waiting: "pause until 0:25",
            hint: "Ctrl-C leaves it as it is",
        }
    }

    fn look(width: usize, height: usize) -> Look {
        Look {
            width,
            height,
            ..Look::default()
        }
    }

    #[test]
    fn a_picture_says_who_gets_what_and_what_it_waits_for() {
        let lines = scene("v2", &[0.0, 0.2], Some(0.2)).lines(look(60, 24));
        let wanted = [
            "shop · v1 → v2                   Paused   step 2 of 4 · 0:21",
            "  v1  ███████████████████████████████████░░░░░░░░░     80 %",
            "  v2  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░█████████     20 %",
            "  weight  ▁▃  wanted 20 %, seen 20 %",
            "  pause until 0:25",
            "  Ctrl-C leaves it as it is",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_there_are_no_more_than_it_has() {
        let name = "a-version-with-a-very-long-name-of-its-own-that-nobody-would-give";
        for (width, height) in [(40, 24), (60, 6), (100, 24), (40, 3)] {
            for seen in [None, Some(0.0), Some(0.0001), Some(1.0)] {
                let past = [0.1; 300];
                let lines = scene(name, &past, seen).lines(look(width, height));
                assert!(lines.len() <= height, "{lines:#?}");
                let wide = lines.iter().find(|line| line.chars().count() > width);
                assert_eq!(wide, None, "{width}");
            }
        }
    }
}
