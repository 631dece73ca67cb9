//! `gradatim run`: a release on plain NGINX, from a manifest and a list of servers.

mod servers;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use gradatim_core::plan::Compiled;
use gradatim_core::port::{PortError, Secrets, TrafficRouter, Workload};
use gradatim_core::registry::Registry;
use gradatim_driver::secrets::{EnvSecrets, FileSecrets, FirstOf};
use gradatim_driver::store::FileStore;
use gradatim_driver::{Driver, Outcome, Ports, Release, Status};
use gradatim_nginx::plain::{self, NAME, PlainNginx, Servers};

use self::servers::ServersFile;
use super::failure::Failure;
use super::input::{Files, read_file};
use super::look::Tone;
use super::text::clean;
use super::{Exit, Io};

const MOST: usize = 1024 * 1024;

/// Deliver a release on plain NGINX
///
/// The manifest says `trafficRouting: {plainNginx: {}}` and what the release takes. Another file
/// says which servers are which version:
///
///   file: /etc/nginx/gradatim/shop.conf    # included within http { }; written by gradatim
///   stable: v1                             # serves everyone so far
///   release: v2                            # shall serve everyone
///   versions:
///     v1: [10.0.0.1:8080, 10.0.0.2:8080]
///     v2: [10.0.0.3:8080, 10.0.0.4:8080]
///   health: /healthz                       # 2xx while a server is well; else: it listens
///   probe: 127.0.0.1:9180                  # free; NGINX tells there what it has loaded
///   cookie: shopper                        # or header: x-user; a client stays where it was
///   keepalive: 16                          # idle connections to the servers
///   nginx: /usr/sbin/nginx                 # else looked for on PATH
///   mainFile: /etc/nginx/nginx.conf        # else NGINX's own
///
/// NGINX passes requests on with `proxy_pass http://$shop_upstream;`. From another terminal:
/// `gradatim status`, `watch`, `promote`, `pause` and `abort` with the same --store. Ctrl-C leaves
/// the split as it is seen, and the next run goes on from there; with --abort-on-exit it takes the
/// traffic back first.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = "Exit codes: 0 promoted, 1 rolled back, 2 wrong input, 3 undecided.")]
pub(super) struct Run {
    #[command(flatten)]
    files: Files,
    /// Which servers are which version, in YAML
    #[arg(long, value_name = "FILE")]
    servers: PathBuf,
    /// The directory in which the rollout's state is kept; made where it is missing
    #[arg(long, value_name = "DIR", default_value = "releases")]
    store: PathBuf,
    /// Take the rollout even from a driver that is alive
    #[arg(long)]
    take_over: bool,
    /// On Ctrl-C take the traffic back before leaving
    #[arg(long)]
    abort_on_exit: bool,
    /// Ask this Prometheus, whatever the templates say
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// Ask this Loki, whatever the templates say
    #[arg(long, value_name = "URL")]
    loki: Option<String>,
    /// Look for secrets in files below this directory, as DIR/NAME/KEY, before the environment's
    /// SECRET_NAME_KEY
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

/// What a release needs.
struct Ready {
    name: String,
    compiled: Compiled,
    registry: Registry,
    router: PlainNginx,
    workload: Servers,
}

impl Run {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let ready = self.ready(io)?;
        let store = FileStore::open(&self.store).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::undecided(format!("no runtime: {error}")))?;
        runtime.block_on(self.deliver(ready, store, io))
    }

    fn ready(&self, io: &mut Io<'_>) -> Result<Ready, Failure> {
        let text = read_file(&self.servers, MOST, io)?;
        let from = self.servers.display().to_string();
        let servers = ServersFile::read(&from, &text)?;
        // The name begins variables of NGINX, and the manifest has it: it is compiled twice.
        let any = self.registry(servers.config("any"));
        let input = self.files.compiled(&any, io)?;
        let [rollout] = &input.rollouts[..] else {
            let count = input.rollouts.len();
            let failure = Failure::input(format!("there are {count} rollouts in what was given"));
            return Err(failure.help("one is delivered at a time: give its files"));
        };
        let routers = rollout.compiled.plan.routers.iter();
        let routers: Vec<&str> = routers.map(|router| router.name.as_str()).collect();
        if routers != [NAME] {
            let failure = Failure::input("the rollout does not route through plain NGINX alone");
            return Err(failure.help(format!("write trafficRouting: {{{NAME}: {{}}}}")));
        }
        let name = rollout.spec.name.clone();
        let config = servers.config(&name);
        let router = PlainNginx::new(config.clone());
        let router = router.map_err(|error| Failure::input(format!("{from}: {error}")))?;
        Ok(Ready {
            compiled: rollout.compiled.clone(),
            registry: self.registry(config.clone()),
            workload: servers.workload(&config),
            router,
            name,
        })
    }

    fn registry(&self, config: plain::Config) -> Registry {
        let mut prometheus = gradatim_prometheus::Config::from_env();
        if let Some(address) = &self.prometheus {
            prometheus.address = Some(address.clone());
            prometheus.overrides = true;
        }
        let mut loki = gradatim_loki::Config::default();
        if let Some(address) = &self.loki {
            loki.address = Some(address.clone());
            loki.overrides = true;
        }
        let registry = plain::register(Registry::new(), config);
        let registry = gradatim_prometheus::register(registry, prometheus);
        gradatim_web::register(gradatim_loki::register(registry, loki))
    }

    async fn deliver(
        &self,
        ready: Ready,
        store: FileStore,
        io: &mut Io<'_>,
    ) -> Result<Exit, Failure> {
        self.look_before(&ready, io).await?;
        let rollout = Arc::new(store.rollout(ready.name.as_str()));
        let environment = Arc::new(EnvSecrets::new("SECRET_"));
        let secrets: Arc<dyn Secrets> = match &self.secrets {
            None => environment,
            Some(dir) => {
                let files = Arc::new(FileSecrets::new(dir));
                Arc::new(FirstOf::new().then(files).then(environment))
            }
        };
        let ports = Ports::new(Arc::new(ready.workload), rollout)
            .router(Arc::new(ready.router))
            .backends(&ready.compiled, &ready.registry, &secrets)
            .map_err(failed)?;
        let holder = format!("run-{}-{}", ready.name, std::process::id());
        let driver = Driver::builder()
            .holder(&*holder)
            .take_over(self.take_over)
            .witness(Arc::new(store.clone()))
            .build();
        let release = driver.start(ready.name, ready.compiled.plan, ports).await;
        let release = release.map_err(|error| {
            let failure = Failure::undecided(error.to_string());
            failure.help("another run may drive it: --take-over takes it away from there")
        })?;
        release.abort_on_exit(self.abort_on_exit);
        let outcome = follow(&release, io).await;
        driver.shut_down().await;
        // The next run need not wait until this one's heartbeat is old.
        store.retire(&holder).map_err(failed)?;
        self.tell(&outcome?, io)
    }

    /// What is missing is named before anything moves.
    async fn look_before(&self, ready: &Ready, io: &mut Io<'_>) -> Result<(), Failure> {
        let stable = ready
            .workload
            .observe()
            .await
            .map_err(failed)?
            .recorded_stable;
        if let Some(stable) = stable
            && ready.router.write_first(&stable).map_err(failed)?
        {
            let line = format!("wrote a first file, all traffic to {stable}");
            writeln!(io.err, "{}", clean(&line))?;
        }
        let missing = ready.router.probe().await.map_err(failed)?;
        match missing.first() {
            Some(first) => Err(Failure::input(&first.what).help(&first.help)),
            None => Ok(()),
        }
    }

    fn tell(&self, outcome: &Outcome, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let look = io.err.look();
        let (exit, tone, head, text) = match outcome {
            Outcome::Promoted { revision } => (
                Exit::Good,
                Tone::Good,
                "promoted:",
                format!("{revision} serves everyone"),
            ),
            Outcome::RolledBack { revision, why } => (
                Exit::Bad,
                Tone::Bad,
                "rolled back:",
                format!("{revision}: {why}"),
            ),
            Outcome::Stopped => {
                let text = "the split stays as it is; run again to go on".to_owned();
                (Exit::Undecided, Tone::Waiting, "left:", text)
            }
            Outcome::Lost { why } => (Exit::Undecided, Tone::Bad, "lost:", why.clone()),
            other => (
                Exit::Undecided,
                Tone::Bad,
                "undecided:",
                format!("{other:?}"),
            ),
        };
        writeln!(io.err, "{} {}", look.paint(tone, head), clean(&text))?;
        io.err.flush()?;
        Ok(exit)
    }
}

