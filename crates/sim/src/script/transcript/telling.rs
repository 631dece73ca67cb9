//! From facts to lines; what a line has said is not said again.

mod judged;
mod routed;

use std::collections::BTreeMap;
use std::time::Duration;

use gradatim_core::decision::Phase;
use gradatim_core::event::EventKind;
use gradatim_core::id::{MetricName, RevisionId};
use gradatim_core::measurement::RunKey;
use gradatim_core::plan::{Plan, StepKind, StrategyKind};
use gradatim_core::reason::Reason;

use self::judged::Judged;
use self::routed::Told;
use super::ending::assessed;
use super::value::{clock, percent, span};
use super::{Line, Tone};
use crate::fact::{Fact, What};
use crate::report::Report;
use crate::script::scenario::Scenario;

pub(super) fn tell(scenario: &Scenario, plan: &Plan, report: &Report) -> Vec<Line> {
    let mut teller = Teller {
        scenario,
        plan,
        facts: &report.facts,
        at: Duration::ZERO,
        lines: Vec::new(),
        weight: (0, Duration::ZERO),
        seen: 0,
        strayed: false,
        changed_stable: false,
        promoted_at: None,
        reason: None,
        pods: BTreeMap::new(),
        scales: BTreeMap::new(),
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
    scenario: &'a Scenario,
    plan: &'a Plan,
    facts: &'a [Fact],
    at: Duration,
    lines: Vec<Line>,
    /// The weight that is wanted, and since when.
    weight: (u32, Duration),
    /// The weight that was seen last, and whether another one was wanted.
    seen: u32,
    strayed: bool,
    /// Whether the version that is wanted has become stable.
    changed_stable: bool,
    /// When a version was last called stable.
    promoted_at: Option<Duration>,
    /// What it waits for.
    reason: Option<Reason>,
    pods: BTreeMap<RevisionId, Pods>,
    scales: BTreeMap<RevisionId, u32>,
    /// What each router was last told.
    routes: BTreeMap<usize, Told>,
    /// What was last said of each metric.
    measured: BTreeMap<(RunKey, MetricName), Judged>,
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

    /// Says what is new but for its numbers.
    fn say_anew(&mut self, word: &'static str, text: String, tone: Tone) {
        let alike = unnumbered(&text);
        let mut known = self.lines.iter().rev();
        let last = known.find(|line| line.word == word);
        if last.is_none_or(|line| unnumbered(&line.text) != alike) {
            self.say(word, text, tone, true);
        }
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
                // A driver that takes over writes under its own name what was there.
                if self.scales.insert(revision.clone(), *replicas) != Some(*replicas) {
                    self.plain("scale", format!("{revision} {replicas}"));
                }
            }
            What::Pods { .. } => self.pods(&fact.what),
            What::Route { .. } => self.route(&fact.what),
            What::Weight {
                weight,
                total,
                step,
            } => self.weight(*weight, *total, *step),
            What::Stable { revision } => {
                self.promoted_at = Some(self.at);
                self.changed_stable = true;
                self.say("stable", revision.to_string(), Tone::Good, true);
            }
            // What was the new version's weight is now the stable one's.
            What::Seen { weight: 0, .. }
                if self
                    .facts_of_now(place)
                    .any(|what| matches!(what, What::Stable { .. })) => {}
            What::Seen { weight, total } => self.seen(*weight, *total),
            What::Measured { .. } => self.measured(&fact.what),
            What::Waits { reason, until } => self.waits(reason, *until, place),
            What::Phase { phase, message } => self.phase(*phase, message),
            What::Event { kind, text } => self.event(*kind, text),
            What::Answered {
                refused: Some(why), ..
            } => self.say("refused", why, Tone::Bad, true),
            What::Answered { .. } => {}
            // It was said when it would be back.
            What::Driver { text, .. } if text == "is started again" => {}
            What::Driver { driver, text } => {
                let text = format!("driver-{driver} {text}");
                let late = |line: &Line| line.at == self.at && line.text.contains("too late");
                if text.contains("takes no round") && self.lines.iter().any(late) {
                    return;
                }
                let is_new = !self.lines.iter().any(|line| line.text == text);
                self.say("driver", text, Tone::Plain, is_new);
            }
            What::Violation(violation) => {
                let text = format!("{}: {}", violation.invariant, violation.text);
                let is_same = |line: &Line| line.word == "VIOLATION" && line.text == text;
                if !self.lines.iter().any(is_same) {
                    self.say("VIOLATION", text, Tone::Bad, true);
                }
            }
        }
    }

    fn start(&mut self, stable: &RevisionId, replicas: u32, per_second: f64) {
        let fresh = self.scenario.stable.is_none();
        let pods = format!("{replicas} {}", if replicas == 1 { "pod" } else { "pods" });
        let mut start = match fresh {
            true => format!("nothing runs, {pods} wanted, {per_second} requests/s"),
            false => format!("{stable} stable, {pods}, {per_second} requests/s"),
        };
        if !fresh {
            self.pods.insert(stable.clone(), (replicas, None));
        }
        for said in super::opening(self.scenario) {
            start.push_str("; ");
            start.push_str(&said);
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

    fn weight(&mut self, weight: u32, total: u32, step: u32) {
        if weight == self.weight.0 {
            return;
        }
        let raised = weight > self.weight.0;
        self.weight = (weight, self.at);
        if weight == 0 && self.promoted_at == Some(self.at) {
            // It has lost its name, not its traffic.
            return;
        }
        let mut text = percent(weight, total);
        if raised && self.is_step(weight, step) {
            text.push_str(&format!("    step {}", step + 1));
        }
        self.say("weight", text, Tone::Plain, true);
    }

    /// Whether this is what a step of the user's asks for, and not one that it returns to.
    fn is_step(&self, weight: u32, step: u32) -> bool {
        let mut steps = self.plan.steps.iter().filter(|one| one.index == step);
        self.plan.strategy != StrategyKind::BlueGreen
            && steps.any(|one| matches!(one.kind, StepKind::SetWeight(wanted) if wanted == weight))
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
        if seen == 0 && self.promoted_at == Some(self.at) {
            return;
        }
        let strayed = std::mem::replace(&mut self.seen, seen) != wanted && self.strayed;
        self.strayed = seen != wanted;
        let text = match seen == wanted {
            true if strayed => format!("{text}    as wanted again"),
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
        self.reason = Some(reason.clone());
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
            (Reason::Inconclusive { message }, _) => {
                let why = assessed(message);
                let why = why.unwrap_or_else(|| message.clone());
                let text =
                    format!("undecided, for an operator to promote or abort{overdue}: {why}");
                self.say("waits", text, Tone::Waiting, true);
            }
            (Reason::Pace { .. }, until) => {
                let until = until.map_or(String::new(), |at| format!(", until {}", clock(at)));
                self.say_anew("paced", format!("{reason}{until}"), Tone::Plain);
            }
            (Reason::NotEnoughData { message }, until) => {
                let until = until.map_or(String::new(), |at| format!(" Until {}.", clock(at)));
                self.say_anew("waits", format!("{message}{until}"), Tone::Waiting);
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
            EventKind::RolloutCompleted => return self.completed(text),
            EventKind::RolloutUpdated => return self.changed_stable = false,
            EventKind::SkipSteps => ("skip", Tone::Plain),
            EventKind::AnalysisRunSuccessful
            | EventKind::AnalysisRunFailed
            | EventKind::AnalysisRunError
            | EventKind::AnalysisRunInconclusive => return self.analysis(kind, text),
            EventKind::ProgressDeadlineExceeded => return self.overdue(text),
            EventKind::RouteDrift => ("drift", Tone::Bad),
            EventKind::BackendFault | EventKind::StateUnreadable => ("trouble", Tone::Bad),
            EventKind::Adopted => ("adopted", Tone::Plain),
            _ => return,
        };
        self.say(word, text, tone, true);
    }

    /// The end, unless nothing else than the stable version was wanted again.
    fn completed(&mut self, text: &str) {
        let text = text.trim_start_matches("Rollout completed: ");
        let word = if self.changed_stable {
            "promoted"
        } else {
            "reverted"
        };
        self.say(word, text, Tone::Good, true);
    }

    /// A wait at its deadline, with what it waits for.
    fn overdue(&mut self, text: &str) {
        let mut text = format!("Degraded: {}", text.trim_end_matches('.'));
        let reason = self.reason.as_ref().map(ToString::to_string);
        if let Some(reason) = reason.filter(|reason| !text.contains(reason.as_str())) {
            text.push_str(&format!(": {reason}"));
        }
        if let (Some(why), Some((before, _))) = (assessed(&text), text.split_once("Metric \"")) {
            text = format!("{before}{why}");
        }
        self.say("overdue", text, Tone::Bad, true);
    }

    /// Its reason, which the run that failed has said already.
    fn abort(&mut self, text: &str) {
        let (at, cause) = (self.at, super::ending::cause(text));
        let is_told = |line: &Line| {
            let told = line.text.split_once(": ");
            line.at == at && line.word == "analysis" && told.is_some_and(|(_, why)| why == cause)
        };
        self.lines.retain(|line| !is_told(line));
        self.say("ABORT", cause, Tone::Bad, true);
    }
}

/// A text with the same number in the place of every one.
fn unnumbered(text: &str) -> String {
    let words = text.split_inclusive(|sign: char| !sign.is_ascii_digit() && sign != ',');
    words
        .map(|word| word.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == ','))
        .collect()
}
