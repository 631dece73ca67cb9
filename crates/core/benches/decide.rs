//! How long the pure core takes: a round in which nothing is new, one with measurements, and
//! what a round is made of.
//!
//! ```text
//! cargo bench -p gradatim-core
//! ```

// What criterion's macros write has no documentation.
#![allow(missing_docs)]

#[path = "decide/canary.rs"]
mod canary;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gradatim_core::analysis::{Frame, RunState, turn};
use gradatim_core::condition::{Condition, Value};
use gradatim_core::measurement::RunKey;
use gradatim_core::{compile, decide};
use serde_json::json;

use crate::canary::{Canary, templates};

fn rounds(c: &mut Criterion) {
    let quiet = Canary::in_its_fifth_step();
    c.bench_function("decide, quiet round", |b| {
        b.iter(|| decide(&quiet.plan, black_box(&quiet.saved), &quiet.seen, quiet.now));
    });
    let busy = quiet.with_measurements();
    assert_eq!(busy.seen.measurements.len(), 4);
    assert!(busy.decide().state.is_some());
    c.bench_function("decide, four measurements arrive", |b| {
        b.iter(|| decide(&busy.plan, black_box(&busy.saved), &busy.seen, busy.now));
    });
}

fn analysis(c: &mut Criterion) {
    let busy = Canary::in_its_fifth_step().with_measurements();
    let run = &busy.plan.background.as_ref().unwrap().run;
    let state: RunState = busy.state().run(RunKey::Background).unwrap().clone();
    let (revision, args) = ("v2".into(), BTreeMap::new());
    let frame = Frame::new(1, &revision, busy.state().attempt, &args);
    c.bench_function("analysis, four measurements arrive", |b| {
        b.iter(|| {
            turn(
                run,
                black_box(&state),
                &busy.seen.measurements,
                &frame,
                busy.now,
            )
        });
    });
}

fn conditions(c: &mut Criterion) {
    let vector = Value::from(json!([0.991]));
    for source in [
        "result[0] >= 0.95",
        "len(result) == 0 || isNaN(result[0]) || result[0] >= 0.95",
        "all(result, # < 0.5) && result[0] * 100 > 1",
    ] {
        let condition = Condition::parse(source).unwrap();
        c.bench_function(&format!("condition, evaluate {source}"), |b| {
            b.iter(|| condition.holds(black_box(&vector)));
        });
        c.bench_function(&format!("condition, parse {source}"), |b| {
            b.iter(|| Condition::parse(black_box(source)));
        });
    }
}

fn compiling(c: &mut Criterion) {
    let (spec, templates, registry) = (canary::spec(), templates(), canary::registry());
    c.bench_function("compile, ten steps and four metrics", |b| {
        b.iter(|| compile(black_box(&spec), &templates, &registry).map(drop));
    });
    c.bench_function("state to JSON and back", |b| {
        let state = Canary::in_its_fifth_step().state();
        b.iter_batched(
            || state.clone(),
            |state| gradatim_core::state::State::from_json(&state.to_json()),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(core, rounds, analysis, conditions, compiling);
criterion_main!(core);
