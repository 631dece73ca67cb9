//! A router's objects, and the data plane that follows them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::capability::{Capabilities, Part};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::plan::RouterPlan;
use gradatim_core::port::PortError;
use gradatim_core::route::{
    Bindings, BoundSlot, Confidence, HeaderRoute, MirrorRoute, Route, RouteSeen, Seen, Slot, Split,
    Stamped,
};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;

/// A part of a route as an object holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held<T> {
    pub(crate) value: T,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) since: Timestamp,
}

/// The parts of a route as a router holds them; one that it does not carry is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    pub(crate) bind: Option<Held<Bindings>>,
    pub(crate) split: Option<Held<Split>>,
    pub(crate) headers: Option<Held<Vec<HeaderRoute>>>,
    pub(crate) mirrors: Option<Held<Vec<MirrorRoute>>>,
}

impl Parts {
    fn newest(&self) -> Option<Stamp> {
        let stamps = [
            self.bind.as_ref().and_then(|part| part.stamp),
            self.split.as_ref().and_then(|part| part.stamp),
            self.headers.as_ref().and_then(|part| part.stamp),
            self.mirrors.as_ref().and_then(|part| part.stamp),
        ];
        stamps.into_iter().flatten().max()
    }

    /// The same as of an instant: what is not as it was `before` is so since then.
    fn since(mut self, before: &Self, now: Timestamp) -> Self {
        settle(&mut self.bind, before.bind.as_ref(), now);
        settle(&mut self.split, before.split.as_ref(), now);
        settle(&mut self.headers, before.headers.as_ref(), now);
        settle(&mut self.mirrors, before.mirrors.as_ref(), now);
        self
    }
}

fn settle<T: PartialEq>(part: &mut Option<Held<T>>, before: Option<&Held<T>>, now: Timestamp) {
    if let Some(part) = part {
        let same = |before: &&Held<T>| before.value == part.value && before.stamp == part.stamp;
        part.since = before.filter(same).map_or(now, |before| before.since);
    }
}

/// A router of the world.
#[derive(Clone, Debug)]
pub(crate) struct RouterState {
    pub(crate) name: String,
    pub(crate) capabilities: Capabilities,
    /// What its objects say.
    pub(crate) object: Arc<Parts>,
    /// What the data plane does.
    pub(crate) plane: Arc<Parts>,
    /// What the data plane will do, and when.
    pub(crate) pending: VecDeque<(Timestamp, Arc<Parts>)>,
    /// How long after a write the data plane follows.
    pub(crate) lag: Duration,
    /// What was to be read, and since when.
    pub(crate) past: Vec<(Timestamp, Arc<Parts>)>,
    /// Whether an embedder's own router stands here: then the world goes by what it reads back.
    pub(crate) foreign: bool,
}

impl RouterState {
    pub(crate) fn new(router: &RouterPlan, lag: Duration) -> Self {
        Self {
            name: router.name.clone(),
            capabilities: router.capabilities.clone(),
            object: Arc::default(),
            plane: Arc::default(),
            pending: VecDeque::new(),
            lag,
            past: Vec::new(),
            foreign: false,
        }
    }

    pub(crate) fn carries(&self, part: Part) -> bool {
        self.capabilities.carries(part)
    }

    /// Whether this route may be written here.
    pub(crate) fn admit(&self, route: &Route) -> Result<(), PortError> {
        let newest = self.object.newest();
        if self.capabilities.fenced && newest.is_some_and(|newest| route.newest() < newest) {
            let text = format!(
                "router {}: {} is older than what is there",
                self.name,
                route.newest()
            );
            return Err(PortError::new(FaultKind::Fenced, text));
        }
        let (split, grain) = (
            &route.split.value,
            u64::from(self.capabilities.grain.max(1)),
        );
        if self.carries(Part::Split) && !is_expressible(split, grain) {
            let text = format!("router {} has {grain} equal shares, no less", self.name);
            return Err(PortError::new(FaultKind::Invalid, text));
        }
        Ok(())
    }

