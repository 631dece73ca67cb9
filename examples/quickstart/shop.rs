//! How the library is embedded: from a manifest to a plan, from backends to ports, from a driver
//! to a release, and what to do with that.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use gradatim::driver::clock::Clock;
use gradatim::driver::deadline::Deadlines;
use gradatim::driver::store::MemoryStore;
use gradatim::driver::{Driver, Outcome, Ports, Release};
use gradatim::id::RevisionId;
use gradatim::order::OrderKind;
use gradatim::plan::Plan;
use gradatim::port::MetricProvider;
use gradatim::registry::Registry;
use gradatim::{compile, yaml};
use gradatim_examples::demo_service::Behaviour;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

use crate::diary::{Diary, Metric};
use crate::kind::Kind;
use crate::line::{Line, Tone};
use crate::options::Options;
use crate::pace::Pace;
use crate::pods::Pods;
use crate::proxy::{self, Proxy};
use crate::tally::{self, Counts, Tally};
use crate::trouble::{Unsteady, crash_a_pod};
use crate::users::Users;
use crate::voice::Wish;

/// The manifest that is released by.
const MANIFEST: &str = include_str!("shop.yaml");
/// How many pods the shop has.
const REPLICAS: u32 = 4;
/// By the manifest's time: how long a pod takes to become ready.
const WARM_UP: Duration = Duration::from_secs(10);
/// By the manifest's time: how long a version serves before the next one comes.
const QUIET: Duration = Duration::from_secs(30);
/// How long the way back may take when somebody leaves in a hurry.
const HURRY: Duration = Duration::from_secs(10);

/// A shop with its users, and what is needed to release another version of it.
pub(crate) struct Shop {
    pub clock: Arc<Pace>,
    pub tally: Arc<Tally>,
    pub proxy: Arc<Proxy>,
    pub diary: Arc<Diary>,
    pods: Pods,
    users: Users,
    driver: Driver,
    release: Release,
}

/// How a release ended.
pub(crate) struct Ended {
    pub kind: Kind,
    pub old: RevisionId,
    pub new: RevisionId,
    pub outcome: Outcome,
    /// The metric that failed.
    pub failing: Option<Metric>,
    /// What a person has asked for, if anything.
    pub asked: Option<Wish>,
    /// Whether it was given up because it took far too long.
    pub is_overdue: bool,
    /// What the proxy has counted of the new version.
    pub counts: Counts,
    /// The new version's share at the end.
    pub share: u32,
    /// The real time from the first bad answer to 0 %.
    pub to_zero: Option<Duration>,
}

/// What the manifest means, with our two backends known by the names it calls them by.
pub(crate) fn plan() -> Result<Plan, Box<dyn Error>> {
    let manifests = yaml::read(&[("shop.yaml", MANIFEST)]).into_result();
    let manifests = manifests.map_err(|errors| format!("{errors:?}"))?;
    let rollout = manifests
        .rollouts
        .first()
        .ok_or("no rollout in shop.yaml")?;
    let registry = Registry::new()
        .with_router("demo/proxy", proxy::parse)
        .with_provider("demo/metrics", tally::parse);
    Ok(compile(rollout, &manifests.templates, &registry)?.plan)
}

impl Shop {
    /// Brings up the first version, and lets the users in once it serves.
    pub(crate) async fn open(
        options: &Options,
        lines: Sender<Line>,
    ) -> Result<Self, Box<dyn Error>> {
        let clock = Arc::new(Pace::new(options.speed()));
        let warm_up = clock.real(WARM_UP);
        let first = Behaviour::good("v1").warming_up(warm_up);
        let pods = Pods::new(Arc::clone(&clock), REPLICAS, first);
        let tally = Arc::new(Tally::default());
        let proxy = Proxy::start(Arc::clone(&clock), pods.clone(), Arc::clone(&tally)).await?;
        let proxy = Arc::new(proxy);
        let metrics: Arc<dyn MetricProvider> = match options.releases.contains(&Kind::Flaky) {
            true => Arc::new(Unsteady::new(Arc::clone(&tally))),
            false => Arc::clone(&tally) as _,
        };

        let ports = Ports::new(Arc::new(pods.clone()), Arc::new(MemoryStore::new()))
            .router(Arc::clone(&proxy) as _)
            .provider("demo/metrics", metrics)
            .clock(Arc::clone(&clock) as _)
            .deadlines(deadlines(&clock));
        let diary = Arc::new(Diary::new(Arc::clone(&clock), lines));
        let driver = Driver::builder().witness(Arc::clone(&diary) as _).build();
        let release = driver.start("shop", plan()?, ports).await?;
        release.outcome().await;

        let users = Users::start(proxy.address(), rate(&clock));
        Ok(Self {
            clock,
            tally,
            proxy,
            diary,
            pods,
            users,
            driver,
            release,
        })
    }

