//! One world with two routers on it, and routes to try on them.

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::join;
use gradatim_core::capability::{Capabilities, HeaderMatchKind, Part};
use gradatim_core::fault::FaultKind;
use gradatim_core::port::TrafficRouter;
use gradatim_core::route::{
    Bindings, HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, Route, RouteSeen, Seen, Split,
    Stamped, StringMatch,
};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;

use super::Bench;
use crate::report::{Check, Unkept, broken, done, ensure, same, skipped};

pub(super) struct Scene<'a, B: Bench> {
    bench: &'a B,
    pub(super) world: B::World,
    pub(super) router: Arc<dyn TrafficRouter>,
    /// As another process has it.
    pub(super) other: Arc<dyn TrafficRouter>,
    pub(super) capabilities: Capabilities,
    epoch: u64,
    sequence: u64,
}

impl<'a, B: Bench> Scene<'a, B> {
    pub(super) async fn set(bench: &'a B) -> Result<Self, Unkept> {
        let world = bench.world().await;
        let (router, other) = (bench.router(&world).await, bench.router(&world).await);
        let highest = done(
            router.highest_stamp().await,
            "`highest_stamp` in a fresh world",
        )?;
        Ok(Self {
            capabilities: router.capabilities(),
            epoch: highest.map_or(1, |stamp| stamp.epoch.saturating_add(1)),
            sequence: 0,
            bench,
            world,
            router,
            other,
        })
    }

    /// Skips the rule unless the router carries this part.
    pub(super) fn carries(&self, part: Part) -> Check {
        if self.capabilities.carries(part) {
            return Ok(());
        }
        skipped(format!("the router does not carry {part:?}"))
    }

    pub(super) fn total(&self) -> u32 {
        self.bench.total().max(1)
    }

    /// A small share that the grain can express.
    pub(super) fn low(&self) -> u32 {
        let shares = self.total() / self.unit();
        if shares < 2 {
            0
        } else {
            self.unit() * (shares / 10).max(1)
        }
    }

    /// A larger one.
    pub(super) fn high(&self) -> u32 {
        let shares = self.total() / self.unit();
        self.unit() * (shares * 2 / 5).max(2).min(shares)
    }

    /// The smallest share that the grain can express.
    fn unit(&self) -> u32 {
        let (total, grain) = (self.total(), self.capabilities.grain.max(1));
        let even = |unit: &u32| (u64::from(*unit) * u64::from(grain)) % u64::from(total) == 0;
        (1..=total)
            .find(|unit| total % unit == 0 && even(unit))
            .unwrap_or(total)
    }

    pub(super) fn split(&self, share: u32) -> Split {
        self.split_of(share, self.total())
    }

    /// `share` parts to the slot on trial, the rest to the one that rests.
    pub(super) fn split_of(&self, share: u32, total: u32) -> Split {
        let [resting, trial] = self.bench.slots();
        let share = share.min(total);
        Split::new(total, [(resting, total - share), (trial, share)])
            .unwrap_or_else(|_| Split::all(resting, total))
    }

    fn bound(&self) -> Bindings {
        let ([resting, trial], [old, new]) = (self.bench.slots(), self.bench.revisions());
        Bindings::from([(resting, old), (trial, new)])
    }

    /// Every slot bound to the new revision.
    pub(super) fn switched(&self) -> Bindings {
        let [_, new] = self.bench.revisions();
        let slots = self.bench.slots().into_iter();
        slots.map(|slot| (slot, new.clone())).collect()
    }

    /// A value under a stamp that is newer than all before.
    pub(super) fn stamped<T>(&mut self, value: T) -> Stamped<T> {
        self.sequence += 1;
        let stamp = Stamp {
            epoch: self.epoch,
            sequence: self.sequence,
            generation: 3,
            attempt: 2,
        };
        Stamped::new(value, stamp)
    }

    /// A route with this share on trial and no trial of headers or mirrors.
    pub(super) fn route(&mut self, share: u32) -> Route {
        Route {
            bind: self.stamped(self.bound()),
            split: self.stamped(self.split(share)),
            headers: self.stamped(Vec::new()),
            mirrors: self.stamped(Vec::new()),
        }
    }

    /// A route of which every part differs from [`route`](Self::route)'s.
    pub(super) fn changed_route(&mut self) -> Route {
        let mut route = self.route(self.high());
        route.bind.value = self.switched();
        self.with_trials(&route)
    }

