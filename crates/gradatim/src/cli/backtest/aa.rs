//! `gradatim backtest --aa`: stable against itself, so that whatever the judge takes back is a
//! false alarm.

mod replay;
mod report;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use gradatim_core::analysis::MetricPlan;
use gradatim_core::analysis::judge::JudgePlan;
use gradatim_core::id::Digest;
use gradatim_core::measurement::{Ask, Counter, MeasurementId, Outcome, Reading, RunKey};
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;

use self::replay::{Imaginary, Release};
use self::report::{Report, Start};
use super::super::backends::Ready;
use super::super::failure::Failure;
use super::super::{Exit, Io};
use super::{AT_ONCE, Progress, one_by_one};

/// How often a release is looked at, where the metric does not say.
const INTERVAL: Duration = Duration::from_secs(15);

/// Splits stable's pods in two at each start, lets the judge compare the halves, and says how
/// many of these releases it would have taken back.
pub(super) fn run(
    ready: &Ready,
    starts: Vec<Timestamp>,
    json: bool,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let (metric, provider) = counters(ready)?;
    let mut judge = metric.judge.as_deref().cloned().unwrap_or_default();
    judge.scrapes = metric.count.unwrap_or(judge.scrapes).max(1);
    let release = Release {
        interval: metric.interval.unwrap_or(INTERVAL),
        judge,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::undecided(format!("no runtime: {error}")))?;
    let of = async |(index, at): (usize, Timestamp)| {
        let found = match read(metric, &provider, &release, at).await {
            Ok(counters) => replay::replay(&counters, &release, at, index as u64),
            Err(why) => Imaginary::LeftOut(why),
        };
        Start { at, found }
    };
    let all = starts.len();
    let runs = starts.into_iter().enumerate().map(of);
    let ended = runtime.block_on(async {
        let mut runs = std::pin::pin!(futures::stream::iter(runs).buffered(AT_ONCE));
        let mut progress = Progress::new(all);
        one_by_one(&mut runs, &mut progress, io).await
    })?;
    let report = Report::new(&release, ended);
    match json {
        true => report.write_json(&mut io.out)?,
        false => report.write(&mut io.out)?,
    }
    io.out.flush()?;
    Ok(report.exit())
}

/// The metric that reads raw counters.
fn counters(ready: &Ready) -> Result<(&MetricPlan, Arc<dyn MetricProvider>), Failure> {
    let raw =
        |metric: &&MetricPlan| metric.judge.is_some() || metric.query.get("counters").is_some();
    let mut metrics = ready.plan.metrics.iter().filter(raw);
    let Some(metric) = metrics.next() else {
        let failure = Failure::input("no metric here reads raw counters of both sides");
        let help =
            "provider.prometheus.counters: {source: http, workload: …, stable: …, canary: …}";
        return Err(failure.help(help));
    };
    if let Some(other) = metrics.next() {
        let (one, other) = (&metric.name, &other.name);
        let failure = Failure::input(format!("{one} and {other} both read raw counters"));
        return Err(failure.help("choose one with --template"));
    }
    let provider = ready.providers.get(&metric.provider).cloned();
    let provider = provider.filter(|provider| provider.has_history());
    let provider =
        provider.ok_or_else(|| Failure::input(format!("{} has no history", metric.provider)))?;
    Ok((metric, provider))
}

/// What was counted up to the end of a release that starts at an instant.
async fn read(
    metric: &MetricPlan,
    provider: &Arc<dyn MetricProvider>,
    release: &Release,
    at: Timestamp,
) -> Result<Vec<Counter>, String> {
    let ask = Ask {
        id: MeasurementId {
            incarnation: 1,
            revision: "stable".into(),
            attempt: 1,
            run: RunKey::Background,
            metric: metric.name.clone(),
            digest: Digest::of(&metric.query),
            tick: 0,
            retry: 0,
        },
        provider: metric.provider.clone(),
        query: metric.query.clone(),
        window: JudgePlan::HISTORY + release.length(),
        at: at + release.length(),
        handle: None,
    };
    match provider.measure(&ask).await {
        Ok(Outcome::Done {
            reading: Reading::Counters(counters),
            ..
        }) => Ok(counters),
        Ok(_) => Err("the answer is no raw counters".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
