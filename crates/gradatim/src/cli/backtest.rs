//! `gradatim backtest`: an analysis over recorded history, as if a release had started every hour.

mod aa;
mod picture;
mod report;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use gradatim_core::analysis::{AnalysisPhase, MetricPlan, judge};
use gradatim_core::go_duration;
use gradatim_core::measurement::{Measurement, Outcome, Reading};
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;
use gradatim_driver::AnalysisRun;

use self::picture::Point;
use self::report::{Report, Start};
use super::backends::{Analysis, Ready};
use super::diagnostics;
use super::failure::Failure;
use super::look::Tone;
use super::{Exit, Io, judged, svg, text};

/// How many starts are measured at once.
const AT_ONCE: usize = 8;
/// The most starts of one backtest.
const MOST: usize = 100_000;

/// Try analysis templates on recorded history, as if a release had started every hour
///
/// Says how many of those releases would have been taken back, by which metric, when and with
/// which values. Without an argument that points at what was bad then, every release counts as a
/// good one, so that each of them is a false alarm. Metrics whose provider has no history are left
/// out by name. Exits with 0 when it has an answer, whatever that is.
#[derive(Debug, clap::Args)]
pub(super) struct Backtest {
    #[command(flatten)]
    analysis: Analysis,
    /// The first start (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Timestamp,
    /// No start after this (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Timestamp,
    /// The time between two starts
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = go_duration::parse_non_negative)]
    every: Duration,
    /// Compare stable with itself: split its pods in two at each start, call one half the canary,
    /// and say how many of these releases the judge would have taken back. Needs one metric that
    /// reads raw counters; its interval and count say how often and how long a release is looked
    /// at (15 s and 60 times)
    #[arg(long)]
    aa: bool,
    /// Write a picture of the metrics, their bounds and how each start ended
    #[arg(long, value_name = "FILE", conflicts_with = "aa")]
    svg: Option<PathBuf>,
    /// Write the same as data
    #[arg(long)]
    json: bool,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let wanted = |_| "an instant such as 2026-10-01T00:00:00Z is wanted".to_owned();
    text.parse().map_err(wanted)
}

impl Backtest {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let starts = self.starts()?;
        let mut ready = self.analysis.ready(io)?;
        if self.aa {
            return aa::run(&ready, starts, self.json, io);
        }
        let skipped = without_history(&mut ready);
        for (name, provider) in &skipped {
            let note = format!("{name} is left out: {provider} has no history");
            diagnostics::note(&mut io.err, &note)?;
        }
        if ready.plan.metrics.is_empty() {
            return Err(Failure::input("no metric is left that has a history"));
        }
        judged::end(&mut ready.plan, io)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::undecided(format!("no runtime: {error}")))?;
        let ended = runtime.block_on(measure(&ready, starts, self.svg.is_some(), io))?;
        let report = Report::new(self.every, ended);
        if let Some(path) = &self.svg {
            svg::write(path, &picture::draw(&ready.plan, &report))?;
        }
        match self.json {
            true => report.write_json(&mut io.out)?,
            false => report.write(&mut io.out)?,
        }
        io.out.flush()?;
        Ok(Exit::Good)
    }

    fn starts(&self) -> Result<Vec<Timestamp>, Failure> {
        if self.from > self.to {
            return Err(Failure::input("--from is after --to"));
        }
        if self.every.is_zero() {
            return Err(Failure::input("--every is above zero"));
        }
        let count = self.to.since(self.from).as_millis() / self.every.as_millis().max(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count >= MOST {
            let failure = Failure::input(format!("these would be more than {MOST} starts"));
            return Err(failure.help("a longer --every, or a shorter time"));
        }
        let at = |index: usize| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.from + self.every.saturating_mul(index)
        };
        Ok((0..=count).map(at).collect())
    }
}

/// Takes the metrics out that nobody can measure in the past; says which, and whose they are.
fn without_history(ready: &mut Ready) -> Vec<(String, String)> {
    let mut skipped = Vec::new();
    let providers = &ready.providers;
    ready.plan.metrics.retain(|metric| {
        let provider = providers.get(&metric.provider).map(Arc::as_ref);
        let has = provider.is_some_and(MetricProvider::has_history);
        if !has {
            skipped.push((metric.name.to_string(), metric.provider.clone()));
        }
        has
    });
    skipped
}

