use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use gradatim_core::decision::{Decision, Saved};
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Ask, MeasurementId, Outcome};
use gradatim_core::plan::Plan;
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use tokio::sync::Semaphore;

use crate::store::MemoryStore;
use crate::testing::{Script, ask, flight, state, workload};
use crate::{Ports, Round};

/// Answers when it is let, and remembers what it was asked.
struct Provider {
    let_go: Semaphore,
    outcome: Outcome,
    history: bool,
    journal: Mutex<Vec<String>>,
}

impl Provider {
    fn new(outcome: Outcome) -> Arc<Self> {
        Arc::new(Self {
            let_go: Semaphore::new(0),
            outcome,
            history: false,
            journal: Mutex::default(),
        })
    }

    fn journal(&self) -> Vec<String> {
        self.journal.lock().unwrap().clone()
    }
}

#[async_trait]
impl MetricProvider for Provider {
    fn has_history(&self) -> bool {
        self.history
    }
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let line = format!("measure {} {:?}", ask.id.tick, ask.handle);
        self.journal.lock().unwrap().push(line);
        self.let_go.acquire().await.unwrap().forget();
        Ok(self.outcome.clone())
    }
    async fn terminate(&self, id: &MeasurementId, handle: &str) -> Result<(), PortError> {
        let line = format!("terminate {} {handle}", id.tick);
        self.journal.lock().unwrap().push(line);
        Ok(())
    }
}

fn wanting(asks: Vec<Ask>) -> Decision {
    Decision {
        wanted: asks,
        ..flight()
    }
}

fn round(script: &Script, store: &MemoryStore, provider: &Arc<Provider>) -> Round {
    let ports = Ports::new(Arc::new(workload()), Arc::new(store.clone()))
        .policy(Arc::new(script.clone()))
        .provider("fake", Arc::clone(provider) as Arc<dyn MetricProvider>);
    Round::new("shop", Plan::rolling_update("shop"), ports)
}

fn running() -> Outcome {
    Outcome::Running {
        handle: "job-7".to_owned(),
        ask_again_at: Timestamp::ZERO,
    }
}

#[tokio::test]
async fn a_measurement_is_kept_across_rounds_and_its_first_result_until_it_is_unwanted() {
    let provider = Provider::new(Outcome::number(0.5));
    let asked = || wanting(vec![ask(0, None)]);
    let script = Script::new([asked(), asked(), asked(), asked(), flight(), flight()]);
    let mut round = round(&script, &MemoryStore::new(), &provider);
    for _ in 0..2 {
        round.turn().await.unwrap();
        assert!(round.ready().now_or_never().is_none());
    }
    provider.let_go.add_permits(1);
    round.ready().await;
    for _ in 0..4 {
        round.turn().await.unwrap();
    }
    assert_eq!(provider.journal(), ["measure 0 None"]);
    let counts = script
        .seen()
        .into_iter()
        .map(|seen| seen.measurements.len());
    assert_eq!(counts.collect::<Vec<_>>(), [0, 0, 1, 1, 1, 0]);
}

#[tokio::test]
async fn a_result_outlives_a_save_that_failed() {
    let provider = Provider::new(Outcome::number(0.5));
    provider.let_go.add_permits(1);
    let counted = Decision {
        state: Some(state(2)),
        ..flight()
    };
    let script = Script::new([wanting(vec![ask(0, None)]), counted.clone(), counted]);
    let store = MemoryStore::new();
    let mut round = round(&script, &store, &provider);
    round.turn().await.unwrap();
    round.ready().await;
    store.put(Saved::State(state(7)));
    round.turn().await.unwrap();
    round.turn().await.unwrap();
    assert_eq!(script.seen()[2].measurements.len(), 1);
}

#[tokio::test]
async fn work_that_is_no_longer_wanted_is_ended_even_when_its_handle_comes_late() {
    let provider = Provider::new(running());
    let script = Script::new([wanting(vec![ask(0, None)]), flight()]);
    let mut round = round(&script, &MemoryStore::new(), &provider);
    round.turn().await.unwrap();
    assert!(round.ready().now_or_never().is_none());
    round.turn().await.unwrap();
    provider.let_go.add_permits(1);
    round.ready().await;
    round.ready().await;
    assert_eq!(provider.journal(), ["measure 0 None", "terminate 0 job-7"]);
}

