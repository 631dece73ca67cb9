//! An operator's order takes effect once, on what it was meant for.

use super::turn::Turn;
use crate::analysis::AnalysisPhase;
use crate::event::EventKind;
use crate::id::{RevisionId, cut};
use crate::order::{Acknowledgement, Expects, Order, OrderKind};
use crate::plan::StepKind;
use crate::route::Stamped;
use crate::state::{AbortCause, Course};

type Refusal = Result<(), String>;

impl Turn<'_> {
    pub(super) fn take_orders(&mut self) {
        let mut orders: Vec<&Order> = self.seen.orders.iter().collect();
        orders.sort_by_key(|order| order.sequence);
        for order in orders {
            let taken = self
                .state
                .orders
                .get(&order.source)
                .is_some_and(|last| *last >= order.sequence);
            let refused = if taken { None } else { self.take(order).err() };
            if let (Some(why), false) = (&refused, taken) {
                self.tell(
                    EventKind::OrderRefused,
                    format!("{} refused: {why}", order.kind),
                );
            }
            self.state
                .orders
                .insert(order.source.clone(), self.last_order(order));
            let (source, sequence) = (order.source.clone(), order.sequence);
            self.acknowledged.push(Acknowledgement {
                source,
                sequence,
                refused,
            });
        }
    }

    fn last_order(&self, order: &Order) -> u64 {
        let last = self.state.orders.get(&order.source).copied().unwrap_or(0);
        last.max(order.sequence)
    }

    fn take(&mut self, order: &Order) -> Refusal {
        self.expect(&order.expects)?;
        match &order.kind {
            OrderKind::Promote | OrderKind::SkipStep => self.promote(),
            OrderKind::PromoteFull => self.promote_full(),
            OrderKind::Abort => self.ordered_abort(),
            OrderKind::Retry => self.retry(),
            OrderKind::Pause => self.pause(),
            OrderKind::Resume => self.resume(),
            OrderKind::Restart => self.restart(),
            OrderKind::Undo(to) => self.undo(to.as_ref()),
        }
    }

    fn expect(&self, expects: &Expects) -> Refusal {
        let state = &self.state;
        let mismatch = |what: &str, meant: String, is: String| {
            Err(format!(
                "it was meant for {what} {meant}, but this is {what} {is}"
            ))
        };
        match expects {
            Expects {
                revision: Some(meant),
                ..
            } if *meant != state.latest => {
                mismatch("revision", meant.to_string(), state.latest.to_string())
            }
            Expects {
                attempt: Some(meant),
                ..
            } if *meant != state.attempt => {
                mismatch("attempt", meant.to_string(), state.attempt.to_string())
            }
            Expects {
                step: Some(meant), ..
            } if *meant != self.user_step() => {
                mismatch("step", meant.to_string(), self.user_step().to_string())
            }
            _ => Ok(()),
        }
    }

    /// Ends a pause or an undecided analysis, or skips the step that is running.
    fn promote(&mut self) -> Refusal {
        for run in &mut self.state.runs {
            if run.phase == AnalysisPhase::Inconclusive {
                run.phase = AnalysisPhase::Successful;
                run.message = "waived by an operator".to_owned();
            }
        }
        self.state.held = false;
        match &mut self.state.course {
            Course::Forward { released, .. } => {
                *released = true;
                self.tell(EventKind::RolloutResumed, "Rollout is resumed");
                Ok(())
            }
            Course::Settled | Course::Back { .. } => Err("there is nothing to promote".to_owned()),
        }
    }

    fn promote_full(&mut self) -> Refusal {
        if self.state.course == Course::Settled {
            return Err("there is nothing to promote".to_owned());
        }
        if self.is_back() {
            self.forward_from(0, false);
        }
        self.state.held = false;
        let end = u32::try_from(self.plan.steps.len()).unwrap_or(u32::MAX);
        if let Course::Forward {
            step,
            waived,
            entered_at,
            ..
        } = &mut self.state.course
        {
            (*step, *waived, *entered_at) = (end, true, self.now);
        }
        self.state.runs.clear();
        Ok(())
    }

    fn ordered_abort(&mut self) -> Refusal {
        match &self.state.course {
            Course::Forward { .. } if self.state.stable.is_none() => {
                Err("there is no stable version to go back to".to_owned())
            }
            Course::Forward { .. } => {
                self.abort(AbortCause::Ordered);
                Ok(())
            }
            Course::Back { .. } => Err("it is aborted already".to_owned()),
            Course::Settled => {
                Err("nothing is in flight; the way back from here is an undo".to_owned())
            }
        }
    }

    fn retry(&mut self) -> Refusal {
        if !self.is_back() {
            return Err("it is not aborted".to_owned());
        }
        self.forward_from(0, false);
        self.tell(
            EventKind::RolloutRetry,
            "Rollout is retried from the first step",
        );
        Ok(())
    }

    fn pause(&mut self) -> Refusal {
        self.state.held = true;
        self.tell(EventKind::RolloutPaused, "Rollout is paused by an operator");
        Ok(())
    }

    fn resume(&mut self) -> Refusal {
        if self.state.held || self.state.drifted {
            (self.state.held, self.state.drifted) = (false, false);
            self.state.confirmed = None;
            self.tell(EventKind::RolloutResumed, "Rollout is resumed");
            return Ok(());
        }
        match self.step_kind() {
            Some(StepKind::Pause(_)) => self.promote(),
            _ => Err("it is not paused".to_owned()),
        }
    }

    fn restart(&mut self) -> Refusal {
        let stamp = self.next_stamp();
        self.state.restart = Some(Stamped::new(self.now, stamp));
        Ok(())
    }

    fn undo(&mut self, to: Option<&RevisionId>) -> Refusal {
        let workload = self.workload.ok_or("the workload cannot be read")?;
        let current = workload
            .revision(&workload.wanted)
            .map_or(u64::MAX, |revision| revision.number);
        let before = || {
            workload
                .revisions
                .iter()
                .filter(|r| r.number < current)
                .max_by_key(|r| r.number)
        };
        let target = match to {
            Some(id) => workload
                .revision(id)
                .ok_or_else(|| cut(&format!("there is no revision {id}")))?,
            None => before().ok_or("there is no older revision")?,
        };
        let stamp = self.next_stamp();
        self.state.undo = Some(Stamped::new(target.id.clone(), stamp));
        Ok(())
    }
}
