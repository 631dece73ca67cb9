//! The end of a release, and what is still to come before it and after it.

use super::turn::Turn;
use super::wait::Wait;
use crate::decision::Decision;
use crate::event::EventKind;
use crate::reason::Reason;
use crate::state::{Course, State};

impl Turn<'_> {
    /// Nothing is known and too little is seen: nothing is done and nothing is saved.
    pub(super) fn unsighted(mut self) -> Decision {
        let fault = self.seen.workload.fault().or(self.router_fault());
        let message = fault.map_or_else(String::new, |fault| fault.text.clone());
        let deadline = self.now + self.plan.progress_deadline;
        self.wait(Wait::by(Reason::Unobserved { message }, deadline));
        self.hidden = true;
        self.finish()
    }

    pub(super) fn finish(mut self) -> Decision {
        if self.wait.is_none() {
            let wait = self.wait_for_rest();
            self.wait(wait);
            self.watch_deadline();
        }
        let (phase, message) = self.phase();
        let (summary, waiting) = (self.summary(), self.told_wait());
        let events = self.state.events.clone();
        let may_save = self.unreadable.is_none() && !self.hidden;
        let changed = self.state.changed(self.before).filter(|_| may_save);
        let state = changed.map(|state| {
            let now = self.now;
            Box::new(State { now, ..state })
        });
        Decision {
            state,
            actions: self.actions,
            wanted: self.wanted,
            events,
            acknowledged: self.acknowledged,
            wake: self.wake,
            waiting,
            phase,
            message,
            summary,
        }
    }

    /// What stands between here and rest, on the way back and after the promotion.
    fn wait_for_rest(&mut self) -> Wait {
        if let Some(message) = self.unreadable {
            let message = message.to_owned();
            return Wait::for_ever(Reason::StateUnreadable { message });
        }
        if let Some(fault) = self.seen.workload.fault() {
            let message = fault.text.clone();
            return Wait::new(Reason::Unobserved { message });
        }
        match &self.state.course {
            Course::Forward { .. } => Wait::new(Reason::Clearing),
            Course::Back { .. } => self.wait_for_the_way_back(),
            Course::Settled => self.wait_for_the_end(),
        }
    }

    fn wait_for_the_way_back(&mut self) -> Wait {
        let latest = self.state.latest.clone();
        let returned = if self.plan.routers.is_empty() {
            self.available(&latest) == 0
        } else {
            self.wanted_share(&latest) == 0
                && self.share_seen(&latest) == Some(0)
                && self.steady_since(&latest).is_some()
        };
        if !returned {
            return self.wait_for_route(self.wanted_share(&latest));
        }
        let message = self.abort_message();
        Wait::for_ever(Reason::Aborted { message })
    }

    fn wait_for_the_end(&mut self) -> Wait {
        let (available, wanted) = (self.latest_available(), self.replicas());
        if available < self.plan.enough(wanted) {
            return Wait::new(Reason::StablePods { available, wanted });
        }
        if !self.is_stable(&self.state.latest) || !self.rests() {
            return Wait::new(Reason::Promoting);
        }
        if let Some(gate) = self.gate_after() {
            return Wait::new(gate);
        }
        if self.state.unfinished {
            self.state.unfinished = false;
            let text = format!("Rollout completed: {} serves everyone", self.state.latest);
            self.tell(EventKind::RolloutCompleted, text);
        }
        self.wait_for_old_pods()
    }

    /// Whether every router was seen at its resting route and nobody but stable carries traffic.
    /// One that cannot be read for a moment was seen before.
    fn rests(&mut self) -> bool {
        let Some(workload) = self.workload else {
            return false;
        };
        if self.plan.routers.is_empty() {
            let mut others = workload.revisions.iter().filter(|r| !self.is_stable(&r.id));
            return others.all(|other| other.desired == 0 && other.available == 0);
        }
        let slot = self.resting_slot();
        let home =
            !self.plan.slots.contains(&slot) || self.wanted_at(slot) == self.state.stable.as_ref();
        let all = !self.plan.splits() || self.wanted_part(slot) == self.plan.total;
        let unread = self.router_fault().is_some() && !self.state.unfinished;
        home && all && (unread || self.route_is_seen())
    }

    /// Old pods go after their delay; nobody is served by them.
    fn wait_for_old_pods(&mut self) -> Wait {
        let revisions = self.workload.iter().flat_map(|w| &w.revisions);
        let old = revisions.filter(|r| r.desired > 0 && !self.is_stable(&r.id));
        let ends = old.filter_map(|old| {
            let since = self.steady_since(&old.id)?;
            Some(since + self.drain_delay_of(&old.id)?)
        });
        match ends.max() {
            Some(end) if end > self.now => Wait::until(Reason::Draining, end),
            _ => Wait::for_ever(Reason::Resting),
        }
    }
}
