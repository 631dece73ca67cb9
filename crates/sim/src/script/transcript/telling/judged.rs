//! What was measured, what it counts as, and what an analysis comes to.

use gradatim_core::analysis::{AnalysisPhase, MetricPlan};
use gradatim_core::event::EventKind;
use gradatim_core::id::MetricName;
use gradatim_core::measurement::{Reading, RunKey};
use gradatim_core::plan::{Step, StepKind, StrategyKind};

use super::Teller;
use crate::fact::What;
use crate::script::transcript::Tone;
use crate::script::transcript::ending::assessed;
use crate::script::transcript::value::reading;

/// What was said of a metric in a run.
#[derive(Default)]
pub(super) struct Judged {
    text: String,
    /// Errors since the last measurement that was none.
    errors: u32,
    inconclusive: u32,
}

impl Teller<'_> {
    /// A measurement that says something else than the one before.
    pub(super) fn measured(&mut self, what: &What) {
        let What::Measured {
            run,
            metric,
            reading: read,
            verdict,
            why,
            failed,
            limit,
        } = what
        else {
            return;
        };
        if let (Some(Reading::Counters(_)), AnalysisPhase::Running) = (read, verdict) {
            return self.compared(*run, metric, why);
        }
        let read = read.as_ref();
        let value = read.map_or_else(|| "no answer".to_owned(), reading);
        if matches!(run, RunKey::Gate { .. }) {
            let tone = if *verdict == AnalysisPhase::Successful {
                Tone::Good
            } else {
                Tone::Waiting
            };
            return self.judged("gate", (*run, metric), format!("{metric} is {value}"), tone);
        }
        let key = (*run, metric.clone());
        let known = self.measured.entry(key).or_default();
        known.errors = if *verdict == AnalysisPhase::Error {
            known.errors + 1
        } else {
            0
        };
        known.inconclusive += u32::from(*verdict == AnalysisPhase::Inconclusive);
        let (errors, inconclusive) = (known.errors, known.inconclusive);
        let plan = self.plan.metrics().find(|plan| plan.name == *metric);
        let limit_of = |limit: fn(&MetricPlan) -> Option<u32>| plan.and_then(limit);
        let (word, tone) = match verdict {
            AnalysisPhase::Successful => ("ok".to_owned(), Tone::Plain),
            AnalysisPhase::Failed => (counted("failed", *failed, *limit), Tone::Bad),
            AnalysisPhase::Inconclusive => {
                let limit = limit_of(|plan| plan.inconclusive_limit);
                (counted("inconclusive", inconclusive, limit), Tone::Waiting)
            }
            AnalysisPhase::Error => {
                let limit = limit_of(|plan| plan.consecutive_error_limit);
                (counted("error", errors, limit), Tone::Waiting)
            }
            _ => ("no verdict".to_owned(), Tone::Waiting),
        };
        let name = self.told_apart(*run, metric);
        let mut text = format!("{name} {value}    {word}");
        if tone != Tone::Plain && !why.is_empty() && *why != value {
            text.push_str(&format!("    {why}"));
        }
        self.judged("measure", (*run, metric), text, tone);
    }

    /// What a judge says after a scrape, when its evidence has more digits or it comes to a
    /// verdict.
    fn compared(&mut self, run: RunKey, metric: &MetricName, why: &str) {
        let known = self.measured.entry((run, metric.clone())).or_default();
        let (first, _) = why.split_once(". ").unwrap_or((why, ""));
        let digits = first.split(' ').filter_map(|word| word.parse::<u64>().ok());
        let alike = format!(
            "{}{:?}",
            super::unnumbered(first),
            digits.map(u64::checked_ilog10).collect::<Vec<_>>()
        );
        if !why.is_empty() && known.text != alike {
            known.text = alike;
            let text = format!("{}    {why}", self.told_apart(run, metric));
            self.say("measure", text, Tone::Plain, false);
        }
    }

    /// A metric's name, with its run where another run has one of the same name.
    fn told_apart(&self, run: RunKey, metric: &MetricName) -> String {
        let is_step = |step: &Step| match &step.kind {
            StepKind::Analysis(run) => run.metrics.iter().any(|one| one.name == *metric),
            _ => false,
        };
        match run {
            RunKey::Background if self.plan.steps.iter().any(is_step) => {
                format!("{metric} (background)")
            }
            _ => metric.to_string(),
        }
    }

    fn judged(&mut self, word: &'static str, of: (RunKey, &MetricName), text: String, tone: Tone) {
        let known = self.measured.entry((of.0, of.1.clone())).or_default();
        if known.text != text {
            known.text.clone_from(&text);
            self.say(word, text, tone, tone == Tone::Bad);
        }
    }

    /// What a run came to: the core names it by its place in the plan.
    pub(super) fn analysis(&mut self, kind: EventKind, text: &str) {
        let (key, rest) = text.split_once(" analysis: ").unwrap_or(("", text));
        let (_, why) = rest.split_once(' ').unwrap_or(("", rest));
        let (word, tone) = match kind {
            EventKind::AnalysisRunSuccessful => ("passed", Tone::Good),
            EventKind::AnalysisRunInconclusive => ("inconclusive", Tone::Waiting),
            EventKind::AnalysisRunError => ("error", Tone::Bad),
            _ => ("failed", Tone::Bad),
        };
        let name = self.name_of(key);
        let why = assessed(why).unwrap_or_else(|| why.to_owned());
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        self.say("analysis", format!("{name} {word}{why}"), tone, true);
    }

    fn name_of(&self, key: &str) -> String {
        let place = key
            .strip_prefix("step")
            .and_then(|place| place.parse().ok());
        let Some(place) = place.filter(|place: &usize| *place < self.plan.steps.len()) else {
            return key.to_owned();
        };
        let mut before = self.plan.steps.iter().take(place);
        match self.plan.strategy {
            StrategyKind::BlueGreen if before.any(|step| matches!(step.kind, StepKind::Switch)) => {
                "after the switch".to_owned()
            }
            StrategyKind::BlueGreen => "before the switch".to_owned(),
            _ => {
                let step = self.plan.steps.get(place).map_or(0, |step| step.index);
                format!("step {}", step + 1)
            }
        }
    }
}

/// `failed 2 (limit 1)`.
fn counted(word: &str, count: u32, limit: Option<u32>) -> String {
    match limit {
        Some(limit) => format!("{word} {count} (limit {limit})"),
        None => format!("{word} {count}"),
    }
}
