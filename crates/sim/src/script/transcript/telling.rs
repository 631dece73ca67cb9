//! From facts to lines; what a line has said is not said again.

mod measured;
mod routed;

use std::collections::BTreeMap;
use std::time::Duration;

use gradatim_core::decision::Phase;
use gradatim_core::event::EventKind;
use gradatim_core::id::{MetricName, RevisionId};
use gradatim_core::measurement::RunKey;
use gradatim_core::plan::Plan;
use gradatim_core::reason::Reason;

use self::routed::Told;
use super::value::{clock, percent, span};
use super::{Line, Tone};
use crate::fact::{Fact, What};
use crate::report::Report;

pub(super) fn tell(plan: &Plan, report: &Report, opening: &[String]) -> Vec<Line> {
    let mut teller = Teller {
        plan,
        facts: &report.facts,
        opening,
        at: Duration::ZERO,
        lines: Vec::new(),
        weight: (0, Duration::ZERO),
        promoting: false,
        pods: BTreeMap::new(),
        routes: BTreeMap::new(),
        measured: BTreeMap::new(),
        phase: None,
    };
    for place in 0..report.facts.len() {
        teller.fact(place);
    }
    teller.lines
}

/// What a revision's pods were when they were last told of.
type Pods = (u32, Option<String>);

struct Teller<'a> {
    plan: &'a Plan,
    facts: &'a [Fact],
    opening: &'a [String],
    at: Duration,
    lines: Vec<Line>,
    /// The weight that is wanted, and since when.
    weight: (u32, Duration),
    /// Whether the new version is stable and its traffic has not moved yet.
    promoting: bool,
    pods: BTreeMap<RevisionId, Pods>,
    /// What each router was last told.
    routes: BTreeMap<usize, Told>,
    /// What was last said of each metric.
    measured: BTreeMap<(RunKey, MetricName), String>,
    phase: Option<Phase>,
}

