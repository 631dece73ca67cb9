//! What a person sees of a release: a line for each thing that is new, and on a terminal a
//! picture below them.

use std::io::Write;
use std::time::{Duration, Instant};

use gradatim_core::decision::{Decision, Summary};
use gradatim_core::event::EventKind;
use gradatim_core::id::RevisionId;
use gradatim_core::reason::Reason;
use gradatim_core::time::Timestamp;
use gradatim_driver::Turn;

use super::scene::Scene;
use super::trial::Trial;
use crate::cli::look::{Look, Tone};
use crate::cli::text::{clean, clock, percent, wrap};
use crate::cli::{Io, store};

/// How many shares of the past are kept.
const PAST: usize = 60;
/// The fewest characters of a text that stand on a line.
const NARROWEST: usize = 12;

pub(super) struct View {
    rollout: String,
    /// What one types behind an order.
    target: String,
    hint: String,
    began: Timestamp,
    turn: Option<Turn>,
    trial: Trial,
    /// What was said last.
    said: String,
    /// The number of the next event that is news.
    told: u64,
    past: Vec<f64>,
    looked: Option<Instant>,
    /// How many lines stand on the terminal that are to be drawn anew.
    drawn: usize,
}

impl View {
    pub(super) fn new(rollout: &str, target: &str, hint: String) -> Self {
        Self {
            rollout: clean(rollout).into_owned(),
            target: target.to_owned(),
            hint,
            began: store::now(),
            turn: None,
            trial: Trial::default(),
            said: String::new(),
            told: 0,
            past: Vec::new(),
            looked: None,
            drawn: 0,
        }
    }

    /// Says what a round has brought.
    pub(super) fn turn(&mut self, turn: Turn, io: &mut Io<'_>) {
        let mut lines: Vec<(Tone, String, String)> = Vec::new();
        let answers = self.trial.turn(&turn).into_iter();
        lines.extend(answers.map(|it| (Tone::Waiting, String::new(), it)));
        let news = self.news(&turn.decision);
        lines.extend(news.map(|it| (Tone::Bad, String::new(), it)));
        let remarks = self.remarks(&turn).into_iter();
        lines.extend(remarks.map(|(tone, it)| (tone, String::new(), it)));
        let (head, text) = self.line(&turn);
        let said = format!("{head}{text}");
        if said != self.said {
            lines.push((Tone::Plain, head, text));
            self.said = said;
        }
        if !lines.is_empty() {
            self.erase(io);
            for (tone, head, line) in &lines {
                self.write(*tone, head, line, io);
            }
        }
        self.turn = Some(turn);
        self.draw(io);
    }

    /// What cannot be measured, and the log lines of what failed, as far as it is new.
    fn remarks(&self, turn: &Turn) -> Vec<(Tone, String)> {
        let known = self.turn.as_ref();
        let was_said = |one| known.is_some_and(|it| it.unmeasurable.contains(one));
        let unmeasurable = turn.unmeasurable.iter().filter(|one| !was_said(one));
        let unmeasurable = unmeasurable.map(|one| {
            let text = format!("{}: {}; {}", one.metric, one.what, one.help);
            (Tone::Waiting, clean(&text).into_owned())
        });
        let was_shown = |one| known.is_some_and(|it| it.evidence.contains(one));
        let evidence = turn.evidence.iter().filter(|one| !was_shown(one));
        let evidence = evidence.flat_map(|one| {
            let lines = one
                .lines
                .iter()
                .map(|line| format!("{}: {line}", one.metric));
            lines.map(|line| (Tone::Faint, clean(&line).into_owned()))
        });
        unmeasurable.chain(evidence).collect()
    }

    /// A line of its own, with its time.
    pub(super) fn say(&mut self, tone: Tone, line: &str, io: &mut Io<'_>) {
        self.erase(io);
        self.write(tone, "", line, io);
        self.draw(io);
    }

    /// Takes the picture away.
    pub(super) fn erase(&mut self, io: &mut Io<'_>) {
        if self.drawn > 0 {
            // A terminal that is gone has nothing on it; the release goes on.
            let _ = write!(io.out, "\x1b[{}A\x1b[J", std::mem::take(&mut self.drawn));
        }
    }

    /// Draws the picture, where it can be drawn anew.
    pub(super) fn draw(&mut self, io: &mut Io<'_>) {
        self.look_back();
        let look = io.out.look();
        if look.redraw
            && let Some(lines) = self.turn.as_ref().map(|turn| self.scene(turn, look))
        {
            self.erase(io);
            for line in &lines {
                let _ = writeln!(io.out, "{line}");
            }
            self.drawn = lines.len();
        }
        // Who cannot be told need not be: the release goes on.
        let _ = io.out.flush();
    }

    /// A line with its time; what does not fit stands below the beginning of its text.
    fn write(&self, tone: Tone, head: &str, text: &str, io: &mut Io<'_>) {
        let look = io.out.look();
        let mut head = format!("{:>5}  {head}", self.clock(store::now()));
        let indent = head.chars().count();
        for part in wrap(text, look.width.saturating_sub(indent).max(NARROWEST)) {
            let _ = writeln!(io.out, "{head}{}", look.paint(tone, part));
            head = " ".repeat(indent);
        }
    }

