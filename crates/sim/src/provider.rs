//! Metrics of the world.

use std::sync::Arc;

use async_trait::async_trait;
use gradatim_core::measurement::{Ask, Outcome, Reading};
use gradatim_core::number::Number;
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_driver::clock::Clock;

use crate::clock::SimClock;
use crate::fault::{Mishap, Port};
use crate::site::Site;
use crate::world::World;

/// Measures the simulated world, whatever provider a manifest names.
#[derive(Clone, Debug)]
pub(crate) struct SimProvider {
    pub(crate) site: Site,
    pub(crate) clock: SimClock,
}

impl SimProvider {
    pub(crate) fn shared(self) -> Arc<dyn MetricProvider> {
        Arc::new(self)
    }
}

#[async_trait]
impl MetricProvider for SimProvider {
    fn has_history(&self) -> bool {
        true
    }

    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let look = |world: &mut World, mishap| {
            let measure = world.measure_of(ask);
            let outcome = match mishap {
                Some(Mishap::NoData) => Ok(Outcome::done(Reading::Series(Vec::new()))),
                Some(Mishap::Nan) => Ok(not_a_number(world.answer(&measure, ask)?)),
                Some(Mishap::StaleRead(age)) => {
                    let mut earlier = ask.clone();
                    earlier.at = earlier.at - age;
                    world.answer(&measure, &earlier)
                }
                _ => world.answer(&measure, ask),
            };
            Ok((outcome, measure.takes()))
        };
        let port = Port::Metric(ask.id.metric.as_str());
        let (outcome, takes) = self.site.read(port, look).await?;
        if !takes.is_zero() {
            self.clock.sleep_until(self.clock.now() + takes).await;
        }
        outcome
    }
}

fn not_a_number(outcome: Outcome) -> Outcome {
    let Outcome::Done { reading, notes } = outcome else {
        return outcome;
    };
    let nan = Number::new(f64::NAN);
    let reading = match reading {
        Reading::Number(_) => Reading::Number(nan),
        Reading::Series(mut series) => {
            let samples = series.iter_mut().flat_map(|one| &mut one.samples);
            samples.for_each(|sample| sample.value = nan);
            Reading::Series(series)
        }
        other => other,
    };
    Outcome::Done { reading, notes }
}
