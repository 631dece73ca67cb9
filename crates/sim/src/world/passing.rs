//! Time passes: pods start, data planes follow, behaviours change.

use std::time::Duration;

use gradatim_core::time::Timestamp;

use super::World;
use super::flow::{CELL, hour};

impl World {
    /// The next instant at which something changes by itself.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        let pods = self.revisions.iter().filter_map(|revision| revision.next);
        let planes = self
            .routers
            .iter()
            .filter_map(|router| router.pending.front().map(|(at, _)| *at));
        let echoes = self.echoes.iter().map(|echo| echo.at);
        let scaler = self
            .autoscaler
            .as_ref()
            .map(|scaler| self.next_tick(scaler.every));
        let known = pods.chain(planes).chain(echoes).chain(scaler).min();
        match (known, self.next_behaviour()) {
            (Some(known), Some(behaviour)) => Some(known.min(behaviour)),
            (known, behaviour) => known.or(behaviour),
        }
    }

    /// The next instant at which a version or the traffic is another.
    fn next_behaviour(&self) -> Option<Timestamp> {
        let elapsed = self.elapsed();
        let versions = self
            .revisions
            .iter()
            .filter_map(|revision| revision.version.next_change(elapsed));
        let traffic = self.traffic.next_change(elapsed);
        versions.chain(traffic).min().map(|at| self.origin + at)
    }

    fn next_tick(&self, every: Duration) -> Timestamp {
        let (every, elapsed) = (every.as_millis().max(1), self.elapsed().as_millis());
        let ticks = elapsed / every + 1;
        let at = u64::try_from(ticks * every).unwrap_or(u64::MAX);
        self.origin + Duration::from_millis(at)
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, to: Timestamp) {
        while self.now < to {
            let mut next = self.next_change().map_or(to, |at| at.clamp(self.now, to));
            if self.varies() {
                let cell = (self.now.as_millis().div_euclid(CELL) + 1) * CELL;
                next = next.min(Timestamp::from_millis(cell));
            }
            if next > self.now {
                self.account(next);
                self.now = next;
            }
            self.happen();
        }
    }

    /// What is due happens.
    fn happen(&mut self) {
        let (now, elapsed) = (self.now, self.elapsed());
        let mut changed = false;
        for router in &mut self.routers {
            changed |= router.follow(now);
        }
        let pods = self
            .revisions
            .iter()
            .any(|revision| revision.next.is_some_and(|at| at <= now));
        let behaves = |at: Duration| at == elapsed;
        let versions = self
            .revisions
            .iter()
            .any(|revision| revision.version.changes.iter().any(|(at, _)| behaves(*at)));
        if self.traffic.changes.iter().any(|(at, _)| behaves(*at)) {
            self.flows.dirty = true;
        }
        if pods || versions {
            self.flows.dirty = true;
            changed |= self.settle_pods();
        }
        changed |= self.autoscale();
        self.echo();
        if changed {
            self.note_change();
        }
    }

    fn autoscale(&mut self) -> bool {
        let Some(scaler) = &self.autoscaler else {
            return false;
        };
        let every = scaler.every.as_millis().max(1);
        let elapsed = self.elapsed();
        if !elapsed.as_millis().is_multiple_of(every) || elapsed.is_zero() {
            return false;
        }
        let rate = self.traffic.at(self.elapsed(), hour(self.now));
        let wanted = (rate / scaler.per_pod.max(f64::MIN_POSITIVE)).ceil();
        let wanted = (wanted.min(f64::from(u32::MAX)) as u32)
            .clamp(scaler.least, scaler.most.max(scaler.least));
        let changed = wanted != self.replicas;
        self.replicas = wanted;
        changed
    }

    /// Makes and removes pods, and counts them anew; whether anything that can be seen changed.
    pub(crate) fn settle_pods(&mut self) -> bool {
        let (now, elapsed, min_ready) = (self.now, self.elapsed(), self.min_ready);
        let mut changed = false;
        for place in 0..self.revisions.len() {
            let all: u32 = self.revisions.iter().map(super::Revision::pods).sum();
            let room = self.room.map_or(u32::MAX, |room| room.saturating_sub(all));
            if let Some(revision) = self.revisions.get_mut(place) {
                let before = revision.pods();
                revision.fill(now, elapsed, room);
                changed |= revision.pods() != before;
                revision.crowded = self.room.filter(|_| revision.pods() < revision.desired);
                changed |= revision.refresh(now, elapsed, min_ready);
            }
        }
        changed
    }

    /// A wanted revision that carries everything is trusted from now on.
    pub(crate) fn judge_trust(&mut self) {
        if self.share(self.wanted.clone().as_str()) > 0.999_999 {
            self.trusted = self.wanted.clone();
        }
    }
}
