//! Where a port meets the world: every call passes the faults on its way.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;

use crate::fault::{Call, Mishap, Port};
use crate::world::{World, Write, WriteKind};

/// The world, shared by everything that acts in it.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What befalls a driver in the middle of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// It is dead, and comes back after a while.
    Crash(Duration),
    /// It is stopped, and goes on after a while.
    Freeze(Duration),
}

/// The world as one driver's ports reach it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) shared: Shared,
    pub(crate) driver: usize,
    pub(crate) blow: Arc<Mutex<Option<Blow>>>,
}

/// How a call goes on.
enum Way {
    Straight,
    /// It takes effect and is answered so.
    Late(End),
    /// Nothing happens, and it is answered so.
    Never(End),
    /// It is answered well, and nothing happens.
    Lost,
    /// It takes effect now and later.
    Twice(Duration),
}

enum End {
    Error(FaultKind),
    Silence,
}

impl End {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Error(kind) => *kind,
            Self::Silence => FaultKind::Timeout,
        }
    }
}

impl Site {
    pub(crate) fn new(shared: Shared, driver: usize) -> Self {
        let blow = Arc::default();
        Self {
            shared,
            driver,
            blow,
        }
    }

    fn strike(&self, blow: Blow) {
        *self.blow.lock().unwrap_or_else(PoisonError::into_inner) = Some(blow);
    }

    /// What befell the driver since the last question.
    pub(crate) fn struck(&self) -> Option<Blow> {
        let mut blow = self.blow.lock().unwrap_or_else(PoisonError::into_inner);
        blow.take()
    }

    fn meet(&self, call: &Call<'_>) -> Option<Mishap> {
        let mut world = self.shared.world();
        if world.faults.is_empty() {
            return None;
        }
        let (elapsed, rng) = (world.elapsed(), world.rng);
        world.faults.meet(call, elapsed, rng)
    }

    /// A call that only looks. The answer gets to know how old its sight is, or what else it
    /// shall show.
    pub(crate) async fn read<T>(
        &self,
        port: Port<'_>,
        look: impl FnOnce(&mut World, Option<Mishap>) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let call = Call {
            port,
            writes: false,
        };
        let mishap = self.meet(&call);
        let shown = match mishap {
            None => None,
            Some(Mishap::Error(kind) | Mishap::LateError(kind)) => {
                return Err(self.broken(port, kind));
            }
            Some(Mishap::Hang | Mishap::LateHang) => return pending().await,
            Some(Mishap::Crash(back) | Mishap::LateCrash(back)) => return self.die(back).await,
            Some(Mishap::Freeze(span)) => {
                self.freeze(span).await;
                None
            }
            shown => shown,
        };
        look(&mut self.shared.world(), shown)
    }

    /// A call that changes something; whether it did stands in the list of writes.
    pub(crate) async fn write(
        &self,
        port: Port<'_>,
        kind: WriteKind,
        effect: impl FnOnce(&mut World) -> Result<bool, PortError>,
    ) -> Result<(), PortError> {
        let (way, fault) = self.way(port).await;
        match way {
            Way::Never(end) => {
                self.note(kind, Err(end.kind()), fault);
                return self.end(port, end).await;
            }
            Way::Lost => {
                self.note(kind, Ok(false), fault);
                return Ok(());
            }
            Way::Straight | Way::Late(_) | Way::Twice(_) => {}
        }
        let done = {
            let mut world = self.shared.world();
            if let Way::Twice(after) = way {
                world.repeat_later(after, self.driver, kind.clone());
            }
            effect(&mut world)
        };
        self.note(
            kind,
            done.as_ref().copied().map_err(|error| error.kind),
            fault,
        );
        match way {
            Way::Late(end) if done.is_ok() => self.end(port, end).await,
            _ => done.map(|_| ()),
        }
    }

