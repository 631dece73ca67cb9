//! What a judge in the plan promises, and what traffic it would see.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use gradatim_core::analysis::judge::words::Event;
use gradatim_core::analysis::judge::{Count, Counted, JudgePlan, Undecided};
use gradatim_core::analysis::{LateArg, MetricPlan, RunPlan, fill};
use gradatim_core::id::Digest;
use gradatim_core::measurement::{Ask, MeasurementId, Outcome, Reading, RunKey, Side};
use gradatim_core::plan::{Plan, StepKind};
use gradatim_core::time::Timestamp;
use gradatim_driver::clock::{Clock, SystemClock};
use gradatim_driver::secrets::EnvSecrets;
use serde::Serialize;

use super::super::look::Tone;
use super::super::text::{clean, percent, short};
use super::super::{Output, backends};
use super::failing::entry;

/// What stable served in the time before.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Traffic {
    pub(super) requests_per_second: f64,
    /// 0–1.
    pub(super) error_rate: f64,
    /// Over how many seconds it was counted.
    seconds: f64,
}

impl Traffic {
    /// The error rate, where there is one.
    pub(super) fn known_errors(&self) -> Option<f64> {
        Some(self.error_rate).filter(|rate| *rate > 0.0 && *rate < 1.0)
    }
}

/// Every judge of a plan, with the run that it is part of and where that is.
fn judges(plan: &Plan) -> impl Iterator<Item = (&RunPlan, &MetricPlan, &JudgePlan, String)> {
    let beside = plan.background.iter();
    let beside = beside.map(|it| (&it.run, "beside the steps".to_owned()));
    let steps = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Analysis(run) => Some((run, format!("in step {}", step.index.saturating_add(1)))),
        _ => None,
    });
    let runs = beside.chain(steps);
    runs.flat_map(|(run, place)| {
        let metrics = run.metrics.iter();
        metrics.filter_map(move |metric| {
            let judge = metric.judge.as_deref()?;
            Some((run, metric, judge, place.clone()))
        })
    })
}

/// Reads what stable served in the last ten minutes through the part of the plan's first judge.
///
/// # Errors
/// Why nothing is known, in words.
pub(super) async fn traffic(
    plan: &Plan,
    prometheus: &str,
    args: &[(String, String)],
) -> Result<Traffic, String> {
    let Some((run, metric, ..)) = judges(plan).next() else {
        return Err("there is no judge whose counters could be read".to_owned());
    };
    let mut values: BTreeMap<String, String> = args.iter().cloned().collect();
    for (name, late) in &run.late_args {
        match late {
            _ if values.contains_key(name) => {}
            // Nobody knows the new version yet, and it is not asked for.
            LateArg::LatestHash => drop(values.insert(name.clone(), "-".to_owned())),
            _ => return Err(format!("the judge needs {name}: add --arg {name}=…")),
        }
    }
    let now = SystemClock::new().now();
    let ask = Ask {
        id: MeasurementId {
            incarnation: 1,
            revision: "explain".into(),
            attempt: 1,
            run: RunKey::Background,
            metric: metric.name.clone(),
            digest: Digest::of(&metric.query),
            tick: 0,
            retry: 0,
        },
        provider: metric.provider.clone(),
        query: fill(&metric.query, &values),
        window: JudgePlan::HISTORY,
        at: now,
        handle: None,
    };
    let registry = backends::asking(Some(prometheus), None);
    let secrets = Arc::new(EnvSecrets::new(backends::SECRETS));
    let provider = registry.build_provider(&metric.provider, secrets);
    let provider = provider.map_err(|error| error.to_string())?;
    match provider.measure(&ask).await {
        Ok(Outcome::Done {
            reading: Reading::Counters(all),
            ..
        }) => counted(&Counted::of(&all), now),
        Ok(_) => Err("the answer is no raw counters".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn counted(counted: &Counted<'_>, now: Timestamp) -> Result<Traffic, String> {
    let from = now - JudgePlan::HISTORY;
    let oldest = counted.oldest().map_or(from, |oldest| oldest.max(from));
    let seconds = counted
        .newest(now)
        .map_or(0.0, |newest| newest.since(oldest).as_secs_f64());
    let stable: Count = counted.total(Side::Stable, &Event::Errors, oldest, now);
    if stable.requests == 0 || seconds <= 0.0 {
        return Err("stable served no request in the last 10 minutes that is counted".to_owned());
    }
    Ok(Traffic {
        requests_per_second: stable.requests as f64 / seconds,
        error_rate: stable.rate().unwrap_or_default(),
        seconds,
    })
}

/// Writes what was found.
pub(super) fn write_traffic(found: &Traffic, out: &mut Output<'_>) -> io::Result<()> {
    let failed = match found.error_rate > 0.0 {
        true => percent(found.error_rate),
        false => "none".to_owned(),
    };
    let text = format!(
        "{:.1} requests a second and {failed} of them failed, counted over {:.0} s",
        found.requests_per_second, found.seconds
    );
    entry(out, "stable now", &text)
}

/// Writes what each judge of a plan promises.
pub(super) fn write(plan: &Plan, out: &mut Output<'_>) -> io::Result<()> {
    for (_, metric, judge, place) in judges(plan) {
        writeln!(out)?;
        let head = format!("What {} does {place}", clean(metric.name.as_str()));
        let head = out.look().paint(Tone::Strong, &head).to_string();
        writeln!(out, "{head}")?;
        for (label, text) in promises(judge) {
            entry(out, label, &text)?;
        }
    }
    Ok(())
}

fn promises(judge: &JudgePlan) -> [(&'static str, String); 4] {
    let stop = format!(
        "a version that is proved worse: from {} times as many failed requests as stable in the \
         same seconds, or {} times as many slow ones. Of 100 good releases at most {} is taken \
         back by chance, however often it looks",
        judge.stop_errors,
        judge.stop_slow,
        round(judge.max_false_rollback.get() * 100.0)
    );
    let pass = format!(
        "a version that is proved, {} sure, to be less than {} times worse, or to fail fewer than \
         {} of its requests",
        percent(judge.sure.get()),
        judge.not_worse_than,
        percent(judge.or_below.get())
    );
    let then = match judge.undecided {
        Undecided::Hold => "it waits: for more data, or for a person",
        Undecided::Proceed => "the release goes on, unproved",
        Undecided::RollBack => "the traffic is taken back",
    };
    let undecided = match judge.extend.is_zero() {
        true => format!("where neither is proved, {then}"),
        false => format!(
            "where neither is proved, it counts {} longer; then {then}",
            short(judge.extend)
        ),
    };
    let blind = format!(
        "nothing goes on after {} without a scrape; that alone takes nothing back",
        short(judge.missing_after)
    );
    [
        ("takes back", stop),
        ("lets pass", pass),
        ("else", undecided),
        ("blind", blind),
    ]
}

fn round(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
