//! What a metric of a plan measures in the simulated world.

mod guess;
mod shown;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::id::{Digest, RevisionId};
use gradatim_core::measurement::{
    Ask, Counter, CounterKind, GateState, MeasurementId, Outcome, Reading, Sample, Series, Side,
    WorkPhase,
};
use gradatim_core::number::Number;
use gradatim_core::port::PortError;
use gradatim_core::time::Timestamp;

pub use self::guess::Guess;
use crate::world::{Ledger, Revision, Tally, World, at_most, latencies, quantile};

/// How far back a measurement looks when neither it nor the metric says so.
const WINDOW: Duration = Duration::from_secs(60);
/// How often raw counters are scraped: at whole multiples of it, as a server does that was
/// started long ago.
const SCRAPE: Duration = Duration::from_secs(5);
/// The upper bounds of the latency buckets of raw counters, in seconds.
const BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Whose requests are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Of {
    /// The version on trial's.
    Canary,
    /// The trusted version's.
    Stable,
    /// Everybody's.
    All,
}

/// What a metric measures in this world.
///
/// ```
/// use std::time::Duration;
/// use gradatim_sim::{Measure, Of};
///
/// let success = Measure::success_rate().over(Duration::from_secs(120));
/// let p99 = Measure::latency(0.99).of(Of::Stable).in_millis();
/// let scripted = Measure::sequence([0.99, 0.93, f64::NAN]);
/// # let _ = (success, p99, scripted);
/// ```
#[derive(Clone)]
pub struct Measure {
    what: What,
    of: Of,
    over: Option<Duration>,
    times: f64,
    vector: Option<bool>,
    takes: Duration,
}

#[derive(Clone)]
enum What {
    SuccessRate,
    ErrorRate,
    Latency(f64),
    RequestRate,
    Requests,
    Errors,
    Sequence(Vec<Given>),
    Counters,
    /// A job that tries the canary out.
    Trial,
    Reading(Reading),
    Error(FaultKind, String),
    Answer(Arc<Answer>),
    Guessed,
}

/// An answer that is given beforehand.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Given {
    /// This number.
    Number(f64),
    /// No series.
    NoData,
    /// An error.
    Error(FaultKind, String),
}

type Answer = dyn Fn(&World, &Ask) -> Result<Outcome, PortError> + Send + Sync;

impl Measure {
    fn new(what: What) -> Self {
        Self {
            what,
            of: Of::Canary,
            over: None,
            times: 1.0,
            vector: None,
            takes: Duration::ZERO,
        }
    }

    /// The share of requests that did not fail, 0 to 1; NaN while none came, no data before the
    /// first one.
    pub fn success_rate() -> Self {
        Self::new(What::SuccessRate)
    }

    /// The share of requests that failed, 0 to 1; NaN while none came, no data before the first
    /// one.
    pub fn error_rate() -> Self {
        Self::new(What::ErrorRate)
    }

    /// The latency, in seconds, that this share of the requests did not exceed; NaN while none
    /// came, no data before the first one.
    pub fn latency(quantile: f64) -> Self {
        Self::new(What::Latency(quantile))
    }

    /// Requests a second.
    pub fn request_rate() -> Self {
        Self::new(What::RequestRate)
    }

    /// How many requests came.
    pub fn requests() -> Self {
        Self::new(What::Requests)
    }

    /// How many requests failed.
    pub fn errors() -> Self {
        Self::new(What::Errors)
    }

    /// Always this number.
    pub fn constant(value: f64) -> Self {
        Self::sequence([value])
    }

    /// These numbers one after the other, the last one for ever; each for one measurement, however
    /// often that is asked.
    pub fn sequence(values: impl IntoIterator<Item = f64>) -> Self {
        Self::given(values.into_iter().map(Given::Number))
    }

