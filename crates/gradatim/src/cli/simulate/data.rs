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
        let fact = json!({"rollout": name, "at": fact.at.as_secs_f64(), "what": fact.what});
        writeln!(out, "{fact}")?;
    }
    writeln!(out, "{}", outcome(&name, report, unmet))
}

fn outcome(name: &str, report: &Report, unmet: &[Unmet]) -> Value {
    let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64());
    let versions = report.versions.iter().map(|version| {
        json!({
            "version": version.revision,
            "tally": tally(&version.tally),
            "firstFailure": seconds(version.first_failure),
            "harm": seconds(version.harm),
        })
    });
    let guesses = report.guesses.iter();
    let guesses = guesses.map(|guess| json!({"metric": guess.metric, "measures": guess.measure}));
    let unmet = unmet.iter();
    let unmet = unmet.map(|one| json!({"line": one.place.line, "message": one.message}));
    json!({
        "rollout": name,
        "outcome": report.outcome,
        "took": report.took.as_secs_f64(),
        "lasted": report.lasted.as_secs_f64(),
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
