//! The main job, on this machine, with nothing but Rust:
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! A release goes 10 → 25 → 50 → 100 % and is promoted; the next one is bad, is found and taken
//! back. Everything is real but the servers' number: a small HTTP service in several versions,
//! a proxy in front of it, users who send requests, and the library, which reads an Argo Rollouts
//! manifest, moves the traffic and judges what the proxy counts.
//!
//! Where to look, to do the same in a program of yours:
//!
//! - `shop.yaml`: the manifest.
//! - `shop.rs`: from the manifest to a plan, from backends to ports, from a driver to a release.
//! - `proxy.rs`: a `TrafficRouter`. `pods.rs`: a `Workload`. `tally.rs`: a `MetricProvider`.
//! - `diary.rs`: a `Witness`, which is told of every round. `pace.rs`: a `Clock`.
//!
//! The rest is what a person sees: `camera.rs`, `scene.rs`, `screen.rs`, `voice.rs`, `report.rs`.

mod camera;
mod diary;
mod http;
mod kind;
mod line;
mod options;
mod pace;
mod pods;
mod proxy;
mod report;
mod scene;
mod screen;
mod shop;
mod tally;
mod trouble;
mod users;
mod voice;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::camera::Camera;
use crate::line::{Line, Tone};
use crate::options::{HELP, Options};
use crate::report::{Report, Verdict};
use crate::shop::Shop;
use crate::voice::{Voice, Wish};

/// How long the first version may take to come up.
const LONGEST_START: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            show(HELP);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("quickstart: {wrong}; see --help");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(report) => {
            show(&report.to_string());
            report.verdict().exit_code()
        }
        Err(error) => {
            eprintln!("quickstart: {error}");
            Verdict::Undecided.exit_code()
        }
    }
}

/// Standard output, once; whoever has closed the pipe has read enough.
fn show(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[tokio::main]
async fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    let (wishes, mut wished) = unbounded_channel();
    tokio::spawn(listen_for_signals(wishes.clone()));
    let (lines, written) = channel();
    let opened = timeout(LONGEST_START, Shop::open(options, lines));
    let shop = tokio::select! {
        opened = opened => opened.map_err(|_| "the first version does not come up")??,
        left = wished.recv() => return Ok(Report { left, ..Report::default() }),
    };
    let voice = voice(options, &shop, written, wishes)?;
    let report = release_all(options, shop, &mut wished).await;
    drop(voice);
    Ok(report)
}

/// One release after the other, until one of them is left.
async fn release_all(
    options: &Options,
    shop: Shop,
    wishes: &mut UnboundedReceiver<Wish>,
) -> Report {
    let text = format!(
        "v1 serves everyone at http://{}; a minute of the manifest takes {:.1} s",
        shop.proxy.address(),
        60.0 / options.speed(),
    );
    shop.say("start", text, Tone::Plain);
    let mut report = Report::default();
    for (place, kind) in options.releases.iter().enumerate() {
        report.left = shop.serve_for_a_while(wishes).await;
        if report.is_left() {
            break;
        }
        let version = format!("v{}", place + 2);
        report
            .releases
            .push(shop.deliver(*kind, &version, wishes).await);
    }
    if !report.is_left() {
        // So that a person sees it at rest; whoever leaves now has seen enough.
        let _ = shop.serve_for_a_while(wishes).await;
    }
    (report.requests, report.failed) = shop.close(wishes).await;
    report
}

fn voice(
    options: &Options,
    shop: &Shop,
    written: Receiver<Line>,
    wishes: UnboundedSender<Wish>,
) -> std::io::Result<Voice> {
    if options.plain || !screen::is_welcome() {
        return Voice::plain(written, wishes);
    }
    let mut camera = Camera::new(shop);
    Voice::live(move || camera.picture(), written, wishes)
}

/// A signal to end is a wish; a second one ends at once.
async fn listen_for_signals(wishes: UnboundedSender<Wish>) {
    let mut signals = 0;
    while signal().await {
        signals += 1;
        if signals > 1 || wishes.send(Wish::Interrupt).is_err() {
            screen::give_back();
            std::process::exit(130);
        }
    }
}

/// Whether a signal has come; there is none to wait for when not.
#[cfg(unix)]
async fn signal() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let both = signal(SignalKind::terminate()).and_then(|t| Ok((t, signal(SignalKind::hangup())?)));
    let Ok((mut terminate, mut hangup)) = both else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.is_ok(),
        come = terminate.recv() => come.is_some(),
        come = hangup.recv() => come.is_some(),
    }
}

#[cfg(not(unix))]
async fn signal() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
