use std::time::Duration;

use super::super::advance::Completion;
use super::super::turn::Turn;
use super::super::wait::Wait;
use crate::measurement::GatePoint;
use crate::plan::StrategyKind;
use crate::reason::Reason;
use crate::state::Course;
use crate::workload::RevisionSeen;

impl Turn<'_> {
    /// A version starts when the one before it was seen without traffic and drained.
    pub(in super::super) fn complete_start(&mut self) -> Completion {
        if self.is_started() {
            return Ok(());
        }
        if self.revision(&self.state.latest).is_none() && self.replicas() > 0 {
            let (available, wanted, trouble) = (0, self.replicas(), None);
            return Err(Wait::new(Reason::Pods {
                available,
                wanted,
                trouble,
            }));
        }
        if !self.is_clear() {
            return Err(Wait::new(Reason::Clearing));
        }
        if self.is_held() && self.state.stable.is_some() {
            return Err(Wait::for_ever(Reason::Held));
        }
        self.pass_gate(GatePoint::BeforeStart, 0)?;
        if let Course::Forward {
            started,
            entered_at,
            ..
        } = &mut self.state.course
        {
            (*started, *entered_at) = (true, self.now);
        }
        self.state.height = None;
        self.start_background();
        Ok(())
    }

    /// Whether nobody but stable has traffic, or had it a moment ago.
    fn is_clear(&mut self) -> bool {
        let (Some(workload), Some(stable)) = (self.workload, self.state.stable.clone()) else {
            return true;
        };
        let again = matches!(self.state.course, Course::Forward { again: true, .. });
        if self.plan.strategy == StrategyKind::Canary && !self.plan.splits() {
            // The pods are the traffic: those of the version before go first.
            let latest = &self.state.latest;
            let before = |other: &&RevisionSeen| other.id != stable && other.id != *latest;
            let mut others = workload.revisions.iter().filter(before);
            if others.any(|other| other.available > 0) {
                return false;
            }
        }
        if self.plan.routers.is_empty() || self.state.route.is_none() {
            return true;
        }
        let drain = self.plan.drain_delay;
        let mut clear = true;
        for other in workload.revisions.iter().filter(|r| r.id != stable) {
            // What is to start may have had traffic a moment ago, unless it was taken back.
            let itself = other.id == self.state.latest && !again;
            let delay = if itself { Duration::ZERO } else { drain };
            clear &= self.is_drained(&other.id, Some(delay));
        }
        let slot = self.resting_slot();
        let home = !self.plan.slots.contains(&slot) || self.shows(slot, &stable);
        let all = !self.plan.splits() || self.wanted_part(slot) == self.plan.total;
        clear && home && all && self.split_is_seen()
    }
}
