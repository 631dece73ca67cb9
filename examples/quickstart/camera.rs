//! Takes the pictures of the live view.

use std::sync::Arc;
use std::time::Duration;

use gradatim::driver::clock::Clock;
use gradatim::id::RevisionId;
use gradatim::reason::Reason;
use tokio::time::Instant;

use crate::diary::{Diary, Notes, Page};
use crate::line::Line;
use crate::pace::Pace;
use crate::proxy::Proxy;
use crate::scene::{Scene, Side};
use crate::shop::Shop;
use crate::tally::{Counts, Tally};

/// How many points of the past are shown, and how far apart they are.
const POINTS: usize = 24;
const APART: Duration = Duration::from_millis(500);

/// Looks at a shop, and remembers a little of what it saw.
pub(crate) struct Camera {
    clock: Arc<Pace>,
    tally: Arc<Tally>,
    proxy: Arc<Proxy>,
    diary: Arc<Diary>,
    past: Past,
}

#[derive(Default)]
struct Past {
    of: Option<RevisionId>,
    next: Option<Instant>,
    counted: Counts,
    weights: Vec<f64>,
    failures: Vec<f64>,
}

impl Camera {
    pub(crate) fn new(shop: &Shop) -> Self {
        Self {
            clock: Arc::clone(&shop.clock),
            tally: Arc::clone(&shop.tally),
            proxy: Arc::clone(&shop.proxy),
            diary: Arc::clone(&shop.diary),
            past: Past::default(),
        }
    }

    /// What is to be seen now; nothing before the first release.
    pub(crate) fn picture(&mut self) -> Option<Scene> {
        let notes = self.diary.notes();
        let (page, turn) = (notes.page.as_ref()?, notes.turn.as_ref()?);
        let (decision, now) = (&turn.decision, self.clock.now());
        let summary = &decision.summary;
        let (old, new) = (
            self.side(&page.old, page.counted),
            self.side(&page.new, Counts::default()),
        );
        let counts = self.tally.counts(&page.new);
        self.past.look(&page.new, new.percent, counts);
        let until = |at| self.clock.real(gradatim::time::Timestamp::since(at, now));
        Some(Scene {
            rollout: "shop".to_owned(),
            phase: decision.phase,
            step: ((summary.step + 1).min(summary.steps), summary.steps),
            elapsed: self.clock.since_start(now),
            wanted: summary.weight,
            seen: summary.weight_seen,
            stable: old,
            canary: new,
            weights: self.past.weights.clone(),
            failures: self.past.failures.clone(),
            metrics: notes
                .metrics
                .iter()
                .map(|it| (it.clone(), it.next.map(until)))
                .collect(),
            waiting: self.waiting(&notes, page),
            address: self.proxy.address().to_string(),
        })
    }

    fn side(&self, id: &RevisionId, before: Counts) -> Side {
        let counts = self.tally.counts(id);
        Side {
            name: id.to_string(),
            percent: self.proxy.share(id).0,
            requests: counts.requests - before.requests,
            failed: counts.failed - before.failed,
        }
    }

    fn waiting(&self, notes: &Notes, page: &Page) -> String {
        let Some(turn) = &notes.turn else {
            return String::new();
        };
        let waiting = &turn.decision.waiting;
        match &waiting.reason {
            Reason::Aborted { .. } => match self.diary.failing() {
                Some(metric) => format!("taken back: {}", metric.failure()),
                None => format!("{} is taken back", page.new),
            },
            Reason::Resting => format!("{} serves everyone", page.new),
            reason => match waiting.until.map(|at| self.clock.since_start(at)) {
                Some(at) => format!("{reason}, until {} at the latest", Line::clock(at)),
                None => reason.to_string(),
            },
        }
    }
}

impl Past {
    fn look(&mut self, of: &RevisionId, percent: u32, counts: Counts) {
        if self.of.as_ref() != Some(of) {
            *self = Self {
                of: Some(of.clone()),
                ..Self::default()
            };
        }
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        let requests = counts.requests - self.counted.requests;
        let failed = counts.failed - self.counted.failed;
        (self.next, self.counted) = (Some(now + APART), counts);
        push(&mut self.weights, f64::from(percent) / 100.0);
        push(&mut self.failures, failed as f64 / requests.max(1) as f64);
    }
}

fn push(points: &mut Vec<f64>, point: f64) {
    points.push(point);
    let surplus = points.len().saturating_sub(POINTS);
    points.drain(..surplus);
}