    /// The same where an absent number is no data.
    pub fn sequence_with_gaps(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let given = |value: Option<f64>| value.map_or(Given::NoData, Given::Number);
        Self::given(values.into_iter().map(given))
    }

    /// The same where any answer may be no data or an error.
    pub fn given(answers: impl IntoIterator<Item = Given>) -> Self {
        Self::new(What::Sequence(answers.into_iter().collect()))
    }

    /// What it would be taken to measure if nobody had said anything of it.
    pub fn guessed() -> Self {
        Self::new(What::Guessed)
    }

    /// Never any series.
    pub fn no_data() -> Self {
        Self::given([])
    }

    /// Never a number.
    pub fn nan() -> Self {
        Self::constant(f64::NAN)
    }

    /// Raw counters of both sides.
    pub fn counters() -> Self {
        Self::new(What::Counters)
    }

    /// A gate that is open, closed or unknown.
    pub fn gate(state: GateState) -> Self {
        Self::reading(Reading::Gate(state))
    }

    /// A job or a command that ends so.
    pub fn work(phase: WorkPhase, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::reading(Reading::Work { phase, text })
    }

    /// A job that tries the version on trial out: it fails when that answers nothing, or fails
    /// more than one request in twenty.
    pub fn trial() -> Self {
        Self::new(What::Trial)
    }

    /// Always this reading.
    pub fn reading(reading: Reading) -> Self {
        Self::new(What::Reading(reading))
    }

    /// No answer but an error.
    pub fn failing(kind: FaultKind, text: impl Into<String>) -> Self {
        Self::new(What::Error(kind, text.into()))
    }

    /// Whatever a function makes of the world and the question.
    pub fn with(
        answer: impl Fn(&World, &Ask) -> Result<Outcome, PortError> + Send + Sync + 'static,
    ) -> Self {
        Self::new(What::Answer(Arc::new(answer)))
    }

    /// The same of somebody else's requests; by default it is the version on trial's.
    #[must_use]
    pub fn of(mut self, of: Of) -> Self {
        self.of = of;
        self
    }

    /// The same over a window that ends when the measurement is due; by default the metric's own
    /// window, or a minute.
    #[must_use]
    pub fn over(mut self, window: Duration) -> Self {
        self.over = Some(window);
        self
    }

    /// The same in milliseconds where it is in seconds.
    #[must_use]
    pub fn in_millis(mut self) -> Self {
        self.times = 1000.0;
        self
    }

    /// The same in percent where it is a share.
    #[must_use]
    pub fn in_percent(mut self) -> Self {
        self.times = 100.0;
        self
    }

    /// The same times a factor.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        self.times = factor;
        self
    }

    /// The same as a vector of one series, as `result[0]` wants it, or as a bare number; by
    /// default what the metric's conditions look at.
    #[must_use]
    pub fn as_vector(mut self, vector: bool) -> Self {
        self.vector = Some(vector);
        self
    }

    /// The same, answered so long after it was asked for; a job is under way until then.
    #[must_use]
    pub fn taking(mut self, span: Duration) -> Self {
        self.takes = span;
        self
    }

    pub(crate) fn takes(&self) -> Duration {
        self.takes
    }

    /// Whether it is a job, which is asked for again until it is over, and no query.
    pub(crate) fn is_work(&self) -> bool {
        matches!(self.what, What::Trial | What::Reading(Reading::Work { .. }))
    }
}

/// What every metric measures.
#[derive(Debug, Default)]
pub(crate) struct Measures {
    named: BTreeMap<String, Measure>,
    guessed: BTreeMap<String, Measure>,
    guesses: Vec<Guess>,
    /// Which place of a sequence each measurement has got.
    places: BTreeMap<MeasurementId, usize>,
    next: BTreeMap<String, usize>,
    /// Whether a metric's conditions look at a vector.
    vectors: BTreeMap<Digest, bool>,
}