    /// Writes a route; whether that changed an object.
    pub(crate) fn write(&mut self, route: &Route, now: Timestamp) -> bool {
        let parts = Parts {
            bind: self.held(Part::Bind, &route.bind, now),
            split: self.held(Part::Split, &route.split, now),
            headers: self.held(Part::Headers, &route.headers, now),
            mirrors: self.held(Part::Mirrors, &route.mirrors, now),
        };
        self.put(parts, now)
    }

    /// Makes the objects so, whoever wants it; whether that changed one.
    pub(crate) fn put(&mut self, parts: Parts, now: Timestamp) -> bool {
        let parts = Arc::new(parts.since(&self.object, now));
        if parts == self.object {
            return false;
        }
        self.object = Arc::clone(&parts);
        self.pending.push_back((now + self.lag, parts));
        if self.capabilities.confidence == Confidence::Config {
            self.past.push((now, Arc::clone(&self.object)));
        }
        true
    }

    fn held<T: Clone>(&self, part: Part, wanted: &Stamped<T>, now: Timestamp) -> Option<Held<T>> {
        self.carries(part).then(|| Held {
            value: wanted.value.clone(),
            stamp: Some(wanted.stamp),
            since: now,
        })
    }

    /// Lets the data plane follow; whether it did.
    pub(crate) fn follow(&mut self, now: Timestamp) -> bool {
        let mut followed = false;
        while self.pending.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, parts)) = self.pending.pop_front() else {
                break;
            };
            let parts = Parts::clone(&parts).since(&self.plane, now);
            self.plane = Arc::new(parts);
            if self.capabilities.confidence != Confidence::Config {
                self.past.push((now, Arc::clone(&self.plane)));
            }
            followed = true;
        }
        followed
    }

    /// What is to be read now, or was to be read at an instant in the past.
    pub(crate) fn readable(&self, at: Option<Timestamp>) -> Arc<Parts> {
        if let Some(at) = at {
            let past = self.past.iter().rev().find(|(since, _)| *since <= at);
            return past.map_or_else(Arc::default, |(_, parts)| Arc::clone(parts));
        }
        match self.capabilities.confidence {
            Confidence::Config => Arc::clone(&self.object),
            Confidence::Proxy | Confidence::Counted => Arc::clone(&self.plane),
        }
    }

    pub(crate) fn seen(&self, parts: &Parts, ready: &dyn Fn(&RevisionId) -> u32) -> RouteSeen {
        let bound = |bind: &Held<Bindings>| -> BTreeMap<Slot, BoundSlot> {
            let slots = bind.value.iter().map(|(slot, revision)| {
                let bound = BoundSlot {
                    revision: Some(revision.clone()),
                    ready_endpoints: Some(ready(revision)),
                };
                (*slot, bound)
            });
            slots.collect()
        };
        let bind = parts.bind.as_ref();
        RouteSeen {
            bind: bind.map(|part| self.agreed(bound(part), part.stamp, part.since)),
            split: self.part(parts.split.as_ref()),
            headers: self.part(parts.headers.as_ref()),
            mirrors: self.part(parts.mirrors.as_ref()),
        }
    }

    fn part<T: Clone + PartialEq>(&self, part: Option<&Held<T>>) -> Option<Seen<T>> {
        part.map(|part| self.agreed(part.value.clone(), part.stamp, part.since))
    }

    fn agreed<T: PartialEq>(&self, value: T, stamp: Option<Stamp>, since: Timestamp) -> Seen<T> {
        Seen::agreed(value, stamp, self.capabilities.confidence, since)
    }

    /// Takes over what an embedder's router reads back.
    pub(crate) fn mirror(&mut self, seen: &RouteSeen) -> bool {
        let bound = |slots: &BTreeMap<Slot, BoundSlot>| -> Bindings {
            let bound = slots
                .iter()
                .filter_map(|(slot, bound)| Some((*slot, bound.revision.clone()?)));
            bound.collect()
        };
        let parts = Parts {
            bind: held(seen.bind.as_ref(), bound),
            split: held(seen.split.as_ref(), Split::clone),
            headers: held(seen.headers.as_ref(), Vec::clone),
            mirrors: held(seen.mirrors.as_ref(), Vec::clone),
        };
        if *self.plane == parts {
            return false;
        }
        self.plane = Arc::new(parts);
        self.object = Arc::clone(&self.plane);
        true
    }
}

