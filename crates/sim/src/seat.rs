//! A driver in the simulation: the real round, turned whenever something is due.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::{Either, select, select_all};
use gradatim_core::plan::Plan;
use gradatim_core::port::TrafficRouter;
use gradatim_core::time::Timestamp;
use gradatim_driver::clock::Clock;
use gradatim_driver::{Round, Turn, TurnError};

use crate::clock::SimClock;
use crate::site::{Blow, Site};

/// How long after a failed take the next one comes.
const RETAKE: Duration = Duration::from_secs(5);
/// So many rounds at one instant are normal; after that each waits as long as the driver's own
/// loop would.
const BUSY: u32 = 64;
const PACE: Duration = Duration::from_millis(50);

/// What passes between the simulation and a driver's loop.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Papers>>);

#[derive(Default)]
struct Papers {
    turned: Option<Result<Turn, TurnError>>,
    plan: Option<Plan>,
    released: bool,
    nudged: bool,
    /// Whether changes of the world may go unnoticed, so that the driver must look by itself.
    lossy: bool,
    waker: Option<Waker>,
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may have changed.
    pub(crate) fn nudge(&self) {
        let mut papers = self.papers();
        papers.nudged = true;
        if let Some(waker) = papers.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn follow_plan(&self, plan: Plan) {
        self.papers().plan = Some(plan);
        self.nudge();
    }

    pub(crate) fn look_for_yourself(&self, lossy: bool) {
        self.papers().lossy = lossy;
    }

    fn take_turned(&self) -> Option<Result<Turn, TurnError>> {
        self.papers().turned.take()
    }

    /// Lets the loop go on after a round.
    pub(crate) fn release(&self) {
        let mut papers = self.papers();
        papers.released = true;
        if let Some(waker) = papers.waker.take() {
            waker.wake();
        }
    }

    /// Hands a round in, and waits until the simulation has looked at it.
    async fn report(&self, turned: Result<Turn, TurnError>) {
        {
            let mut papers = self.papers();
            (papers.turned, papers.released) = (Some(turned), false);
        }
        poll_fn(|context| self.until(context, |papers| std::mem::take(&mut papers.released))).await;
    }

    async fn nudged(&self) {
        poll_fn(|context| self.until(context, |papers| std::mem::take(&mut papers.nudged))).await;
    }

    fn until(&self, context: &Context<'_>, so: impl Fn(&mut Papers) -> bool) -> Poll<()> {
        let mut papers = self.papers();
        if so(&mut papers) {
            return Poll::Ready(());
        }
        papers.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Turns a rollout until it is lost to another driver.
async fn follow(
    mut round: Round,
    desk: Desk,
    clock: SimClock,
    routers: Vec<Arc<dyn TrafficRouter>>,
) {
    let (mut last, mut at_once) = (clock.now(), 0);
    loop {
        {
            let mut papers = desk.papers();
            papers.nudged = false;
            papers
                .plan
                .take()
                .into_iter()
                .for_each(|plan| round.set_plan(plan));
        }
        let turned = round.turn().await;
        let next = match &turned {
            Ok(turn) if desk.papers().lossy => Ok(Some(turn.come_back)),
            Ok(turn) => Ok(turn.due),
            Err(TurnError::Lost(_)) => Err(false),
            Err(_) => Err(true),
        };
        desk.report(turned).await;
        match next {
            Ok(due) => wait(&mut round, &desk, &clock, due, &routers).await,
            Err(true) => clock.sleep_until(clock.now() + RETAKE).await,
            Err(false) => return,
        }
        at_once = if clock.now() == last { at_once + 1 } else { 0 };
        if at_once > BUSY {
            clock.sleep_until(clock.now() + PACE).await;
        }
        last = clock.now();
    }
}

/// Waits for whatever makes a round due.
async fn wait(
    round: &mut Round,
    desk: &Desk,
    clock: &SimClock,
    due: Option<Timestamp>,
    routers: &[Arc<dyn TrafficRouter>],
) {
    let timer = async {
        match due {
            Some(at) => clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let changed = async {
        if routers.is_empty() {
            desk.nudged().await;
        } else {
            let changed = select_all(routers.iter().map(|router| router.changed()));
            match select(pin!(desk.nudged()), changed).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }
    };
    let (timer, changed) = (pin!(timer), pin!(changed));
    match select(pin!(round.ready()), select(timer, changed)).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}

/// What came of letting a driver run.
pub(crate) enum Ran {
    /// It waits.
    Idle,
    /// It has taken a round, or failed to.
    Turned(Box<Result<Turn, TurnError>>),
    /// It dies or stops in the middle of a call.
    Struck(Blow),
    /// Its loop is over.
    Over,
}

/// A driver, alive or not.
pub(crate) struct Seat {
    pub(crate) desk: Desk,
    pub(crate) clock: SimClock,
    pub(crate) site: Site,
    task: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    woken: Arc<Woken>,
    waker: Waker,
    /// Until when it is stopped.
    pub(crate) frozen: Option<Timestamp>,
    /// When it is started again.
    pub(crate) reborn: Option<Timestamp>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Seat {
    pub(crate) fn new(site: Site, clock: SimClock) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self {
            desk: Desk::default(),
            clock,
            site,
            task: None,
            waker: Waker::from(Arc::clone(&woken)),
            woken,
            frozen: None,
            reborn: None,
        }
    }

    /// Sits down at a rollout.
    pub(crate) fn drive(&mut self, round: Round, routers: Vec<Arc<dyn TrafficRouter>>) {
        let loops = follow(round, self.desk.clone(), self.clock.clone(), routers);
        self.task = Some(Box::pin(loops));
        (self.frozen, self.reborn) = (None, None);
        self.woken.0.store(true, Ordering::Relaxed);
    }

    /// Dies: what it had in its hands is gone.
    pub(crate) fn die(&mut self, reborn: Timestamp) {
        self.task = None;
        self.desk = Desk::default();
        (self.frozen, self.reborn) = (None, Some(reborn));
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.task.is_some()
    }

    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
        self.woken.0.store(true, Ordering::Relaxed);
    }

    /// Lets it run until it waits or has taken a round.
    pub(crate) fn run(&mut self) -> Ran {
        let Some(task) = &mut self.task else {
            return Ran::Idle;
        };
        while self.frozen.is_none() && self.woken.0.swap(false, Ordering::Relaxed) {
            let mut context = Context::from_waker(&self.waker);
            let ended = task.as_mut().poll(&mut context).is_ready();
            if let Some(blow) = self.site.struck() {
                return Ran::Struck(blow);
            }
            if let Some(turned) = self.desk.take_turned() {
                return Ran::Turned(Box::new(turned));
            }
            if ended {
                self.task = None;
                return Ran::Over;
            }
        }
        Ran::Idle
    }
}
