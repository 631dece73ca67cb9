//! `status`, `watch` and the orders, on a file store that another part of this process drives.

use std::path::Path;
use std::time::Duration;

use gradatim::cli::Exit;
use gradatim::decision::Phase;
use gradatim::driver::Release;
use gradatim::id::RevisionId;

use super::world::{deliver, stop};
use super::{Ran, gradatim};

/// A command on the store, away from the runtime that drives it.
async fn command(dir: &Path, arguments: &[&str]) -> Ran {
    let store = dir.join("releases").display().to_string();
    let mut all: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    all.extend(["--store".to_owned(), store]);
    let run = move || {
        let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
        gradatim(&arguments, b"")
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Waits until the rollout stands at a weight, in a phase.
async fn until(release: &Release, weight: u32, phase: Phase) {
    let mut status = release.watch();
    let stands = status.wait_for(|status| {
        let decision = &status.decision;
        decision.summary.weight_seen == Some(weight) && decision.phase == phase
    });
    tokio::time::timeout(Duration::from_secs(30), stands)
        .await
        .expect("it never came to that")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_steered_to_its_end_from_another_process() {
    let world = tempfile::tempdir().unwrap();
    let dir = world.path();
    let (driver, release) = deliver(dir).await;
    until(&release, 20, Phase::Paused).await;

    let ran = command(dir, &["status"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Good, ""), "{ran:?}");
    for wanted in [
        "shop",
        "Paused",
        "v1 → v2",
        "20 %",
        "2/4",
        "gradatim promote shop",
    ] {
        assert!(ran.out.contains(wanted), "{wanted} is not in\n{}", ran.out);
    }

    let ran = command(dir, &["promote", "shop"]).await;
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    assert!(ran.err.starts_with("done: promote of shop"), "{ran:?}");
    until(&release, 60, Phase::Paused).await;

    let ran = command(dir, &["watch", "shop", "--timeout", "10ms"]).await;
    assert_eq!(ran.exit, Exit::Undecided, "{ran:?}");
    assert!(
        ran.out.contains("shop  Paused  step 4/4  60 %"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("shop is not at rest yet"), "{}", ran.err);

    let ran = command(dir, &["retry", "shop"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Bad, ""), "{ran:?}");
    assert!(
        ran.err.starts_with("refused: retry of shop: "),
        "{}",
        ran.err
    );

    let ran = command(dir, &["abort", "shop"]).await;
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    until(&release, 0, Phase::Degraded).await;
    let ran = command(dir, &["watch", "shop"]).await;
    assert_eq!(ran.exit, Exit::Bad, "{ran:?}");
    let ran = command(dir, &["status", "shop"]).await;
    assert_eq!(ran.exit, Exit::Bad, "{ran:?}");

    assert_eq!(command(dir, &["retry", "shop"]).await.exit, Exit::Good);
    until(&release, 20, Phase::Paused).await;
    assert_eq!(
        command(dir, &["promote", "--full", "shop"]).await.exit,
        Exit::Good
    );
    release.outcome().await;
    let ran = command(dir, &["watch", "shop", "--json"]).await;
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    let line: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&line["phase"], &line["driven"]),
        (&"Healthy".into(), &true.into())
    );
    driver.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_can_take_is_not_called_done() {
    let world = tempfile::tempdir().unwrap();
    let dir = world.path();
    let (driver, release) = deliver(dir).await;
    until(&release, 20, Phase::Paused).await;
    stop(driver, dir).await;

    let ran = command(dir, &["status"]).await;
    assert!(ran.out.contains("no driver is alive"), "{}", ran.out);
    let ran = command(dir, &["abort", "shop", "--timeout", "100ms"]).await;
    assert_eq!(
        (ran.exit, ran.out.as_str()),
        (Exit::Undecided, ""),
        "{ran:?}"
    );
    assert!(
        ran.err.contains("abort of shop: no driver is alive"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("stays in the mailbox"), "{}", ran.err);

    // The next driver finds it.
    let (driver, release) = deliver(dir).await;
    until(&release, 0, Phase::Degraded).await;
    assert_eq!(
        release.status().decision.summary.latest,
        Some(RevisionId::from("v2"))
    );
    driver.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_wrong_input_and_nothing_is_made() {
    let world = tempfile::tempdir().unwrap();
    let dir = world.path();
    let ran = command(dir, &["status"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::WrongInput, ""));
    assert!(
        ran.err.contains("there is no store of rollouts in"),
        "{}",
        ran.err
    );
    assert!(!dir.join("releases").exists(), "looking makes no store");

    let (driver, release) = deliver(dir).await;
    until(&release, 20, Phase::Paused).await;
    for order in [
        "promote",
        "abort",
        "retry",
        "pause",
        "resume",
        "skip-step",
        "restart",
        "undo",
    ] {
        let ran = command(dir, &[order, "sohp", "--timeout", "1s"]).await;
        assert_eq!(ran.exit, Exit::WrongInput, "{ran:?}");
        assert!(ran.err.contains("there are: shop"), "{}", ran.err);
    }
    driver.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_release_is_decided_the_same_again() {
    let world = tempfile::tempdir().unwrap();
    let dir = world.path();
    let (driver, release) = deliver(dir).await;
    until(&release, 20, Phase::Paused).await;
    command(dir, &["promote", "--full", "shop"]).await;
    release.outcome().await;
    driver.shut_down().await;
    let log = dir.join("decisions.jsonl").display().to_string();
    let ran = gradatim(&["replay", &log], b"");
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    assert!(ran.out.contains("All are decided the same."), "{}", ran.out);
}
