//! A policy of your own around the library's, tried in the simulation before anybody meets it.
//!
//! ```text
//! cargo run --example own_policy
//! ```
//!
//! The policy raises nothing outside of office hours. It does so by what it lets the library see:
//! at night the rollout looks as if its user had paused it. So everything else stays the
//! library's: analyses go on, pods still follow the replica count, and a version that turns bad
//! at three in the morning is taken back at three in the morning.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use gradatim::compile;
use gradatim::decision::{Decision, Saved};
use gradatim::observation::{Observation, Read};
use gradatim::plan::Plan;
use gradatim::policy::{Policy, Standard};
use gradatim::sim::{Measure, Report, Simulation, Version, What};
use gradatim::spec::{
    AnalysisTemplate, CanarySpec, MetricSpec, Provider, RolloutAnalysis, RolloutSpec, StepSpec,
    TrafficRouting,
};
use gradatim::time::Timestamp;
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

/// Raises nothing outside of these hours of the day, in UTC.
struct OfficeHours {
    opens: i64,
    closes: i64,
}

impl OfficeHours {
    /// When the office opens next; none while it is open.
    fn opening(&self, now: Timestamp) -> Option<Timestamp> {
        let hour_of_day = now.as_millis().div_euclid(3_600_000).rem_euclid(24);
        if (self.opens..self.closes).contains(&hour_of_day) {
            return None;
        }
        let days = now.as_millis().div_euclid(86_400_000) + i64::from(hour_of_day >= self.closes);
        Some(Timestamp::from_secs(days * 86_400 + self.opens * 3600))
    }
}

impl Policy for OfficeHours {
    fn decide(
        &self,
        plan: &Plan,
        saved: &Saved,
        observation: &Observation,
        now: Timestamp,
    ) -> Decision {
        let Some(opening) = self.opening(now) else {
            return Standard.decide(plan, saved, observation, now);
        };
        let mut paused = observation.clone();
        if let Read::Seen(workload) = &mut paused.workload {
            workload.paused = true;
        }
        let mut decision = Standard.decide(plan, saved, &paused, now);
        // A policy is asked only when something happens: the morning has to be asked for.
        let wake = decision.wake.map_or(opening, |wake| wake.min(opening));
        decision.wake = Some(wake);
        decision
    }
}

/// What a manifest would say: 10, 25 and 50 %, three quarters of an hour each.
fn plan() -> Result<Plan, Box<dyn Error>> {
    let steps = [10, 25, 50].map(|weight| {
        let pause = StepSpec::pause_for(HOUR * 3 / 4);
        [StepSpec::set_weight(weight), pause]
    });
    let canary = CanarySpec::new(steps.into_iter().flatten())
        .with_traffic_routing(TrafficRouting::new("nginx", json!({})))
        .with_analysis(RolloutAnalysis::new(["success"]));
    let success = MetricSpec::new("success-rate", Provider::new("prometheus", json!({})))
        .with_interval("1m")
        .with_success("len(result) == 0 || isNaN(result[0]) || result[0] >= 0.95");
    let template = AnalysisTemplate::new("success", [success]);
    let spec = RolloutSpec::new("shop", canary).with_replicas(10);
    Ok(compile(&spec, &[template], &gradatim::sim::registry())?.plan)
}

/// A release that begins at 16:00, for the simulation begins at noon.
fn simulate(version: Version) -> Result<Report, Box<dyn Error>> {
    let policy = OfficeHours {
        opens: 9,
        closes: 17,
    };
    let report = Simulation::new(plan()?)
        .policy(Arc::new(policy))
        .metric("success-rate", Measure::success_rate())
        .version("v2", version)
        .deploy(HOUR * 4, "v2")
        .until(HOUR * 36)
        .run();
    Ok(report)
}

fn show(report: &Report) {
    for fact in &report.facts {
        let minutes = fact.at.as_secs() / 60 + 12 * 60;
        let (day, hour, minute) = (minutes / 1440 + 1, minutes / 60 % 24, minutes % 60);
        if let What::Weight { weight, .. } = &fact.what {
            println!("  day {day}, {hour:02}:{minute:02}  {weight:>3} %");
        }
    }
    println!("  {}", report.outcome);
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("A good version, released at 16:00:");
    show(&simulate(Version::healthy())?);
    println!("One that turns bad at three in the morning:");
    let bad = Version::healthy().then(HOUR * 15, Version::failing(0.2));
    show(&simulate(bad)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hours, from midnight of the first day on, at which a weight was wanted.
    fn raises(report: &Report) -> Vec<(u64, u32)> {
        let weights = report.facts.iter().filter_map(|fact| match fact.what {
            What::Weight { weight, .. } => Some((fact.at.as_secs() / 3600 + 12, weight)),
            _ => None,
        });
        weights.collect()
    }

    #[test]
    fn a_good_version_rises_by_day_alone_and_arrives() {
        let report = simulate(Version::healthy()).unwrap();
        assert!(report.outcome.is_promoted(), "{}", report.outcome);
        let raises = raises(&report);
        let nightly = raises
            .iter()
            .filter(|(hour, _)| !(9..17).contains(&(hour % 24)));
        assert_eq!(nightly.count(), 0, "{raises:?}");
    }

    #[test]
    fn a_version_that_turns_bad_at_night_is_taken_back_at_night() {
        let bad = Version::healthy().then(HOUR * 15, Version::failing(0.2));
        let report = simulate(bad).unwrap();
        assert!(report.outcome.is_rolled_back(), "{}", report.outcome);
        assert_eq!(raises(&report).last(), Some(&(27, 0)));
    }

    #[test]
    fn the_office_opens_this_morning_or_the_next() {
        let office = OfficeHours {
            opens: 9,
            closes: 17,
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(office.opening(at("2026-01-01T09:00:00Z")), None);
        assert_eq!(office.opening(at("2026-01-01T16:59:59Z")), None);
        let next = Some(at("2026-01-02T09:00:00Z"));
        assert_eq!(office.opening(at("2026-01-01T17:00:00Z")), next);
        assert_eq!(office.opening(at("2026-01-02T00:00:00Z")), next);
    }
}