    async fn way(&self, port: Port<'_>) -> (Way, Option<&'static str>) {
        let call = Call { port, writes: true };
        let mishap = self.meet(&call);
        let fault = mishap.as_ref().map(Mishap::name);
        let way = match mishap {
            Some(Mishap::Error(kind)) => Way::Never(End::Error(kind)),
            Some(Mishap::LateError(kind)) => Way::Late(End::Error(kind)),
            Some(Mishap::Hang) => Way::Never(End::Silence),
            Some(Mishap::LateHang) => Way::Late(End::Silence),
            Some(Mishap::LostWrite) => Way::Lost,
            Some(Mishap::DoubledWrite(after)) => Way::Twice(after),
            Some(Mishap::Crash(back)) => {
                self.strike(Blow::Crash(back));
                Way::Never(End::Silence)
            }
            Some(Mishap::LateCrash(back)) => {
                self.strike(Blow::Crash(back));
                Way::Late(End::Silence)
            }
            Some(Mishap::Freeze(span)) => {
                self.freeze(span).await;
                Way::Straight
            }
            Some(Mishap::StaleRead(_) | Mishap::NoData | Mishap::Nan) | None => Way::Straight,
        };
        (way, fault)
    }

    fn broken(&self, port: Port<'_>, kind: FaultKind) -> PortError {
        let who = match port {
            Port::Workload => "the workload".to_owned(),
            Port::Router(place) => {
                let world = self.shared.world();
                let name = world.routers.get(place).map(|router| router.name.as_str());
                format!("router {}", name.unwrap_or_default())
            }
            Port::Metric(name) => format!("the provider of {name}"),
            Port::Store => "the store".to_owned(),
            Port::Notifier => "the notifier".to_owned(),
        };
        broken(&who, kind)
    }

    async fn end(&self, port: Port<'_>, end: End) -> Result<(), PortError> {
        match end {
            End::Error(kind) => Err(self.broken(port, kind)),
            End::Silence => pending().await,
        }
    }

    async fn die<T>(&self, back: Duration) -> T {
        self.strike(Blow::Crash(back));
        pending().await
    }

    /// The driver's loop is not polled again before it is woken.
    async fn freeze(&self, span: Duration) {
        self.strike(Blow::Freeze(span));
        let mut stopped = false;
        poll_fn(move |_| {
            if std::mem::replace(&mut stopped, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// A write to a port that is not the world's own; the call says whether it changed anything.
    pub(crate) async fn around<F>(
        &self,
        port: Port<'_>,
        kind: WriteKind,
        call: impl Fn() -> F,
    ) -> Result<(), PortError>
    where
        F: Future<Output = Result<bool, PortError>>,
    {
        let (way, fault) = self.way(port).await;
        match way {
            Way::Never(end) => {
                self.note(kind, Err(end.kind()), fault);
                return self.end(port, end).await;
            }
            Way::Lost => {
                self.note(kind, Ok(false), fault);
                return Ok(());
            }
            Way::Straight | Way::Late(_) | Way::Twice(_) => {}
        }
        let mut done = call().await;
        if matches!(way, Way::Twice(_)) {
            done = call().await;
        }
        self.note(
            kind,
            done.as_ref().copied().map_err(|error| error.kind),
            fault,
        );
        match way {
            Way::Late(end) if done.is_ok() => self.end(port, end).await,
            _ => done.map(|_| ()),
        }
    }

    /// Writes down what was written.
    fn note(&self, kind: WriteKind, done: Result<bool, FaultKind>, fault: Option<&'static str>) {
        let mut world = self.shared.world();
        let at = world.now;
        world.writes.push(Write {
            at,
            driver: self.driver,
            kind,
            echo: false,
            fault,
            changed: done == Ok(true),
            refused: done.err(),
        });
    }
}

fn broken(who: &str, kind: FaultKind) -> PortError {
    let text = match kind {
        FaultKind::Timeout => "took too long",
        FaultKind::Unreachable => "cannot be reached",
        FaultKind::Overloaded => "is overloaded",
        FaultKind::NotFound => "does not know the object",
        FaultKind::Forbidden => "does not allow it",
        FaultKind::Conflict => "was written by somebody else in between",
        FaultKind::Invalid => "calls the request wrong",
        FaultKind::Malformed => "answers nonsense",
        _ => "failed",
    };
    PortError::new(kind, format!("{who} {text} (simulated)"))
}
