//! How long the judge takes for one scrape, as it stands in the middle of a rollout.
//!
//! ```text
//! cargo bench -p gradatim-core --bench judge
//! ```

// What criterion's macros write has no documentation.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gradatim_core::analysis::judge::{
    Assurance, Count, Curve, Evidence, Likelihood, Noise, Scrape, WarmUp,
};

/// Errors, and requests slower than three bounds.
const STREAMS: usize = 4;

/// What a judge keeps of one kind of event.
#[derive(Clone, Default)]
struct Stream {
    evidence: Evidence,
    likelihood: Likelihood,
    assurance: Assurance,
    noise: Noise,
    curve: Curve,
}

impl Stream {
    /// Ten minutes of stable, an earlier release, and half of this one.
    fn in_the_middle() -> Self {
        let mut stream = Self::default();
        for minute in 0..10 {
            let pods: Vec<Count> = (0..10)
                .map(|pod| Count::new(600, (pod + minute) % 5))
                .collect();
            stream.noise.count(&pods);
        }
        for class in 0..20 {
            let age = Duration::from_secs(class * 15);
            let events = 40 / (class + 1);
            stream
                .curve
                .count(age, Count::new(9000, 27 + events), 0.003);
        }
        for at in 0..30 {
            stream.count(&scrape(at));
        }
        stream
    }

    fn count(&mut self, scrape: &Scrape) {
        let ages = [7, 22, 37, 120, 300].map(Duration::from_secs);
        let tolerated = WarmUp::Learned.tolerated(&ages, &self.curve, 10.0);
        let noise = self
            .noise
            .factor(scrape.share().unwrap_or_default(), 0.9, 0.7);
        self.evidence.count(scrape, tolerated, noise, 0.5 / 60.0);
        self.likelihood.count(scrape, noise);
        self.assurance.count(scrape, 2.0, noise);
    }

    fn verdict(&self) -> f64 {
        match self.evidence.estimate() >= 1.3 {
            true => self.evidence.value() + self.assurance.value(),
            false => 0.0,
        }
    }
}

fn scrape(at: u64) -> Scrape {
    let weight = [10, 25, 50][(at / 20 % 3) as usize];
    Scrape {
        canary: Count::new(15 * weight, at % 4),
        stable: Count::new(15 * (100 - weight), 3 + at % 3),
    }
}

fn scrapes(c: &mut Criterion) {
    let mut streams: Vec<Stream> = vec![Stream::in_the_middle(); STREAMS];
    let seen = scrape(30);
    c.bench_function("judge, one scrape of four streams", |b| {
        b.iter(|| {
            let each = streams.iter_mut().map(|stream| {
                stream.count(black_box(&seen));
                stream.verdict()
            });
            each.sum::<f64>()
        });
    });
    c.bench_function("judge, the ranges that people read of four streams", |b| {
        b.iter(|| {
            streams
                .iter()
                .filter_map(|it| it.likelihood.range())
                .count()
        });
    });
}

criterion_group!(judge, scrapes);
criterion_main!(judge);
