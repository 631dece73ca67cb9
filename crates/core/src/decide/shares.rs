//! Who has how much traffic, and since when: pods leave only after it.

use std::time::Duration;

use super::turn::Turn;
use crate::event::EventKind;
use crate::id::RevisionId;
use crate::plan::StrategyKind;
use crate::route::Route;
use crate::state::{Course, ShareSeen};
use crate::time::Timestamp;

/// Long ago: what has had no traffic at all has had none since then.
const EVER: Timestamp = Timestamp::from_millis(i64::MIN);

impl Turn<'_> {
    /// Keeps each revision's share as it is seen, and since when it is also what is wanted.
    pub(super) fn notice_shares(&mut self) {
        let (Some(workload), false) = (self.workload, self.plan.routers.is_empty()) else {
            return;
        };
        let stands = self.route_is_seen().then_some(self.now);
        for revision in &workload.revisions {
            if let Some(share) = self.share_seen(&revision.id) {
                self.notice_share(&revision.id, share, stands);
            }
        }
        let lasts = |(id, known): (&RevisionId, &ShareSeen)| {
            let serves = known.share > 0 || known.since.is_none();
            let seen = workload.revision(id);
            seen.is_some_and(|seen| serves || seen.desired > 0 || seen.pods > 0)
        };
        if !self.state.shares.iter().all(lasts) {
            self.state.shares.retain(|id, known| lasts((id, known)));
        }
    }

    fn notice_share(&mut self, id: &RevisionId, share: u32, stands: Option<Timestamp>) {
        let known = self.state.shares.get(id).copied();
        let (had, since) = known.map_or((0, None), |known| (known.share, known.since));
        if had == share && (known.is_none() || since.is_some() || stands.is_none()) {
            return;
        }
        let seen = match known {
            Some(known) if had == share => ShareSeen {
                since: stands,
                ..known
            },
            _ => ShareSeen {
                share,
                before: had.max(self.leaving(id)),
                since: stands,
            },
        };
        self.state.shares.insert(id.clone(), seen);
        if share > had {
            self.tell_rise(id, share);
        }
    }

    /// What a revision had before, until it has drained.
    fn leaving(&self, id: &RevisionId) -> u32 {
        let known = self.state.shares.get(id);
        let drained = |since: Timestamp| since + self.plan.drain_delay <= self.now;
        let leaves = known.filter(|known| !known.since.is_some_and(drained));
        leaves.map_or(0, |known| known.before)
    }

    fn tell_rise(&mut self, id: &RevisionId, share: u32) {
        let under_way = self.state.stable.is_some() && self.state.course != Course::Settled;
        if under_way && self.plan.strategy == StrategyKind::BlueGreen {
            self.tell(EventKind::SwitchService, format!("{id} is active"));
        }
        if *id == self.state.latest && !self.is_stable(id) && self.plan.splits() {
            let text = format!("weight {share} of {} seen", self.plan.total);
            self.tell(EventKind::TrafficWeightUpdated, text);
        }
    }

    /// What a new route gives to somebody else is on its way until it is seen; until then a
    /// revision may still get what was wanted before.
    pub(super) fn set_in_motion(&mut self, before: Option<&Route>, route: &Route) {
        let trials = |route: &Route| (route.headers.stamp, route.mirrors.stamp);
        let tried = before.is_some_and(|before| trials(before) != trials(route));
        let old = before.into_iter().flat_map(|b| b.bind.value.values());
        for id in old.chain(route.bind.value.values()) {
            let had = before.map_or(0, |before| before.share(id));
            if had == route.share(id) && (!tried || self.is_stable(id)) {
                continue;
            }
            let leaving = self.leaving(id);
            let known = self.state.shares.entry(id.clone()).or_insert(ShareSeen {
                share: 0,
                before: 0,
                since: None,
            });
            (known.before, known.since) = (had.max(leaving), None);
        }
    }

    /// A revision's share as it is seen, or was when it could be seen.
    pub(super) fn share_known(&self, id: &RevisionId) -> u32 {
        let known = self.state.shares.get(id).map(|known| known.share);
        self.share_seen(id).or(known).unwrap_or(0)
    }

    /// Since when a revision has had the share that it has, by what is wanted and by what is
    /// seen; nothing while one of them is about to change or cannot be read.
    pub(super) fn steady_since(&self, id: &RevisionId) -> Option<Timestamp> {
        if self.plan.routers.is_empty() {
            return Some(EVER);
        }
        let share = self.share_seen(id)?;
        match (self.state.shares.get(id), &self.state.course) {
            (Some(known), _) if known.share == share => known.since,
            (Some(_), _) => None,
            (None, Course::Back { at, .. }) if *id == self.state.latest => Some(*at),
            (None, _) => Some(EVER),
        }
    }

    /// Whether a revision's share has been what it is for a delay.
    pub(super) fn is_steady(&mut self, id: &RevisionId, delay: Option<Duration>) -> bool {
        let (Some(since), Some(delay)) = (self.steady_since(id), delay) else {
            return false;
        };
        self.wake_at(since + delay);
        since + delay <= self.now
    }

    /// Whether a revision has been without traffic for a delay.
    pub(super) fn is_drained(&mut self, id: &RevisionId, delay: Option<Duration>) -> bool {
        let idle = self.plan.routers.is_empty() || self.share_seen(id) == Some(0);
        idle && self.is_steady(id, delay)
    }

    /// The largest share that a revision has, is wanted to have, or had until a moment ago.
    pub(super) fn largest_share(&mut self, id: &RevisionId) -> u32 {
        let wanted = self.wanted_share(id);
        let Some(known) = self.state.shares.get(id).copied() else {
            return wanted;
        };
        let drained = known.since.map(|since| since + self.plan.drain_delay);
        if let Some(drained) = drained {
            self.wake_at(drained);
        }
        let recent = if drained.is_some_and(|drained| drained <= self.now) {
            0
        } else {
            known.before
        };
        wanted.max(known.share).max(recent)
    }
}
