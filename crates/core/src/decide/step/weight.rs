//! A weight: its pods are available, what stands before a raise lets it pass, and it is seen.

use super::super::advance::Completion;
use super::super::turn::Turn;
use super::super::wait::Wait;
use crate::measurement::GatePoint;
use crate::reason::Reason;
use crate::route::Slot;

impl Turn<'_> {
    pub(in super::super) fn complete_weight(&mut self, weight: u32) -> Completion {
        if !self.plan.splits() {
            return self.complete_ratio();
        }
        let (pods, height) = (self.step_pods(), self.height_of(&self.state.latest));
        let (reached, carriers) = height.map_or((0, pods), |height| (height.weight, height.pods));
        let raises = weight > reached;
        if !raises && weight < reached && self.may_lower(weight) {
            // What a lower weight needs is there already, on the pods of the higher one.
            self.set_height(weight, carriers);
        }
        if raises || !self.is_released() {
            self.pods_are_available(pods)?;
        }
        self.reach_height()?;
        self.weight_is_seen(weight)
    }

    /// Takes the step's weight as the new height, when gates and fresh measurements allow it.
    pub(super) fn reach_height(&mut self) -> Completion {
        let (weight, pods) = (self.step_weight(), self.step_pods());
        if weight > self.height_weight() {
            self.may_raise()?;
        }
        if self.latest_available() >= self.plan.enough(pods) && self.may_lower(weight) {
            self.set_height(weight, pods);
        }
        Ok(())
    }

    /// Whether stable carries what a lower weight leaves to it; a weight that is none may be taken.
    fn may_lower(&self, weight: u32) -> bool {
        weight >= self.height_weight() || self.lacking() <= weight
    }

    fn may_raise(&mut self) -> Completion {
        if let Some(metric) = self.stale_metric() {
            return Err(Wait::new(Reason::StaleAnalysis { metric }));
        }
        self.pass_gate(GatePoint::BeforeRaise, self.step_index())?;
        self.judges_let_pass()
    }

    fn weight_is_seen(&mut self, weight: u32) -> Completion {
        let wanted = self.plan.rounded(weight);
        let stands = self.wanted_part(Slot::Canary) == wanted
            && self.split_is_seen()
            && (wanted == 0 || self.bind_is_seen());
        if stands {
            Ok(())
        } else {
            Err(self.wait_for_route(wanted))
        }
    }

    /// A wait for the routers; where one cannot be read, for that.
    pub(in super::super) fn wait_for_route(&self, wanted: u32) -> Wait {
        let seen = self.part_seen(self.trial_slot());
        Wait::new(match self.router_fault() {
            Some(fault) => Reason::Unobserved {
                message: fault.text.clone(),
            },
            None => Reason::Route { wanted, seen },
        })
    }

    /// Without a router a step is complete when its pair of counts is available.
    pub(super) fn complete_ratio(&mut self) -> Completion {
        if self.replicas() == 0 && self.plan.steps.is_empty() {
            return Ok(());
        }
        let weight = self.step_weight();
        if weight > self.height_weight() {
            // The pods are the weight, so that they are asked for only now.
            self.may_raise()?;
            self.set_height(weight, self.step_pods());
        }
        let pair = self.ratio_pair();
        self.pods_are_available(pair.canary)?;
        let stable = self.state.stable.as_ref();
        let stable = stable.filter(|stable| **stable != self.state.latest);
        let seen = stable.and_then(|stable| self.revision(stable));
        let (desired, available) = seen.map_or((0, 0), |r| (r.desired, r.available));
        if desired != pair.stable || available < pair.stable {
            let wanted = pair.stable;
            return Err(Wait::new(Reason::StablePods { available, wanted }));
        }
        self.set_height(weight, pair.canary);
        Ok(())
    }
}
