//! The value that one round works on.

use super::draft::Draft;
use super::wait::Wait;
use crate::action::Action;
use crate::decision::Saved;
use crate::event::{Event, EventId, EventKind};
use crate::id::{RevisionId, cut, cut_explanation};
use crate::measurement::Ask;
use crate::observation::Observation;
use crate::order::Acknowledgement;
use crate::plan::Plan;
use crate::stamp::Stamp;
use crate::state::{Course, State};
use crate::time::Timestamp;
use crate::workload::{RevisionSeen, WorkloadSeen};

/// How many undelivered events are kept; older ones go first, but never the last final one.
const MOST_EVENTS: usize = 16;

pub(super) struct Turn<'a> {
    pub(super) plan: &'a Plan,
    pub(super) seen: &'a Observation,
    pub(super) workload: Option<&'a WorkloadSeen>,
    pub(super) now: Timestamp,
    /// What was saved, if it could be read.
    pub(super) before: Option<&'a State>,
    pub(super) state: Draft<'a>,
    /// Why the saved state cannot be read: then nothing is raised and nothing is saved.
    pub(super) unreadable: Option<&'a str>,
    /// Whether too little is seen to take a rollout on.
    pub(super) hidden: bool,
    pub(super) actions: Vec<Action>,
    pub(super) wanted: Vec<Ask>,
    pub(super) acknowledged: Vec<Acknowledgement>,
    pub(super) wake: Option<Timestamp>,
    pub(super) wait: Option<Wait>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        saved: &'a Saved,
        seen: &'a Observation,
        now: Timestamp,
    ) -> Self {
        let (before, unreadable, incarnation) = match saved {
            Saved::State(state) => (Some(state.as_ref()), None, 0),
            Saved::Nothing { incarnation } => (None, None, *incarnation),
            Saved::Unreadable { message } => (None, Some(message.as_str()), 0),
        };
        let adopted = || Draft::new(super::adopt::adopt(plan, seen, incarnation, now));
        Self {
            plan,
            seen,
            workload: seen.workload.seen(),
            now,
            before,
            state: before.map_or_else(adopted, Draft::of),
            unreadable,
            hidden: false,
            actions: Vec::new(),
            wanted: Vec::new(),
            acknowledged: Vec::new(),
            wake: None,
            wait: None,
        }
    }

    /// How many pods the whole workload shall have; what was wanted last when it cannot be read.
    pub(super) fn replicas(&self) -> u32 {
        let recorded = || {
            self.state
                .scales
                .values()
                .map(|scale| scale.value)
                .max()
                .unwrap_or(0)
        };
        self.workload
            .map_or_else(recorded, |workload| workload.replicas)
    }

    pub(super) fn revision(&self, id: &RevisionId) -> Option<&'a RevisionSeen> {
        self.workload.and_then(|workload| workload.revision(id))
    }

    pub(super) fn available(&self, id: &RevisionId) -> u32 {
        self.revision(id).map_or(0, |revision| revision.available)
    }

    pub(super) fn latest_available(&self) -> u32 {
        self.available(&self.state.latest)
    }

    pub(super) fn is_stable(&self, id: &RevisionId) -> bool {
        self.state.stable.as_ref() == Some(id)
    }

    /// Whether the steps of a new version are under way.
    pub(super) fn is_started(&self) -> bool {
        matches!(self.state.course, Course::Forward { started: true, .. })
    }

    pub(super) fn is_forward(&self) -> bool {
        matches!(self.state.course, Course::Forward { .. })
    }

    pub(super) fn is_back(&self) -> bool {
        matches!(self.state.course, Course::Back { .. })
    }

    /// Whether an operator or `spec.paused` holds it.
    pub(super) fn is_held(&self) -> bool {
        self.state.held || self.workload.is_some_and(|workload| workload.paused)
    }

    /// A stamp for a new intent.
    pub(super) fn next_stamp(&mut self) -> Stamp {
        self.state.sequence = self.state.sequence.saturating_add(1);
        Stamp {
            epoch: self.state.epoch,
            sequence: self.state.sequence,
            generation: self.state.generation,
            attempt: self.state.attempt,
        }
    }

    pub(super) fn tell(&mut self, kind: EventKind, text: impl AsRef<str>) {
        let number = self.state.next_event;
        self.state.next_event = number.saturating_add(1);
        let id = EventId {
            incarnation: self.state.incarnation,
            number,
        };
        self.state.events.push(Event {
            id,
            at: self.now,
            kind,
            text: match kind.explains() {
                true => cut_explanation(text.as_ref()),
                false => cut(text.as_ref()),
            },
            evidence: Vec::new(),
        });
        if self.state.events.len() > MOST_EVENTS {
            let last_final = self
                .state
                .events
                .iter()
                .rposition(|event| event.kind.is_final());
            self.state.events.remove(usize::from(last_final == Some(0)));
        }
    }

    pub(super) fn forget_delivered_events(&mut self) {
        let delivered = |event: &Event| self.seen.delivered.contains(&event.id);
        if self.state.events.iter().any(delivered) {
            self.state.events.retain(|event| !delivered(event));
        }
    }

    /// Asks to be woken at an instant, if it is still to come.
    pub(super) fn wake_at(&mut self, at: Timestamp) {
        if at > self.now {
            self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        }
    }

    /// Since when it stands in the current step.
    pub(super) fn entered_at(&self) -> Timestamp {
        match self.state.course {
            Course::Forward { entered_at, .. } => entered_at,
            Course::Back { at, .. } => at,
            Course::Settled => self.now,
        }
    }

    /// The index of the current step in the plan.
    pub(super) fn step_index(&self) -> u32 {
        match self.state.course {
            Course::Forward { step, .. } => step,
            Course::Back { .. } | Course::Settled => 0,
        }
    }

    /// Whether an operator has ended the current step.
    pub(super) fn is_released(&self) -> bool {
        matches!(self.state.course, Course::Forward { released: true, .. })
    }

    /// Whether an order or a rule has waived the steps, analyses and gates that are left.
    pub(super) fn is_waived(&self) -> bool {
        matches!(self.state.course, Course::Forward { waived: true, .. })
    }
}
