//! How many pods each revision shall have. Traffic leaves before pods do.

use std::time::Duration;

use super::ratio::{self, SideCount};
use super::turn::Turn;
use crate::id::RevisionId;
use crate::plan::share_of;
use crate::state::Course;

impl Turn<'_> {
    /// The last weight set at or before the current step; everything past the last one.
    pub(super) fn step_weight(&self) -> u32 {
        let Course::Forward {
            step,
            started: true,
            ..
        } = self.state.course
        else {
            return 0;
        };
        self.plan
            .weight_at(usize::try_from(step).unwrap_or(usize::MAX))
    }

    /// How many pods the current step asks of the new version.
    pub(super) fn step_pods(&self) -> u32 {
        let Course::Forward {
            step,
            started: true,
            ..
        } = self.state.course
        else {
            return 0;
        };
        if self.workload.is_some_and(|workload| !workload.scales) {
            return self
                .revision(&self.state.latest)
                .map_or(1, |revision| revision.pods.max(1));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        self.plan.canary_pods_at(step, self.replicas())
    }

    /// How many available pods complete a count.
    pub(super) fn enough(&self, pods: u32) -> u32 {
        self.plan.enough(pods)
    }

    pub(super) fn settle_replicas(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        if !workload.scales || self.unobserved_orders_only() {
            return;
        }
        if self.plan.splits() || self.plan.strategy == crate::plan::StrategyKind::BlueGreen {
            for revision in &workload.revisions {
                let target = self.routed_target(&revision.id);
                let target = self.gated(&revision.id, target);
                self.want_scale(&revision.id, target);
            }
        } else {
            self.settle_ratio();
        }
    }

    /// Without a wanted revision nothing can be said about anybody's pods.
    fn unobserved_orders_only(&self) -> bool {
        self.workload.is_none_or(|workload| {
            workload.revision(&workload.wanted).is_none() && self.state.stable.is_none()
        })
    }

    fn routed_target(&mut self, id: &RevisionId) -> u32 {
        if self.is_stable(id) {
            return self.stable_target();
        }
        let current = self.revision(id).map_or(0, |revision| revision.desired);
        if *id != self.state.latest {
            return 0;
        }
        match &self.state.course {
            Course::Settled => {
                if self.state.stable.is_none() {
                    self.replicas()
                } else {
                    0
                }
            }
            Course::Forward { started: true, .. } => self.step_pods().max(self.height_pods()),
            Course::Forward { started: false, .. } => current,
            Course::Back { .. } if self.plan.abort_scale_down_delay.is_none() => current,
            Course::Back { .. } => 0,
        }
    }

    /// The pods that carry the height, as long as a lower step has not been entered.
    fn height_pods(&self) -> u32 {
        if self.state.height.weight > self.step_weight() {
            self.state.height.pods
        } else {
            0
        }
    }

    pub(super) fn stable_target(&self) -> u32 {
        let replicas = self.replicas();
        if !self.plan.dynamic_stable_scale || !self.is_started() {
            return replicas;
        }
        self.plan.stable_pods(self.wanted_canary_part(), replicas)
    }

    /// A target that never takes pods from traffic that they may still get.
    fn gated(&mut self, id: &RevisionId, target: u32) -> u32 {
        let desired = self.revision(id).map_or(0, |revision| revision.desired);
        if target >= desired {
            return target;
        }
        let resized = self.is_stable(id) && !self.plan.dynamic_stable_scale;
        let on_trial = *id == self.state.latest && self.is_started();
        if resized || on_trial {
            return target.max(self.pods_for_share(id)).min(desired);
        }
        let delay = self.drain_delay_of(id);
        if !self.share_stood_for(id, delay) {
            return desired;
        }
        if target == 0 {
            // All go at once, when nobody is sent to them any more.
            let wanted = self.state.route.as_ref().map_or(0, |route| route.share(id));
            let idle = wanted == 0 && self.share_seen(id) == Some(0) && !self.is_bound(id);
            return if idle { 0 } else { desired };
        }
        target.max(self.pods_for_share(id)).min(desired)
    }

    /// Whether a revision's share is known and has not changed for a delay.
    fn share_stood_for(&mut self, id: &RevisionId, delay: Duration) -> bool {
        if self.plan.routers.is_empty() {
            return true;
        }
        if self.share_seen(id).is_none() {
            return false;
        }
        let since = match (self.state.shares.get(id), &self.state.course) {
            (Some(seen), _) => seen.since,
            (None, Course::Back { at, .. }) => *at,
            (None, _) => return true,
        };
        self.wake_at(since + delay);
        since + delay <= self.now
    }

    fn drain_delay_of(&self, id: &RevisionId) -> Duration {
        let plan = self.plan;
        match &self.state.course {
            Course::Back { .. } if *id == self.state.latest => {
                plan.abort_scale_down_delay.unwrap_or(Duration::MAX)
            }
            Course::Settled if !plan.dynamic_stable_scale && !self.is_stable(id) => {
                plan.scale_down_delay
            }
            _ => plan.drain_delay,
        }
    }

    /// The pods that a revision's share needs: the largest of what is wanted, what is seen, and
    /// what was seen until a moment ago.
    fn pods_for_share(&mut self, id: &RevisionId) -> u32 {
        let wanted = self.state.route.as_ref().map_or(0, |route| route.share(id));
        let seen = self.state.shares.get(id).copied();
        let recent = seen
            .filter(|seen| seen.before > seen.share)
            .map_or(0, |seen| {
                let end = seen.since + self.plan.drain_delay;
                self.wake_at(end);
                if end > self.now { seen.before } else { 0 }
            });
        let share = seen.map_or(0, |seen| seen.share).max(wanted).max(recent);
        if self.is_stable(id) || self.state.height.weight == 0 || *id != self.state.latest {
            return share_of(self.replicas(), share, self.plan.total);
        }
        let (pods, height) = (
            u64::from(self.state.height.pods),
            u64::from(self.state.height.weight),
        );
        let needed = u32::try_from((u64::from(share) * pods).div_ceil(height)).unwrap_or(u32::MAX);
        needed.min(
            self.state
                .height
                .pods
                .max(share_of(self.replicas(), share, self.plan.total)),
        )
    }

    /// The count that carries the height follows the replica count.
    pub(super) fn refresh_height(&mut self) {
        let pods = self.step_pods();
        let same = self.is_started()
            && self.step_weight() == self.state.height.weight
            && self.state.height.weight > 0;
        if same && pods > 0 && self.latest_available() >= self.enough(pods) {
            self.state.height.pods = pods;
        }
    }

    fn settle_ratio(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        let replicas = self.replicas();
        let bounds = ratio::bounds(self.plan, replicas);
        let wanted = self.ratio_pair();
        let count = |id: Option<&RevisionId>, wanted: u32| {
            let seen = id.and_then(|id| workload.revision(id));
            let (desired, available) =
                seen.map_or((0, 0), |revision| (revision.desired, revision.available));
            SideCount {
                desired,
                available: available.min(desired),
                wanted,
            }
        };
        let latest = self.state.latest.clone();
        let stable = self.state.stable.clone().filter(|stable| *stable != latest);
        let rest: Vec<_> = workload
            .revisions
            .iter()
            .filter(|r| r.id != latest && Some(&r.id) != stable.as_ref())
            .collect();
        let others = SideCount {
            desired: rest.iter().map(|revision| revision.desired).sum(),
            available: rest.iter().map(|revision| revision.available).sum(),
            wanted: 0,
        };
        let (pair, mut left) = ratio::next(
            replicas,
            bounds,
            count(stable.as_ref(), wanted.stable),
            count(Some(&latest), wanted.canary),
            others,
        );
        for other in rest {
            let keep = other.desired.min(left);
            left -= keep;
            self.want_scale(&other.id, keep);
        }
        if let Some(stable) = stable {
            self.want_scale(&stable, pair.stable);
        }
        self.want_scale(&latest, pair.canary);
    }

    /// The counts that the course asks for without a router.
    pub(super) fn ratio_pair(&self) -> ratio::Pair {
        let replicas = self.replicas();
        let latest_is_all = self.state.stable.is_none() || self.is_stable(&self.state.latest);
        if latest_is_all {
            return ratio::Pair {
                canary: replicas,
                stable: 0,
            };
        }
        let (surge, _) = ratio::bounds(self.plan, replicas);
        match self.state.course {
            Course::Forward { started: true, .. } => {
                ratio::nearest(replicas, self.step_weight(), self.plan.total, surge)
            }
            _ => ratio::Pair {
                canary: 0,
                stable: replicas,
            },
        }
    }
}