    /// Releases another version, to its end or until somebody wishes otherwise.
    pub(crate) async fn deliver(
        &self,
        kind: Kind,
        new: &str,
        wishes: &mut UnboundedReceiver<Wish>,
    ) -> Ended {
        let old = self.release.status().decision.summary.latest.clone();
        let (old, new) = (
            old.unwrap_or_else(|| RevisionId::new("")),
            RevisionId::new(new),
        );
        self.diary
            .turn_the_page(&old, &new, self.tally.counts(&old));
        self.say(
            "release",
            format!("{new}, a version {}", kind.nature()),
            Tone::Plain,
        );
        let behaviour = kind
            .behaviour(new.as_str())
            .warming_up(self.clock.real(WARM_UP));
        self.pods.want(behaviour);
        let crash = crash_a_pod(
            Arc::clone(&self.clock),
            self.pods.clone(),
            self.release.clone(),
            new.clone(),
        );
        let crash = (kind == Kind::Flaky).then(|| tokio::spawn(crash));

        let (mut asked, mut is_overdue) = (None, false);
        let overdue = sleep(self.clock.real(kind.planned()) * 4 + Duration::from_secs(60));
        tokio::pin!(overdue);
        let outcome = loop {
            tokio::select! {
                outcome = self.release.outcome() => break outcome,
                Some(wish) = wishes.recv() => {
                    asked = Some(wish);
                    if self.follow(wish, wishes).await {
                        break Outcome::Stopped;
                    }
                }
                () = &mut overdue => {
                    is_overdue = true;
                    self.take_back(wishes).await;
                    break Outcome::Stopped;
                }
            }
        };
        if let Some(crash) = crash {
            crash.abort();
        }
        self.ended(kind, old, new, outcome, asked, is_overdue)
    }

    fn ended(
        &self,
        kind: Kind,
        old: RevisionId,
        new: RevisionId,
        outcome: Outcome,
        asked: Option<Wish>,
        is_overdue: bool,
    ) -> Ended {
        let counts = self.tally.counts(&new);
        let (share, since) = self.proxy.share(&new);
        let back = counts.first_harm.filter(|_| share == 0);
        Ended {
            kind,
            failing: self.diary.failing(),
            to_zero: back.map(|harm| self.clock.real(since.since(harm))),
            counts,
            share,
            old,
            new,
            outcome,
            asked,
            is_overdue,
        }
    }

    /// Does what a person asks for, and says whether that was to leave.
    async fn follow(&self, wish: Wish, wishes: &mut UnboundedReceiver<Wish>) -> bool {
        let order = match wish {
            Wish::Promote => OrderKind::Promote,
            Wish::Abort => OrderKind::Abort,
            Wish::Leave => {
                self.release.stop().await;
                return true;
            }
            Wish::Interrupt => {
                self.take_back(wishes).await;
                return true;
            }
        };
        self.say("order", format!("you said: {order}"), Tone::Plain);
        if let Err(error) = self.release.order(order).await {
            self.say("order", error.to_string(), Tone::Bad);
        }
        false
    }

    /// Stops the release and takes the traffic back first; whoever is in a hurry twice does not
    /// wait for that.
    async fn take_back(&self, wishes: &mut UnboundedReceiver<Wish>) {
        self.say("order", "the traffic goes back first", Tone::Waiting);
        self.release.abort_on_exit(true);
        tokio::select! {
            // What is not back by then stays as it is seen.
            _ = timeout(HURRY, self.release.stop()) => {}
            () = interrupted(wishes) => {}
        }
    }

    /// Lets what is stable serve for a while, unless somebody wishes to leave.
    pub(crate) async fn serve_for_a_while(
        &self,
        wishes: &mut UnboundedReceiver<Wish>,
    ) -> Option<Wish> {
        let until = self.clock.now() + QUIET;
        loop {
            tokio::select! {
                () = self.clock.sleep_until(until) => return None,
                wish = wishes.recv() => match wish {
                    Some(wish @ (Wish::Leave | Wish::Interrupt)) => return Some(wish),
                    Some(Wish::Promote | Wish::Abort) | None => {}
                },
            }
        }
    }

    pub(crate) fn say(&self, word: &'static str, text: impl Into<String>, tone: Tone) {
        let at = self.clock.since_start(self.clock.now());
        self.diary.write(Line::new(at, word, text).toned(tone));
    }

    /// Lets no more users in and counts those who were there: requests, and how many failed.
    /// Whoever is in a hurry does not wait for the last answers.
    pub(crate) async fn close(mut self, wishes: &mut UnboundedReceiver<Wish>) -> (u64, u64) {
        tokio::select! {
            () = self.users.stop() => {}
            () = interrupted(wishes) => {}
        }
        // What hangs ends with the program.
        let _ = timeout(HURRY, self.driver.shut_down()).await;
        self.users.counts()
    }
}

async fn interrupted(wishes: &mut UnboundedReceiver<Wish>) {
    while wishes
        .recv()
        .await
        .is_some_and(|wish| wish != Wish::Interrupt)
    {}
}

/// Deadlines of real seconds: the manifest's pass too fast for a busy machine.
fn deadlines(clock: &Pace) -> Deadlines {
    let real = Deadlines::default();
    Deadlines {
        call: clock.planned(real.call),
        measurement: clock.planned(real.measurement),
    }
}

/// Requests a second: enough for a tenth of them to say something within half a minute of the
/// manifest, and no more than a small machine can take.
fn rate(clock: &Pace) -> f64 {
    let interval = clock.real(Duration::from_secs(30)).as_secs_f64();
    (80.0 / interval).clamp(60.0, 300.0)
}

#[cfg(test)]
mod tests {
    use gradatim::plan::StepKind;

    use super::*;

    #[test]
    fn the_manifest_is_a_plan_without_a_warning() {
        let plan = plan().unwrap();
        let weights = plan.steps.iter().filter_map(|step| match step.kind {
            StepKind::SetWeight(weight) => Some(weight),
            _ => None,
        });
        assert_eq!(weights.collect::<Vec<_>>(), [10, 25, 50, 100]);
        assert_eq!(plan.routers[0].name, "demo/proxy");
    }
}
