//! One release, as each judge lets it end.

use crate::judge::{Curves, Judge, KINDS, Kind, Seen, Service, Verdict, Way};
use crate::rng::Rng;
use crate::scenario::{SCENARIOS, Scenario};
use crate::schedule::Schedule;
use crate::world::{TICK, World, total};

/// How long a judge may take that sets the pace itself, in seconds.
const PATIENCE: u32 = 3600;

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub end: End,
    /// How many requests the version has spoiled, until people noticed where the judge did not.
    pub harm: f64,
}

/// What became of a version, and when: in seconds since its release began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    RolledBack(u32),
    Promoted(u32),
    /// It still had a part of the traffic when patience ended.
    Undecided,
}

/// Plays a release once for each way it can go. One outcome for each of [`KINDS`].
pub(crate) fn play(
    scenario: &Scenario,
    schedule: Schedule,
    seed: u64,
    curves: &Curves,
) -> Vec<Outcome> {
    let release = Release {
        scenario,
        schedule,
        seed,
        curves,
    };
    let mut outcomes = vec![None; KINDS.len()];
    for way in [Way::Fixed, Way::SmallFirst] {
        release.on_schedule(way, &mut outcomes);
    }
    for (kind, outcome) in KINDS.iter().zip(&mut outcomes) {
        outcome.get_or_insert_with(|| release.at_its_own_pace(kind));
    }
    outcomes.into_iter().flatten().collect()
}

struct Release<'a> {
    scenario: &'a Scenario,
    schedule: Schedule,
    seed: u64,
    curves: &'a Curves,
}

impl Release<'_> {
    /// The same release, whatever the judge.
    fn world(&self, steps: &[(f64, u32)], way: Way) -> World {
        let length = steps.iter().map(|(_, seconds)| seconds).sum();
        let rng = Rng::of(&[self.seed, place(self.scenario), way as u64]);
        World::new(self.scenario, length, rng)
    }

    /// All judges look at the same release, each until it takes it back.
    fn on_schedule(&self, way: Way, outcomes: &mut [Option<Outcome>]) {
        let steps = self.schedule.steps(way == Way::SmallFirst);
        let mut world = self.world(&steps, way);
        let history = std::mem::take(&mut world.history);
        let service = self.service(&steps, &history);
        let places = (0..KINDS.len()).filter(|place| KINDS[*place].way == way);
        let mut judges: Vec<(usize, Box<dyn Judge>)> = places
            .map(|place| (place, KINDS[place].judge(&service)))
            .collect();
        let ticks = steps
            .iter()
            .flat_map(|(weight, seconds)| std::iter::repeat_n(*weight, (seconds / TICK) as usize));
        for weight in ticks {
            let has_metrics = world.pass(weight);
            let seen = has_metrics.then(|| seen(&world));
            judges.retain_mut(|(place, judge)| {
                let goes_on =
                    look(&KINDS[*place], &mut **judge, &world, seen.as_ref()) != Verdict::RollBack;
                if !goes_on {
                    outcomes[*place] = Some(rolled_back(&world));
                }
                goes_on
            });
            if judges.is_empty() {
                return;
            }
        }
        let promoted = promoted(&world);
        for (place, _) in judges {
            outcomes[place] = Some(promoted);
        }
    }

    fn at_its_own_pace(&self, kind: &Kind) -> Outcome {
        let steps = self.schedule.steps(false);
        let mut world = self.world(&steps, kind.way);
        let history = std::mem::take(&mut world.history);
        let mut judge = kind.judge(&self.service(&steps, &history));
        let (mut weight, mut verdict) = (0.0, judge.look(0, None));
        loop {
            match verdict {
                Verdict::GoOn => {}
                Verdict::Weight(wanted) => weight = wanted,
                Verdict::RollBack => return rolled_back(&world),
                Verdict::Promote => return promoted(&world),
            }
            if world.at >= PATIENCE {
                let (end, harm) = (End::Undecided, world.harm);
                return Outcome { end, harm };
            }
            let has_metrics = world.pass(weight);
            let seen = has_metrics.then(|| seen(&world));
            verdict = look(kind, &mut *judge, &world, seen.as_ref());
        }
    }

    fn service<'a>(
        &'a self,
        steps: &'a [(f64, u32)],
        history: &'a [Vec<crate::world::Counters>],
    ) -> Service<'a> {
        Service {
            scenario: self.scenario,
            history,
            curves: self.curves,
            steps,
        }
    }
}

/// Where a scenario stands among all, so that each has numbers of its own.
pub(crate) fn place(scenario: &Scenario) -> u64 {
    let place = SCENARIOS.iter().position(|it| it == scenario);
    place.unwrap_or(SCENARIOS.len()) as u64
}

fn seen(world: &World) -> Seen<'_> {
    Seen {
        canary: &world.canary,
        stable: &world.stable,
        canary_total: total(&world.canary),
        stable_total: total(&world.stable),
    }
}

fn look(kind: &Kind, judge: &mut dyn Judge, world: &World, seen: Option<&Seen<'_>>) -> Verdict {
    let seen = seen.filter(|_| world.at.is_multiple_of(kind.scrapes));
    judge.look(world.at, seen)
}

fn rolled_back(world: &World) -> Outcome {
    let (end, harm) = (End::RolledBack(world.at), world.harm);
    Outcome { end, harm }
}

fn promoted(world: &World) -> Outcome {
    let end = End::Promoted(world.at);
    let harm = world.harm + world.harm_if_promoted();
    Outcome { end, harm }
}
