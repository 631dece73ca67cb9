//! Who is told of events.

use async_trait::async_trait;
use gradatim_core::event::Event;
use gradatim_core::id::RolloutId;
use gradatim_core::port::{Notifier, PortError};

use crate::fault::Port;
use crate::site::Site;
use crate::world::World;

/// A notifier that remembers what it was told, each event once.
#[derive(Clone, Debug)]
pub(crate) struct SimNotifier {
    pub(crate) site: Site,
}

#[async_trait]
impl Notifier for SimNotifier {
    async fn tell(&self, rollout: &RolloutId, event: &Event) -> Result<(), PortError> {
        let look = |world: &mut World, _| {
            let known = |(of, told): &(RolloutId, Event)| of == rollout && told.id == event.id;
            if !world.told.iter().any(known) {
                world.told.push((rollout.clone(), event.clone()));
            }
            Ok(())
        };
        self.site.read(Port::Notifier, look).await
    }
}
