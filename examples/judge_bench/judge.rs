//! Who judges: ours, and what others use, as their documentation has it.

mod argo;
mod flagger;
mod kayenta;
mod mann_whitney;
mod oracle;
mod ours;
mod paced;
mod peeked;
mod relative;
mod window;

pub(crate) use self::ours::{Events, ages};

use gradatim::analysis::judge::Curve;

use self::argo::Argo;
use self::flagger::Flagger;
use self::kayenta::Kayenta;
use self::oracle::Oracle;
use self::ours::Ours;
use self::paced::Paced;
use self::peeked::Peeked;
use self::relative::Relative;
use crate::latency::EDGES;
use crate::scenario::Scenario;
use crate::world::{Counters, Pod};

/// What one scrape of all pods has read.
pub(crate) struct Seen<'a> {
    pub canary: &'a [Pod],
    pub stable: &'a [Pod],
    pub canary_total: Counters,
    pub stable_total: Counters,
}

/// What a judge wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Go on as planned.
    GoOn,
    /// Give all traffic back.
    RollBack,
    /// Go on with this share of the traffic. From a judge that sets the pace itself.
    Weight(f64),
    /// Give the new version everything. From a judge that sets the pace itself.
    Promote,
}

/// Looks at a release.
pub(crate) trait Judge {
    /// What it wants at an instant, in seconds since the release began. There is something `seen`
    /// whenever metrics were scraped at this instant.
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict;
}

/// What is known of a service before its release.
pub(crate) struct Service<'a> {
    pub scenario: &'a Scenario,
    /// What each pod of stable counted in each of the last minutes.
    pub history: &'a [Vec<Counters>],
    /// How pods of earlier releases warmed up: their errors, and their requests slower than each
    /// edge.
    pub curves: &'a Curves,
    /// Weights (0–1) and how many seconds each is planned to be held.
    pub steps: &'a [(f64, u32)],
}

impl Service<'_> {
    /// How long the release is planned to take, in seconds.
    pub(crate) fn length(&self) -> u32 {
        self.steps.iter().map(|(_, seconds)| seconds).sum()
    }
}

/// How pods warm up: errors first, then each edge of the histogram.
pub(crate) type Curves = [Curve; EDGES.len() + 1];

/// What a judge is called, and how its release goes.
pub(crate) struct Kind {
    pub id: &'static str,
    /// The head of its column.
    pub title: &'static str,
    pub way: Way,
    /// How often it scrapes, in seconds.
    pub scrapes: u32,
    /// Whether it stands in the tables of the scenarios, and not only on the scoreboard.
    pub in_tables: bool,
    new: fn(&Service<'_>) -> Box<dyn Judge>,
}

/// How a release is given traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As scheduled.
    Fixed,
    /// As scheduled, after a minute of 1 %.
    SmallFirst,
    /// As the judge says.
    Own,
}

impl Kind {
    /// Whether it is the library's.
    pub(crate) fn is_ours(&self) -> bool {
        self.id.starts_with("ours")
    }

    pub(crate) fn judge(&self, service: &Service<'_>) -> Box<dyn Judge> {
        (self.new)(service)
    }
}

/// Once every quarter of a minute, as most people have it.
const USUAL: u32 = 15;

const fn kind(
    id: &'static str,
    title: &'static str,
    way: Way,
    new: fn(&Service<'_>) -> Box<dyn Judge>,
) -> Kind {
    Kind {
        id,
        title,
        way,
        scrapes: USUAL,
        in_tables: true,
        new,
    }
}

const fn only_scored(kind: Kind) -> Kind {
    Kind {
        in_tables: false,
        ..kind
    }
}

const fn often(kind: Kind) -> Kind {
    Kind { scrapes: 5, ..kind }
}

/// All of them, in the order of the tables.
pub(crate) const KINDS: [Kind; 16] = [
    kind("argo-95", "Argo 95", Way::Fixed, |_| {
        Box::new(Argo::new(0.95))
    }),
    kind("argo-99", "Argo 99", Way::Fixed, |_| {
        Box::new(Argo::new(0.99))
    }),
    only_scored(kind(
        "argo-99-small",
        "Argo 99, 1 % first",
        Way::SmallFirst,
        |_| Box::new(Argo::new(0.99)),
    )),
    kind("argo-relative", "Argo rel", Way::Fixed, |_| {
        Box::new(Relative::default())
    }),
    kind("flagger", "Flagger", Way::Own, |service| {
        Box::new(Flagger::new(service))
    }),
    kind("kayenta-step", "Kay/step", Way::Fixed, |service| {
        Box::new(Kayenta::at_the_end_of_steps(service))
    }),
    kind("kayenta-minute", "Kay/1m", Way::Fixed, |_| {
        Box::new(Kayenta::each_minute())
    }),
    only_scored(kind("z-test", "z-test, peeked", Way::Fixed, |_| {
        Box::new(Peeked::default())
    })),
    kind("ours", "ours", Way::Fixed, |service| {
        Box::new(Ours::new(service, 0.01, false, USUAL))
    }),
    only_scored(kind("ours-5", "ours 5 %", Way::Fixed, |service| {
        Box::new(Ours::new(service, 0.05, false, USUAL))
    })),
    kind("ours-learned", "learned", Way::Fixed, |service| {
        Box::new(Ours::new(service, 0.01, true, USUAL))
    }),
    only_scored(kind(
        "ours-learned-5",
        "learned 5 %",
        Way::Fixed,
        |service| Box::new(Ours::new(service, 0.05, true, USUAL)),
    )),
    only_scored(often(kind(
        "ours-small",
        "ours, 1 % first",
        Way::SmallFirst,
        |service| Box::new(Ours::new(service, 0.01, false, 5)),
    ))),
    often(kind(
        "ours-learned-small",
        "learned, 1 % first",
        Way::SmallFirst,
        |service| Box::new(Ours::new(service, 0.01, true, 5)),
    )),
    often(kind("ours-paced", "learned, paced", Way::Own, |service| {
        Box::new(Paced::new(service, Ours::new(service, 0.01, true, 5)))
    })),
    kind("oracle", "oracle", Way::Fixed, |service| {
        Box::new(Oracle::new(service.scenario))
    }),
];
