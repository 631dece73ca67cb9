//! What a scenario says, as plain values.

use std::time::Duration;

use gradatim_core::measurement::GateState;
use gradatim_core::order::OrderKind;

/// A described world: what runs, what is wrong with it, what happens when, and what is expected.
///
/// Times count from the start. A later statement wins over an earlier one where both speak of the
/// same thing at the same time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// What the world's chances are drawn from. Default 1.
    pub seed: u64,
    /// How many pods the workload shall have; the manifest's count when absent.
    pub replicas: Option<u32>,
    /// The version that serves at the start; none when nothing has been deployed yet.
    /// Default `v1`.
    pub stable: Option<String>,
    /// The version that is wanted from the start. Default `v2`.
    pub wanted: String,
    /// Requests a second. Default 100.
    pub traffic: Vec<Timed<f64>>,
    /// Whether requests and failures scatter as they do in life, drawn from the seed.
    pub scattered: bool,
    /// The part of the requests that a header route matches, 0 to 1. Default 0.01.
    pub testers: f64,
    /// How many pods there may be at once, of all versions together.
    pub quota: Vec<Timed<u32>>,
    /// What is wrong with versions and their pods.
    pub traits: Vec<Trait>,
    /// What metrics measure.
    pub metrics: Vec<Metric>,
    /// What gates say.
    pub gates: Vec<GateLine>,
    /// What goes wrong with routers, providers, the workload and the store.
    pub faults: Vec<FaultLine>,
    /// What happens to the driver.
    pub drivers: Vec<DriverLine>,
    /// What is done at an instant, in its order.
    pub changes: Vec<Planned>,
    /// When it ends at the latest. Default one hour; it ends before when nothing is left to
    /// happen.
    pub end: Option<Duration>,
    /// What shall come of it.
    pub expects: Vec<Expect>,
    /// What happens and from when to when, in the words of the text.
    pub told: Vec<Told>,
    /// The text that it was read from.
    pub(crate) source: String,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            replicas: None,
            stable: Some("v1".to_owned()),
            wanted: "v2".to_owned(),
            traffic: Vec::new(),
            scattered: false,
            testers: 0.01,
            quota: Vec::new(),
            traits: Vec::new(),
            metrics: Vec::new(),
            gates: Vec::new(),
            faults: Vec::new(),
            drivers: Vec::new(),
            changes: Vec::new(),
            end: None,
            expects: Vec::new(),
            told: Vec::new(),
            source: String::new(),
        }
    }
}

/// Something that a transcript tells in the scenario's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What sort of thing it is: `world`, `fault`, `metric`, `gate`, `order` or `edit`.
    pub word: &'static str,
    /// The statement, without its times.
    pub text: String,
    /// When.
    pub window: Window,
}

/// A part of the scenario's time: `from` included, `to` left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: Duration,
    /// Its end; none lasts to the end of the scenario.
    pub to: Option<Duration>,
}

impl Window {
    /// All of the scenario.
    pub const ALWAYS: Self = Self {
        from: Duration::ZERO,
        to: None,
    };

    /// Whether an instant is in it.
    pub fn holds(&self, at: Duration) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// Where something stands in a scenario's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters are meant.
    pub length: usize,
}

/// A name as it was written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

/// A value in a part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed<T> {
    /// The value.
    pub value: T,
    /// When it holds.
    pub window: Window,
}

/// Something about a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Trait {
    /// Which version; every one when absent.
    pub version: Option<Named>,
    /// What about it.
    pub kind: TraitKind,
    /// When.
    pub window: Window,
}

/// What can be about a version or its pods.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TraitKind {
    /// So large a part of its answers fails, 0 to 1.
    Fails {
        /// From the first pod on.
        rate: f64,
        /// How much more with every minute after that, 0 to 1.
        growing: f64,
    },
    /// It answers in this time; half of its answers are slower.
    Answers(Duration),
    /// A pod is slower for a while after it became ready.
    Cold {
        /// How many times slower, at least 1.
        times: f64,
        /// For how long.
        lasts: Duration,
    },
    /// Pods are ready this long after they were asked for.
    ReadyAfter(Duration),
    /// At most so many pods ever become ready.
    AtMostReady(u32),
    /// Pods crash this long after they were ready, again and again.
    CrashAfter(Duration),
    /// Pods are refused by a quota or an admission policy, in the server's words.
    Refused(Option<String>),
    /// The image cannot be pulled, in the server's words.
    ImageNotPulled(Option<String>),
}

/// Which requests a metric looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Those of the version on trial.
    Canary,
    /// Those of the version called stable.
    Stable,
    /// All of them: what a query sees that forgets to select the canary.
    All,
}

/// What a metric measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name in the manifest.
    pub name: Named,
    /// What it measures.
    pub measures: Measures,
    /// When.
    pub window: Window,
}

