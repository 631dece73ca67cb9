//! Without a router the weight is a ratio of pods, moved within surge and unavailability.

use crate::plan::{Amount, Plan};
use crate::workload::RevisionSeen;

/// Pods of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) canary: u32,
    pub(crate) stable: u32,
}

/// How many more than `replicas` pods there may be, and how many fewer available.
pub(crate) fn bounds(plan: &Plan, replicas: u32) -> (u32, u32) {
    let surge = plan.max_surge.rounded_up(replicas);
    let unavailable = plan.max_unavailable.rounded_down(replicas).min(replicas);
    let zero = |amount: Amount| amount == Amount::Pods(0) || amount == Amount::Percent(0);
    match (surge, unavailable) {
        (0, 0) if !zero(plan.max_unavailable) || zero(plan.max_surge) => (0, 1.min(replicas)),
        bounds => bounds,
    }
}

/// The pair of pods whose ratio comes nearest to a weight. With a surge the total may be one
/// more than `replicas`; no side is empty between the ends unless there is room for one pod only.
pub(crate) fn nearest(replicas: u32, weight: u32, total: u32, surge: u32) -> Pair {
    let (total, weight) = (u64::from(total.max(1)), u64::from(weight.min(total)));
    if replicas == 0 {
        return Pair {
            canary: 0,
            stable: 0,
        };
    }
    let room = if surge > 0 {
        vec![replicas, replicas.saturating_add(1)]
    } else {
        vec![replicas]
    };
    let may_be_empty = weight == 0 || weight == total || (replicas == 1 && surge == 0);
    let mut best: Option<(u64, u64, Pair)> = None;
    for pods in room {
        let pods64 = u64::from(pods);
        let (exact, rest) = (pods64 * weight / total, pods64 * weight % total);
        // At exactly one half the larger canary wins, so its floor is no candidate.
        let floor = (rest * 2 != total).then_some(exact);
        for canary in [Some((pods64 * weight).div_ceil(total)), floor]
            .into_iter()
            .flatten()
        {
            let stable = pods64.saturating_sub(canary);
            if (canary == 0 || stable == 0) && !may_be_empty {
                continue;
            }
            // |canary / pods - weight / total| as a fraction with the denominator pods * total.
            let (distance, scale) = ((canary * total).abs_diff(weight * pods64), pods64);
            let nearer = best.is_none_or(|(d, s, _)| distance * s < d * scale);
            if nearer {
                let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
                best = Some((
                    distance,
                    scale,
                    Pair {
                        canary: narrow(canary),
                        stable: narrow(stable),
                    },
                ));
            }
        }
    }
    best.map_or(
        Pair {
            canary: 1,
            stable: replicas.saturating_sub(1).max(1),
        },
        |(_, _, pair)| pair,
    )
}

/// What is there of one side, and what it shall become.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SideCount {
    pub(super) desired: u32,
    pub(super) available: u32,
    pub(super) wanted: u32,
}

impl SideCount {
    /// What is there of a revision.
    pub(super) fn of(seen: Option<&RevisionSeen>) -> Self {
        let count = |seen: &RevisionSeen| Self {
            desired: seen.desired,
            available: seen.available.min(seen.desired),
            wanted: seen.desired,
        };
        seen.map(count).unwrap_or_default()
    }

    /// The same on its way to a count.
    pub(super) fn to(self, wanted: u32) -> Self {
        Self { wanted, ..self }
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            desired: self.desired.saturating_add(other.desired),
            available: self.available.saturating_add(other.available),
            wanted: self.wanted.saturating_add(other.wanted),
        }
    }
}

/// The next counts on the way to the wanted ones: at most `replicas + surge` pods in total, at
/// least `replicas - unavailable` of them available by our doing. Others leave before either
/// side shrinks.
pub(super) fn next(
    replicas: u32,
    bounds: (u32, u32),
    stable: SideCount,
    canary: SideCount,
    others: SideCount,
) -> (Pair, u32) {
    let (surge, unavailable) = bounds;
    let ceiling = u64::from(replicas) + u64::from(surge);
    let mut pods =
        u64::from(stable.desired) + u64::from(canary.desired) + u64::from(others.desired);
    let mut up = |side: SideCount| {
        let room = u32::try_from(ceiling.saturating_sub(pods)).unwrap_or(u32::MAX);
        let add = side.wanted.saturating_sub(side.desired).min(room);
        pods += u64::from(add);
        side.desired + add
    };
    let (stable_up, canary_up) = (up(stable), up(canary));
    let floor = replicas.saturating_sub(unavailable);
    let alive = stable
        .available
        .saturating_add(canary.available)
        .saturating_add(others.available);
    let mut budget = alive.saturating_sub(floor);
    let mut down = |side: SideCount, count: u32| {
        let surplus = count.saturating_sub(side.wanted);
        // Pods that are not available cost nothing to take away.
        let idle = side.desired.saturating_sub(side.available).min(surplus);
        let take = (surplus - idle).min(budget);
        budget -= take;
        count - idle - take
    };
    let others_left = down(others, others.desired);
    if others.desired > 0 {
        return (
            Pair {
                canary: canary_up,
                stable: stable_up,
            },
            others_left,
        );
    }
    let stable_left = down(stable, stable_up);
    let canary_left = down(canary, canary_up);
    (
        Pair {
            canary: canary_left,
            stable: stable_left,
        },
        others_left,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(canary: u32, stable: u32) -> Pair {
        Pair { canary, stable }
    }

    #[test]
    fn the_nearest_ratio_is_argos() {
        assert_eq!(nearest(10, 10, 100, 1), pair(1, 9));
        assert_eq!(nearest(10, 30, 100, 3), pair(3, 7));
        assert_eq!(nearest(10, 50, 100, 1), pair(5, 5));
        assert_eq!(nearest(1, 5, 100, 1), pair(1, 1));
        assert_eq!(nearest(1, 5, 100, 0), pair(0, 1));
        assert_eq!(nearest(0, 50, 100, 1), pair(0, 0));
        assert_eq!(nearest(5, 0, 100, 1), pair(0, 5));
        assert_eq!(nearest(5, 100, 100, 1), pair(5, 0));
    }

    #[test]
    fn counts_stay_within_surge_and_unavailability() {
        let whole = SideCount {
            desired: 10,
            available: 10,
            wanted: 9,
        };
        let none = SideCount {
            desired: 0,
            available: 0,
            wanted: 0,
        };
        let first = next(10, (1, 1), whole, SideCount { wanted: 1, ..none }, none);
        assert_eq!(first, (pair(1, 9), 0));
        let whole = SideCount { wanted: 7, ..whole };
        let first = next(10, (3, 0), whole, SideCount { wanted: 3, ..none }, none);
        assert_eq!(first, (pair(3, 10), 0));
        let first = next(10, (0, 5), whole, SideCount { wanted: 3, ..none }, none);
        assert_eq!(first, (pair(0, 7), 0));
    }
}
