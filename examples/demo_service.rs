//! A small HTTP service to try a release on, with any tool:
//!
//! ```text
//! cargo run --example demo_service -- --port 8080 --version v2 --fail-one-in 20
//! curl -i http://127.0.0.1:8080/api/data
//! ```
//!
//! It ends on Ctrl-C, after the answers that it owes.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use gradatim_examples::demo_service::{Behaviour, Service};

const HELP: &str = "\
A small HTTP service to try a release on.

Usage: demo_service [OPTIONS]

  --address IP         where to listen (default 127.0.0.1)
  --port N             on which port; 0 is any free one (default 8080)
  --version NAME       the version's name (default v1)
  --fail-one-in N      one answer in N is a 500 (default none)
  --delay-ms N         each answer takes so long (default 0)
  --warm-up-ms N       how long until /ready says so (default 0)
  --help               this text

It answers on /, /health, /ready, /version, /api/data, /api/slow, /api/error and /metrics.";

#[tokio::main]
async fn main() -> ExitCode {
    let (address, behaviour) = match read_args(std::env::args().skip(1)) {
        Ok(Some(wanted)) => wanted,
        Ok(None) => {
            // Whoever has closed the pipe has read enough.
            let _ = writeln!(std::io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("demo_service: {wrong}; see --help");
            return ExitCode::from(2);
        }
    };
    let version = behaviour.version.clone();
    let service = match Service::start(address, behaviour).await {
        Ok(service) => service,
        Err(error) => {
            eprintln!("demo_service: cannot listen on {address}: {error}");
            return ExitCode::from(3);
        }
    };
    eprintln!("{version} listens on http://{}", service.address());
    // An error means that no signal can be had; then it is killed, which is as good an end.
    let _ = tokio::signal::ctrl_c().await;
    service.stop().await;
    ExitCode::SUCCESS
}

/// What is wanted; nothing when only the help is.
fn read_args(
    mut args: impl Iterator<Item = String>,
) -> Result<Option<(SocketAddr, Behaviour)>, String> {
    let mut address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
    let mut behaviour = Behaviour::good("v1");
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--address" => address.set_ip(parse(&option, &value()?)?),
            "--port" => address.set_port(parse(&option, &value()?)?),
            "--version" => behaviour.version = value()?,
            "--fail-one-in" => behaviour.fails_one_in = Some(parse(&option, &value()?)?),
            "--delay-ms" => behaviour.takes = Duration::from_millis(parse(&option, &value()?)?),
            "--warm-up-ms" => {
                behaviour.warms_up = Duration::from_millis(parse(&option, &value()?)?);
            }
            _ => return Err(format!("unknown option {option:?}")),
        }
    }
    match behaviour.fails_one_in {
        Some(0) => Err("--fail-one-in is 1 or more".to_owned()),
        _ => Ok(Some((address, behaviour))),
    }
}

fn parse<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{option} cannot be {value:?}"))
}
