//! Routers over the world: the simulation's own, and an embedder's under watch.

use std::sync::Arc;

use async_trait::async_trait;
use gradatim_core::capability::Capabilities;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{Missing, PortError, TrafficRouter};
use gradatim_core::route::{Route, RouteSeen};

use crate::fault::{Mishap, Port};
use crate::site::Site;
use crate::world::{Parts, World, WriteKind};

/// A router of the simulated world.
///
/// It carries what the plan says its router carries, with that router's grain, confidence and
/// settle time; its data plane follows a write after the world's lag.
#[derive(Clone, Debug)]
pub(crate) struct SimRouter {
    pub(crate) site: Site,
    pub(crate) place: usize,
}

#[async_trait]
impl TrafficRouter for SimRouter {
    fn capabilities(&self) -> Capabilities {
        let world = self.site.shared.world();
        let router = world.routers.get(self.place);
        router
            .map(|router| router.capabilities.clone())
            .unwrap_or_default()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let kind = WriteKind::Route {
            router: self.place,
            route: Box::new(route.clone()),
        };
        let effect = |world: &mut World| world.route(self.place, route);
        self.site
            .write(Port::Router(self.place), kind, effect)
            .await
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let look = |world: &mut World, mishap| world.route_seen(self.place, mishap);
        self.site.read(Port::Router(self.place), look).await
    }
}

impl World {
    /// Writes a route to a router; whether that changed an object.
    pub(crate) fn route(&mut self, place: usize, route: &Route) -> Result<bool, PortError> {
        let now = self.now;
        let Some(router) = self.routers.get_mut(place) else {
            return Err(no_router(place));
        };
        router.admit(route)?;
        let changed = router.write(route, now);
        router.follow(now);
        if changed {
            self.touch();
        }
        Ok(changed)
    }

    /// What a router's data plane does.
    fn plane(&self, place: usize) -> Option<Arc<Parts>> {
        let router = self.routers.get(place)?;
        Some(Arc::clone(&router.plane))
    }

    fn route_seen(&self, place: usize, mishap: Option<Mishap>) -> Result<RouteSeen, PortError> {
        let router = self.routers.get(place).ok_or_else(|| no_router(place))?;
        let past = match mishap {
            Some(Mishap::StaleRead(age)) => Some(self.now - age),
            _ => None,
        };
        let ready = |id: &RevisionId| self.revision(id.as_str()).map_or(0, |seen| seen.available);
        Ok(router.seen(&router.readable(past), &ready))
    }
}

fn no_router(place: usize) -> PortError {
    let text = format!("the simulated world has no router {place}");
    PortError::new(FaultKind::NotFound, text)
}

/// An embedder's router: the world goes by what it reads back.
pub(crate) struct Watched {
    pub(crate) site: Site,
    pub(crate) place: usize,
    pub(crate) inner: Arc<dyn TrafficRouter>,
}

impl Watched {
    fn mirror(&self, seen: &RouteSeen) {
        let mut world = self.site.shared.world();
        let router = world.routers.get_mut(self.place);
        if router.is_some_and(|router| router.mirror(seen)) {
            world.touch();
        }
    }

    async fn look(&self) -> Result<RouteSeen, PortError> {
        let seen = self.inner.observe().await?;
        self.mirror(&seen);
        Ok(seen)
    }
}

#[async_trait]
impl TrafficRouter for Watched {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let kind = WriteKind::Route {
            router: self.place,
            route: Box::new(route.clone()),
        };
        let call = || async {
            let before = self.site.shared.world().plane(self.place);
            let applied = self.inner.apply(route).await;
            // What it made of the route, even where it says that it failed.
            let looked = self.look().await.is_ok();
            let changed = looked && self.site.shared.world().plane(self.place) != before;
            applied.map(|()| changed)
        };
        self.site.around(Port::Router(self.place), kind, call).await
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        self.site
            .read(Port::Router(self.place), |_, _| Ok(()))
            .await?;
        self.look().await
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        self.inner.probe().await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}