impl Measures {
    pub(crate) fn name(&mut self, metric: impl Into<String>, measure: Measure) {
        let metric = metric.into();
        self.next.remove(&metric);
        self.named.insert(metric, measure);
    }

    pub(crate) fn guesses(&self) -> &[Guess] {
        &self.guesses
    }

    fn place(&mut self, id: &MeasurementId) -> usize {
        if let Some(place) = self.places.get(id) {
            return *place;
        }
        let next = self.next.entry(id.metric.to_string()).or_default();
        let place = *next;
        *next += 1;
        self.places.insert(id.clone(), place);
        place
    }
}

impl World {
    /// What a metric measures: what was said, or a guess.
    pub(crate) fn measure_of(&mut self, ask: &Ask) -> Measure {
        let name = ask.id.metric.as_str();
        let named = self.measures.named.get(name);
        if let Some(measure) = named.filter(|measure| !matches!(measure.what, What::Guessed)) {
            return measure.clone();
        }
        if let Some(measure) = self.measures.guessed.get(name) {
            return measure.clone();
        }
        let measure = guess::guess(&self.plan, ask);
        self.measures.guesses.push(Guess {
            metric: name.to_owned(),
            measure: measure.to_string(),
        });
        self.measures
            .guessed
            .insert(name.to_owned(), measure.clone());
        measure
    }

    /// Answers a question as the world is now.
    pub(crate) fn answer(&mut self, measure: &Measure, ask: &Ask) -> Result<Outcome, PortError> {
        let value = match &measure.what {
            What::Reading(reading) => return Ok(Outcome::done(reading.clone())),
            What::Error(kind, text) => return Err(PortError::new(*kind, text.clone())),
            What::Answer(answer) => return answer(self, ask),
            What::Counters => return Ok(Outcome::done(Reading::Counters(self.counters(ask)))),
            What::Trial => return Ok(Outcome::done(self.trial(&ask.id.revision))),
            What::Sequence(values) if values.is_empty() => None,
            What::Sequence(values) => {
                let place = self.measures.place(&ask.id).min(values.len() - 1);
                match values.get(place) {
                    Some(Given::Number(value)) => Some(*value),
                    Some(Given::Error(kind, text)) => return Err(PortError::new(*kind, text)),
                    Some(Given::NoData) | None => None,
                }
            }
            what => self.measured(what, measure, ask),
        };
        let vector = measure.vector.unwrap_or_else(|| self.is_vector(ask));
        Ok(Outcome::done(reading(
            value.map(|value| value * measure.times),
            vector,
            ask.at,
        )))
    }

    fn is_vector(&mut self, ask: &Ask) -> bool {
        let known = self.measures.vectors.entry(ask.id.digest);
        *known.or_insert_with(|| guess::is_vector(&self.plan, ask))
    }

    fn measured(&self, what: &What, measure: &Measure, ask: &Ask) -> Option<f64> {
        let declared = Some(ask.window).filter(|window| !window.is_zero());
        let window = measure.over.or(declared).unwrap_or(WINDOW);
        let (from, to) = (ask.at - window, ask.at);
        let ledgers = self.ledgers(measure.of, &ask.id.revision);
        let mut tally = Tally::default();
        ledgers
            .iter()
            .for_each(|ledger| tally.add(ledger.between(from, to)));
        let known = ledgers.iter().any(|ledger| ledger.is_known());
        let (all, failed) = (tally.all(), tally.all_failed());
        match what {
            What::SuccessRate => known.then_some((all - failed) / all),
            What::ErrorRate => known.then_some(failed / all),
            What::RequestRate => Some(all / window.as_secs_f64()),
            What::Requests => Some(all),
            What::Errors => Some(failed),
            What::Latency(share) => known.then(|| {
                let millis = quantile(&latencies(&ledgers, from, to), *share);
                millis.map_or(f64::NAN, |millis| millis / 1000.0)
            }),
            _ => None,
        }
    }

