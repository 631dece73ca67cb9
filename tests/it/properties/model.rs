//! The naive model: from the plan and the world alone, in which order the new version's weight may
//! go, and by when it must be promoted. It shares no code with the decision.

use std::time::Duration;

use gradatim_sim::{Report, What};

use super::case::{COUNT, Case, EXTEND, INTERVAL, Step, Way};

/// What a router's read must stand before it counts, and what traffic drains in.
const SETTLE: u64 = 10;
const DRAIN: u64 = 10;
/// How long the old pods stay at the end.
const SCALE_DOWN: u64 = 30;
/// For rounds that come a little later than they could.
const SLACK: u64 = 5;

/// By when a healthy version is promoted: every step at its slowest, one after the other.
pub(super) fn bound(case: &Case) -> Duration {
    let change = case.lag + SETTLE + DRAIN + SLACK;
    // Pods are replaced one by one at worst, on both sides.
    let pods = match case.way {
        Way::Ratio => u64::from(case.replicas) * 2 * (case.pods + SLACK),
        _ => 2 * (case.pods + SLACK),
    };
    let steps: u64 = case
        .steps
        .iter()
        .map(|step| match step {
            Step::Weight(_) => pods + change,
            Step::Pause(seconds) => seconds + SLACK,
            Step::Analysis | Step::Pace => INTERVAL * COUNT + SLACK,
            Step::Judge => INTERVAL * COUNT + EXTEND + INTERVAL + SLACK,
            Step::PauseForEver => 0,
        })
        .sum();
    let steps = if case.way == Way::BlueGreen { 0 } else { steps };
    // The start, the last weight, the rebinding, the weight back and the draining.
    let judged = u64::from(case.is_judged()) * (EXTEND + INTERVAL);
    let ends = judged + pods * 2 + change * 5 + SCALE_DOWN;
    Duration::from_secs(steps + ends)
}

/// Which weights a calm rollout may give the new version, in this order: those of its steps.
pub(super) fn heights(case: &Case, report: &Report) -> Result<(), String> {
    if !matches!(case.way, Way::Router | Way::DynamicStable) {
        return Ok(());
    }
    let mut allowed: Vec<u32> = vec![0];
    allowed.extend(case.steps.iter().filter_map(|step| match step {
        Step::Weight(weight) => Some(*weight),
        _ => None,
    }));
    allowed.push(100);
    let mut at = 0;
    for fact in &report.facts {
        let What::Route { split, bind, .. } = &fact.what else {
            continue;
        };
        let share = split.share(bind, &"v2".into());
        match allowed[at..].iter().position(|weight| *weight == share) {
            // What it has on its way down may be what a later step sets.
            Some(2..) if comes_back(case, &allowed, at, share) => {}
            Some(further) => at += further,
            None if comes_back(case, &allowed, at, share) => {}
            None => return Err(format!("weight {share} does not follow in {allowed:?}")),
        }
    }
    Ok(())
}

/// Where stable was scaled down it takes its traffic back pod by pod, down to the next weight.
fn comes_back(case: &Case, allowed: &[u32], at: usize, share: u32) -> bool {
    let next = allowed.get(at + 1);
    let lower = next.is_some_and(|next| (*next..=allowed[at]).contains(&share));
    case.way == Way::DynamicStable && lower
}
