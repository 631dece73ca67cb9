//! Metrics of the world.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::measurement::{Ask, Outcome, Reading};
use gradatim_core::number::Number;
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use gradatim_driver::clock::Clock;

use crate::clock::SimClock;
use crate::fault::{Mishap, Port};
use crate::measure::Measure;
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
            if let Some(running) = self.works_on(&measure, ask) {
                return Ok((Ok(running), Duration::ZERO));
            }
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
            let takes = match measure.is_work() {
                true => Duration::ZERO,
                false => measure.takes(),
            };
            Ok((outcome, takes))
        };
        let port = Port::Metric(ask.id.metric.as_str());
        let (outcome, takes) = self.site.read(port, look).await?;
        if !takes.is_zero() {
            self.clock.sleep_until(self.clock.now() + takes).await;
        }
        outcome
    }
}

impl SimProvider {
    /// A job that is not over yet; its handle says when it began.
    fn works_on(&self, measure: &Measure, ask: &Ask) -> Option<Outcome> {
        let now = self.clock.now();
        let known = ask.handle.as_ref().and_then(|handle| handle.parse().ok());
        let began = known.map_or(now, Timestamp::from_millis);
        let ask_again_at = began + measure.takes();
        let runs = measure.is_work() && now < ask_again_at;
        runs.then(|| Outcome::Running {
            handle: began.as_millis().to_string(),
            ask_again_at,
        })
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