/// The value of the first object; one that others do not agree with is as good as another.
fn held<T, U>(seen: Option<&Seen<T>>, value: impl Fn(&T) -> U) -> Option<Held<U>> {
    let seen = seen?;
    Some(Held {
        value: value(seen.values.first()?),
        stamp: seen.stamp,
        since: seen.since,
    })
}

/// Whether every part but stable's, which is the rest, is a whole number of the equal shares,
/// rounded up to a whole part.
fn is_expressible(split: &Split, grain: u64) -> bool {
    let total = u64::from(split.total());
    let is_whole = |part: u32| {
        let shares = u64::from(part) * grain / total;
        u64::from(part) == (shares * total).div_ceil(grain)
    };
    let mut parts = split.parts().filter(|(slot, _)| *slot != Slot::Stable);
    parts.all(|(_, part)| is_whole(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(sequence: u64) -> Stamp {
        Stamp {
            epoch: 1,
            sequence,
            ..Stamp::default()
        }
    }

    fn route(canary: u32, sequence: u64) -> Route {
        let bind = Bindings::from([(Slot::Stable, "v1".into()), (Slot::Canary, "v2".into())]);
        Route {
            bind: Stamped::new(bind, stamp(1)),
            split: Stamped::new(Split::canary(canary, 100), stamp(sequence)),
            headers: Stamped::new(Vec::new(), stamp(1)),
            mirrors: Stamped::new(Vec::new(), stamp(1)),
        }
    }

    fn router(capabilities: Capabilities) -> RouterState {
        let plan = RouterPlan {
            name: "test".to_owned(),
            part: serde_json::Value::Null,
            capabilities,
        };
        RouterState::new(&plan, Duration::from_secs(2))
    }

    #[test]
    fn the_data_plane_follows_after_its_lag_and_is_what_a_sure_router_reads() {
        let mut router = router(Capabilities::all());
        let now = Timestamp::from_secs(100);
        assert!(router.write(&route(10, 2), now));
        assert!(!router.write(&route(10, 2), now));
        assert_eq!(router.readable(None).split, None);
        assert!(!router.follow(now + Duration::from_secs(1)));
        assert!(router.follow(now + Duration::from_secs(2)));
        let split = router.readable(None).split.clone().unwrap();
        assert_eq!(split.since, now + Duration::from_secs(2));
    }

    #[test]
    fn a_part_that_stays_what_it_is_keeps_its_instant() {
        let mut router = router(Capabilities::default());
        let now = Timestamp::from_secs(100);
        router.write(&route(10, 2), now);
        router.write(&route(20, 3), now + Duration::from_secs(5));
        let parts = router.readable(None);
        assert_eq!(parts.bind.as_ref().unwrap().since, now);
        assert_eq!(
            parts.split.as_ref().unwrap().since,
            now + Duration::from_secs(5)
        );
        assert_eq!(parts.headers, None);
    }

    #[test]
    fn an_older_stamp_and_a_share_too_fine_are_refused() {
        let mut router = router(Capabilities {
            grain: 10,
            ..Capabilities::default()
        });
        router.write(&route(10, 5), Timestamp::ZERO);
        assert_eq!(
            router.admit(&route(20, 4)).unwrap_err().kind,
            FaultKind::Fenced
        );
        assert_eq!(
            router.admit(&route(25, 6)).unwrap_err().kind,
            FaultKind::Invalid
        );
        assert!(router.admit(&route(30, 6)).is_ok());
    }
}
