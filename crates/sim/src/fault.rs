//! What can go wrong between a driver and the world, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gradatim_core::fault::FaultKind;

use crate::rng::Rng;

/// Whose calls a fault concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Every port.
    Everything,
    /// The workload.
    Workload,
    /// Every router.
    Routers,
    /// The router of this place among the plan's.
    Router(usize),
    /// Every metric.
    Provider,
    /// One metric, by its name.
    Metric(String),
    /// The store.
    Store,
    /// The notifier.
    Notifier,
}

/// Which of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All of them.
    All,
    /// Those that only look.
    Reads,
    /// Those that change something, a save included.
    Writes,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mishap {
    /// The call is answered with an error, and nothing happens.
    Error(FaultKind),
    /// The call takes effect, and is answered with an error.
    LateError(FaultKind),
    /// The call is never answered, and nothing happens.
    Hang,
    /// The call takes effect, and is never answered.
    LateHang,
    /// A write is answered well, and nothing happens.
    LostWrite,
    /// A write takes effect, and once more after a while.
    DoubledWrite(Duration),
    /// A read shows what was so some time ago.
    StaleRead(Duration),
    /// A measurement finds no series.
    NoData,
    /// A measurement is not a number.
    Nan,
    /// The driver dies before the call takes effect, and is started again after a while.
    Crash(Duration),
    /// The driver dies after the call took effect, and is started again after a while.
    LateCrash(Duration),
    /// The driver is stopped before the call takes effect (SIGSTOP), and goes on after a while.
    Freeze(Duration),
}

impl Mishap {
    /// Its name, for a count of what was met.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::LateError(_) => "late error",
            Self::Hang => "hang",
            Self::LateHang => "late hang",
            Self::LostWrite => "lost write",
            Self::DoubledWrite(_) => "doubled write",
            Self::StaleRead(_) => "stale read",
            Self::NoData => "no data",
            Self::Nan => "NaN",
            Self::Crash(_) => "crash",
            Self::LateCrash(_) => "late crash",
            Self::Freeze(_) => "freeze",
        }
    }

    /// Whether it can befall a call of this sort.
    fn befalls(&self, call: &Call<'_>) -> bool {
        match self {
            // A store that loses what it says it has saved is no store.
            Self::LostWrite | Self::DoubledWrite(_) => {
                call.writes && matches!(call.port, Port::Router(_) | Port::Workload)
            }
            Self::StaleRead(_) => !call.writes,
            Self::NoData | Self::Nan => matches!(call.port, Port::Metric(_)),
            _ => true,
        }
    }
}

/// Something that goes wrong: what, for whom, when and how often. Every time, unless it says
/// otherwise.
///
/// ```
/// use std::time::Duration;
/// use gradatim_core::fault::FaultKind;
/// use gradatim_sim::{Fault, Mishap, Target};
///
/// // The router cannot be written for a minute, from 2:00 on.
/// let down = Fault::new(Target::Routers, Mishap::Error(FaultKind::Unreachable))
///     .writes()
///     .since(Duration::from_secs(120))
///     .until(Duration::from_secs(180));
/// // The driver dies at its fifth write, whatever it is, and is back 20 s later.
/// let crash = Fault::new(Target::Everything, Mishap::Crash(Duration::from_secs(20)))
///     .writes()
///     .after(4)
///     .times(1);
/// # let _ = (down, crash);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    target: Target,
    mishap: Mishap,
    calls: Calls,
    since: Duration,
    until: Option<Duration>,
    after: u32,
    times: Option<u32>,
    chance: f64,
}

impl Fault {
    /// This mishap at every call of a target.
    pub fn new(target: Target, mishap: Mishap) -> Self {
        Self {
            target,
            mishap,
            calls: Calls::All,
            since: Duration::ZERO,
            until: None,
            after: 0,
            times: None,
            chance: 1.0,
        }
    }

    /// Only calls that look.
    #[must_use]
    pub fn reads(mut self) -> Self {
        self.calls = Calls::Reads;
        self
    }

    /// Only calls that change something.
    #[must_use]
    pub fn writes(mut self) -> Self {
        self.calls = Calls::Writes;
        self
    }

    /// Only from a time since the start on.
    #[must_use]
    pub fn since(mut self, at: Duration) -> Self {
        self.since = at;
        self
    }

    /// Only until a time since the start.
    #[must_use]
    pub fn until(mut self, at: Duration) -> Self {
        self.until = Some(at);
        self
    }

