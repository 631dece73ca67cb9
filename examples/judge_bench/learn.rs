//! What earlier releases of a service have taught: how its pods warm up.

use gradatim::analysis::judge::Count;

use crate::judge::{Curves, Events, ages};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::world::{Counters, Pod, TICK, World, total};

/// How many good releases there were before.
const RELEASES: u64 = 3;
/// How often their counters were read, in seconds.
const SCRAPES: u32 = 15;

/// Lets good versions of a service be released, and remembers how they began.
pub(crate) fn curves(scenario: &Scenario, schedule: Schedule, keys: [u64; 2]) -> Curves {
    let mut curves = Curves::default();
    for release in 0..RELEASES {
        let steps = schedule.steps(false);
        let length = steps.iter().map(|(_, seconds)| seconds).sum();
        let rng = Rng::of(&[keys[0], keys[1], 0x6c65_6172, release]);
        let world = World::new(&scenario.without_defect(), length, rng);
        watch(world, &steps, &mut curves);
    }
    curves
}

fn watch(mut world: World, steps: &[(f64, u32)], curves: &mut Curves) {
    let mut last = Last::default();
    for (weight, seconds) in steps {
        for _ in 0..seconds / TICK {
            let has_metrics = world.pass(*weight);
            if has_metrics && world.at.is_multiple_of(SCRAPES) {
                last.learn(&world, curves);
            }
        }
    }
}

/// What was read at the last scrape.
#[derive(Default)]
struct Last {
    at: u32,
    stable: Counters,
    canary: Vec<Counters>,
}

impl Last {
    fn learn(&mut self, world: &World, curves: &mut Curves) {
        let stable = total(&world.stable);
        let counted = stable.since(&self.stable);
        let ages = ages(&world.canary, self.at, world.at);
        self.canary.resize(world.canary.len(), Counters::default());
        for ((pod, before), age) in world.canary.iter().zip(&self.canary).zip(ages) {
            let canary = pod.counters.since(before);
            for (curve, kind) in curves.iter_mut().zip(Events::all()) {
                let rate = kind.count(&counted).rate().unwrap_or_default();
                let count: Count = kind.count(&canary);
                curve.count(age, count, rate);
            }
        }
        let canary = world.canary.iter().map(|pod: &Pod| pod.counters).collect();
        *self = Self {
            at: world.at,
            stable,
            canary,
        };
    }
}