impl Teller<'_> {
    fn say(&mut self, word: &'static str, text: impl Into<String>, tone: Tone, matters: bool) {
        self.lines.push(Line {
            at: self.at,
            word,
            text: text.into(),
            tone,
            matters,
        });
    }

    fn plain(&mut self, word: &'static str, text: impl Into<String>) {
        self.say(word, text, Tone::Plain, false);
    }

    /// Whether this was said at this instant.
    fn has_said(&self, word: &str, text: &str) -> bool {
        let now = self.lines.iter().rev();
        let mut now = now.take_while(|line| line.at == self.at);
        now.any(|line| line.word == word && line.text == text)
    }

    fn fact(&mut self, place: usize) {
        let Some(fact) = self.facts.get(place) else {
            return;
        };
        self.at = fact.at;
        match &fact.what {
            What::Start {
                stable,
                replicas,
                per_second,
            } => self.start(stable, *replicas, *per_second),
            // The scenario tells these in its own words.
            What::Happening(_) => {}
            What::Scale { revision, replicas } => {
                self.plain("scale", format!("{revision} {replicas}"));
            }
            What::Pods { .. } => self.pods(&fact.what),
            What::Route { .. } => self.route(&fact.what),
            What::Weight {
                weight,
                total,
                step,
            } => self.weight(*weight, *total, *step, place),
            What::Seen { weight, total } => self.seen(*weight, *total),
            What::Measured { .. } => self.measured(&fact.what),
            What::Waits { reason, until } => self.waits(reason, *until, place),
            What::Phase { phase, message } => self.phase(*phase, message),
            What::Event { kind, text } => self.event(*kind, text),
            What::Answered {
                refused: Some(why), ..
            } => self.say("refused", why, Tone::Bad, true),
            What::Answered { .. } => {}
            What::Driver { driver, text } => {
                self.say(
                    "driver",
                    format!("{} {text}", driver + 1),
                    Tone::Plain,
                    true,
                );
            }
            What::Violation(violation) => {
                let text = format!("{}: {}", violation.invariant, violation.text);
                self.say("VIOLATION", text, Tone::Bad, true);
            }
        }
    }

    fn start(&mut self, stable: &RevisionId, replicas: u32, per_second: f64) {
        let mut start = format!("{stable} stable, {replicas} pods, {per_second} requests/s");
        for said in self.opening {
            start.push_str("; ");
            start.push_str(said);
        }
        self.plain("start", start);
    }

    /// Pods that came, went or are in trouble; how many are asked for has its own line.
    fn pods(&mut self, what: &What) {
        let What::Pods {
            revision,
            desired,
            pods,
            available,
            trouble,
        } = what
        else {
            return;
        };
        let now = (*available, trouble.clone());
        let before = self.pods.insert(revision.clone(), now.clone());
        if before.unwrap_or((0, None)) == now {
            return;
        }
        let mut text = match (desired, pods) {
            (0, 0) => format!("{revision} none left"),
            _ => format!("{revision} {available} of {desired} available"),
        };
        if let Some(trouble) = trouble {
            text.push_str(&format!(": {trouble}"));
        }
        let tone = if trouble.is_some() {
            Tone::Bad
        } else {
            Tone::Plain
        };
        self.say("pods", text, tone, trouble.is_some());
    }

    fn weight(&mut self, weight: u32, total: u32, step: u32, place: usize) {
        let steps = self.plan.steps.iter().map(|step| step.index);
        let steps = steps.max().map_or(0, |last| last + 1);
        let raised = weight > self.weight.0;
        let is_promoting = |what: &What| {
            matches!(
                what,
                What::Waits {
                    reason: Reason::Promoting,
                    ..
                }
            )
        };
        self.weight = (weight, self.at);
        if weight == 0 && self.facts_of_now(place).any(is_promoting) {
            self.promoting = true;
            let text = "the new version    its traffic moves to the stable slot";
            return self.say("stable", text, Tone::Good, true);
        }
        let mut text = percent(weight, total);
        if raised && step < steps {
            text.push_str(&format!("    step {}", step + 1));
        }
        self.say("weight", text, Tone::Plain, true);
    }

    /// What else happens at the instant of a fact, after it.
    fn facts_of_now(&self, place: usize) -> impl Iterator<Item = &What> {
        let at = self.at;
        let later = self.facts.iter().skip(place + 1);
        later
            .take_while(move |fact| fact.at == at)
            .map(|fact| &fact.what)
    }

    fn seen(&mut self, seen: u32, total: u32) {
        let text = percent(seen, total);
        let (wanted, since) = self.weight;
        let text = match seen == wanted {
            true if self.at == since => text,
            true => format!(
                "{text}    {} after it was wanted",
                span(self.at.saturating_sub(since))
            ),
            false => format!("{text}    wanted is {}", percent(wanted, total)),
        };
        self.plain("seen", text);
    }

    /// Waits that last and that no other line speaks of.
    fn waits(&mut self, reason: &Reason, until: Option<Duration>, place: usize) {
        if self
            .facts_of_now(place)
            .any(|what| matches!(what, What::Waits { .. }))
        {
            return;
        }
        let overdue = until.map_or_else(String::new, |at| format!(", overdue at {}", clock(at)));
        match (reason, until) {
            (Reason::Pause, Some(until)) => self.plain("pause", format!("until {}", clock(until))),
            (Reason::Pause, None) => {
                let text = "without end: it waits for promote";
                self.say("pause", text, Tone::Waiting, true);
            }
            (
                Reason::Pods { trouble: None, .. }
                | Reason::FirstVersion { .. }
                | Reason::Route { .. }
                | Reason::Analysis { .. }
                | Reason::Resting
                | Reason::Draining
                | Reason::Promoting
                | Reason::Aborted { .. },
                _,
            ) => {}
            // The trouble itself has a line.
            (
                Reason::Pods {
                    available, wanted, ..
                },
                _,
            ) => {
                let text = format!("{available} of {wanted} new pods available{overdue}");
                self.say("waits", text, Tone::Waiting, false);
            }
            (reason, _) => {
                self.say("waits", format!("{reason}{overdue}"), Tone::Waiting, true);
            }
        }
    }

    fn phase(&mut self, phase: Phase, message: &str) {
        let before = self.phase.replace(phase);
        let recovered = before == Some(Phase::Degraded) && phase == Phase::Progressing;
        let is_told = message.starts_with("RolloutAborted")
            || message.starts_with("ProgressDeadlineExceeded");
        match phase {
            Phase::Healthy if before != Some(phase) => {
                self.say("phase", "Healthy", Tone::Good, false);
            }
            Phase::Degraded if !is_told => {
                self.say("phase", format!("Degraded: {message}"), Tone::Bad, true);
            }
            _ if recovered => self.plain("phase", "Progressing"),
            _ => {}
        }
    }

    fn event(&mut self, kind: EventKind, text: &str) {
        let (word, tone) = match kind {
            EventKind::RolloutAborted => return self.abort(text),
            EventKind::RolloutCompleted => ("promoted", Tone::Good),
            EventKind::RolloutRetry => ("retry", Tone::Plain),
            EventKind::SkipSteps => ("skip", Tone::Plain),
            EventKind::SwitchService => ("switch", Tone::Plain),
            EventKind::AnalysisRunSuccessful => ("analysis", Tone::Good),
            EventKind::AnalysisRunFailed | EventKind::AnalysisRunError => ("analysis", Tone::Bad),
            EventKind::AnalysisRunInconclusive => ("analysis", Tone::Waiting),
            EventKind::ProgressDeadlineExceeded => ("overdue", Tone::Bad),
            EventKind::RouteDrift => ("drift", Tone::Bad),
            EventKind::BackendFault | EventKind::StateUnreadable => ("trouble", Tone::Bad),
            EventKind::Adopted => ("adopted", Tone::Plain),
            _ => return,
        };
        self.say(word, text, tone, true);
    }

    /// Its reason, which the run that failed has said already.
    fn abort(&mut self, text: &str) {
        let at = self.at;
        let is_told = |line: &Line| {
            let message = line
                .text
                .split_once(": ")
                .map_or("", |(_, message)| message);
            let reason = message
                .trim_start_matches("Failed ")
                .trim_start_matches("Error ");
            line.at == at && line.word == "analysis" && text.ends_with(reason)
        };
        self.lines.retain(|line| !is_told(line));
        self.say("ABORT", super::ending::cause(text), Tone::Bad, true);
    }
}
