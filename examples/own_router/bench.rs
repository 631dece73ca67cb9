//! What `gradatim-conformance` needs to know to check the router and the provider.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gradatim::driver::clock::Clock;
use gradatim::port::{MetricProvider, TrafficRouter};
use gradatim::route::Split;
use gradatim::time::Timestamp;
use gradatim_conformance::provider::{self, Answer};
use gradatim_conformance::router;
use serde_json::{Value, json};

use crate::{Gateway, GatewayGauges, GatewayRouter};

/// Runs the rules of both ports and shows what came of each.
pub(crate) async fn check() -> Result<(), Box<dyn Error>> {
    let (router, provider) = (router::all(&Routers).await, provider::all(&Gauges).await);
    print!("{router}{provider}");
    if router.is_clean() && provider.is_clean() {
        Ok(())
    } else {
        Err("a rule is broken".into())
    }
}

/// A gateway and the time that it is there.
#[derive(Default)]
pub(crate) struct World {
    gateway: Arc<Gateway>,
    clock: Arc<HandClock>,
}

#[derive(Default)]
pub(crate) struct HandClock(Mutex<Timestamp>);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

struct Routers;

impl router::Bench for Routers {
    type World = World;

    async fn world(&self) -> World {
        World::default()
    }

    async fn router(&self, world: &World) -> Arc<dyn TrafficRouter> {
        Arc::new(GatewayRouter {
            gateway: Arc::clone(&world.gateway),
            clock: Arc::<HandClock>::clone(&world.clock),
        })
    }

    async fn pass(&self, world: &World, time: Duration) -> bool {
        let mut now = world.clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = *now + time;
        true
    }

    async fn meddle(&self, world: &World, split: &Split) -> bool {
        if let Some((part, _)) = &mut world.gateway.config().split {
            part.value = split.clone();
        }
        true
    }
}

struct Gauges;

impl provider::Bench for Gauges {
    type World = World;

    async fn world(&self) -> World {
        World::default()
    }

    async fn provider(&self, world: &World) -> Arc<dyn MetricProvider> {
        Arc::new(GatewayGauges(Arc::clone(&world.gateway)))
    }

    async fn query(&self, world: &World, answer: &Answer) -> Option<Value> {
        let mut gauges = world.gateway.gauges();
        let name = format!("gauge-{}", gauges.len());
        match answer {
            Answer::Number(number) => {
                gauges.insert(name.clone(), number.get());
                Some(json!({ "gauge": name }))
            }
            Answer::Nothing => Some(json!({ "gauge": "no-such-gauge" })),
            Answer::WrongQuery => Some(json!({ "gauge": 7 })),
            _ => None,
        }
    }
}

#[tokio::test]
async fn the_router_keeps_the_rules() {
    let report = router::all(&Routers).await;
    report.assert_clean();
    // Nobody counts writes; the gateway is one object, which cannot go missing; it is not watched.
    assert_eq!(report.unchecked(), [2, 8, 10, 11]);
}

#[tokio::test]
async fn the_provider_keeps_the_rules() {
    let report = provider::all(&Gauges).await;
    report.assert_clean();
    assert_eq!(report.kept.len(), 4, "{report}");
}