    fn ledgers(&self, of: Of, canary: &RevisionId) -> Vec<&Ledger> {
        let wanted = |id: &RevisionId| match of {
            Of::Canary => id == canary,
            Of::Stable => id != canary,
            Of::All => true,
        };
        let revisions = self
            .revisions
            .iter()
            .filter(|revision| wanted(&revision.id));
        revisions.map(|revision| &revision.ledger).collect()
    }

    fn trial(&self, canary: &RevisionId) -> Reading {
        let revision = self.revision(canary.as_str());
        let answers = revision.filter(|revision| revision.available > 0);
        let errors = answers.map(|revision| revision.version.at(self.elapsed()).errors);
        let (phase, text) = match errors {
            None => (WorkPhase::Failed, "no pod answers"),
            Some(errors) if errors > 0.05 => (WorkPhase::Failed, "too many requests fail"),
            Some(_) => (WorkPhase::Successful, "all well"),
        };
        let text = text.to_owned();
        Reading::Work { phase, text }
    }

    /// One set of counters for each revision, scraped since it serves: the last sample at or
    /// before the window's start, and every later one.
    fn counters(&self, ask: &Ask) -> Vec<Counter> {
        let window = if ask.window.is_zero() {
            WINDOW
        } else {
            ask.window
        };
        let known = self.revisions.iter().filter(|it| it.ledger.is_known());
        let counters = known.flat_map(|revision| {
            let side = if revision.id == ask.id.revision {
                Side::Canary
            } else {
                Side::Stable
            };
            counters_of(revision, side, &scrapes(revision, ask.at, window))
        });
        counters.collect()
    }
}

/// When a revision was scraped: the last time at or before a window's start, and every later one.
fn scrapes(revision: &Revision, at: Timestamp, window: Duration) -> Vec<Timestamp> {
    let begun = revision.first_available.unwrap_or(revision.created);
    let late = u64::try_from(at.as_millis().rem_euclid(SCRAPE.as_millis() as i64));
    let last = at - Duration::from_millis(late.unwrap_or_default());
    let count = u32::try_from(window.as_millis().div_ceil(SCRAPE.as_millis())).unwrap_or(u32::MAX);
    let instants = (0..=count)
        .rev()
        .map(|back| last - SCRAPE.saturating_mul(back));
    instants.filter(|instant| *instant >= begun).collect()
}

fn counters_of(revision: &Revision, side: Side, instants: &[Timestamp]) -> Vec<Counter> {
    let counter = |kind: CounterKind, value: &dyn Fn(Timestamp) -> f64| {
        let sample = |at: &Timestamp| Sample {
            at: *at,
            value: Number::new(value(*at)),
        };
        Counter {
            side,
            pod: revision.id.to_string(),
            kind,
            samples: instants.iter().map(sample).collect(),
        }
    };
    let until = |at| revision.ledger.between(revision.created, at);
    let within = |bound: f64| {
        let count = move |at| {
            let latencies = latencies(&[&revision.ledger], revision.created, at);
            at_most(&latencies, bound * 1000.0)
        };
        counter(CounterKind::Bucket(bound.to_string()), &count)
    };
    let mut counters = vec![
        counter(CounterKind::Requests, &|at| until(at).all()),
        counter(CounterKind::Errors, &|at| until(at).all_failed()),
        counter(CounterKind::Bucket("+Inf".to_owned()), &|at| {
            until(at).all()
        }),
    ];
    counters.extend(BUCKETS.map(within));
    counters
}

fn reading(value: Option<f64>, vector: bool, at: Timestamp) -> Reading {
    match (value, vector) {
        (Some(value), false) => Reading::Number(Number::new(value)),
        (None, _) => Reading::Series(Vec::new()),
        (Some(value), true) => Reading::Series(vec![Series {
            labels: BTreeMap::new(),
            samples: vec![Sample {
                at,
                value: Number::new(value),
            }],
        }]),
    }
}
