//! `gradatim run`: a release on plain NGINX, from a manifest and a list of servers.

mod ending;
mod follow;
mod scene;
mod servers;
mod trial;
mod view;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use gradatim_core::fault::FaultKind;
use gradatim_core::plan::Compiled;
use gradatim_core::port::{PortError, Secrets, Store, TrafficRouter, Workload};
use gradatim_core::registry::Registry;
use gradatim_driver::secrets::{EnvSecrets, FileSecrets, FirstOf};
use gradatim_driver::store::FileStore;
use gradatim_driver::{Driver, Ports, StartError, TurnError};
use gradatim_nginx::plain::{self, NAME, PlainNginx, Servers};

use self::ending::{Call, Ending};
use self::follow::Rounds;
use self::servers::ServersFile;
use self::view::View;
use super::desk::{Desk, KEYS};
use super::failure::Failure;
use super::input::{Files, read_file};
use super::keys::Keys;
use super::leave::Leave;
use super::look::Tone;
use super::text::clean;
use super::{Exit, Io, diagnostics, store};

const MOST: usize = 1024 * 1024;
const DEFAULT_STORE: &str = "releases";

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
/// NGINX passes requests on with `proxy_pass http://$shop_upstream;`. On a terminal: p promotes, a
/// aborts without asking, q leaves it as it is. From another terminal: `gradatim status`,
/// `watch`, `promote`, `pause` and `abort` with the same --store. Ctrl-C leaves
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
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STORE)]
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
        let store = FileStore::open(&self.store).map_err(|error| {
            let help = "name a directory that this user may write: --store DIR";
            failed(error).help(help)
        })?;
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
        let mut config = servers.config(&name);
        if let Some(affinity) = &rollout.compiled.frame.session_affinity {
            config = config.session_affinity(affinity);
        }
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
        let ports = Ports::new(
            Arc::new(ready.workload),
            Arc::clone(&rollout) as Arc<dyn Store>,
        )
        .router(Arc::new(ready.router))
        .backends(&ready.compiled, &ready.registry, &secrets)
        .map_err(failed)?;
        let leave = Leave::listen(self.abort_on_exit).map_err(|error| {
            Failure::undecided(format!("Ctrl-C cannot be listened for: {error}"))
        })?;
        let holder = format!(
            "gradatim run, process {}, since {}",
            std::process::id(),
            store::now()
        );
        let (told, rounds) = Rounds::new();
        let driver = Driver::builder()
            .holder(&*holder)
            .take_over(self.take_over)
            .witness(Arc::new(store.clone()))
            .witness(Arc::new(told))
            .build();
        let target = self.target(&ready.name);
        let name = ready.name.clone();
        let started = driver.start(ready.name, ready.compiled.plan, ports).await;
        let release = started.map_err(|error| not_started(&error, &target))?;
        release.abort_on_exit(self.abort_on_exit);
        // Keys are for a picture to press them on.
        let keys = io.out.look().redraw.then(Keys::listen).flatten();
        let desk = Desk::new(keys, (*rollout).clone());
        let view = View::new(&name, &target, self.hint(&target, desk.has_keys()));
        let (outcome, in_order) = follow::follow(&release, rounds, view, leave, desk, io).await;
        match in_order {
            true => driver.shut_down().await,
            false => drop(driver),
        }
        // Nor need anybody wait for the heartbeat of one that was left at once; where it cannot be
        // told, the next run waits.
        let _ = store.retire(&holder);
        let servers = self.servers.display().to_string();
        let call = Call {
            target: &target,
            servers: &servers,
        };
        Ok(Ending::of(&outcome, &release.status(), &call).tell(io)?)
    }

    /// What one types behind an order.
    fn target(&self, name: &str) -> String {
        match self.store.as_path() == std::path::Path::new(DEFAULT_STORE) {
            true => name.to_owned(),
            false => format!("{name} --store {}", self.store.display()),
        }
    }

    fn hint(&self, target: &str, has_keys: bool) -> String {
        match (has_keys, self.abort_on_exit) {
            (true, false) => return KEYS.to_owned(),
            (true, true) => return format!("{KEYS}   Ctrl-C takes the traffic back"),
            (false, _) => {}
        }
        let leaves = match self.abort_on_exit {
            true => "Ctrl-C takes the traffic back",
            false => "Ctrl-C leaves it as it is",
        };
        format!("{leaves} · elsewhere: gradatim promote|pause|abort {target}")
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
        if let Some(first) = missing.first() {
            return Err(Failure::input(&first.what).help(&first.help));
        }
        // A release may be what mends it: nobody is kept from that.
        for one in ready.workload.probe().await.map_err(failed)? {
            let head = io.err.look().paint(Tone::Waiting, "warning:").into_owned();
            writeln!(io.err, "{head} {}", clean(&one.what))?;
            diagnostics::note(&mut io.err, &clean(&one.help))?;
        }
        Ok(io.err.flush()?)
    }
}

fn not_started(error: &StartError, target: &str) -> Failure {
    match error {
        StartError::Turn(TurnError::NotTaken(why)) if why.kind == FaultKind::Forbidden => {
            Failure::undecided(&why.text).help(format!(
                "gradatim watch {target} follows it; one that has crashed counts as alive for 30 \
                 s; --take-over takes the rollout away from it"
            ))
        }
        StartError::Turn(TurnError::NotTaken(why)) => Failure::undecided(&why.text),
        error => Failure::undecided(error.to_string()),
    }
}

fn failed(error: PortError) -> Failure {
    Failure::undecided(error.text)
}