    /// A share a second.
    fn look_back(&mut self) {
        let is_time = |at: Instant| at.elapsed() >= Duration::from_secs(1);
        let seen = self.turn.as_ref().and_then(|turn| seen(&turn.decision));
        if let Some(seen) = seen.filter(|_| self.looked.is_none_or(is_time)) {
            self.looked = Some(Instant::now());
            self.past.push(seen);
            let old = self.past.len().saturating_sub(PAST);
            self.past.drain(..old);
        }
    }

    fn scene(&self, turn: &Turn, look: Look) -> Vec<String> {
        let (decision, summary) = (&turn.decision, &turn.decision.summary);
        let judge = summary.judge.as_ref().map(|it| clean(&it.text));
        let scene = Scene {
            rollout: &self.rollout,
            old: &name(summary.stable.as_ref()),
            new: &name(summary.latest.as_ref()),
            phase: decision.phase,
            step: (summary.step < summary.steps).then_some((summary.step + 1, summary.steps)),
            elapsed: store::now().since(self.began),
            wanted: share(summary, summary.weight),
            seen: seen(decision),
            past: &self.past,
            metrics: &self.trial.metrics,
            now: store::now(),
            judge: judge.as_deref(),
            waiting: &self.waiting_in_full(turn),
            hint: &self.hint,
        };
        scene.lines(look)
    }

    /// Where it stands, and what it waits for.
    fn line(&self, turn: &Turn) -> (String, String) {
        let decision = &turn.decision;
        let share = seen(decision).map_or_else(|| "?".to_owned(), percent);
        let phase = decision.phase.to_string();
        let raised = raised(decision).unwrap_or_default();
        let waiting = self.waiting(turn);
        let head = format!("{phase:<11}  {share:>6}  ");
        (head, format!("{raised}{waiting}"))
    }

    /// What it waits for; the same for as long as it waits for that.
    fn waiting(&self, turn: &Turn) -> String {
        let waiting = &turn.decision.waiting;
        match (&waiting.reason, waiting.until) {
            (Reason::Pause, None) => {
                format!("pause without end: gradatim promote {}", self.target)
            }
            (Reason::Pause, Some(at)) => format!("pause until {}", self.clock(at)),
            (reason, _) => clean(&reason.to_string()).into_owned(),
        }
    }

    /// The same, with its deadline.
    fn waiting_in_full(&self, turn: &Turn) -> String {
        let waiting = &turn.decision.waiting;
        match (&waiting.reason, waiting.until) {
            (Reason::Pause, _) | (_, None) => self.waiting(turn),
            (_, Some(at)) => {
                let until = self.clock(at);
                format!("{}, until {until} at the latest", self.waiting(turn))
            }
        }
    }

    /// An instant, as the time since this began.
    fn clock(&self, at: Timestamp) -> String {
        clock(at.since(self.began))
    }

    /// What went wrong, as the events have it.
    fn news(&mut self, decision: &Decision) -> impl Iterator<Item = String> {
        let told = self.told;
        let fresh = decision
            .events
            .iter()
            .filter(move |it| it.id.number >= told);
        let fresh: Vec<_> = fresh.collect();
        if let Some(last) = fresh.last() {
            self.told = last.id.number.saturating_add(1);
        }
        let is_bad = |kind: EventKind| {
            matches!(
                kind,
                EventKind::BackendFault
                    | EventKind::PodTrouble
                    | EventKind::RouteDrift
                    | EventKind::OrderRefused
                    | EventKind::StateUnreadable
                    | EventKind::ProgressDeadlineExceeded
            )
        };
        let bad = fresh.into_iter().filter(move |it| is_bad(it.kind));
        let lines: Vec<_> = bad.map(|it| clean(&it.text).into_owned()).collect();
        lines.into_iter()
    }
}

/// That somebody else has given the new version more than is wanted, where that is not what is
/// waited for anyway.
fn raised(decision: &Decision) -> Option<String> {
    let summary = &decision.summary;
    let is_said = matches!(
        decision.waiting.reason,
        Reason::Route { .. } | Reason::Aborted { .. }
    );
    let seen = summary.weight_seen.filter(|seen| *seen > summary.weight)?;
    let shares = [seen, summary.weight].map(|it| percent(share(summary, it)));
    let [seen, wanted] = shares;
    let differs = !is_said && summary.stable != summary.latest;
    differs.then(|| format!("the router shows {seen} where {wanted} is wanted: lowered; "))
}

/// The new version's share as it was read.
fn seen(decision: &Decision) -> Option<f64> {
    let summary = &decision.summary;
    match summary.stable == summary.latest {
        true => Some(1.0),
        false => Some(share(summary, summary.weight_seen?)),
    }
}

fn share(summary: &Summary, parts: u32) -> f64 {
    match summary.stable == summary.latest {
        true => 1.0,
        false => f64::from(parts) / f64::from(summary.total.max(1)),
    }
}

fn name(revision: Option<&RevisionId>) -> String {
    let name = revision.map(|it| clean(it.as_str()).into_owned());
    name.unwrap_or_else(|| "–".to_owned())
}