    /// The same with a header route and a mirror, as far as the router carries them.
    pub(super) fn with_trials(&mut self, route: &Route) -> Route {
        let [header, mirror] = self.bench.managed_routes();
        let mut route = route.clone();
        let matches = self.capabilities.header_matches.first().copied();
        if let Some(kind) = matches.filter(|_| self.capabilities.carries(Part::Headers)) {
            route.headers = self.stamped(vec![header_route(header, kind)]);
        }
        if self.capabilities.carries(Part::Mirrors) {
            route.mirrors = self.stamped(vec![mirror_route(mirror)]);
        }
        route
    }

    pub(super) async fn apply(&self, route: &Route) -> Check {
        let what = format!("`apply` of {}", route.split.value);
        done(self.router.apply(route).await, &what)?;
        self.bench.settle(&self.world).await;
        Ok(())
    }

    pub(super) async fn seen(&self) -> Result<RouteSeen, Unkept> {
        done(self.router.observe().await, "`observe`")
    }

    /// The same without what changes by itself: how many endpoints are ready.
    pub(super) async fn written(&self) -> Result<RouteSeen, Unkept> {
        let mut seen = self.seen().await?;
        let bound = seen.bind.iter_mut().flat_map(|bind| &mut bind.values);
        for slot in bound.flat_map(|slots| slots.values_mut()) {
            slot.ready_endpoints = None;
        }
        Ok(seen)
    }

    /// Both processes read the parts of a route that the router carries.
    pub(super) async fn reads(&self, route: &Route, when: &str) -> Check {
        for router in [&self.router, &self.other] {
            let seen = done(router.observe().await, "`observe`")?;
            self.shows_binding(&seen, &route.bind.value, when)?;
            self.shows(Part::Split, &seen.split, &route.split.value, when)?;
            self.shows(Part::Headers, &seen.headers, &route.headers.value, when)?;
            self.shows(Part::Mirrors, &seen.mirrors, &route.mirrors.value, when)?;
        }
        Ok(())
    }

    pub(super) async fn reads_split(&self, split: &Split, when: &str) -> Check {
        for router in [&self.router, &self.other] {
            let seen = done(router.observe().await, "`observe`")?;
            self.shows(Part::Split, &seen.split, split, when)?;
        }
        Ok(())
    }

    fn shows<T>(&self, part: Part, seen: &Option<Seen<T>>, wanted: &T, when: &str) -> Check
    where
        T: PartialEq + Debug,
    {
        if !self.capabilities.carries(part) {
            return Ok(());
        }
        // Whether it is read at all is a rule of its own.
        let Some(values) = seen.as_ref().map(|seen| seen.values.as_slice()) else {
            return Ok(());
        };
        ensure(values == std::slice::from_ref(wanted), || {
            format!("{when} {part:?} reads as {values:?}, wanted {wanted:?}")
        })
    }

    fn shows_binding(&self, seen: &RouteSeen, wanted: &Bindings, when: &str) -> Check {
        let Some(seen) = seen
            .bind
            .as_ref()
            .filter(|_| self.capabilities.carries(Part::Bind))
        else {
            return Ok(());
        };
        let bound = seen.value();
        let same = bound.is_some_and(|bound| {
            let is_bound = |(slot, revision)| {
                bound.get(slot).and_then(|slot| slot.revision.as_ref()) == Some(revision)
            };
            wanted.iter().all(is_bound)
        });
        ensure(same, || {
            format!("{when} Bind reads as {:?}, wanted {wanted:?}", seen.values)
        })
    }

    /// Of several objects that carry the split one shows the old one, the others the new one,
    /// under the oldest of their stamps.
    pub(super) async fn reads_both_splits(&self, old: &Route, new: &Route) -> Check {
        let seen = self.seen().await?.split;
        let values = seen.as_ref().map_or(&[][..], |seen| seen.values.as_slice());
        let both = [&old.split.value, &new.split.value];
        let shown = both.iter().all(|split| values.contains(split));
        ensure(shown && values.len() == 2, || {
            format!(
                "after a lowering with a jammed object the splits read are {values:?}, wanted {both:?}"
            )
        })?;
        let stamp = seen.and_then(|seen| seen.stamp);
        if stamp.is_none() && !self.capabilities.fenced {
            return Ok(());
        }
        let older = stamp.is_some_and(|stamp| stamp < new.split.stamp);
        ensure(older, || {
            let new = new.split.stamp;
            format!("objects that differ read under {stamp:?}, wanted the oldest, before {new}")
        })
    }

