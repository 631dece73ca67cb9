//! What the routers show, against what is wanted of them.

use crate::capability::{Capabilities, Part};
use crate::event::EventKind;
use crate::id::RevisionId;
use crate::route::{Bindings, Confidence, RouteSeen, Seen, Slot, Split, Stamped};
use crate::stamp::Stamp;
use crate::state::ShareSeen;
use crate::time::Timestamp;

use super::turn::Turn;

impl<'a> Turn<'a> {
    /// The routers that carry a part, with what each shows; nothing where one cannot be read.
    fn carriers(&self, part: Part) -> Option<Vec<(&'a Capabilities, &'a RouteSeen)>> {
        let routers = self.plan.routers.iter().enumerate();
        let carrying = routers.filter(|(_, router)| router.capabilities.carries(part));
        carrying
            .map(|(index, router)| {
                Some((&router.capabilities, self.seen.routes.get(index)?.seen()?))
            })
            .collect()
    }

    /// When a part that was read may be counted as seen; nothing while it differs from what is
    /// wanted.
    fn stands_from<T: PartialEq>(
        caps: &Capabilities,
        seen: &Seen<T>,
        stamp: Stamp,
        same: bool,
    ) -> Option<Timestamp> {
        let ours = seen.stamp.is_none_or(|seen| seen == stamp);
        let settle = if seen.confidence == Confidence::Config {
            caps.settle
        } else {
            Default::default()
        };
        (ours && same).then(|| seen.since + settle)
    }

    /// Whether every carrier shows a part as wanted and has settled; asks to be woken when it
    /// will have.
    fn all_stand(&mut self, stands: Option<Vec<Option<Timestamp>>>) -> bool {
        let Some(stands) = stands else { return false };
        let Some(stands) = stands.into_iter().collect::<Option<Vec<_>>>() else {
            return false;
        };
        let last = stands.into_iter().max().unwrap_or(self.now);
        self.wake_at(last);
        last <= self.now
    }

    pub(super) fn split_is_seen(&mut self, wanted: &Stamped<Split>) -> bool {
        let stands = self.carriers(Part::Split).map(|carriers| {
            let stand = |(caps, route): (&Capabilities, &RouteSeen)| {
                let seen = route.split.as_ref()?;
                Self::stands_from(
                    caps,
                    seen,
                    wanted.stamp,
                    seen.value() == Some(&wanted.value),
                )
            };
            carriers.into_iter().map(stand).collect()
        });
        self.all_stand(stands)
    }

    pub(super) fn bind_is_seen(&mut self, wanted: &Stamped<Bindings>) -> bool {
        let stands = self.carriers(Part::Bind).map(|carriers| {
            let stand = |(caps, route): (&Capabilities, &RouteSeen)| {
                let seen = route.bind.as_ref()?;
                let value = seen.value()?;
                let same = wanted.value.iter().all(|(slot, revision)| {
                    value
                        .get(slot)
                        .is_some_and(|bound| bound.revision.as_ref() == Some(revision))
                });
                Self::stands_from(caps, seen, wanted.stamp, same)
            };
            carriers.into_iter().map(stand).collect()
        });
        self.all_stand(stands)
    }

    pub(super) fn trials_are_seen(&mut self) -> bool {
        let Some(route) = self.state.route.clone() else {
            return false;
        };
        let headers = self.carriers(Part::Headers).map(|carriers| {
            let stand = |(caps, seen): (&Capabilities, &RouteSeen)| {
                let seen = seen.headers.as_ref()?;
                Self::stands_from(
                    caps,
                    seen,
                    route.headers.stamp,
                    seen.value() == Some(&route.headers.value),
                )
            };
            carriers.into_iter().map(stand).collect()
        });
        let mirrors = self.carriers(Part::Mirrors).map(|carriers| {
            let stand = |(caps, seen): (&Capabilities, &RouteSeen)| {
                let seen = seen.mirrors.as_ref()?;
                Self::stands_from(
                    caps,
                    seen,
                    route.mirrors.stamp,
                    seen.value() == Some(&route.mirrors.value),
                )
            };
            carriers.into_iter().map(stand).collect()
        });
        self.all_stand(headers) && self.all_stand(mirrors)
    }

    /// Whether a slot has an endpoint that can answer, as far as any router can tell.
    pub(super) fn has_endpoints(&self, slot: Slot) -> bool {
        let Some(carriers) = self.carriers(Part::Bind) else {
            return false;
        };
        carriers.iter().all(|(_, route)| {
            let values = route.bind.iter().flat_map(|seen| &seen.values);
            values
                .filter_map(|value| value.get(&slot)?.ready_endpoints)
                .all(|ready| ready > 0)
        })
    }

