//! Header routes and mirrors: they stand as the steps so far have set them, and go with the
//! way back.

use super::turn::Turn;
use crate::capability::Part;
use crate::plan::StepKind;
use crate::route::{HeaderRoute, MirrorRoute, Slot};
use crate::state::Course;

/// Header routes and mirrors.
pub(super) type Trials = (Vec<HeaderRoute>, Vec<MirrorRoute>);

impl Turn<'_> {
    /// Whether the route that is wanted holds what the steps so far have set.
    pub(super) fn trials_are_wanted(&self) -> bool {
        let (headers, mirrors) = self.trials_of_steps();
        let route = self.state.route.as_ref();
        route.is_some_and(|route| route.headers.value == headers && route.mirrors.value == mirrors)
    }

    /// What the steps so far have set: as long as a pod of the new version can answer, and
    /// nothing new before the canary slot can and the last write was seen.
    pub(super) fn wanted_trials(&mut self) -> Trials {
        let (mut headers, mut mirrors) = self.trials_of_steps();
        let blind = self.workload.is_none();
        if (headers.is_empty() && mirrors.is_empty()) || (!blind && self.latest_available() == 0) {
            return Trials::default();
        }
        let latest = self.state.latest.clone();
        let may_grow = !blind
            && self.unreadable.is_none()
            && !self.state.drifted
            && self.route_is_shown()
            && self.slot_is_ready(Slot::Canary, &latest);
        if !may_grow {
            let route = self.state.route.as_ref();
            headers.retain(|new| route.is_some_and(|old| old.headers.value.contains(new)));
            mirrors.retain(|new| route.is_some_and(|old| old.mirrors.value.contains(new)));
        }
        (headers, mirrors)
    }

    /// The header routes and mirrors that every router shows; nothing where one cannot be read.
    pub(super) fn trials_seen(&self) -> Option<Trials> {
        let mut trials = Trials::default();
        for carrier in self.carriers(Part::Headers) {
            trials.0.clone_from(carrier?.1.headers.as_ref()?.value()?);
        }
        for carrier in self.carriers(Part::Mirrors) {
            trials.1.clone_from(carrier?.1.mirrors.as_ref()?.value()?);
        }
        Some(trials)
    }

    fn trials_of_steps(&self) -> Trials {
        let (mut headers, mut mirrors) = Trials::default();
        let Course::Forward {
            step,
            started: true,
            waived: false,
            ..
        } = self.state.course
        else {
            return (headers, mirrors);
        };
        let so_far = usize::try_from(step).unwrap_or(usize::MAX);
        for step in self.plan.steps.iter().take(so_far.saturating_add(1)) {
            match &step.kind {
                StepKind::SetHeaderRoute(route) => {
                    let gone = route.matches.is_empty();
                    set(&mut headers, route, |route| &route.name, gone);
                }
                StepKind::SetMirrorRoute(route) => {
                    let gone = route.matches.is_empty();
                    set(&mut mirrors, route, |route| &route.name, gone);
                }
                _ => {}
            }
        }
        (headers, mirrors)
    }
}

/// Sets a route in the place of the one of its name.
fn set<T: Clone>(routes: &mut Vec<T>, route: &T, name: impl Fn(&T) -> &String, gone: bool) {
    let known = routes.iter().position(|other| name(other) == name(route));
    match known.and_then(|place| routes.get_mut(place)) {
        Some(_) if gone => routes.retain(|other| name(other) != name(route)),
        Some(other) => *other = route.clone(),
        None if gone => {}
        None => routes.push(route.clone()),
    }
}