    /// Not at the first so many calls.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.after = calls;
        self
    }

    /// At most so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Each time with this chance, drawn from the seed.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance.clamp(0.0, 1.0);
        self
    }

    fn concerns(&self, call: &Call<'_>) -> bool {
        let calls = match self.calls {
            Calls::All => true,
            Calls::Reads => !call.writes,
            Calls::Writes => call.writes,
        };
        let target = match (&self.target, call.port) {
            (Target::Everything, _)
            | (Target::Workload, Port::Workload)
            | (Target::Routers, Port::Router(_))
            | (Target::Provider, Port::Metric(_))
            | (Target::Store, Port::Store)
            | (Target::Notifier, Port::Notifier) => true,
            (Target::Router(one), Port::Router(other)) => *one == other,
            (Target::Metric(one), Port::Metric(other)) => one == other,
            _ => false,
        };
        calls && target && self.mishap.befalls(call)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Everything => write!(f, "{}", self.mishap.name()),
            Target::Router(place) => write!(f, "router {place}: {}", self.mishap.name()),
            Target::Metric(name) => write!(f, "{name}: {}", self.mishap.name()),
            target => write!(
                f,
                "{}: {}",
                format!("{target:?}").to_lowercase(),
                self.mishap.name()
            ),
        }
    }
}

/// A port, for one call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Port<'a> {
    Workload,
    Router(usize),
    Metric(&'a str),
    Store,
    Notifier,
}

/// A call of a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) port: Port<'a>,
    pub(crate) writes: bool,
}

/// The faults of a world and how often each kind was met.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    met: BTreeMap<&'static str, u32>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    calls: u32,
    times: u32,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        let (calls, times) = (0, 0);
        self.armed.push(Armed {
            fault,
            calls,
            times,
        });
    }

    /// Everything works from now on.
    pub(crate) fn repair(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// Whether anybody may be shown the past.
    pub(crate) fn look_back(&self) -> bool {
        let stale = |armed: &Armed| matches!(armed.fault.mishap, Mishap::StaleRead(_));
        self.armed.iter().any(stale)
    }

    pub(crate) fn met(&self) -> &BTreeMap<&'static str, u32> {
        &self.met
    }

    /// What befalls a call; the first fault that concerns it wins.
    pub(crate) fn meet(&mut self, call: &Call<'_>, elapsed: Duration, rng: Rng) -> Option<Mishap> {
        for (place, armed) in self.armed.iter_mut().enumerate() {
            let fault = &armed.fault;
            if !fault.concerns(call) || elapsed < fault.since {
                continue;
            }
            if fault.until.is_some_and(|until| elapsed >= until)
                || fault.times.is_some_and(|times| armed.times >= times)
            {
                continue;
            }
            armed.calls += 1;
            let key = (place as u64) << 32 | u64::from(armed.calls);
            if armed.calls <= fault.after || rng.of(key).unit() >= fault.chance {
                continue;
            }
            armed.times += 1;
            *self.met.entry(fault.mishap.name()).or_default() += 1;
            return Some(fault.mishap.clone());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Call<'_> = Call {
        port: Port::Router(0),
        writes: false,
    };
    const WRITE: Call<'_> = Call {
        port: Port::Router(0),
        writes: true,
    };

    fn met(faults: &mut Faults, call: &Call<'_>, secs: u64) -> bool {
        faults
            .meet(call, Duration::from_secs(secs), Rng::new(1))
            .is_some()
    }

    #[test]
    fn a_fault_befalls_the_calls_it_names_when_it_says_so() {
        let mut faults = Faults::default();
        let fault = Fault::new(Target::Router(0), Mishap::Hang)
            .writes()
            .after(1)
            .times(1);
        faults.arm(fault.since(Duration::from_secs(10)));
        assert!(!met(&mut faults, &WRITE, 9));
        assert!(!met(&mut faults, &READ, 10));
        assert!(!met(&mut faults, &WRITE, 10));
        assert!(met(&mut faults, &WRITE, 10));
        assert!(!met(&mut faults, &WRITE, 10));
        assert_eq!(faults.met().get("hang"), Some(&1));
    }

    #[test]
    fn a_chance_is_drawn_from_the_seed() {
        let count = |seed| {
            let mut faults = Faults::default();
            faults.arm(Fault::new(Target::Routers, Mishap::Hang).chance(0.25));
            let draws = (0..400).map(|_| faults.meet(&READ, Duration::ZERO, Rng::new(seed)));
            draws.filter(Option::is_some).count()
        };
        assert_eq!(count(1), count(1));
        assert!((60..140).contains(&count(1)), "{}", count(1));
    }

    #[test]
    fn a_lost_write_never_befalls_a_read() {
        let mut faults = Faults::default();
        faults.arm(Fault::new(Target::Everything, Mishap::LostWrite));
        assert!(!met(&mut faults, &READ, 0));
        assert!(met(&mut faults, &WRITE, 0));
    }
}
