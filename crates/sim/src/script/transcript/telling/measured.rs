//! What was measured and what it counts as.

use gradatim_core::analysis::AnalysisPhase;

use super::Teller;
use crate::fact::What;
use crate::script::transcript::Tone;
use crate::script::transcript::value::reading;

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
        let read = read.as_ref();
        let value = read.map_or_else(|| "no answer".to_owned(), reading);
        let (word, tone) = match verdict {
            AnalysisPhase::Successful => ("ok".to_owned(), Tone::Plain),
            AnalysisPhase::Failed => {
                let limit = limit.map_or_else(String::new, |limit| format!(" (limit {limit})"));
                (format!("failed {failed}{limit}"), Tone::Bad)
            }
            AnalysisPhase::Inconclusive => ("inconclusive".to_owned(), Tone::Waiting),
            AnalysisPhase::Error => ("error".to_owned(), Tone::Waiting),
            _ => ("no verdict".to_owned(), Tone::Waiting),
        };
        let mut text = format!("{metric} {value}    {word}");
        if tone != Tone::Plain && !why.is_empty() && *why != value {
            text.push_str(&format!("    {why}"));
        }
        let key = (*run, metric.clone());
        if self.measured.get(&key) != Some(&text) {
            self.measured.insert(key, text.clone());
            self.say("measure", text, tone, tone == Tone::Bad);
        }
    }
}
