//! What each version is like at each time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{latest, turns};
use crate::happening::Happening;
use crate::script::scenario::{Change, Scenario, Trait, TraitKind};
use crate::simulation::Simulation;
use crate::version::Version;

impl Scenario {
    pub(super) fn with_versions(&self, mut simulation: Simulation) -> Simulation {
        simulation = match &self.stable {
            Some(stable) => simulation.stable(stable).wants(&self.wanted),
            None => simulation.stable(&self.wanted).from_nothing(),
        };
        for name in self.version_names() {
            simulation = simulation.version(name, self.version(name));
        }
        if let Some(room) = latest(&self.quota, Duration::ZERO) {
            simulation = simulation.room_for(room);
        }
        for turn in turns(self.quota.iter().map(|one| one.window)) {
            simulation = simulation.at(turn, Happening::Room(latest(&self.quota, turn)));
        }
        simulation
    }

    /// Every version that runs at some time.
    pub(in crate::script) fn version_names(&self) -> BTreeSet<&str> {
        let deployed = self.changes.iter().filter_map(|one| match &one.change {
            Change::Deploy(version) => Some(version.name.as_str()),
            _ => None,
        });
        let first = self.stable.as_deref().into_iter();
        first
            .chain([self.wanted.as_str()])
            .chain(deployed)
            .collect()
    }

    /// What a version is like.
    pub(super) fn version(&self, name: &str) -> Version {
        let concerns = |one: &&Trait| {
            let version = one.version.as_ref();
            version.is_none_or(|version| version.name == name)
        };
        let traits: Vec<&Trait> = self.traits.iter().filter(concerns).collect();
        let at = |time: Duration| {
            let held = traits.iter().filter(|one| one.window.holds(time));
            held.fold(Version::healthy(), |version, one| with(version, &one.kind))
        };
        let turns = turns(traits.iter().map(|one| one.window));
        turns.into_iter().fold(at(Duration::ZERO), |version, turn| {
            version.then(turn, at(turn))
        })
    }
}

fn with(version: Version, kind: &TraitKind) -> Version {
    let words =
        |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.to_owned());
    match kind {
        TraitKind::Fails { rate, growing } => version.with_errors(*rate).with_growth(*growing),
        TraitKind::Answers(median) => version.with_latency(*median),
        TraitKind::Cold { times, lasts } => version.with_cold_start(*lasts, *times),
        TraitKind::ReadyAfter(span) => version.starting_in(*span),
        TraitKind::AtMostReady(most) => version.with_ready_pods(*most),
        TraitKind::CrashAfter(span) => version.crashing_after(*span),
        TraitKind::Refused(text) => version.with_refused_pods(words(text, "admission denied")),
        TraitKind::ImageNotPulled(text) => {
            version.without_image(words(text, "failed to pull image: not found"))
        }
    }
}