#[tokio::test]
async fn a_running_measurement_is_asked_for_again_by_its_handle_and_never_twice_at_once() {
    let provider = Provider::new(running());
    let script = Script::new([
        wanting(vec![ask(0, None)]),
        wanting(vec![ask(0, Some("job-7"))]),
        wanting(vec![ask(0, Some("job-7"))]),
    ]);
    let mut round = round(&script, &MemoryStore::new(), &provider);
    round.turn().await.unwrap();
    provider.let_go.add_permits(1);
    round.ready().await;
    for _ in 0..2 {
        round.turn().await.unwrap();
        assert!(round.ready().now_or_never().is_none());
    }
    let asked = ["measure 0 None", r#"measure 0 Some("job-7")"#];
    assert_eq!(provider.journal(), asked);
}

fn other_ask() -> Ask {
    let mut ask = ask(1, None);
    ask.id.metric = "latency".into();
    ask
}

#[tokio::test]
async fn a_pure_read_that_is_no_longer_wanted_is_dropped() {
    let mut provider = Provider::new(Outcome::number(1.0));
    Arc::get_mut(&mut provider).unwrap().history = true;
    let script = Script::new([wanting(vec![ask(0, None)]), wanting(vec![other_ask()])]);
    let mut round = round(&script, &MemoryStore::new(), &provider);
    round.turn().await.unwrap();
    assert!(round.ready().now_or_never().is_none());
    round.turn().await.unwrap();
    round.ready().await;
    provider.let_go.add_permits(1);
    round.ready().await;
    round.turn().await.unwrap();
    assert_eq!(ticks(&script, 2), [1]);
}

#[tokio::test]
async fn a_read_whose_turn_on_the_grid_is_over_goes_on_and_counts_before_the_next_one_is_asked() {
    let mut provider = Provider::new(Outcome::number(1.0));
    Arc::get_mut(&mut provider).unwrap().history = true;
    let later = || wanting(vec![ask(3, None)]);
    let script = Script::new([wanting(vec![ask(0, None)]), later(), later(), later()]);
    let mut round = round(&script, &MemoryStore::new(), &provider);
    for _ in 0..2 {
        round.turn().await.unwrap();
        assert!(round.ready().now_or_never().is_none());
    }
    provider.let_go.add_permits(1);
    round.ready().await;
    round.turn().await.unwrap();
    assert_eq!(ticks(&script, 2), [0]);
    assert!(round.ready().now_or_never().is_none());
    assert_eq!(provider.journal(), ["measure 0 None", "measure 3 None"]);
    round.turn().await.unwrap();
    let kept = ticks(&script, 3);
    assert!(
        kept.is_empty(),
        "what was handed over is not kept: {kept:?}"
    );
}

fn ticks(script: &Script, round: usize) -> Vec<u32> {
    let seen = script.seen();
    seen[round].measurements.iter().map(|m| m.id.tick).collect()
}

#[tokio::test(start_paused = true)]
async fn a_measurement_that_hangs_fails_at_its_deadline_and_an_unknown_provider_at_once() {
    let provider = Provider::new(Outcome::number(1.0));
    let mut strange = other_ask();
    strange.provider = "nobody".to_owned();
    let script = Script::new([wanting(vec![ask(0, None), strange])]);
    let mut round = round(&script, &MemoryStore::new(), &provider);
    round.turn().await.unwrap();
    let start = tokio::time::Instant::now();
    round.ready().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    round.ready().await;
    assert!(start.elapsed() >= Duration::from_secs(30));
    round.turn().await.unwrap();
    let kind = |outcome: &Outcome| match outcome {
        Outcome::Failed(fault) => Some(fault.kind),
        _ => None,
    };
    let seen = script.seen();
    let kinds: Vec<_> = seen[1]
        .measurements
        .iter()
        .map(|m| kind(&m.outcome))
        .collect();
    assert_eq!(kinds, [Some(FaultKind::Timeout), Some(FaultKind::Invalid)]);
}
