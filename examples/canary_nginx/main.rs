//! A real canary on one machine: plain NGINX in front of two local HTTP servers.
//!
//! ```text
//! cargo run --example canary_nginx                    # a good release is promoted
//! cargo run --example canary_nginx -- --release bad   # a bad one is taken back
//! ```
//!
//! It needs `nginx` (`apt-get install nginx`), no root, and nothing that runs already: NGINX runs
//! in a folder of its own on free ports. The access log says which version answered what, and
//! the new version is judged by it.

mod access_log;
mod front;

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use gradatim::driver::Status;
use gradatim::driver::secrets::FirstOf;
use gradatim::driver::store::MemoryStore;
use gradatim::id::RevisionId;
use gradatim::nginx::plain::{self, Config, ConfigError, PlainNginx, Servers};
use gradatim::port::Secrets;
use gradatim::registry::Registry;
use gradatim::{Driver, Outcome, Ports, compile, yaml};
use gradatim_examples::demo_service::{Behaviour, Service};
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::front::{Folder, Front, Users, free_address};

const MANIFEST: &str = include_str!("shop.yaml");
const HELP: &str = "\
A canary on plain NGINX, on this machine.

Usage: canary_nginx [--release good|bad] [--nginx PROGRAM]

Exit code: 0 the release got what it deserves, 1 it did not, 2 wrong arguments or no NGINX,
3 it could not be run, 130 Ctrl-C.";

struct Options {
    is_good: bool,
    nginx: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match read_args(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("canary_nginx: {wrong}; see --help");
            return ExitCode::from(2);
        }
    };
    tokio::select! {
        delivered = deliver(&options) => match delivered {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("canary_nginx: {error}");
                let is_missing = matches!(error.downcast_ref(), Some(ConfigError::Program(_)));
                ExitCode::from(if is_missing { 2 } else { 3 })
            }
        },
        // NGINX goes with this program, and so does all the traffic there is.
        _ = tokio::signal::ctrl_c() => ExitCode::from(130),
    }
}

fn read_args(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        is_good: true,
        nginx: None,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--nginx" => options.nginx = Some(value()?),
            "--release" => {
                options.is_good = match value()?.as_str() {
                    "good" => true,
                    "bad" => false,
                    other => return Err(format!("--release is good or bad, not {other:?}")),
                };
            }
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    Ok(Some(options))
}

/// Standard output; whoever has closed the pipe has read enough.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The whole release; whether it ended as it should.
async fn deliver(options: &Options) -> Result<bool, Box<dyn Error>> {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let new = match options.is_good {
        true => Behaviour::good("v2"),
        false => Behaviour::good("v2").failing_one_in(3),
    };
    let old = Service::start(any, Behaviour::good("v1")).await?;
    let new = Service::start(any, new).await?;

    // Which servers are which version, and where NGINX's included file is.
    let folder = Folder::new()?;
    let shop = free_address().await?;
    let mut config = Config::new("shop", folder.join("shop.conf"))
        .main_file(folder.join("nginx.conf"))
        .servers("v1", [old.address().to_string()])
        .servers("v2", [new.address().to_string()])
        .probe(free_address().await?);
    let program = options.nginx.clone().unwrap_or_else(|| "nginx".to_owned());
    if let Some(program) = &options.nginx {
        config = config.program(program);
    }
    PlainNginx::new(config.clone())?.write_first(&"v1".into())?;
    let program = plain::find(Path::new(&program)).ok_or("NGINX is gone")?;
    let _front = Front::start(&program, &folder, shop).await?;
    let _users = Users::start(shop, 100);
    say(&format!(
        "v1 serves everyone at http://{shop}; v2 is released"
    ));

    let (outcome, took) = release(&config, &folder).await?;
    report(&folder, &outcome, took)?;
    Ok(match outcome {
        Outcome::Promoted { .. } => options.is_good,
        Outcome::RolledBack { .. } => !options.is_good,
        _ => false,
    })
}

/// The library: a manifest, the backends it names, a driver.
async fn release(
    config: &Config,
    folder: &Folder,
) -> Result<(Outcome, std::time::Duration), Box<dyn Error>> {
    let log = Arc::new(AccessLog(folder.join("access.log")));
    let registry = plain::register(Registry::new(), config.clone())
        .with_provider("demo/access-log", access_log::parse)
        .with_provider_builder("demo/access-log", move |_| Ok(Arc::clone(&log) as _));
    let manifests = yaml::read(&[("shop.yaml", MANIFEST)]).into_result();
    let manifests = manifests.map_err(|errors| format!("{errors:?}"))?;
    let compiled = compile(&manifests.rollouts[0], &manifests.templates, &registry)?;

    let servers = Servers::new(config, "v1", "v2").health("/ready");
    let secrets: Arc<dyn Secrets> = Arc::new(FirstOf::new());
    let ports = Ports::new(Arc::new(servers), Arc::new(MemoryStore::new()))
        .backends(&compiled, &registry, &secrets)?;
    let driver = Driver::new();
    let began = Instant::now();
    let release = driver.start("shop", compiled.plan, ports).await?;
    let shown = tokio::spawn(show(release.watch(), began));
    let outcome = release.outcome().await;
    let took = began.elapsed();
    driver.shut_down().await;
    shown.await?;
    Ok((outcome, took))
}

/// A line whenever it says something new.
async fn show(mut status: watch::Receiver<Status>, began: Instant) {
    let mut last = String::new();
    while status.changed().await.is_ok() {
        let decision = Arc::clone(&status.borrow_and_update().decision);
        let summary = &decision.summary;
        let weight = match summary.stable == summary.latest {
            true => 100,
            false => summary.weight_seen.unwrap_or(0),
        };
        let line = format!("{weight:>3} % to v2: {}", decision.waiting.reason);
        if line != last {
            say(&format!("{:>5.1} s  {line}", began.elapsed().as_secs_f64()));
            last = line;
        }
    }
}

/// What came of it, as NGINX has logged it.
fn report(
    folder: &Folder,
    outcome: &Outcome,
    took: std::time::Duration,
) -> Result<(), Box<dyn Error>> {
    let log = fs::read_to_string(folder.join("access.log"))?;
    for version in ["v1", "v2"].map(RevisionId::from) {
        let lines = log.lines().filter_map(access_log::read);
        let of: Vec<u16> = lines
            .filter(|(_, of, _)| *of == version.as_str())
            .map(|(_, _, status)| status)
            .collect();
        let failed = of.iter().filter(|status| **status >= 500).count();
        say(&format!(
            "{version}: {} requests, {failed} failed",
            of.len()
        ));
    }
    let seconds = took.as_secs_f64();
    say(&match outcome {
        Outcome::Promoted { revision } => {
            format!("{revision} serves everyone after {seconds:.1} s")
        }
        Outcome::RolledBack { revision, why } => {
            format!("{revision} was taken back after {seconds:.1} s: {why}")
        }
        other => format!("undecided: {other:?}"),
    });
    Ok(())
}
