//! A ramp whose weight follows the evidence.

use std::time::Duration;

use super::super::advance::Completion;
use super::super::turn::Turn;
use super::super::wait::Wait;
use crate::analysis::judge::{JudgeState, Pace};
use crate::plan::StepKind;
use crate::reason::Reason;
use crate::route::Slot;

/// A weight that is wanted stays unless the evidence wants one that is farther from it than a
/// quarter: each change is a write.
const NEAR: std::ops::RangeInclusive<f64> = 0.8..=1.25;
/// How many scrapes it takes from a failure to a changed weight.
const REACTS: u32 = 2;

impl Turn<'_> {
    /// The judge finds the new version good enough, after the bake time at least; or it waits
    /// for that as long as it may.
    pub(in super::super) fn complete_pace(&mut self, bake: Duration) -> Completion {
        if self.is_released() {
            return Ok(());
        }
        self.pods_are_available(self.step_pods())?;
        self.reach_height()?;
        let until = self.entered_at() + bake;
        if self.now < until {
            let (lost, budget) = self.spent();
            return Err(Wait::until(Reason::Pace { lost, budget }, until));
        }
        self.judges_are_content(until)?;
        match self.split_is_seen() {
            true => Ok(()),
            false => Err(self.wait_for_route(self.wanted_part(Slot::Canary))),
        }
    }

    /// The weight of the current step; of a paced one what the evidence allows.
    pub(in super::super) fn paced_weight(&self) -> u32 {
        let step = self.step_weight();
        match self.step_kind() {
            Some(StepKind::Pace { most, .. }) if self.is_started() => {
                self.weight_by_evidence(*most)
            }
            _ => step,
        }
    }

    fn weight_by_evidence(&self, most: u32) -> u32 {
        let Some((plan, interval, risk)) = self
            .pacing()
            .and_then(|(plan, interval, known)| Some((plan, interval, known?.risk()?)))
        else {
            return 0;
        };
        let total = f64::from(self.plan.total.max(1));
        let pace = Pace {
            budget: f64::from(plan.failure_budget.unwrap_or_default()),
            reacts_in: interval.saturating_mul(REACTS),
            most: f64::from(most) / total,
        };
        let wanted = pace.weight(&risk) * total;
        // The least that the routers know is the least that anything can be learned from.
        let least = self.plan.total.div_ceil(self.plan.grain());
        let wanted = self
            .plan
            .rounded(wanted as u32)
            .clamp(least.min(most), most);
        let before = self.wanted_part(Slot::Canary);
        let near = NEAR.contains(&(f64::from(wanted) / f64::from(before.max(1))));
        if before > 0 && near && wanted < most {
            before.min(most)
        } else {
            wanted
        }
    }

    /// How many requests were lost, and how many may be.
    fn spent(&self) -> (u32, u32) {
        let Some((plan, _, known)) = self.pacing() else {
            return (0, 0);
        };
        let lost = known.map_or(0.0, JudgeState::lost).max(0.0).round();
        (lost as u32, plan.failure_budget.unwrap_or_default())
    }
}