    /// Every part that is carried bears its own stamp, its labels included.
    pub(super) async fn bears(&self, route: &Route, when: &str) -> Check {
        let seen = done(self.other.observe().await, "`observe`")?;
        let parts = [
            (
                Part::Bind,
                seen.bind.map(|seen| seen.stamp),
                route.bind.stamp,
            ),
            (
                Part::Split,
                seen.split.map(|seen| seen.stamp),
                route.split.stamp,
            ),
            (
                Part::Headers,
                seen.headers.map(|seen| seen.stamp),
                route.headers.stamp,
            ),
            (
                Part::Mirrors,
                seen.mirrors.map(|seen| seen.stamp),
                route.mirrors.stamp,
            ),
        ];
        for (part, seen, wanted) in parts {
            if !self.capabilities.carries(part) {
                continue;
            }
            let Some(seen) = seen else {
                continue;
            };
            let Some(seen) = seen else {
                if !self.capabilities.fenced {
                    return skipped("the router is not fenced and bears no stamps");
                }
                return broken(format!("{when} {part:?} bears no stamp, wanted {wanted}"));
            };
            let (seen, wanted) = (seen.to_string(), wanted.to_string());
            same(seen, wanted, &format!("{when} the stamp of {part:?}"))?;
        }
        Ok(())
    }

    /// The newest stamp among the parts that are carried.
    pub(super) fn newest(&self, route: &Route) -> Option<Stamp> {
        let parts = [
            (Part::Bind, route.bind.stamp),
            (Part::Split, route.split.stamp),
            (Part::Headers, route.headers.stamp),
            (Part::Mirrors, route.mirrors.stamp),
        ];
        let carried = parts
            .into_iter()
            .filter(|(part, _)| self.capabilities.carries(*part));
        carried.map(|(_, stamp)| stamp).max()
    }

    /// Since when each part that is carried has been so.
    pub(super) async fn since(&self) -> Result<Vec<Timestamp>, Unkept> {
        let seen = self.seen().await?;
        let parts = [
            seen.bind.map(|seen| seen.since),
            seen.split.map(|seen| seen.since),
            seen.headers.map(|seen| seen.since),
            seen.mirrors.map(|seen| seen.since),
        ];
        Ok(parts.into_iter().flatten().collect())
    }

    /// Two processes write at once, in either order: the older one never has the last word.
    pub(super) async fn the_newest_wins_every_race(&mut self) -> Check {
        for newer_first in [false, true, false, true] {
            let (older, newer) = (self.route(self.low()), self.route(self.high()));
            let (by_old, by_new) = (self.router.apply(&older), self.other.apply(&newer));
            let written = if newer_first {
                join(by_new, by_old).await.0
            } else {
                join(by_old, by_new).await.1
            };
            let lost = matches!(&written, Err(error) if error.kind == FaultKind::Conflict);
            let written = if lost {
                self.other.apply(&newer).await
            } else {
                written
            };
            done(written, "the newer of two routes that are written at once")?;
            self.bench.settle(&self.world).await;
            self.reads(&newer, "after two routes were written at once")
                .await?;
        }
        Ok(())
    }
}

fn header_route(name: String, kind: HeaderMatchKind) -> HeaderRoute {
    let text = "checked".to_owned();
    let header_value = match kind {
        HeaderMatchKind::Exact => StringMatch::Exact(text),
        HeaderMatchKind::Prefix => StringMatch::Prefix(text),
        HeaderMatchKind::Regex => StringMatch::Regex(text),
    };
    let header_name = "x-checked".to_owned();
    HeaderRoute {
        name,
        matches: vec![HeaderMatch {
            header_name,
            header_value,
        }],
    }
}

fn mirror_route(name: String) -> MirrorRoute {
    let method = Some(StringMatch::Exact("GET".to_owned()));
    MirrorRoute {
        name,
        matches: vec![MirrorMatch {
            method,
            ..MirrorMatch::default()
        }],
        percentage: 10,
    }
}
