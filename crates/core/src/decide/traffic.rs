//! Who gets how much: no side gets more than it can carry.

use super::turn::Turn;
use crate::id::RevisionId;
use crate::plan::{StepKind, StrategyKind};
use crate::route::{Bindings, HeaderRoute, MirrorRoute, Slot, Split};
use crate::state::Course;

impl Turn<'_> {
    /// The canary's part as it is wanted.
    pub(super) fn wanted_canary_part(&self) -> u32 {
        self.state
            .route
            .as_ref()
            .map_or(0, |route| route.split.value.part(Slot::Canary))
    }

    /// Wants the route that the course, the capacity and what is seen allow.
    pub(super) fn settle_route(&mut self) {
        if self.plan.routers.is_empty() {
            return;
        }
        self.notice_reduction();
        self.refresh_height();
        let bind = self.wanted_bind();
        if bind.is_empty() {
            return;
        }
        let split = match self.plan.strategy {
            StrategyKind::BlueGreen => Split::all(Slot::Active, self.plan.total),
            StrategyKind::Canary | StrategyKind::RollingUpdate if self.plan.splits() => {
                self.wanted_split(&bind)
            }
            StrategyKind::Canary | StrategyKind::RollingUpdate => {
                Split::all(Slot::Stable, self.plan.total)
            }
        };
        let (headers, mirrors) = self.wanted_trials(split.part(Slot::Canary));
        self.want_route(bind, split, headers, mirrors);
    }

    /// Whether stable was scaled below the whole by us and is not yet back.
    fn notice_reduction(&mut self) {
        let Some(stable) = self.state.stable.clone() else {
            return;
        };
        let replicas = self.replicas();
        let wanted = self
            .state
            .scales
            .get(&stable)
            .map_or(replicas, |scale| scale.value);
        let back = self.available(&stable) >= replicas && wanted >= replicas;
        self.state.stable_reduced = !back
            && (self.state.stable_reduced || (self.plan.dynamic_stable_scale && wanted < replicas));
    }

    fn wanted_split(&mut self, bind: &Bindings) -> Split {
        let total = self.plan.total;
        let part = match bind.get(&Slot::Canary) {
            Some(canary) if self.is_stable(canary) || self.state.stable.is_none() => {
                self.returning_part(bind)
            }
            Some(canary) => self.plan.rounded(self.carried(&canary.clone())),
            None => 0,
        };
        Split::canary(part, total)
    }

    /// After a promotion the traffic stays on the canary slot until the stable one is bound to
    /// the same revision and has endpoints.
    fn returning_part(&mut self, bind: &Bindings) -> u32 {
        let stable = self.state.stable.clone();
        let Some(route) = self.state.route.clone() else {
            return 0;
        };
        let bound = bind.get(&Slot::Stable) == stable.as_ref() || stable.is_none();
        let first = route.split.value.part(Slot::Canary) == 0;
        let ready = bound
            && self.bind_is_seen(&route.bind)
            && route.bind.value == *bind
            && self.has_endpoints(Slot::Stable);
        if first || ready {
            0
        } else {
            route.split.value.part(Slot::Canary)
        }
    }

    /// The canary's part: what its course asks for, what it carries, what stable cannot.
    fn carried(&mut self, canary: &RevisionId) -> u32 {
        let total = self.plan.total;
        let before = self.wanted_canary_part();
        let Some(stable) = self.state.stable.clone() else {
            return 0;
        };
        if self.workload.is_none() {
            return if self.is_started() || self.state.stable_reduced {
                before
            } else {
                0
            };
        }
        let available = self.available(canary);
        let carries = self.canary_carries(available);
        let asked = if self.is_started() && *canary == self.state.latest {
            self.state.height.weight
        } else {
            0
        };
        let part = asked.min(carries);
        let lacking = total.saturating_sub(self.stable_carries(&stable));
        let part = part.max(lacking.min(carries)).min(total);
        let part = if self.state.drifted {
            part.min(self.part_seen(Slot::Canary).unwrap_or(0))
        } else {
            part
        };
        if part > before && before == 0 && !self.canary_slot_is_ready() {
            0
        } else {
            part
        }
    }

    fn canary_carries(&self, available: u32) -> u32 {
        let height = self.state.height;
        if available == 0 {
            return 0;
        }
        if available >= self.enough(height.pods) {
            return height.weight;
        }
        let part = u64::from(height.weight) * u64::from(available) / u64::from(height.pods.max(1));
        u32::try_from(part).unwrap_or(u32::MAX)
    }

    fn stable_carries(&self, stable: &RevisionId) -> u32 {
        let (total, available, replicas) =
            (self.plan.total, self.available(stable), self.replicas());
        if available == 0 {
            return 0;
        }
        if !self.state.stable_reduced || available >= replicas {
            return total;
        }
        let part = u64::from(total) * u64::from(available) / u64::from(replicas.max(1));
        u32::try_from(part).unwrap_or(total).min(total)
    }

    fn canary_slot_is_ready(&mut self) -> bool {
        let Some(route) = self.state.route.clone() else {
            return false;
        };
        let bound = route.bind.value.get(&Slot::Canary) == Some(&self.state.latest);
        bound && self.bind_is_seen(&route.bind) && self.has_endpoints(Slot::Canary)
    }

    /// Which revision each slot is bound to: a slot is bound anew only when it was seen at zero,
    /// and leaves a revision before its last pod goes.
    fn wanted_bind(&mut self) -> Bindings {
        let mut bind = self
            .state
            .route
            .as_ref()
            .map(|route| route.bind.value.clone())
            .unwrap_or_default();
        match self.plan.strategy {
            StrategyKind::BlueGreen => self.bind_blue_green(&mut bind),
            StrategyKind::Canary | StrategyKind::RollingUpdate => self.bind_canary(&mut bind),
        }
        bind
    }

    /// The first version is bound as soon as one pod of it is available.
    fn first_binding(&self) -> Option<RevisionId> {
        let first = self
            .state
            .stable
            .clone()
            .unwrap_or_else(|| self.state.latest.clone());
        (self.available(&first) > 0).then_some(first)
    }

    fn bind_canary(&mut self, bind: &mut Bindings) {
        if bind.is_empty() {
            if let Some(first) = self.first_binding() {
                bind.insert(Slot::Stable, first.clone());
                bind.insert(Slot::Canary, first);
            }
            return;
        }
        let (Some(stable), latest) = (self.state.stable.clone(), self.state.latest.clone()) else {
            return;
        };
        if bind.get(&Slot::Stable) != Some(&stable)
            && self.slot_is_idle(Slot::Stable)
            && self.available(&stable) > 0
        {
            bind.insert(Slot::Stable, stable.clone());
        }
        let canary = bind.get(&Slot::Canary).cloned();
        if canary.as_ref() == Some(&stable) || canary.as_ref() == Some(&latest) {
            self.release_canary_slot(bind, canary.as_ref(), &stable);
        }
        let free =
            canary.as_ref() != Some(&latest) && self.is_started() && self.available(&latest) > 0;
        if free && self.slot_is_idle(Slot::Canary) {
            bind.insert(Slot::Canary, latest);
        } else if canary.as_ref() != Some(&latest)
            && canary.as_ref() != Some(&stable)
            && self.slot_is_idle(Slot::Canary)
        {
            bind.insert(Slot::Canary, stable);
        }
    }

    /// An aborted version's slot goes back to stable once its pods may go.
    fn release_canary_slot(
        &mut self,
        bind: &mut Bindings,
        canary: Option<&RevisionId>,
        stable: &RevisionId,
    ) {
        let Some(canary) = canary.filter(|canary| *canary != stable) else {
            return;
        };
        let Some(delay) = self.plan.abort_scale_down_delay else {
            return;
        };
        if !self.is_back() {
            return;
        }
        // Without a split the pods go as the ratio falls, so the slot leaves them at once.
        let may_leave = !self.plan.splits() || self.is_drained(canary, delay);
        if may_leave && self.slot_is_idle(Slot::Canary) {
            bind.insert(Slot::Canary, stable.clone());
        }
    }

    /// Whether a slot is wanted and seen without traffic.
    fn slot_is_idle(&mut self, slot: Slot) -> bool {
        let Some(route) = self.state.route.clone() else {
            return true;
        };
        if !self.plan.splits() {
            return slot != self.resting_slot() || self.plan.strategy != StrategyKind::BlueGreen;
        }
        route.split.value.part(slot) == 0
            && self.part_seen(slot) == Some(0)
            && self.split_is_seen(&route.split)
    }

    fn bind_blue_green(&mut self, bind: &mut Bindings) {
        let latest = self.state.latest.clone();
        if bind.is_empty() {
            if let Some(first) = self.first_binding() {
                bind.insert(Slot::Active, first.clone());
                bind.insert(Slot::Preview, first);
            }
            return;
        }
        let Some(stable) = self.state.stable.clone() else {
            return;
        };
        let switched = self.is_started() && self.state.height.weight == self.plan.total;
        let active = if switched && self.available(&latest) > 0 {
            &latest
        } else {
            &stable
        };
        if self.available(active) > 0 || self.workload.is_none() {
            bind.insert(Slot::Active, active.clone());
        }
        if self.is_started() && self.available(&latest) > 0 {
            bind.insert(Slot::Preview, latest);
        } else if !self.is_started() && self.preview_may_leave(bind.get(&Slot::Preview).cloned()) {
            bind.insert(Slot::Preview, stable);
        }
    }

    fn preview_may_leave(&mut self, preview: Option<RevisionId>) -> bool {
        match (preview, self.plan.abort_scale_down_delay) {
            (None, _) => true,
            (Some(_), None) => !self.is_back(),
            (Some(preview), Some(delay)) if self.is_back() => self.is_drained(&preview, delay),
            (Some(_), Some(_)) => true,
        }
    }

    /// Whether the route that is wanted holds what the steps so far have set.
    pub(super) fn trials_are_wanted(&self) -> bool {
        let (headers, mirrors) = self.wanted_trials(self.wanted_canary_part());
        self.state
            .route
            .as_ref()
            .is_some_and(|route| route.headers.value == headers && route.mirrors.value == mirrors)
    }

    /// Header routes and mirrors stand as the steps so far have set them, and go with the way back.
    fn wanted_trials(&self, part: u32) -> (Vec<HeaderRoute>, Vec<MirrorRoute>) {
        let Course::Forward {
            step,
            started: true,
            waived: false,
            ..
        } = self.state.course
        else {
            return (Vec::new(), Vec::new());
        };
        if self.latest_available() == 0 && part == 0 {
            return (Vec::new(), Vec::new());
        }
        let so_far = usize::try_from(step)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let (mut headers, mut mirrors) = (Vec::new(), Vec::new());
        for step in self.plan.steps.iter().take(so_far) {
            match &step.kind {
                StepKind::SetHeaderRoute(route) => {
                    replace(&mut headers, route, |r| &r.name, route.matches.is_empty())
                }
                StepKind::SetMirrorRoute(route) => {
                    replace(&mut mirrors, route, |r| &r.name, route.matches.is_empty())
                }
                _ => {}
            }
        }
        (headers, mirrors)
    }
}

fn replace<T: Clone>(routes: &mut Vec<T>, route: &T, name: impl Fn(&T) -> &String, remove: bool) {
    let known = routes.iter().position(|other| name(other) == name(route));
    match known {
        Some(index) if remove => drop(routes.remove(index)),
        Some(index) => {
            if let Some(slot) = routes.get_mut(index) {
                *slot = route.clone();
            }
        }
        None if remove => {}
        None => routes.push(route.clone()),
    }
}
