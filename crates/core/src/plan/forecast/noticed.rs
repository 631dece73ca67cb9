//! What a judge that compares both versions could notice in a release, before it starts.

use serde::Serialize;

use super::timeline::StepForecast;
use super::{Assumed, timeline};
use crate::analysis::judge::preflight::{self, Stretch};
use crate::plan::{Plan, StrategyKind};

/// The part of the whole that failed requests have; slow ones have the other half.
const OF_ERRORS: f64 = 0.5;
/// More requests a second than anybody has.
const MOST: f64 = 1e12;

/// What would be noticed of failed requests by comparing both versions at each scrape, where as
/// many good releases may be taken back by chance as the plan's judge allows, or 1 of 100.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Noticed {
    /// Requests a second, of both versions.
    pub requests_per_second: f64,
    /// The share of the old version's requests that fail, 0–1.
    pub error_rate: f64,
    /// How many requests the new version gets while the old one serves too.
    pub requests: f64,
    /// How many times as often the new version must fail to be caught in about half of all
    /// releases; none where there are too few requests for any.
    pub ratio: Option<f64>,
    /// How many failures more than the old version's such a one costs until it is caught.
    pub failures: Option<f64>,
}

/// What would be noticed in the earliest course of a plan, in which a pause without end takes no
/// time. What is no number, or out of range, counts as the nearest that is in it.
pub fn noticed(
    plan: &Plan,
    assumed: &Assumed,
    requests_per_second: f64,
    error_rate: f64,
) -> Noticed {
    let requests_per_second = within(requests_per_second, MOST);
    let error_rate = within(error_rate, 1.0);
    let stretches = stretches(plan, assumed, requests_per_second);
    let needed = preflight::needed(false_rollback(plan), OF_ERRORS);
    let ratio = preflight::smallest_ratio(&stretches, error_rate, needed);
    let compared = stretches.iter().filter(|stretch| stretch.share < 1.0);
    Noticed {
        requests_per_second,
        error_rate,
        requests: compared
            .map(|stretch| stretch.requests * stretch.share)
            .sum(),
        ratio,
        failures: ratio.map(|ratio| preflight::price(ratio, needed)),
    }
}

fn false_rollback(plan: &Plan) -> f64 {
    let judge = plan.metrics().find_map(|metric| metric.judge.clone());
    judge.unwrap_or_default().max_false_rollback.get()
}

/// The value, or the nearest from 0 to `most`; 0 for what is no number.
fn within(value: f64, most: f64) -> f64 {
    match value > 0.0 {
        true => value.min(most),
        false => 0.0,
    }
}

/// While a step moves the traffic, the smaller of both shares counts.
fn stretches(plan: &Plan, assumed: &Assumed, requests_per_second: f64) -> Vec<Stretch> {
    let mut before = 0.0;
    let stretch = |row: &StepForecast| {
        let now = share(plan, row);
        let share = f64::min(std::mem::replace(&mut before, now), now);
        let lasts = row.until.first().since(row.from.first());
        Stretch {
            requests: requests_per_second * lasts.unwrap_or_default().as_secs_f64(),
            share,
        }
    };
    timeline(plan, assumed).steps.iter().map(stretch).collect()
}

fn share(plan: &Plan, row: &StepForecast) -> f64 {
    let (canary, all) = match plan.splits() || plan.strategy == StrategyKind::BlueGreen {
        true => (row.weight, plan.total),
        false => (
            row.canary_pods,
            row.canary_pods.saturating_add(row.stable_pods),
        ),
    };
    f64::from(canary) / f64::from(all.max(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::capability::Capabilities;
    use crate::compile;
    use crate::registry::Registry;
    use crate::spec::{BlueGreenSpec, CanarySpec, RolloutSpec, StepSpec, Strategy, TrafficRouting};

    fn of(strategy: impl Into<Strategy>, requests_per_second: f64, error_rate: f64) -> Noticed {
        let registry = Registry::new()
            .with_router("proxy", |_, _| Ok(Capabilities::default()))
            .with_router("services", |_, _| Ok(Capabilities::default()));
        let spec = RolloutSpec::new("shop", strategy).with_replicas(10);
        let plan = compile(&spec, &[], &registry).unwrap().plan;
        noticed(&plan, &Assumed::of(&spec), requests_per_second, error_rate)
    }

    /// 5 minutes each of these weights.
    fn steps(weights: &[u32]) -> CanarySpec {
        let pause = || StepSpec::pause_for(Duration::from_secs(300));
        CanarySpec::new(
            weights
                .iter()
                .flat_map(|weight| [StepSpec::set_weight(*weight), pause()]),
        )
    }

    fn usual() -> CanarySpec {
        let ramp = steps(&[10, 25, 50]);
        ramp.with_traffic_routing(TrafficRouting::new("proxy", json!({})))
    }

    #[test]
    fn a_usual_ramp_notices_what_its_traffic_allows() {
        for (traffic, rate, ratio) in [(10.0, 0.003, 3.6), (100.0, 0.003, 1.7), (100.0, 0.01, 1.3)]
        {
            let found = of(usual(), traffic, rate).ratio.unwrap();
            assert!(
                (found / ratio - 1.0).abs() < 0.06,
                "{traffic} {rate}: {found}"
            );
        }
        let usual = of(usual(), 100.0, 0.003);
        assert!((25_500.0..27_000.0).contains(&usual.requests), "{usual:?}");
        assert!(usual.failures.unwrap() > 21.0, "{usual:?}");
    }

    #[test]
    fn pods_make_a_share_where_there_is_no_router() {
        let found = of(steps(&[10]), 100.0, 0.003);
        assert!((2_000.0..4_000.0).contains(&found.requests), "{found:?}");
        assert!(found.ratio.is_some());
    }

    #[test]
    fn where_nothing_is_compared_nothing_is_noticed() {
        let switch = of(BlueGreenSpec::new("shop"), 100.0, 0.003);
        assert_eq!((switch.requests, switch.ratio), (0.0, None));
        let pause = CanarySpec::new([StepSpec::set_weight(10), StepSpec::pause()]);
        assert_eq!(of(pause, 100.0, 0.003).ratio, None);
        assert_eq!(of(usual(), 0.001, 0.003).ratio, None);
    }

    #[test]
    fn nothing_absurd_makes_an_absurd_answer() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300] {
            for found in [of(usual(), value, 0.003), of(usual(), 100.0, value)] {
                let numbers = [found.requests, found.ratio.unwrap_or(1.0)];
                let fine = |it: &f64| it.is_finite() && *it >= 0.0;
                assert!(numbers.iter().all(fine), "{value}: {found:?}");
            }
        }
    }
}
