//! What a forecast says, in words.

use std::time::Duration;

use gradatim_core::measurement::GatePoint;
use gradatim_core::plan::forecast::{FailsAt, Hold, MetricForecast, Moment, What};

use super::super::text::{clean, clock, count, ordinal, short};

/// What a step waits for: one line for each metric, and one for the rest.
pub(super) fn holds(what: What, holds: &[Hold]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for hold in holds {
        match hold {
            Hold::Gate { point, name } => words.push(gate(*point, name)),
            Hold::Pods { pods } => words.push(format!("{} available", count_u32(*pods, "new pod"))),
            Hold::StablePods { pods } => {
                words.push(format!("{} left", count_u32(*pods, "old pod")))
            }
            Hold::Route => words.push(route(what).to_owned()),
            Hold::Evidence { bake } => {
                words.push(format!(
                    "evidence that it is good enough, {} at least",
                    short(*bake)
                ));
            }
            Hold::Pause { duration: Some(it) } => words.push(format!("pause {}", short(*it))),
            Hold::Pause { duration: None } => words.push("until somebody promotes".to_owned()),
            Hold::Analysis { metrics } => lines.extend(metrics.iter().map(metric)),
            _ => {}
        }
    }
    if words.is_empty() && lines.is_empty() {
        words.push(at_once(what).to_owned());
    }
    if !words.is_empty() {
        lines.insert(0, words.join(", "));
    }
    lines.join("\n")
}

/// What a step does that waits for nothing.
fn at_once(what: What) -> &'static str {
    match what {
        What::Scale => "the pods follow from here on",
        What::Promotion => "nothing more",
        _ => "nothing",
    }
}

fn count_u32(number: u32, word: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), word)
}

fn gate(point: Option<GatePoint>, name: &str) -> String {
    let name = clean(name);
    match point {
        None => format!("gate {name}"),
        Some(GatePoint::BeforeStart) => format!("gate {name} before the start"),
        Some(GatePoint::BeforeRaise) => format!("gate {name} before the raise"),
        Some(GatePoint::BeforePromotion) => format!("gate {name} before the promotion"),
        Some(_) => format!("gate {name}"),
    }
}

fn route(what: What) -> &'static str {
    match what {
        What::Headers => "header route seen",
        What::Mirror => "mirror seen",
        What::Preview => "preview bound",
        What::Switch => "active service switched",
        _ => "weight seen",
    }
}

/// How a metric is measured, and what fails it.
pub(super) fn metric(metric: &MetricForecast) -> String {
    let name = clean(metric.name.as_str());
    let rhythm = match (metric.count, metric.interval) {
        (Some(count), Some(interval)) if count > 1 => format!("{count} × {}", short(interval)),
        (Some(_), _) | (None, None) => "once".to_owned(),
        (None, Some(interval)) => format!("every {}", short(interval)),
    };
    let delay = match metric.initial_delay {
        Duration::ZERO => String::new(),
        delay => format!(" after {}", short(delay)),
    };
    let end = match metric.dry_run {
        true => "only watched".to_owned(),
        false => fails(&metric.fails_at),
    };
    format!("{name} {rhythm}{delay}, {end}")
}

/// What fails a metric.
pub(super) fn fails(at: &[FailsAt]) -> String {
    let words: Vec<_> = at
        .iter()
        .map(|at| match at {
            FailsAt::Failures(1) => "at the first failure".to_owned(),
            FailsAt::Failures(n) => format!("at the {} failure", ordinal(*n)),
            FailsAt::InARow(n) => format!("at {n} failures in a row"),
            FailsAt::For(time) => format!("when failing for {}", short(*time)),
            FailsAt::Evidence => "on evidence that the new version is worse".to_owned(),
            FailsAt::End => "at its end without enough successes in a row".to_owned(),
            _ => "otherwise".to_owned(),
        })
        .collect();
    match words.is_empty() {
        true => "cannot fail".to_owned(),
        false => format!("fails {}", words.join(" or ")),
    }
}

/// A moment: `3:30` since the start, `+3:30` since a pause without end was ended.
pub(super) fn moment(moment: Moment) -> String {
    match moment.pauses {
        0 => clock(moment.at),
        _ => format!("+{}", clock(moment.at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_after_a_pause_without_end_has_a_plus() {
        assert_eq!(moment(Moment::default()), "0:00");
        let at = Duration::from_secs(60);
        assert_eq!(moment(Moment { pauses: 1, at }), "+1:00");
    }
}
