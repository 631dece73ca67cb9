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
            if self.unreadable.is_some() {
                // It cannot be remembered, so it is taken anew in every round; only the way
                // back bears that.
                let meant = order.expects.revision.as_ref();
                let meant = meant.is_none_or(|id| *id == self.state.latest);
                if order.kind == OrderKind::Abort && meant {
                    self.abort(AbortCause::Ordered);
                }
                continue;
            }
            let last = self.state.orders.get(&order.source);
            let taken = last.is_some_and(|last| *last >= order.sequence);
            let refused = if taken { None } else { self.take(order).err() };
            if let Some(why) = &refused {
                let by = order.by.as_ref().map(|by| format!(" by {by}"));
                let by = by.unwrap_or_default();
                let text = format!("{}{by} refused: {why}", order.kind);
                self.tell(EventKind::OrderRefused, text);
            }
            if !taken {
                let source = order.source.clone();
                self.state.orders.insert(source, order.sequence);
            }
            self.acknowledged.push(Acknowledgement {
                source: order.source.clone(),
                sequence: order.sequence,
                refused,
            });
        }
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

    /// Decides an undecided analysis or judge, else ends a hold and a pause, else skips the step.
    fn promote(&mut self) -> Refusal {
        if !self.is_forward() {
            return Err("there is nothing to promote".to_owned());
        }
        let pauses = matches!(self.step_kind(), Some(StepKind::Pause(_)));
        let decided = self.waive_undecided() || self.waive_judges();
        if !decided && (!self.state.held || pauses) {
            self.may_skip()?;
            if let Course::Forward { released, .. } = &mut self.state.course {
                *released = true;
            }
        }
        self.state.held = false;
        self.tell(EventKind::RolloutResumed, "Rollout is resumed");
        Ok(())
    }

    fn waive_undecided(&mut self) -> bool {
        let mut waived = false;
        for run in &mut self.state.runs {
            if run.phase == AnalysisPhase::Inconclusive {
                run.phase = AnalysisPhase::Successful;
                run.message = "waived by an operator".to_owned();
                waived = true;
            }
        }
        waived
    }

    /// A step that raises the weight ends when the weight is seen, and not before.
    fn may_skip(&self) -> Refusal {
        if self.workload.is_some_and(|workload| workload.paused) {
            return Err("it is paused by its own spec".to_owned());
        }
        if !self.is_started() {
            return Err("it has not started: the version before it must be drained".to_owned());
        }
        match self.step_kind() {
            None => Err("every step is done".to_owned()),
            Some(StepKind::SetWeight(weight) | StepKind::Pace { most: weight, .. })
                if *weight > self.height_weight() || !self.plan.splits() =>
            {
                Err("this step ends when its weight is seen; promote --full skips it".to_owned())
            }
            Some(StepKind::Switch) => Err("this step ends when the switch is seen".to_owned()),
            Some(_) => Ok(()),
        }
    }

    fn promote_full(&mut self) -> Refusal {
        match &mut self.state.course {
            Course::Settled => return Err("there is nothing to promote".to_owned()),
            Course::Back { .. } => return Err("it is aborted; retry it first".to_owned()),
            Course::Forward {
                step,
                waived,
                entered_at,
                released,
                ..
            } => {
                *step = u32::try_from(self.plan.steps.len()).unwrap_or(u32::MAX);
                (*waived, *released, *entered_at) = (true, false, self.now);
            }
        }
        self.state.held = false;
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
        self.forward_from(0, false, true);
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
            self.tell(EventKind::RolloutResumed, "Rollout is resumed");
            return Ok(());
        }
        match self.step_kind() {
            Some(StepKind::Pause(_)) => self.promote(),
            _ if self.is_held() => Err("it is paused by its own spec".to_owned()),
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
        if target.id == workload.wanted {
            return Err(format!("revision {} is the wanted one already", target.id));
        }
        let stamp = self.next_stamp();
        self.state.undo = Some(Stamped::new(target.id.clone(), stamp));
        Ok(())
    }
}
