//! Old encodings are read for ever, and a state stays small.

use super::*;
use crate::analysis::{AnalysisPhase, MetricPlan, RunPlan, start};
use crate::event::{EventId, EventKind};
use crate::route::{Bindings, Slot, Split};
use crate::stamp::Stamp;

const FIRST: &str = include_str!("golden/1-in-flight.json");

fn four_metrics() -> RunState {
    let metrics = ["success-rate", "p95-latency", "error-lines", "saturation"];
    let plan = RunPlan {
        metrics: metrics
            .map(|name| MetricPlan::new(name, "prometheus", serde_json::json!({})))
            .to_vec(),
        ..RunPlan::default()
    };
    let mut run = start(
        &plan,
        RunKey::Background,
        Timestamp::from_secs(1_800_000_000),
    );
    for metric in &mut run.metrics {
        metric.phase = AnalysisPhase::Running;
        (metric.count, metric.successful, metric.failed) = (120, 118, 2);
        (metric.tick, metric.consecutive_success) = (120, 17);
        metric.measured_at = Some(Timestamp::from_secs(1_800_003_600));
        metric.last = "result[0] = 0.9973, wanted >= 0.95".to_owned();
    }
    run
}

/// A canary at a quarter, measured by four metrics.
fn in_flight() -> State {
    let (v1, v2) = (RevisionId::new("7f3a9c1d44"), RevisionId::new("91bc02e7aa"));
    let now = Timestamp::from_secs(1_800_003_600);
    let stamp = |sequence| Stamp {
        epoch: 3,
        sequence,
        generation: 2,
        attempt: 5,
    };
    let mut state = State::new(1, v2.clone(), now);
    (state.epoch, state.sequence, state.generation) = (3, 41, 2);
    (state.attempt, state.number) = (5, 12);
    state.stable = Some(v1.clone());
    state.course = Course::Forward {
        step: 3,
        entered_at: now,
        started: true,
        again: false,
        waived: false,
        released: false,
    };
    state.height = Some(Height {
        of: v2.clone(),
        weight: 25,
        pods: 3,
    });
    let bind = Bindings::from([(Slot::Stable, v1.clone()), (Slot::Canary, v2.clone())]);
    state.route = Some(Route {
        bind: Stamped::new(bind, stamp(30)),
        split: Stamped::new(Split::canary(25, 100), stamp(41)),
        headers: Stamped::new(Vec::new(), stamp(2)),
        mirrors: Stamped::new(Vec::new(), stamp(2)),
    });
    let scale = |pods| Stamped::new(pods, stamp(40));
    state.scales = [(v1.clone(), scale(10)), (v2.clone(), scale(3))].into();
    let seen = |share, before| ShareSeen {
        share,
        before,
        since: Some(now),
    };
    state.shares = [(v1, seen(75, 90)), (v2, seen(25, 10))].into();
    state.runs = vec![four_metrics()];
    state.orders = [("store".to_owned(), 7)].into();
    state.unfinished = true;
    state.next_event = 33;
    state.events = vec![Event {
        id: EventId {
            incarnation: 1,
            number: 32,
        },
        at: now,
        kind: EventKind::TrafficWeightUpdated,
        text: "weight 25 of 100 seen".to_owned(),
        evidence: Vec::new(),
    }];
    state
}

#[test]
fn the_first_encoding_is_read_for_ever() {
    let written = in_flight().to_json();
    assert_eq!(State::from_json(FIRST).unwrap(), in_flight());
    assert_eq!(
        FIRST.trim_end(),
        written,
        "another encoding has another version"
    );
}

#[test]
fn a_state_in_flight_with_four_metrics_is_smaller_than_4_kilobytes() {
    let size = in_flight().to_json().len();
    assert!(size < 4096, "{size} bytes");
}

#[test]
fn what_is_newer_or_no_state_is_told_apart() {
    let newer = FIRST.replacen("\"version\":1", "\"version\":2", 1);
    assert_eq!(State::from_json(&newer), Err(UnreadableState::Version(2)));
    let broken = FIRST.get(..FIRST.len() / 2).unwrap();
    let broken = State::from_json(broken);
    assert!(matches!(broken, Err(UnreadableState::Malformed(_))));
}
