//! From step to step: each is complete when an observation shows its effect.

use std::time::Duration;

use super::turn::Turn;
use crate::analysis::AnalysisPhase;
use crate::event::EventKind;
use crate::measurement::{GatePoint, RunKey};
use crate::plan::{Plan, StepKind, StrategyKind};
use crate::reason::Reason;
use crate::route::Slot;
use crate::state::{AbortCause, Course, Height};
use crate::time::Timestamp;

/// Whether a step is complete, or what it waits for.
type Completion = Result<(), (Reason, Option<Timestamp>)>;

impl<'a> Turn<'a> {
    pub(super) fn step_kind(&self) -> Option<&'a StepKind> {
        let plan: &'a Plan = self.plan;
        let Course::Forward { step, .. } = self.state.course else {
            return None;
        };
        plan.steps
            .get(usize::try_from(step).unwrap_or(usize::MAX))
            .map(|step| &step.kind)
    }

    /// The user's index of the current step; the number of the user's steps when all are done.
    pub(super) fn user_step(&self) -> u32 {
        let Course::Forward { step, .. } = self.state.course else {
            return if self.is_back() { 0 } else { self.user_steps() };
        };
        let step = self
            .plan
            .steps
            .get(usize::try_from(step).unwrap_or(usize::MAX));
        step.map_or_else(|| self.user_steps(), |step| step.index)
    }

    pub(super) fn user_steps(&self) -> u32 {
        self.plan
            .steps
            .iter()
            .map(|step| step.index.saturating_add(1))
            .max()
            .unwrap_or(0)
    }

    /// Goes through every step that is complete, and says what the next one waits for.
    pub(super) fn advance(&mut self) {
        if self.unreadable.is_some() || self.workload.is_none() {
            return;
        }
        for _ in 0..=self.plan.steps.len().saturating_add(1) {
            if !self.is_forward() {
                return;
            }
            match self.complete_step() {
                Ok(()) => self.enter_next(),
                Err((reason, until)) => {
                    if let Some(until) = until {
                        self.wake_at(until);
                    }
                    return self.wait(reason, until);
                }
            }
        }
    }

    fn enter_next(&mut self) {
        let done = self.user_step();
        let ended = self.plan.steps.len();
        let now = self.now;
        let Course::Forward {
            step,
            entered_at,
            released,
            ..
        } = &mut self.state.course
        else {
            return;
        };
        if usize::try_from(*step).unwrap_or(usize::MAX) >= ended {
            return self.promote_to_stable();
        }
        *step = step.saturating_add(1);
        (*entered_at, *released) = (now, false);
        self.state
            .runs
            .retain(|run| !matches!(run.key, RunKey::Step(_)));
        if self.user_step() != done {
            let text = format!(
                "Rollout step {} of {} completed",
                done.saturating_add(1),
                self.user_steps()
            );
            self.tell(EventKind::RolloutStepCompleted, text);
        }
        self.start_background();
    }

    fn promote_to_stable(&mut self) {
        let old = self.state.stable.replace(self.state.latest.clone());
        // The old side's delay begins with the promotion, however long it was without traffic.
        if let Some(seen) = old.and_then(|old| self.state.shares.get_mut(&old)) {
            seen.since = self.now;
        }
        self.state.course = Course::Settled;
        self.state.runs.clear();
        self.state.progress_at = self.now;
        self.state.overdue = false;
    }

    fn complete_step(&mut self) -> Completion {
        self.complete_start()?;
        let undecided = self.undecided();
        if let Some(message) = undecided {
            return Err((Reason::Inconclusive { message }, None));
        }
        if self.is_held() {
            return Err((Reason::Held, None));
        }
        if self.state.drifted {
            return Err((Reason::RouteDrift, None));
        }
        let Some(kind) = self.step_kind() else {
            return self.complete_plan();
        };
        let Course::Forward {
            entered_at,
            released,
            ..
        } = self.state.course
        else {
            return Ok(());
        };
        match kind {
            StepKind::SetWeight(weight) => self.complete_weight(*weight, released),
            StepKind::Pause(duration) => {
                Self::complete_pause(*duration, entered_at, released, self.now)
            }
            StepKind::SetCanaryScale(_) => self.complete_pods(released),
            StepKind::Analysis(run) => self.complete_analysis(run, released),
            StepKind::SetHeaderRoute(_) | StepKind::SetMirrorRoute(_) => {
                self.complete_trial(released)
            }
            StepKind::Preview(_) => self.complete_preview(released),
            StepKind::Switch => self.complete_switch(),
        }
    }

    /// A version starts when the one before it was seen without traffic and drained.
    fn complete_start(&mut self) -> Completion {
        if self.is_started() {
            return Ok(());
        }
        let deadline = Some(self.deadline());
        if self.revision(&self.state.latest).is_none() && self.replicas() > 0 {
            let (available, wanted) = (0, self.replicas());
            return Err((
                Reason::Pods {
                    available,
                    wanted,
                    trouble: None,
                },
                deadline,
            ));
        }
        if !self.is_clear() {
            return Err((Reason::Clearing, deadline));
        }
        if self.is_held() && self.state.stable.is_some() {
            return Err((Reason::Held, None));
        }
        let point = GatePoint::BeforeStart;
        if !self.gate_is_open(point, 0) {
            return Err((
                Reason::Gate {
                    point,
                    name: self.gate_name(point),
                },
                deadline,
            ));
        }
        if let Course::Forward {
            started,
            entered_at,
            ..
        } = &mut self.state.course
        {
            (*started, *entered_at) = (true, self.now);
        }
        self.start_background();
        Ok(())
    }

    /// Whether nobody but stable has traffic, or had it a moment ago.
    fn is_clear(&mut self) -> bool {
        let (Some(workload), Some(stable)) = (self.workload, self.state.stable.clone()) else {
            return true;
        };
        if self.plan.routers.is_empty() {
            return true;
        }
        let delay = self.plan.drain_delay;
        let others = workload
            .revisions
            .iter()
            .filter(|revision| revision.id != stable);
        let mut clear = true;
        for other in others {
            clear &= self.is_drained(&other.id, delay);
        }
        let Some(route) = self.state.route.clone() else {
            return clear;
        };
        let slot = self.resting_slot();
        let home = route.bind.value.get(&slot) == Some(&stable) && self.bind_is_seen(&route.bind);
        clear && home && (!self.plan.splits() || self.part_seen(slot) == Some(self.plan.total))
    }

    fn complete_pause(
        duration: Option<Duration>,
        since: Timestamp,
        released: bool,
        now: Timestamp,
    ) -> Completion {
        let end = duration.map(|duration| since + duration);
        match end {
            _ if released => Ok(()),
            Some(end) if end <= now => Ok(()),
            end => Err((Reason::Pause, end)),
        }
    }

    fn complete_pods(&mut self, released: bool) -> Completion {
        let pods = self.step_pods();
        if !released {
            self.pods_available(pods)?;
        }
        self.reach_height()
    }

    /// Whether enough pods of the new version are available, and no more than asked for.
    fn pods_available(&self, pods: u32) -> Completion {
        let available = self.latest_available();
        let wanted = self.enough(pods);
        let desired = self
            .revision(&self.state.latest)
            .map_or(0, |revision| revision.desired);
        let scales = self.workload.is_some_and(|workload| workload.scales);
        if self.replicas() == 0 && scales {
            return Err((Reason::ScaledToZero, None));
        }
        if available < wanted || (scales && desired < pods) {
            let seen = self.revision(&self.state.latest);
            let trouble = seen
                .and_then(|revision| revision.trouble.first())
                .map(|trouble| trouble.text.clone());
            return Err((
                Reason::Pods {
                    available,
                    wanted,
                    trouble,
                },
                Some(self.deadline()),
            ));
        }
        Ok(())
    }

    fn complete_weight(&mut self, weight: u32, released: bool) -> Completion {
        if !self.plan.splits() {
            return self.complete_ratio(released);
        }
        let pods = self.step_pods();
        let raises = weight > self.state.height.weight;
        if !raises {
            self.state.height = Height {
                weight,
                pods: self
                    .state
                    .height
                    .pods
                    .max(pods)
                    .min(self.state.height.pods.max(1)),
            };
        }
        if let Err(wait) = self.pods_available(pods) {
            return if released && !raises {
                Ok(())
            } else {
                Err(wait)
            };
        }
        self.reach_height()?;
        self.weight_is_seen(weight)
    }

    /// Takes the step's weight as the new height, when capacity, gates and fresh measurements
    /// allow it.
    fn reach_height(&mut self) -> Completion {
        let (weight, pods) = (self.step_weight(), self.step_pods());
        if weight > self.state.height.weight {
            self.may_raise()?;
        }
        if weight != self.state.height.weight || pods != self.state.height.pods {
            self.state.height = Height { weight, pods };
        }
        Ok(())
    }

    fn may_raise(&mut self) -> Completion {
        if let Some(metric) = self.stale_metric() {
            return Err((Reason::StaleAnalysis { metric }, Some(self.deadline())));
        }
        let point = GatePoint::BeforeRaise;
        let Course::Forward { step, .. } = self.state.course else {
            return Ok(());
        };
        if !self.gate_is_open(point, step) {
            return Err((
                Reason::Gate {
                    point,
                    name: self.gate_name(point),
                },
                Some(self.deadline()),
            ));
        }
        Ok(())
    }

    fn weight_is_seen(&mut self, weight: u32) -> Completion {
        let wanted = self.plan.rounded(weight);
        let route = self.state.route.clone();
        let standing = route.filter(|route| route.split.value.part(Slot::Canary) == wanted);
        let stands = match standing {
            Some(route) => {
                self.split_is_seen(&route.split) && (wanted == 0 || self.bind_is_seen(&route.bind))
            }
            None => false,
        };
        if stands {
            return Ok(());
        }
        Err((
            Reason::Route {
                wanted,
                seen: self.part_seen(Slot::Canary),
            },
            Some(self.deadline()),
        ))
    }

    /// Without a router a step is complete when its pair of counts is available.
    fn complete_ratio(&mut self, released: bool) -> Completion {
        let pair = self.ratio_pair();
        if self.replicas() == 0 {
            return if self.plan.steps.is_empty() {
                Ok(())
            } else {
                Err((Reason::ScaledToZero, None))
            };
        }
        if released {
            return Ok(());
        }
        if self.step_weight() > self.state.height.weight {
            self.may_raise()?;
        }
        self.pods_available(pair.canary)?;
        let stable = self.state.stable.clone();
        let (desired, available) = stable
            .filter(|stable| *stable != self.state.latest)
            .and_then(|stable| self.revision(&stable))
            .map_or((0, 0), |revision| (revision.desired, revision.available));
        if desired != pair.stable || available < pair.stable.min(desired) {
            return Err((
                Reason::StablePods {
                    available,
                    wanted: pair.stable,
                },
                Some(self.deadline()),
            ));
        }
        self.state.height = Height {
            weight: self.step_weight(),
            pods: pair.canary,
        };
        Ok(())
    }

    fn complete_analysis(&mut self, run: &crate::analysis::RunPlan, released: bool) -> Completion {
        let Course::Forward { step, .. } = self.state.course else {
            return Ok(());
        };
        if released {
            return Ok(());
        }
        let key = RunKey::Step(step);
        if self.state.run(key).is_none() {
            self.start_run(key, run);
        }
        let phase = self.state.run(key).map(|run| run.phase);
        match phase {
            Some(AnalysisPhase::Successful) => Ok(()),
            Some(AnalysisPhase::Inconclusive) => Err((
                Reason::Inconclusive {
                    message: self.undecided().unwrap_or_default(),
                },
                None,
            )),
            Some(AnalysisPhase::Failed | AnalysisPhase::Error) => {
                self.abort_on_run(key);
                Err((
                    Reason::Analysis {
                        metric: self.running_metric(key),
                    },
                    None,
                ))
            }
            _ => {
                let started = self.state.run(key).map_or(self.now, |run| run.started_at);
                let end = run
                    .longest()
                    .map(|longest| started + longest + self.plan.progress_deadline);
                Err((
                    Reason::Analysis {
                        metric: self.running_metric(key),
                    },
                    end,
                ))
            }
        }
    }

    fn abort_on_run(&mut self, key: RunKey) {
        let Some(run) = self.state.run(key) else {
            return;
        };
        let error = run.phase == AnalysisPhase::Error;
        let message = crate::id::cut(&run.message);
        self.abort(AbortCause::Analysis {
            run: key,
            error,
            message,
        });
    }

    fn running_metric(&self, key: RunKey) -> String {
        let run = self.state.run(key);
        let running =
            run.and_then(|run| run.metrics.iter().find(|metric| !metric.phase.is_final()));
        running.map_or_else(String::new, |metric| metric.name.to_string())
    }

    fn complete_trial(&mut self, released: bool) -> Completion {
        let wanted_now = self.wanted_canary_part();
        if released || (self.trials_are_wanted() && self.trials_are_seen()) {
            return Ok(());
        }
        Err((
            Reason::Route {
                wanted: wanted_now,
                seen: self.part_seen(Slot::Canary),
            },
            Some(self.deadline()),
        ))
    }

    fn complete_preview(&mut self, released: bool) -> Completion {
        if !released {
            self.pods_available(self.step_pods())?;
        }
        let Some(route) = self.state.route.clone() else {
            return Ok(());
        };
        let bound = route.bind.value.get(&Slot::Preview) == Some(&self.state.latest)
            && self.bind_is_seen(&route.bind);
        if bound {
            Ok(())
        } else {
            Err((
                Reason::Route {
                    wanted: 0,
                    seen: None,
                },
                Some(self.deadline()),
            ))
        }
    }

    /// The switch needs a version that can carry everyone.
    fn complete_switch(&mut self) -> Completion {
        self.pods_available(self.replicas())?;
        self.reach_height()?;
        let Some(route) = self.state.route.clone() else {
            return Ok(());
        };
        let bound = route.bind.value.get(&Slot::Active) == Some(&self.state.latest)
            && self.bind_is_seen(&route.bind);
        if !bound {
            return Err((
                Reason::Route {
                    wanted: self.plan.total,
                    seen: None,
                },
                Some(self.deadline()),
            ));
        }
        Ok(())
    }

    /// After the last step: everything is asked for and seen, then the new version is stable.
    fn complete_plan(&mut self) -> Completion {
        let first = self.state.stable.is_none();
        let replicas = self.replicas();
        if first {
            return match self.pods_available(replicas) {
                Err((
                    Reason::Pods {
                        available,
                        wanted,
                        trouble: None,
                    },
                    until,
                )) => Err((Reason::FirstVersion { available, wanted }, until)),
                Err((Reason::ScaledToZero, _)) => Ok(()),
                other => other,
            };
        }
        match self.plan.strategy {
            StrategyKind::BlueGreen => self.complete_switch()?,
            _ if self.plan.splits() => self.complete_weight(self.plan.total, false)?,
            _ => self.complete_ratio(false)?,
        }
        let point = GatePoint::BeforePromotion;
        if !self.gate_is_open(point, 0) {
            return Err((
                Reason::Gate {
                    point,
                    name: self.gate_name(point),
                },
                Some(self.deadline()),
            ));
        }
        Ok(())
    }

    /// When the wait that it stands in becomes Degraded.
    pub(super) fn deadline(&self) -> Timestamp {
        self.state.progress_at + self.plan.progress_deadline
    }

    /// Marks what moved, and what has not moved for too long.
    pub(super) fn watch_deadline(&mut self) {
        let step = match self.state.course {
            Course::Forward { step, started, .. } => {
                step.saturating_mul(2).saturating_add(u32::from(started))
            }
            Course::Settled => u32::MAX,
            Course::Back { .. } => u32::MAX - 1,
        };
        let mark = (step, self.latest_available());
        let timeless = matches!(
            self.waiting.as_ref().map(|waiting| &waiting.reason),
            Some(
                Reason::Pause
                    | Reason::Held
                    | Reason::Analysis { .. }
                    | Reason::Inconclusive { .. }
                    | Reason::ScaledToZero
                    | Reason::RouteDrift
            )
        );
        let moved = mark.0 != self.state.progress.0 || mark.1 > self.state.progress.1;
        if moved {
            (self.state.progress_at, self.state.overdue) = (self.now, false);
        }
        if mark != self.state.progress {
            self.state.progress = mark;
        }
        let waits = !timeless && (self.is_forward() || !self.is_complete());
        if !waits {
            if self.state.overdue && !self.is_back() {
                self.state.overdue = false;
            }
            return;
        }
        let deadline = self.deadline();
        self.wake_at(deadline);
        if deadline <= self.now && !self.state.overdue {
            self.state.overdue = true;
            let text = self.timed_out();
            self.tell(EventKind::ProgressDeadlineExceeded, text);
            if self.plan.deadline_aborts && self.state.stable.is_some() {
                self.abort(AbortCause::Deadline);
            }
        }
    }

    pub(super) fn timed_out(&self) -> String {
        let name = self.plan.name.as_str();
        let name = name.rsplit('/').next().unwrap_or(name);
        let latest = &self.state.latest;
        format!("ReplicaSet \"{name}-{latest}\" has timed out progressing.")
    }
}