/// What a metric can measure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Measures {
    /// Something about requests, over a window that ends at the measurement.
    Requests {
        /// What about them.
        what: Signal,
        /// Whose.
        of: Subject,
        /// How far back it looks; as far as the metric's own window when absent.
        over: Option<Duration>,
        /// What the value is multiplied with: 100 for percent, 1,000 for milliseconds.
        factor: f64,
    },
    /// These values, one for each measurement; the last one stays.
    Values(Vec<Value>),
    /// A job or a command that takes this long.
    Job {
        /// Whether it succeeds.
        succeeds: bool,
        /// How long it runs.
        after: Duration,
    },
}

/// What can be measured of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// The part that succeeded, 0 to 1; NaN where there was none.
    SuccessRate,
    /// The part that failed, 0 to 1; NaN where there was none.
    ErrorRate,
    /// So many of them a second.
    RequestRate,
    /// A quantile (0 to 1) of how long answers took, in seconds; NaN where there was none.
    Latency(f64),
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, NaN and the infinities included.
    Number(f64),
    /// An empty answer.
    NoData,
    /// The provider answers with this error.
    Error(String),
}

/// What a gate says in a part of the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateLine {
    /// Its name in the manifest.
    pub name: Named,
    /// What it says.
    pub says: GateState,
    /// When.
    pub window: Window,
}

/// Whose calls go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Port {
    /// Every router, or the one of this name.
    Router(Option<Named>),
    /// What runs the pods.
    Workload,
    /// Every metric provider, or the one of this name.
    Provider(Option<Named>),
    /// What keeps the state.
    Store,
}

/// Something wrong with a port.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultLine {
    /// Whose calls go wrong.
    pub port: Port,
    /// How.
    pub kind: PortFault,
    /// When.
    pub window: Window,
}

/// How a port's calls can go wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PortFault {
    /// Every call answers with an error, or this part of them, 0 to 1.
    Fails(f64),
    /// Reads answer with an error.
    CannotBeRead,
    /// Writes answer with an error.
    CannotBeWritten,
    /// No call answers before its deadline.
    Hangs,
    /// What was written has an effect only after this time.
    Lags(Duration),
    /// This part of the writes, 0 to 1, answers well and has no effect.
    LosesWrites(f64),
    /// Writes take effect a second time later on.
    RepeatsWrites {
        /// Which part of them, 0 to 1.
        part: f64,
        /// How much later.
        after: Duration,
    },
    /// Reads show what was so this long ago.
    ReadsOld(Duration),
    /// Answers are empty.
    GivesNoData,
}

/// Something that happens to a driver.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DriverLine {
    /// It is killed and comes back after a while, with what was saved and nothing else.
    Crashes {
        /// When.
        at: Duration,
        /// How long it is away.
        away: Duration,
        /// How many writes it still makes.
        after_writes: Option<u32>,
    },
    /// It is killed after this part of its writes, 0 to 1, and comes back after a while.
    CrashesAfterWrites {
        /// Which part, drawn from the seed.
        part: f64,
        /// How long it is away.
        away: Duration,
    },
    /// It stands still (SIGSTOP) and goes on in the middle of what it did.
    Stands {
        /// When; it is the next call that is held up.
        at: Duration,
        /// For how long.
        lasts: Duration,
        /// How many writes it still makes.
        after_writes: Option<u32>,
    },
    /// Another driver is started on the same rollout.
    Second {
        /// When.
        at: Duration,
        /// Whether it takes the rollout from one that is alive.
        takes_over: bool,
    },
}

/// Something that is done at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub change: Change,
    /// Where the instant is written.
    pub place: Place,
}

/// What can be done at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// An operator orders something.
    Order(OrderKind),
    /// An operator orders the way back to a version.
    Undo(Named),
    /// The wanted version becomes this one.
    Deploy(Named),
    /// The wanted number of pods becomes this one.
    Scale(u32),
    /// `spec.paused` becomes this.
    Paused(bool),
    /// So many available pods of a version die and are replaced.
    Kill {
        /// How many.
        pods: u32,
        /// Of which version.
        version: Named,
    },
    /// Somebody else writes this weight into the router.
    StrangerSetsWeight(u32),
}

/// What shall come of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// What shall have come.
    pub what: Expected,
    /// By when at the latest.
    pub by: Option<Duration>,
    /// Where it stands.
    pub place: Place,
}

/// What can be expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// The wanted version serves everyone.
    Promoted,
    /// The wanted version was taken back, and its weight seen at 0.
    RolledBack,
    /// It stands in a pause at the end.
    Paused,
    /// It is on its way at the end.
    Progressing,
    /// It is Degraded at the end.
    Degraded,
    /// At most so many answers failed that stable would have given well.
    FailedAtMost(u64),
}
