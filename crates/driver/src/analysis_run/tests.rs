use std::sync::Mutex;

use async_trait::async_trait;
use gradatim_core::analysis::{AnalysisPhase, MetricPlan};
use gradatim_core::condition::Condition;
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Reading, WorkPhase};
use gradatim_core::port::PortError;
use serde_json::Value;

use super::*;

/// Answers from a list, the last answer for ever.
struct List(Mutex<Vec<Result<Outcome, FaultKind>>>, Mutex<Vec<Ask>>);

impl List {
    fn new(answers: Vec<Result<Outcome, FaultKind>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answers), Mutex::default()))
    }
}

#[async_trait]
impl MetricProvider for List {
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        self.1.lock().unwrap().push(ask.clone());
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        };
        answer.map_err(|kind| PortError::new(kind, "no answer"))
    }
}

fn plan(count: u32) -> RunPlan {
    let metric = MetricPlan {
        interval: Some(Duration::from_secs(30)),
        count: Some(count),
        success: Some(Condition::parse("result >= 0.95").unwrap()),
        ..MetricPlan::new("success-rate", "list", Value::Null)
    };
    RunPlan {
        metrics: vec![metric.sealed()],
        ..RunPlan::default()
    }
}

async fn end(plan: RunPlan, provider: Arc<List>) -> RunState {
    let mut run = AnalysisRun::new(plan).provider("list", provider);
    while !run.state().phase.is_final() {
        run.step().await;
    }
    run.state().clone()
}

#[tokio::test(start_paused = true)]
async fn a_run_is_measured_on_its_grid_to_its_end() {
    let list = List::new(vec![Ok(Outcome::number(0.99))]);
    let ended = end(plan(3), Arc::clone(&list)).await;
    assert_eq!(ended.phase, AnalysisPhase::Successful, "{ended:?}");
    let asks = list.1.lock().unwrap();
    let at: Vec<u64> = asks
        .iter()
        .map(|ask| ask.at.since(asks[0].at).as_secs())
        .collect();
    assert_eq!(at, [0, 30, 60]);
}

#[tokio::test(start_paused = true)]
async fn one_failure_over_the_limit_ends_it_and_errors_are_asked_again() {
    let list = List::new(vec![
        Err(FaultKind::Unreachable),
        Ok(Outcome::number(0.99)),
        Ok(Outcome::number(0.5)),
    ]);
    let ended = end(plan(5), Arc::clone(&list)).await;
    assert_eq!(ended.phase, AnalysisPhase::Failed, "{ended:?}");
    let metric = &ended.metrics[0];
    assert_eq!((metric.error, metric.successful, metric.failed), (1, 1, 1));
    assert_eq!(list.1.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_runs_on_is_asked_for_with_its_handle_until_it_ends() {
    let running = Outcome::Running {
        handle: "pid 7".to_owned(),
        ask_again_at: Timestamp::ZERO,
    };
    let done = Outcome::done(Reading::Work {
        phase: WorkPhase::Successful,
        text: "well".to_owned(),
    });
    let mut plan = plan(1);
    plan.metrics[0].success = None;
    plan.metrics[0] = plan.metrics[0].clone().sealed();
    let list = List::new(vec![Ok(running.clone()), Ok(running), Ok(done)]);
    let ended = end(plan, Arc::clone(&list)).await;
    assert_eq!(ended.phase, AnalysisPhase::Successful, "{ended:?}");
    let asks = list.1.lock().unwrap();
    let handles: Vec<_> = asks.iter().map(|ask| ask.handle.as_deref()).collect();
    assert_eq!(handles, [None, Some("pid 7"), Some("pid 7")]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_there_makes_an_error_and_no_pass() {
    let mut run = AnalysisRun::new(plan(1));
    while !run.state().phase.is_final() {
        run.step().await;
    }
    assert_eq!(run.state().phase, AnalysisPhase::Error);
}

#[tokio::test]
async fn on_recorded_data_nothing_is_waited_for() {
    let list = List::new(vec![Ok(Outcome::number(0.99))]);
    let past = Timestamp::from_secs(1_000_000);
    let provider = Arc::clone(&list);
    let mut run = AnalysisRun::new(plan(1000))
        .provider("list", provider)
        .at(past);
    while !run.state().phase.is_final() {
        run.step().await;
    }
    assert_eq!(run.state().phase, AnalysisPhase::Successful);
    let asks = list.1.lock().unwrap();
    assert_eq!(
        asks.last().map(|ask| ask.at),
        Some(past + Duration::from_secs(999 * 30))
    );
}

/// Always fails, and knows why.
struct Lines;

#[async_trait]
impl MetricProvider for Lines {
    async fn measure(&self, _: &Ask) -> Result<Outcome, PortError> {
        Ok(Outcome::number(0.5))
    }

    async fn evidence(
        &self,
        query: &Value,
        _: Timestamp,
        window: Duration,
        most: usize,
    ) -> Result<Vec<String>, PortError> {
        Ok(vec![format!("{query} over {window:?}, at most {most}")])
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_failed_says_what_the_lines_say() {
    let mut plan = plan(3);
    let metric = &mut plan.metrics[0];
    metric.provider = "lines".to_owned();
    metric.evidence = Some(serde_json::json!({"lines": "why"}));
    metric.window = Duration::from_secs(30);
    *metric = metric.clone().sealed();
    let mut run = AnalysisRun::new(plan).provider("lines", Arc::new(Lines));
    while !run.state().phase.is_final() {
        run.step().await;
    }
    let evidence = run.evidence().await;
    assert_eq!(evidence[0].metric.as_str(), "success-rate");
    assert_eq!(evidence[0].lines, ["\"why\" over 30s, at most 5"]);
}
