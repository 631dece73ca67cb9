//! The analyses of a play, as an object of their own would show them.

use std::collections::BTreeMap;

use gradatim_core::analysis::{AnalysisPhase, Frame, RunPlan, RunState, turn};
use gradatim_core::decision::Saved;
use gradatim_core::measurement::RunKey;
use gradatim_core::plan::{Plan, StepKind, StrategyKind};
use gradatim_core::state::State;
use gradatim_driver::Turn;
use serde_json::json;

use super::recording::Facts;

/// Which run: of which revision, in which attempt.
type Name = (String, u32, RunKey);

/// Every run so far.
#[derive(Debug, Default)]
pub(super) struct Analyses {
    names: BTreeMap<Name, String>,
    known: BTreeMap<String, u32>,
    facts: Facts,
}

impl Analyses {
    /// What holds after a round.
    ///
    /// A decision keeps no run that has ended its course, so the measurements of the round are
    /// judged once more on the runs as they stood before it.
    pub(super) fn after(&mut self, round: &Turn) -> Facts {
        let state = round.decision.state.as_deref();
        if let Saved::State(before) = &*round.saved {
            for run in &before.runs {
                let ended = judged(round, before, run);
                let stands = state.is_none_or(|state| {
                    state.attempt == before.attempt && state.run(run.key).is_some()
                });
                self.show(&round.plan, before, &ended, stands);
            }
        }
        if let Some(state) = state {
            for run in &state.runs {
                self.show(&round.plan, state, run, true);
            }
        }
        self.facts.clone()
    }

    fn show(&mut self, plan: &Plan, state: &State, run: &RunState, stands: bool) {
        let Some(kind) = kind(plan, run.key) else {
            return;
        };
        let id = (state.latest.to_string(), state.attempt, run.key);
        let known = &mut self.known;
        let name = self.names.entry(id).or_insert_with(|| {
            let name = format!("analysis.{kind}.{}", state.latest);
            let count = known.entry(name.clone()).or_default();
            *count += 1;
            match *count {
                1 => name,
                count => format!("{name}#{count}"),
            }
        });
        let ended = run.phase.is_final();
        let phase = |phase: AnalysisPhase| match (phase.is_final(), stands) {
            (false, false) => "Ended".to_owned(),
            _ => phase.to_string(),
        };
        self.facts.insert(name.clone(), json!(phase(run.phase)));
        if ended && !run.message.is_empty() {
            self.facts
                .insert(format!("{name}.message"), json!(run.message));
        }
        for metric in &run.metrics {
            let counts = [
                ("n", metric.count),
                ("s", metric.successful),
                ("f", metric.failed),
                ("i", metric.inconclusive),
                ("e", metric.error),
            ];
            let counts = counts.iter().filter(|(_, count)| *count > 0);
            let counts: String = counts
                .map(|(short, count)| format!(" {short}{count}"))
                .collect();
            let dry = if is_dry(plan, run.key, metric.name.as_str()) {
                "dry "
            } else {
                ""
            };
            let key = format!("{name}.{}", metric.name);
            if metric.phase != AnalysisPhase::Pending {
                self.facts.insert(
                    key.clone(),
                    json!(format!("{dry}{}{counts}", phase(metric.phase))),
                );
            }
        }
    }
}

fn run_plan(plan: &Plan, key: RunKey) -> Option<&RunPlan> {
    match key {
        RunKey::Background => Some(&plan.background.as_ref()?.run),
        RunKey::Step(index) => match &plan.steps.get(index as usize)?.kind {
            StepKind::Analysis(run) => Some(run),
            _ => None,
        },
        RunKey::Gate { .. } => None,
    }
}

fn is_dry(plan: &Plan, key: RunKey, metric: &str) -> bool {
    let metrics = run_plan(plan, key)
        .map(|run| &run.metrics)
        .into_iter()
        .flatten();
    metrics
        .into_iter()
        .any(|known| known.name.as_str() == metric && known.dry_run)
}

/// A run with the measurements of a round.
fn judged(round: &Turn, state: &State, run: &RunState) -> RunState {
    let Some(plan) = run_plan(&round.plan, run.key) else {
        return run.clone();
    };
    let frame = Frame {
        incarnation: state.incarnation,
        revision: &state.latest,
        attempt: state.attempt,
        args: &BTreeMap::new(),
        weight: None,
        learned: &state.learned,
    };
    turn(
        plan,
        run,
        &round.observation.measurements,
        &frame,
        round.now,
    )
    .state
}

/// What Argo calls a run of this sort.
fn kind(plan: &Plan, key: RunKey) -> Option<String> {
    match key {
        RunKey::Background => Some("background".to_owned()),
        RunKey::Step(index) if plan.strategy == StrategyKind::BlueGreen => {
            let before = plan.steps.iter().take(index as usize);
            let switched = before.into_iter().any(|step| step.kind == StepKind::Switch);
            Some(
                if switched {
                    "postpromotion"
                } else {
                    "prepromotion"
                }
                .to_owned(),
            )
        }
        RunKey::Step(index) => Some(format!("step{}", plan.steps.get(index as usize)?.index)),
        RunKey::Gate { .. } => None,
    }
}
