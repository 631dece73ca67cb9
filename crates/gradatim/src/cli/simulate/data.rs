//! A report as JSON, one object a line.

use std::io::{self, Write};

use gradatim_sim::script::Unmet;
use gradatim_sim::{Report, Tally};
use serde_json::{Value, json};

use crate::cli::Output;
use crate::cli::input::Rollout;

/// Writes every fact and then the outcome.
pub(super) fn write(
    out: &mut Output<'_>,
    rollout: &Rollout,
    report: &Report,
    unmet: &[Unmet],
) -> io::Result<()> {
    let name = rollout.compiled.plan.name.to_string();
    for fact in &report.facts {
        let mut fact = json!({"rollout": name, "at": fact.at, "what": fact.what});
        in_seconds(&mut fact);
        writeln!(out, "{fact}")?;
    }
    let mut outcome = outcome(&name, report, unmet);
    in_seconds(&mut outcome);
    writeln!(out, "{outcome}")
}

/// Every duration as a number of seconds.
fn in_seconds(value: &mut Value) {
    let parts = (value.get("secs"), value.get("nanos"));
    if let (Some(secs), Some(nanos)) = (
        parts.0.and_then(Value::as_f64),
        parts.1.and_then(Value::as_f64),
    ) {
        *value = json!(secs + nanos / 1e9);
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(in_seconds),
        Value::Object(fields) => fields.values_mut().for_each(in_seconds),
        _ => {}
    }
}

fn outcome(name: &str, report: &Report, unmet: &[Unmet]) -> Value {
    let versions = report.versions.iter().map(|version| {
        json!({
            "version": version.revision,
            "tally": tally(&version.tally),
            "firstFailure": version.first_failure,
            "harm": version.harm,
        })
    });
    let guesses = report.guesses.iter();
    let guesses = guesses.map(|guess| json!({"metric": guess.metric, "measures": guess.measure}));
    let unmet = unmet.iter();
    let unmet = unmet.map(|one| json!({"line": one.place.line, "message": one.message}));
    json!({
        "rollout": name,
        "outcome": report.outcome,
        "took": report.took,
        "lasted": report.lasted,
        "seed": report.seed,
        "rounds": report.checked,
        "users": tally(&report.users),
        "versions": versions.collect::<Vec<_>>(),
        "violations": report.violations,
        "guesses": guesses.collect::<Vec<_>>(),
        "unmet": unmet.collect::<Vec<_>>(),
    })
}

fn tally(tally: &Tally) -> Value {
    json!({
        "requests": tally.requests,
        "failed": tally.failed,
        "failedBeyond": tally.failed_beyond,
        "mirrored": tally.mirrored,
        "mirroredFailed": tally.mirrored_failed,
    })
}
