//! One round: from what is planned, saved and seen to what shall be.
//!
//! Everything is derived anew from levels: nothing here remembers what it did, only where the
//! rollout stands. The order of the calls in [`decide`] is the order of importance: the way
//! back is decided before anything that could wait.

mod abort;
mod adopt;
mod advance;
mod bind;
mod capacity;
mod clock;
mod comparison;
mod draft;
mod drift;
mod emit;
mod judge;
mod orders;
pub(crate) mod ratio;
mod replicas;
mod rest;
mod shares;
mod status;
mod step;
mod traffic;
mod trials;
mod turn;
mod version;
mod view;
mod wait;

#[cfg(test)]
mod tests;

use self::turn::Turn;
use crate::decision::{Decision, Saved};
use crate::observation::Observation;
use crate::plan::Plan;
use crate::time::Timestamp;

/// Decides one round.
///
/// Total: it never panics and never fails, whatever it is given. It settles: on its own result
/// and the same observation it changes nothing any more.
pub fn decide(plan: &Plan, saved: &Saved, observation: &Observation, now: Timestamp) -> Decision {
    let mut turn = Turn::new(plan, saved, observation, now);
    if matches!(saved, Saved::Nothing { .. }) && adopt::is_hidden(plan, observation) {
        return turn.unsighted();
    }
    turn.go_through();
    turn.finish()
}

impl Turn<'_> {
    fn go_through(&mut self) {
        self.never_go_back_in_time();
        self.forget_delivered_events();
        self.greet();
        self.notice_faults();
        self.follow_owner();
        self.follow_plan();
        self.follow_version();
        self.notice_shares();
        self.notice_drift();
        self.take_orders();
        self.judge();
        self.abort_on_trouble();
        self.advance();
        self.watch_deadline();
        self.settle_route();
        self.settle_replicas();
        self.settle_orders();
    }
}
