//! How much more it takes to prove that the canary is good enough.

use std::time::Duration;

use super::evidence::at_least;
use super::plan::JudgePlan;
use super::quantile;
use super::scrape::Count;
use super::stream::Stream;

/// Whether a canary is proved to fail so seldom that it does not matter, whatever stable does.
pub(super) fn is_harmless(canary: Count, plan: &JudgePlan) -> bool {
    let misses = 1.0 / plan.proved();
    let (_, most) = quantile::share(canary.events, canary.requests, misses);
    most < plan.or_below.get()
}

/// How many more seconds it takes, at the traffic so far, until a canary that is as good as
/// stable is proved to be; none where it never is. `harmless` is whether failing seldom is
/// enough.
pub(super) fn more(
    stream: &Stream,
    harmless: bool,
    lasted: Duration,
    plan: &JudgePlan,
) -> Option<f64> {
    let seen = stream.seen();
    let (share, rate) = (seen.share()?, stream.stable().rate().unwrap_or_default());
    let seconds = at_least(lasted.as_secs_f64(), 1.0);
    let all = seen.canary.requests as f64 + seen.stable.requests as f64;
    let bound = plan.not_worse_than.get();
    // What one request more is worth if both sides are alike.
    let each = rate * (libm::log(1.0 - share + share * bound) - share * libm::log(bound));
    let missing = libm::log(plan.proved()) - libm::log(at_least(stream.assurance(), 1e-300));
    let by_ratio = missing / (each * all / seconds);
    let by_count = harmless.then(|| seldom(seen.canary, rate, plan)).flatten();
    let by_count = by_count.map(|requests| requests * seconds / seen.canary.requests as f64);
    let ways = [Some(by_ratio), by_count].into_iter().flatten();
    ways.filter(|seconds| seconds.is_finite())
        .min_by(f64::total_cmp)
        .map(|seconds| at_least(seconds, 0.0))
}

/// How many more of the canary's requests prove that it fails seldom, if it goes on as stable
/// does.
fn seldom(canary: Count, rate: f64, plan: &JudgePlan) -> Option<f64> {
    (0..40).find_map(|doubling| {
        let more = 1_u64 << doubling;
        let events = canary.events as f64 + rate * more as f64;
        let then = Count::new(canary.requests.saturating_add(more), events as u64);
        is_harmless(then, plan).then_some(more as f64)
    })
}
