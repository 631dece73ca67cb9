//! A clock that went back moves every stored instant back with it.

use std::time::Duration;

use super::turn::Turn;
use crate::state::{Course, State};
use crate::time::Timestamp;

impl Turn<'_> {
    pub(super) fn never_go_back_in_time(&mut self) {
        let back = self.state.now.since(self.now);
        if back > Duration::ZERO {
            for instant in instants(&mut self.state) {
                *instant = *instant - back;
            }
        }
    }
}

fn instants(state: &mut State) -> Vec<&mut Timestamp> {
    let mut all = vec![&mut state.now, &mut state.progress.since];
    match &mut state.course {
        Course::Forward { entered_at, .. } => all.push(entered_at),
        Course::Back { at, .. } => all.push(at),
        Course::Settled => {}
    }
    let shares = state.shares.values_mut();
    all.extend(shares.filter_map(|share| share.since.as_mut()));
    all.extend(state.restart.as_mut().map(|restart| &mut restart.value));
    all.extend(state.events.iter_mut().map(|event| &mut event.at));
    for run in &mut state.runs {
        all.push(&mut run.started_at);
        for metric in &mut run.metrics {
            let optional = [
                &mut metric.failing_since,
                &mut metric.retry_at,
                &mut metric.ask_again_at,
                &mut metric.measured_at,
            ];
            all.extend(optional.into_iter().flatten());
            all.extend(metric.judge.iter_mut().flat_map(|it| it.instants()));
        }
    }
    all
}
