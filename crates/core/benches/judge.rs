//! How long the judge takes for one scrape, as it stands in the middle of a rollout.
//!
//! ```text
//! cargo bench -p gradatim-core --bench judge
//! ```

// What criterion's macros write has no documentation.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gradatim_core::analysis::judge::{
    Circumstances, Count, Curve, JudgePlan, JudgeState, Learned, Moment, Scrape, Stream, WarmUp,
    evidence,
};
use gradatim_core::measurement::{Counter, CounterKind, Sample, Side};
use gradatim_core::number::Number;
use gradatim_core::time::Timestamp;

/// Errors, and requests slower than three bounds.
const STREAMS: usize = 4;

/// A judge in the middle of a release: after ten minutes of stable, an earlier release, and half
/// of this one.
fn streams() -> (Vec<Stream>, Curve) {
    let mut stream = Stream::new(0.25, 1.3);
    for minute in 0..10 {
        let pods = (0..10).map(|pod| Count::new(600, (pod + minute) % 5));
        stream.remember(&pods.collect::<Vec<_>>());
    }
    let mut curve = Curve::default();
    for class in 0..20 {
        let age = Duration::from_secs(class * 15);
        let events = 40 / (class + 1);
        curve.count(age, Count::new(9000, 27 + events), 0.003);
    }
    for at in 0..30 {
        count(&mut stream, &curve, &scrape(at));
    }
    (vec![stream; STREAMS], curve)
}

fn count(stream: &mut Stream, curve: &Curve, scrape: &Scrape) {
    let ages = [7, 22, 37, 120, 300].map(Duration::from_secs);
    let now = Circumstances {
        tolerated: WarmUp::Learned.tolerated(&ages, curve, 10.0),
        canary_pods: ages.len(),
        stable_pods: 10,
        seconds: 15.0,
        interval: 15.0,
        invested: 0.5 / 60.0,
        bound: 2.0,
    };
    stream.count(scrape, &now);
}

fn scrape(at: u64) -> Scrape {
    let weight = [10, 25, 50][(at / 20 % 3) as usize];
    Scrape {
        canary: Count::new(15 * weight, at % 4),
        stable: Count::new(15 * (100 - weight), 3 + at % 3),
    }
}

fn scrapes(c: &mut Criterion) {
    let (mut streams, curve) = streams();
    let seen = scrape(30);
    c.bench_function("judge, one scrape of four streams", |b| {
        b.iter(|| {
            for stream in &mut streams {
                count(stream, &curve, black_box(&seen));
            }
            evidence(&streams)
        });
    });
    c.bench_function("judge, the ranges that people read of four streams", |b| {
        b.iter(|| {
            let ranges = streams.iter().filter_map(|it| it.likelihood().range());
            ranges.count()
        });
    });
}

/// Twelve pods as a provider answers: six series of five samples each for the last minute.
fn counters(at: i64) -> Vec<Counter> {
    let sides = [(Side::Stable, 10, 60), (Side::Canary, 2, 70)];
    let pods = sides.into_iter().flat_map(|(side, count, each)| {
        (0..count).map(move |pod| (side, format!("shop-{side:?}-{pod}"), each))
    });
    let kinds = ["", "errors", "+Inf", "0.1", "0.25", "0.5"];
    let series = pods.flat_map(|(side, pod, each)| {
        kinds.map(|kind| {
            let part = match kind {
                "errors" => 0.01,
                "0.1" => 0.5,
                "0.25" => 0.9,
                "0.5" => 0.97,
                _ => 1.0,
            };
            let value = |tick: i64| (f64::from(each) * tick as f64 * part).floor();
            let sample = |tick: i64| Sample {
                at: Timestamp::from_secs(tick * 15),
                value: Number::new(value(tick)),
            };
            let kind = match kind {
                "" => CounterKind::Requests,
                "errors" => CounterKind::Errors,
                bound => CounterKind::Bucket(bound.to_owned()),
            };
            let (pod, from) = (pod.clone(), if at < 50 { 0 } else { at - 4 });
            let samples = (from..=at).map(sample).collect();
            Counter {
                side,
                pod,
                kind,
                samples,
            }
        })
    });
    series.collect()
}

/// One scrape from raw counters to the finding: sums by pod, then the streams.
fn raw(c: &mut Criterion) {
    let (plan, learned) = (JudgePlan::default(), Learned::new());
    let moment = |at: i64| Moment {
        at: Timestamp::from_secs(at * 15),
        interval: Duration::from_secs(15),
        weight: Some(0.2),
        learned: &learned,
    };
    let mut known = JudgeState::default();
    for at in 40..80 {
        known
            .count(&plan, &counters(at), &moment(at))
            .expect("each has new samples");
    }
    assert_eq!(known.accounts().len(), STREAMS);
    let next = counters(80);
    c.bench_function("judge, one scrape of raw counters of twelve pods", |b| {
        b.iter_batched_ref(
            || known.clone(),
            |known| known.count(&plan, black_box(&next), &moment(80)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(judge, scrapes, raw);
criterion_main!(judge);
