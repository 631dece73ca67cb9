//! What changes the course from outside: an owner, a plan, a version.

use super::capacity::part_of;
use super::turn::Turn;
use crate::capability::Part;
use crate::event::EventKind;
use crate::id::RevisionId;
use crate::route::{Slot, Split, Stamped};
use crate::state::Course;
use crate::workload::TroubleKind;

impl Turn<'_> {
    /// Says so when a rollout in flight is taken on without a state of ours, and claims it.
    pub(super) fn greet(&mut self) {
        if let Some(message) = self.unreadable {
            self.tell(EventKind::StateUnreadable, message);
            return;
        }
        let adopted = self.before.is_none() && self.is_started();
        if adopted {
            let weight = self.height_weight();
            let text = format!("found in flight at weight {weight}; gates and analyses run anew");
            self.tell(EventKind::Adopted, text);
            self.claim();
        }
    }

    /// Tells a backend's failure and a trouble of pods once, not in every round that it lasts.
    pub(super) fn notice_faults(&mut self) {
        let acting = self.seen.faults.first().map(|failed| &failed.fault);
        let reading = self.seen.workload.fault().or(self.router_fault());
        let fault = acting.or(reading);
        if let Some(fault) = fault.filter(|fault| self.state.told.as_ref() != Some(*fault)) {
            self.tell(EventKind::BackendFault, &fault.text);
        }
        if self.state.told.as_ref() != fault {
            self.state.told = fault.cloned();
        }
        let Some(latest) = self.workload.map(|workload| &workload.wanted) else {
            return;
        };
        let troubles = self.revision(latest).map_or(&[][..], |seen| &seen.trouble);
        for trouble in troubles {
            if !self.state.troubles.contains(&trouble.kind) {
                self.state.troubles.push(trouble.kind);
                let text = format!("{}: {}", trouble.kind, trouble.text);
                self.tell(EventKind::PodTrouble, text);
            }
        }
        let lasts = |kind: &TroubleKind| troubles.iter().any(|trouble| trouble.kind == *kind);
        if !self.state.troubles.iter().all(lasts) {
            self.state.troubles.retain(lasts);
        }
    }

    /// A driver that takes over a rollout in flight writes everything once under its own epoch,
    /// so that one woken from a long sleep is refused.
    pub(super) fn follow_owner(&mut self) {
        if self.seen.epoch > self.state.epoch {
            self.state.epoch = self.seen.epoch;
            if self.state.course != Course::Settled || self.state.unfinished {
                self.claim();
            }
        }
    }

    /// Stamps everything anew: the route as it is seen, or as it is wanted where that gives the
    /// version on trial less, and every revision's pods.
    fn claim(&mut self) {
        let stamp = self.next_stamp();
        let trial = self.part_seen(Slot::Canary);
        let is_stable = |id: &RevisionId| self.is_stable(id);
        let active = self.active_seen().filter(is_stable);
        let trials = self.trials_seen();
        if let Some(route) = &mut self.state.route {
            let wanted = route.split.value.part(Slot::Canary);
            if let Some(part) = trial.filter(|seen| *seen < wanted) {
                route.split.value = Split::canary(part, route.split.value.total());
            }
            if let Some(active) = active {
                route.bind.value.insert(Slot::Active, active);
            }
            if let Some((headers, mirrors)) = trials {
                route.headers.value.retain(|new| headers.contains(new));
                route.mirrors.value.retain(|new| mirrors.contains(new));
            }
            route.bind.stamp = stamp;
            route.split.stamp = stamp;
            route.headers.stamp = stamp;
            route.mirrors.stamp = stamp;
        }
        let revisions = self
            .workload
            .iter()
            .flat_map(|workload| &workload.revisions);
        for revision in revisions.filter(|revision| revision.desired > 0) {
            let target = Stamped::new(revision.desired, stamp);
            let scales = &mut self.state.scales;
            scales.entry(revision.id.clone()).or_insert(target);
        }
        let scales = self.state.scales.values_mut();
        scales.for_each(|scale| scale.stamp = stamp);
    }

    /// The revision that the active slot is seen at, if all agree.
    fn active_seen(&self) -> Option<RevisionId> {
        let mut found = None;
        for carrier in self.carriers(Part::Bind) {
            let bound = carrier?.1.bind.as_ref()?.value()?.get(&Slot::Active)?;
            let revision = bound.revision.clone()?;
            if found
                .replace(revision.clone())
                .is_some_and(|other| other != revision)
            {
                return None;
            }
        }
        found
    }

    /// Other steps reset progress; any other edit swaps the plan and keeps the state.
    pub(super) fn follow_plan(&mut self) {
        if self.state.plan != self.plan.digest {
            self.state.plan = self.plan.digest;
            self.state.generation = self.state.generation.saturating_add(1);
            self.follow_total();
        }
        if self.state.steps != self.plan.steps_digest {
            self.state.steps = self.plan.steps_digest;
            if !matches!(self.state.course, Course::Settled) {
                self.begin(self.state.stable.is_none());
            }
        }
    }

    /// Weights that were reached under another total are the same shares of the new one.
    fn follow_total(&mut self) {
        let route = self.state.route.as_ref();
        let old = route.map_or(self.plan.total, |route| route.split.value.total());
        if old != self.plan.total {
            let state = &mut *self.state;
            let shares = state.shares.values_mut();
            let shares = shares.flat_map(|seen| [&mut seen.share, &mut seen.before]);
            let height = state.height.iter_mut().map(|height| &mut height.weight);
            shares
                .chain(height)
                .for_each(|part| *part = part_of(*part, self.plan.total, old));
        }
    }

    pub(super) fn follow_version(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        if let Some(wanted) = workload.revision(&workload.wanted)
            && self.state.number != wanted.number
        {
            self.state.number = wanted.number;
        }
        if workload.wanted == self.state.latest {
            return;
        }
        let newest = workload.wanted.clone();
        let replaced = std::mem::replace(&mut self.state.latest, newest);
        self.state.undo = None;
        let text = format!("Rollout updated to revision {}", self.state.number);
        self.tell(EventKind::RolloutUpdated, text);
        if self.is_stable(&workload.wanted) {
            self.state.attempt = self.state.attempt.saturating_add(1);
            self.state.runs.clear();
            self.state.drifted = false;
            self.state.course = Course::Settled;
            self.restart_deadline();
            self.tell(EventKind::SkipSteps, "Rollback to stable");
            return;
        }
        let first = self.state.stable.is_none();
        if first && self.is_bound(&replaced) && self.available(&replaced) > 0 {
            // A first version that serves already is what the next one takes over from.
            self.state.stable = Some(replaced);
        }
        self.begin(first);
    }

    /// Starts an attempt at the latest version, from the first step or past the last one.
    fn begin(&mut self, first: bool) {
        let window = self.is_within_rollback_window();
        if window {
            self.tell(EventKind::SkipSteps, "Rollback within the window");
        }
        let waived = first || window;
        let step = if waived { self.plan.steps.len() } else { 0 };
        self.forward_from(step, waived, false);
    }

    pub(super) fn forward_from(&mut self, step: usize, waived: bool, again: bool) {
        self.state.attempt = self.state.attempt.saturating_add(1);
        self.state.runs.clear();
        self.state.drifted = false;
        self.state.unfinished = true;
        self.restart_deadline();
        self.state.course = Course::Forward {
            step: u32::try_from(step).unwrap_or(u32::MAX),
            entered_at: self.now,
            started: false,
            again,
            waived,
            released: false,
        };
    }

    /// Whether the latest version is older than stable, with fewer revisions between them than
    /// the plan's window.
    fn is_within_rollback_window(&self) -> bool {
        let (Some(window), Some(workload)) = (self.plan.rollback_window, self.workload) else {
            return false;
        };
        let created = |id: &RevisionId| workload.revision(id).map(|revision| revision.created);
        let stable = self.state.stable.as_ref().and_then(created);
        let (Some(stable), Some(latest)) = (stable, created(&self.state.latest)) else {
            return false;
        };
        let between = workload
            .revisions
            .iter()
            .filter(|r| r.created > latest && r.created < stable);
        latest < stable && between.count() < usize::try_from(window).unwrap_or(usize::MAX)
    }
}
