use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gradatim_core::fault::{Fault, FaultKind};
use gradatim_core::measurement::{Ask, Outcome};
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use serde_json::Value;

/// A fake that answers as a real provider has answered: what was recorded, and nothing else.
///
/// What is asked for a later instant than any that was recorded gets the newest answer before it;
/// what nobody has recorded is an error of kind `NotFound`. Clones share one recording.
#[derive(Clone, Default)]
pub struct Recorded {
    takes: Arc<Mutex<Vec<Take>>>,
    has_history: bool,
}

struct Take {
    query: Value,
    at: Timestamp,
    answer: Result<Outcome, Fault>,
}

impl Recorded {
    /// An empty recording of a provider that has history, or has none.
    pub fn new(has_history: bool) -> Self {
        Self {
            has_history,
            ..Self::default()
        }
    }

    /// Asks a provider, and keeps its answer or its error.
    pub async fn record(&self, provider: &dyn MetricProvider, ask: &Ask) {
        let answer = provider.measure(ask).await;
        let take = Take {
            query: ask.query.clone(),
            at: ask.at,
            answer: answer.map_err(|error| error.to_fault()),
        };
        self.takes().push(take);
    }

    fn takes(&self) -> MutexGuard<'_, Vec<Take>> {
        self.takes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MetricProvider for Recorded {
    fn has_history(&self) -> bool {
        self.has_history
    }

    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let takes = self.takes();
        let known = takes
            .iter()
            .filter(|it| it.query == ask.query && it.at <= ask.at);
        match known.max_by_key(|take| take.at).map(|take| &take.answer) {
            Some(Ok(outcome)) => Ok(outcome.clone()),
            Some(Err(fault)) => Err(PortError {
                retry: fault.retry,
                ..PortError::new(fault.kind, &fault.text)
            }),
            None => {
                let text = format!("nothing was recorded for {}", ask.query);
                Err(PortError::new(FaultKind::NotFound, text))
            }
        }
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("takes", &self.takes().len())
            .field("has_history", &self.has_history)
            .finish()
    }
}
