//! The table of the steps.

use std::io::{self, Write};
use std::time::Duration;

use gradatim_core::plan::StrategyKind;
use gradatim_core::plan::forecast::{Forecast, StepForecast, What};
use gradatim_core::registry::SERVICES;

use super::super::Output;
use super::super::look::Tone;
use super::super::table::{Side, Table};
use super::super::text::{clean, count, percent, short, wrap};
use super::Explained;
use super::words::{holds, metric, moment};

/// Writes what the rollout is, and its steps.
pub(super) fn write(explained: &Explained<'_>, out: &mut Output<'_>) -> io::Result<()> {
    title(explained, out)?;
    writeln!(out)?;
    if explained.forecast.assumed.replicas == 0 {
        return writeln!(
            out,
            "  no replicas are wanted: a release waits until there are some"
        );
    }
    steps(explained, out)?;
    background(&explained.forecast, out)?;
    footnote(&explained.forecast, out)
}

fn title(explained: &Explained<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let plan = &explained.rollout.compiled.plan;
    let forecast = &explained.forecast;
    let routers: Vec<_> = plan
        .routers
        .iter()
        .filter(|it| it.name != SERVICES)
        .collect();
    let routers: Vec<_> = routers.iter().map(|it| clean(&it.name)).collect();
    let replicas = usize::try_from(forecast.assumed.replicas).unwrap_or(usize::MAX);
    let strategy = match forecast.strategy {
        StrategyKind::Canary if plan.steps.is_empty() => "canary without steps",
        StrategyKind::Canary => "canary",
        StrategyKind::BlueGreen => "blue-green",
        StrategyKind::RollingUpdate => "rolling update",
    };
    let traffic = match (forecast.strategy, routers.is_empty()) {
        (StrategyKind::BlueGreen, _) => "services".to_owned(),
        (_, true) => "no router, pods make the share".to_owned(),
        (_, false) => routers.join(" and "),
    };
    let stable = match (plan.splits(), plan.dynamic_stable_scale) {
        (false, _) => None,
        (true, true) => Some("stable shrinks as the canary grows"),
        (true, false) => Some("stable keeps all its pods"),
    };
    let mut parts = vec![strategy.to_owned(), traffic, count(replicas, "replica")];
    parts.extend(stable.map(str::to_owned));
    let look = out.look();
    let name = look.paint(Tone::Strong, clean(plan.name.as_str()));
    writeln!(out, "{name} · {}", parts.join(" · "))
}

fn steps(explained: &Explained<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let forecast = &explained.forecast;
    let by_pods =
        !explained.rollout.compiled.plan.splits() && forecast.strategy != StrategyKind::BlueGreen;
    let mut table = Table::new();
    table.column("step", Side::Right);
    table.column("weight", Side::Right);
    if by_pods {
        table.column("by pods", Side::Right);
    }
    table.column("pods", Side::Right);
    table.column("earliest", Side::Right);
    table.column("latest", Side::Right);
    table.column("held by", Side::Left);
    let mut last = None;
    for row in &forecast.steps {
        let mut cells = vec![label(row, &mut last)];
        let weight = percent(f64::from(row.weight) / f64::from(forecast.total.max(1)));
        cells.push(match row.what {
            What::Pace => format!("≤ {weight}"),
            _ => weight,
        });
        if by_pods {
            cells.push(share(row).map_or_else(|| "–".to_owned(), percent));
        }
        cells.push(format!("{} + {}", row.canary_pods, row.stable_pods));
        cells.push(moment(row.from.first()));
        cells.push(moment(row.from.last()));
        cells.push(holds(row.what, &row.held_by));
        table.row(cells);
    }
    table.write(out)?;
    let promoted = moment(forecast.promoted.first());
    let line = format!(
        "  promoted at {promoted} at the earliest{}",
        leaving(explained)
    );
    let look = out.look();
    for line in wrap_indented(&line, look.width) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn leaving(explained: &Explained<'_>) -> String {
    let plan = &explained.rollout.compiled.plan;
    let routed = plan.splits() || plan.strategy == StrategyKind::BlueGreen;
    match plan.scale_down_delay {
        _ if !routed || plan.dynamic_stable_scale => String::new(),
        delay => format!("; the old pods go {} later", short(delay)),
    }
}

/// The number of the user's step, once, or a word for what has none.
fn label(row: &StepForecast, last: &mut Option<u32>) -> String {
    let word = match row.what {
        What::Preview => "preview",
        What::Switch => "switch",
        What::Promotion => "promotion",
        What::Analysis => "analysis",
        What::Pause => "pause",
        _ => "",
    };
    match row.step {
        None => word.to_owned(),
        Some(step) if last.replace(step) == Some(step) => String::new(),
        Some(step) => step.saturating_add(1).to_string(),
    }
}

fn share(row: &StepForecast) -> Option<f64> {
    let pods = f64::from(row.canary_pods) + f64::from(row.stable_pods);
    (pods > 0.0).then(|| f64::from(row.canary_pods) / pods)
}

fn background(forecast: &Forecast, out: &mut Output<'_>) -> io::Result<()> {
    let Some(background) = &forecast.background else {
        return Ok(());
    };
    let from = match background.starting_step {
        0 => "from the start".to_owned(),
        step => format!("from step {} on", step.saturating_add(1)),
    };
    writeln!(out)?;
    writeln!(out, "  beside the steps, {from}:")?;
    let width = out.look().width;
    for it in &background.metrics {
        for line in wrap(&metric(it), width.saturating_sub(4)) {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

/// What the two columns of time take for granted.
fn footnote(forecast: &Forecast, out: &mut Output<'_>) -> io::Result<()> {
    let pods = match forecast.assumed.pod_start {
        Duration::ZERO => "new pods are available at once".to_owned(),
        time => format!("new pods are available after {}", short(time)),
    };
    let overdue = match forecast.deadline_aborts {
        true => "is taken back",
        false => "is Degraded and goes on waiting",
    };
    let deadline = short(forecast.progress_deadline);
    let plus = match forecast.promoted.pauses {
        0 => "",
        _ => " A + counts from when somebody ends the pause.",
    };
    let line = format!(
        "  Pods are new + old. Earliest: {pods} and every measurement passes. Latest: every wait \
         lasts to its deadline of {deadline}, after which the release {overdue}.{plus}"
    );
    writeln!(out)?;
    let look = out.look();
    for line in wrap_indented(&line, look.width) {
        writeln!(out, "{}", look.paint(Tone::Faint, line))?;
    }
    Ok(())
}

/// Lines that all begin two columns in.
fn wrap_indented(line: &str, width: usize) -> Vec<String> {
    let lines = wrap(line, width - 2).into_iter();
    lines.map(|line| format!("  {line}")).collect()
}