    /// The largest part that any router gives a slot; nothing where one cannot be read.
    ///
    /// Where no router splits, the resting slot has everything.
    pub(super) fn part_seen(&self, slot: Slot) -> Option<u32> {
        if !self.plan.splits() {
            return Some(if slot == self.resting_slot() {
                self.plan.total
            } else {
                0
            });
        }
        let carriers = self.carriers(Part::Split)?;
        let splits = carriers
            .iter()
            .flat_map(|(_, route)| route.split.iter().flat_map(|seen| &seen.values));
        Some(splits.map(|split| split.part(slot)).max().unwrap_or(0))
    }

    /// Whether a revision is bound to a slot anywhere, by what is seen or by what is wanted.
    pub(super) fn is_bound(&self, revision: &RevisionId) -> bool {
        let wanted = self
            .state
            .route
            .iter()
            .any(|route| route.bind.value.values().any(|id| id == revision));
        let Some(carriers) = self.carriers(Part::Bind) else {
            return true;
        };
        let mut values = carriers
            .iter()
            .flat_map(|(_, route)| route.bind.iter().flat_map(|seen| &seen.values));
        wanted
            || values.any(|value| {
                value
                    .values()
                    .any(|bound| bound.revision.as_ref() == Some(revision))
            })
    }

    /// The largest share that a revision may have by what the routers show; nothing where one
    /// cannot be read.
    pub(super) fn share_seen(&self, revision: &RevisionId) -> Option<u32> {
        let slots = [Slot::Stable, Slot::Canary, Slot::Active, Slot::Preview];
        let mut share: u32 = 0;
        for slot in slots {
            if self.may_serve(slot, revision)? {
                share = share.saturating_add(self.part_seen(slot)?);
            }
        }
        Some(share.min(self.plan.total))
    }

    /// Whether any router may send a slot's traffic to a revision.
    fn may_serve(&self, slot: Slot, revision: &RevisionId) -> Option<bool> {
        if !self.plan.carries(Part::Bind) {
            let bound = self
                .state
                .route
                .as_ref()
                .and_then(|route| route.bind.value.get(&slot));
            return Some(bound == Some(revision));
        }
        let carriers = self.carriers(Part::Bind)?;
        let mut values = carriers
            .iter()
            .flat_map(|(_, route)| route.bind.iter().flat_map(|seen| &seen.values));
        Some(values.any(|value| {
            value
                .get(&slot)
                .is_some_and(|bound| bound.revision.as_ref() == Some(revision))
        }))
    }

    /// The slot that has everything at rest.
    pub(super) fn resting_slot(&self) -> Slot {
        match self.plan.strategy {
            crate::plan::StrategyKind::BlueGreen => Slot::Active,
            crate::plan::StrategyKind::Canary | crate::plan::StrategyKind::RollingUpdate => {
                Slot::Stable
            }
        }
    }

    /// Keeps, for each revision, since when its share is what it is: pods follow traffic.
    pub(super) fn notice_shares(&mut self) {
        let (Some(workload), false) = (self.workload, self.plan.routers.is_empty()) else {
            return;
        };
        for revision in &workload.revisions {
            let Some(share) = self.share_seen(&revision.id) else {
                continue;
            };
            let known = self.state.shares.get(&revision.id).map(|seen| seen.share);
            if known != Some(share) && (known.is_some() || share > 0) {
                let rose = share > known.unwrap_or(0);
                let seen = ShareSeen {
                    share,
                    before: known.unwrap_or(0),
                    since: self.now,
                };
                self.state.shares.insert(revision.id.clone(), seen);
                if rose && revision.id == self.state.latest && !self.is_stable(&revision.id) {
                    let text = format!("weight {share} of {} seen", self.plan.total);
                    self.tell(EventKind::TrafficWeightUpdated, text);
                }
            }
        }
        self.state
            .shares
            .retain(|id, _| workload.revision(id).is_some());
    }

    /// Whether a revision's share was seen at zero for the drain delay, or was never more.
    pub(super) fn is_drained(&mut self, revision: &RevisionId, delay: std::time::Duration) -> bool {
        let Some(seen) = self.state.shares.get(revision).copied() else {
            return true;
        };
        if seen.share > 0 {
            return false;
        }
        let end = seen.since + delay;
        self.wake_at(end);
        end <= self.now
    }

    /// A split that was confirmed and is now lower for the canary was lowered by a stranger:
    /// it is not raised back. One that is higher is lowered at once, by the next write.
    pub(super) fn notice_drift(&mut self) {
        let Some(route) = self.state.route.clone() else {
            return;
        };
        if !self.plan.splits() {
            return;
        }
        if self.split_is_seen(&route.split) {
            self.state.confirmed = Some(route.split.stamp);
            return;
        }
        let Some(seen) = self.part_seen(Slot::Canary) else {
            return;
        };
        let confirmed = self.state.confirmed == Some(route.split.stamp);
        if confirmed
            && self.is_started()
            && seen < route.split.value.part(Slot::Canary)
            && !self.state.drifted
        {
            self.state.drifted = true;
            self.tell(
                EventKind::RouteDrift,
                format!("the canary's weight was lowered to {seen} by somebody else"),
            );
        }
    }
}