async fn measure(
    ready: &Ready,
    starts: Vec<Timestamp>,
    drawn: bool,
    io: &mut Io<'_>,
) -> Result<Vec<Start>, Failure> {
    let all = starts.len();
    let runs = starts.into_iter().map(|at| one(ready, at, drawn));
    let mut runs = std::pin::pin!(futures::stream::iter(runs).buffered(AT_ONCE));
    one_by_one(&mut runs, &mut Progress::new(all), io).await
}

/// All of them in order, while a person sees how far it is and may stop it.
async fn one_by_one<T>(
    runs: &mut (impl Stream<Item = T> + Unpin),
    progress: &mut Progress,
    io: &mut Io<'_>,
) -> Result<Vec<T>, Failure> {
    let mut ended = Vec::with_capacity(progress.all);
    loop {
        tokio::select! {
            start = runs.next() => match start {
                Some(start) => ended.push(start),
                None => break,
            },
            Ok(()) = tokio::signal::ctrl_c() => {
                progress.clear(io)?;
                return Err(Failure::undecided("interrupted before the last start"));
            }
        }
        progress.show(ended.len(), io)?;
    }
    progress.clear(io)?;
    Ok(ended)
}

/// One start, measured to its end; what was measured is kept where it is to be drawn.
async fn one(ready: &Ready, at: Timestamp, drawn: bool) -> Start {
    let mut run = AnalysisRun::new(ready.plan.clone()).at(at);
    for (name, provider) in &ready.providers {
        run = run.provider(name, Arc::clone(provider));
    }
    let (mut end, mut points) = (at, Vec::new());
    while !run.state().phase.is_final() {
        run.step().await;
        end = run
            .measured()
            .iter()
            .map(|it| it.at)
            .fold(end, Timestamp::max);
        if drawn {
            let measured = run.measured().iter();
            points.extend(measured.filter_map(|it| point(&run, it)));
        }
    }
    let state = run.state();
    let decisive = state.metrics.iter().zip(&run.plan().metrics);
    let decisive = decisive.filter(|(metric, plan)| decides(state.phase, metric.phase, plan));
    let decisive: BTreeMap<String, String> = decisive
        .map(|(metric, plan)| {
            let words = judged::words(plan, metric);
            let words = words.unwrap_or_else(|| metric.last.clone());
            (metric.name.to_string(), words)
        })
        .collect();
    Start {
        at,
        phase: state.phase,
        after: end.since(at),
        decisive,
        points,
    }
}

/// A measurement as a number: the first one, where there are several, and a judge's evidence.
fn point(run: &AnalysisRun, measurement: &Measurement) -> Option<Point> {
    let Outcome::Done { reading, .. } = &measurement.outcome else {
        return None;
    };
    let plans = run.plan().metrics.iter();
    let mut metrics = plans.zip(&run.state().metrics).enumerate();
    let (metric, (plan, state)) = metrics.find(|(_, (it, _))| it.name == measurement.id.metric)?;
    let (value, phase) = match reading {
        _ if plan.judge.is_some() => (judged::evidence(plan, state)?, state.phase),
        reading => (number(reading)?, judge(plan, reading).phase),
    };
    Some(Point {
        metric,
        at: measurement.at,
        value,
        failed: phase == AnalysisPhase::Failed,
    })
}

fn number(reading: &Reading) -> Option<f64> {
    match reading {
        Reading::Number(number) => Some(number.get()),
        Reading::Series(series) => {
            let mut samples = series.iter().flat_map(|it| &it.samples);
            Some(samples.next()?.value.get())
        }
        Reading::Json(json) => json.as_f64(),
        _ => None,
    }
}

/// Whether a metric is why the run ended so.
fn decides(run: AnalysisPhase, metric: AnalysisPhase, plan: &MetricPlan) -> bool {
    run != AnalysisPhase::Successful && metric == run && !plan.dry_run
}

/// How far it is, on a terminal.
struct Progress {
    all: usize,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { all, shown: false }
    }

    fn show(&mut self, done: usize, io: &mut Io<'_>) -> std::io::Result<()> {
        let look = io.err.look();
        if !look.redraw {
            return Ok(());
        }
        self.shown = true;
        let text = format!("{done} of {}", text::count(self.all, "start"));
        write!(io.err, "\r\x1b[K{}", look.paint(Tone::Faint, text))?;
        io.err.flush()
    }

    fn clear(&self, io: &mut Io<'_>) -> std::io::Result<()> {
        if self.shown {
            write!(io.err, "\r\x1b[K")?;
            io.err.flush()?;
        }
        Ok(())
    }
}