/// A line for each thing that is new, until it ends or somebody leaves.
async fn follow(release: &Release, io: &mut Io<'_>) -> Result<Outcome, Failure> {
    let (began, mut status, mut last) = (Instant::now(), release.watch(), String::new());
    let mut ends = Box::pin(release.outcome());
    let mut leaves = Box::pin(tokio::signal::ctrl_c());
    loop {
        let line = line(&status.borrow_and_update());
        if line != last {
            let seconds = began.elapsed().as_secs();
            writeln!(io.out, "{}:{:02}  {line}", seconds / 60, seconds % 60)?;
            io.out.flush()?;
            last = line;
        }
        tokio::select! {
            outcome = &mut ends => return Ok(outcome),
            _ = &mut leaves => {
                release.stop().await;
                return Ok(release.status().outcome().unwrap_or(Outcome::Stopped));
            }
            changed = status.changed() => if changed.is_err() {
                return Ok(release.status().outcome().unwrap_or(Outcome::Stopped));
            },
        }
    }
}

fn line(status: &Status) -> String {
    let (summary, waiting) = (&status.decision.summary, &status.decision.waiting);
    let seen = summary.weight_seen.unwrap_or(0);
    let share = match summary.stable == summary.latest {
        true => "100 %".to_owned(),
        false => {
            format!(
                "{:.4}",
                f64::from(seen) * 100.0 / f64::from(summary.total.max(1))
            )
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
                + " %"
        }
    };
    let phase = status.decision.phase;
    clean(&format!("{phase:<11}  {share:>6}  {}", waiting.reason)).into_owned()
}

fn failed(error: PortError) -> Failure {
    Failure::undecided(error.text)
}
