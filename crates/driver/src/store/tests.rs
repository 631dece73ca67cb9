//! The rules of a store, for both of them, and what only a file can suffer.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use gradatim_core::decision::Saved;
use gradatim_core::fault::FaultKind;
use gradatim_core::order::{Acknowledgement, Expects, OrderKind};
use gradatim_core::port::{MailboxOrder, Ownership, Store};
use tempfile::TempDir;

use super::{FileRollout, FileStore, MemoryStore};
use crate::testing::{flight, rest, state};

fn file() -> (TempDir, FileRollout) {
    let dir = tempfile::tempdir().unwrap();
    let rollout = FileStore::open(dir.path()).unwrap().rollout("ns/Shop");
    (dir, rollout)
}

fn abort() -> MailboxOrder {
    MailboxOrder {
        kind: OrderKind::Abort,
        expects: Expects::default(),
        by: None,
    }
}

async fn kind<T: std::fmt::Debug>(
    call: impl Future<Output = Result<T, gradatim_core::port::PortError>>,
) -> FaultKind {
    call.await.unwrap_err().kind
}

async fn keeps_the_rules(store: &dyn Store) {
    let loaded = store.load().await.unwrap();
    assert!(matches!(loaded.saved, Saved::Nothing { incarnation } if incarnation > 0));
    let first = store.take("one", 7, false).await.unwrap();
    assert_eq!(first.epoch, 8);

    let token = store.save(&state(1), &loaded.token, &first).await.unwrap();
    assert_eq!(store.load().await.unwrap().saved, Saved::State(state(1)));
    assert_eq!(store.load().await.unwrap().token, token);
    let late = state(9);
    let stale = store.save(&late, &loaded.token, &first);
    assert_eq!(kind(stale).await, FaultKind::Conflict);
    assert_eq!(store.load().await.unwrap().saved, Saved::State(state(1)));

    assert_eq!(
        kind(store.take("two", 0, false)).await,
        FaultKind::Forbidden
    );
    let second = store.take("two", 0, true).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert_eq!(store.owner().await.unwrap(), Some(second.clone()));
    let fenced = store.save(&late, &token, &first);
    assert_eq!(kind(fenced).await, FaultKind::Fenced);
    store.save(&state(2), &token, &second).await.unwrap();

    assert_eq!(store.leave(&abort()).await.unwrap(), 1);
    assert_eq!(store.leave(&abort()).await.unwrap(), 2);
    let done = |sequence| Acknowledgement {
        source: "mailbox".to_owned(),
        sequence,
        refused: None,
    };
    store.acknowledge(&[done(1)]).await.unwrap();
    let pending = store.pending().await.unwrap();
    assert_eq!(
        pending
            .iter()
            .map(|order| order.sequence)
            .collect::<Vec<_>>(),
        [2]
    );
    store.acknowledge(&[done(2)]).await.unwrap();
    assert_eq!(store.leave(&abort()).await.unwrap(), 3);
}

#[tokio::test]
async fn the_memory_store_keeps_the_rules() {
    keeps_the_rules(&MemoryStore::new()).await;
}

#[tokio::test]
async fn the_file_store_keeps_the_rules() {
    keeps_the_rules(&file().1).await;
}

#[test]
fn the_file_store_needs_no_runtime() {
    keeps_the_rules(&file().1).now_or_never().unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_never_overwritten_but_can_be_taken() {
    let (dir, rollout) = file();
    let owner = rollout.take("me", 0, false).await.unwrap();
    let token = rollout.load().await.unwrap().token;
    rollout.save(&state(1), &token, &owner).await.unwrap();
    let path = dir.path().join("state").join("ns%2f%53hop.json");
    let newer = fs::read_to_string(&path)
        .unwrap()
        .replace(r#""version":1"#, r#""version":99"#);
    for broken in ["", "{", "null", &newer] {
        fs::write(&path, broken).unwrap();
        let loaded = rollout.load().await.unwrap();
        assert!(matches!(loaded.saved, Saved::Unreadable { .. }), "{broken}");
        let owner = rollout.take("me", 0, false).await.unwrap();
        let next = state(2);
        let saved = rollout.save(&next, &loaded.token, &owner);
        assert_eq!(kind(saved).await, FaultKind::Invalid);
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }
}

#[tokio::test]
async fn a_crash_between_writing_and_renaming_leaves_what_was_saved_before() {
    let (dir, rollout) = file();
    let owner = rollout.take("me", 0, false).await.unwrap();
    let token = rollout.load().await.unwrap().token;
    let token = rollout.save(&state(1), &token, &owner).await.unwrap();
    fs::write(
        dir.path().join("state/ns%2f%53hop.tmp"),
        r#"{"save":2,"sta"#,
    )
    .unwrap();
    assert_eq!(rollout.load().await.unwrap().saved, Saved::State(state(1)));
    let ids = FileStore::open(dir.path()).unwrap().list().unwrap();
    assert_eq!(ids, ["ns/Shop".into()]);
    rollout.save(&state(2), &token, &owner).await.unwrap();
    assert_eq!(rollout.load().await.unwrap().saved, Saved::State(state(2)));
}

#[tokio::test]
async fn an_owner_whose_heartbeat_has_expired_is_replaced_and_a_living_one_is_not() {
    let (dir, rollout) = file();
    rollout.take("old", 0, false).await.unwrap();
    assert!(rollout.is_driven().unwrap());
    assert_eq!(
        kind(rollout.take("new", 0, false)).await,
        FaultKind::Forbidden
    );
    let now = crate::clock::wall();
    let far = Duration::from_secs(31);
    // Too old, or of a clock that was set back since.
    for beat in [now - far, now + far + far] {
        let beat = serde_json::to_string(&beat).unwrap();
        fs::write(dir.path().join("holders/old.json"), beat).unwrap();
        assert!(!rollout.is_driven().unwrap());
    }
    // A heartbeat that this process wrote long ago is written anew.
    assert_eq!(rollout.take("new", 0, false).await.unwrap().epoch, 2);
}

#[tokio::test]
async fn ten_rollouts_of_one_holder_cost_one_heartbeat() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let modified = || {
        fs::metadata(dir.path().join("holders/me.json"))
            .unwrap()
            .modified()
    };
    store.rollout("0").heartbeat("me").await.unwrap();
    let written: SystemTime = modified().unwrap();
    sleep(Duration::from_millis(20));
    for name in 1..10 {
        let rollout = store.rollout(name.to_string());
        rollout.heartbeat("me").await.unwrap();
    }
    assert_eq!(modified().unwrap(), written);
}

#[tokio::test]
async fn what_became_of_an_order_can_be_read_by_who_left_it() {
    let (_dir, rollout) = file();
    for _ in 0..40 {
        rollout.leave(&abort()).await.unwrap();
    }
    assert_eq!(rollout.answer(2).unwrap(), None, "it is pending");
    let done = |source: &str, sequence, refused: Option<&str>| Acknowledgement {
        source: source.to_owned(),
        sequence,
        refused: refused.map(str::to_owned),
    };
    let refused = done("mailbox", 2, Some("no"));
    let others = [
        done("mailbox", 1, None),
        refused.clone(),
        done("handle", 3, None),
    ];
    rollout.acknowledge(&others).await.unwrap();
    assert_eq!(rollout.answer(2).unwrap(), Some(refused));
    assert_eq!(
        rollout.answer(3).unwrap(),
        None,
        "another's order 3 is not this one"
    );
    assert_eq!(rollout.answer(99).unwrap(), None);

    let rest: Vec<_> = (3..=40)
        .map(|sequence| done("mailbox", sequence, None))
        .collect();
    rollout.acknowledge(&rest).await.unwrap();
    assert_eq!(rollout.answer(2).unwrap(), None, "the newest 32 are kept");
    assert!(rollout.answer(40).unwrap().is_some());
}

#[tokio::test]
async fn an_order_of_another_process_is_heard_and_only_by_its_rollout() {
    let (dir, rollout) = file();
    let quiet = FileStore::open(dir.path()).unwrap();
    let (heard, other) = (rollout.clone(), quiet.rollout("other"));
    let heard = tokio::spawn(async move { heard.changed().await });
    let other = tokio::spawn(async move { other.changed().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let elsewhere = FileStore::open(dir.path()).unwrap().rollout("ns/Shop");
    elsewhere.leave(&abort()).await.unwrap();
    let soon = tokio::time::timeout(Duration::from_secs(5), heard);
    soon.await.unwrap().unwrap();
    assert!(!other.is_finished());
}

#[test]
fn a_status_keeps_the_instant_since_when_it_has_been_so() {
    let (_dir, rollout) = file();
    let at = gradatim_core::time::Timestamp::from_secs;
    for (decision, now) in [(flight(), 1), (flight(), 2), (rest(), 3), (rest(), 4)] {
        rollout.publish(&decision, at(now)).unwrap();
    }
    let published = rollout.published().unwrap().unwrap();
    assert_eq!((published.since, published.phase), (at(3), rest().phase));
}

#[test]
fn a_name_is_a_file_name_and_back_and_cannot_leave_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let mut names = ["../../etc", "A", "a", "ä/b", ".hidden", "a.b", "%41"];
    for name in names {
        store
            .rollout(name)
            .publish(&rest(), crate::clock::wall())
            .unwrap();
    }
    names.sort_unstable();
    let listed: Vec<String> = store
        .list()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(listed, names);
    let entries = fs::read_dir(dir.path().join("status")).unwrap();
    assert_eq!(entries.count(), names.len());
    let long = "x".repeat(300);
    let refused = store.rollout(long).publish(&rest(), crate::clock::wall());
    assert_eq!(refused.unwrap_err().kind, FaultKind::Invalid);
}

/// The other process of the tests below: it does nothing unless one of them has started it.
#[test]
fn child() {
    let Ok(dir) = std::env::var("GRADATIM_TEST_STORE") else {
        return;
    };
    let rollout = FileStore::open(dir).unwrap().rollout("shop");
    let saving = async {
        let holder = format!("child-{}", std::process::id());
        let owner = rollout.take(&holder, 0, true).await.unwrap();
        loop {
            let loaded = rollout.load().await.unwrap();
            let sequence = match &loaded.saved {
                Saved::State(state) => state.sequence + 1,
                _ => 1,
            };
            match rollout.save(&state(sequence), &loaded.token, &owner).await {
                Ok(_) => {}
                Err(error) if error.kind == FaultKind::Conflict => {}
                Err(error) => {
                    assert_eq!(error.kind, FaultKind::Fenced);
                    return;
                }
            }
        }
    };
    saving.now_or_never().unwrap();
}

fn spawn_child(dir: &TempDir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["store::tests::child", "--exact"])
        .env("GRADATIM_TEST_STORE", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn sequence(rollout: &FileRollout) -> u64 {
    match rollout.load().await.unwrap().saved {
        Saved::State(state) => state.sequence,
        Saved::Nothing { .. } => 0,
        Saved::Unreadable { message } => panic!("{message}"),
    }
}

#[tokio::test]
async fn a_process_killed_at_any_instant_leaves_a_whole_state_and_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let rollout = FileStore::open(dir.path()).unwrap().rollout("shop");
    let mut last = 0;
    for round in 0..8 {
        let mut child = spawn_child(&dir);
        while sequence(&rollout).await <= last {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(137 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = sequence(&rollout).await;
        assert!(now > last);
        last = now;
        rollout.take("me", 0, true).await.unwrap();
    }
}

#[tokio::test]
async fn of_two_processes_only_the_newest_owner_saves() {
    let dir = tempfile::tempdir().unwrap();
    let rollout = FileStore::open(dir.path()).unwrap().rollout("shop");
    let mut first = spawn_child(&dir);
    while sequence(&rollout).await == 0 {
        sleep(Duration::from_millis(1));
    }
    let mine: Ownership = rollout.take("me", 0, true).await.unwrap();
    // Fenced, it ends by itself.
    assert!(first.wait().unwrap().success());
    let before = sequence(&rollout).await;
    let token = rollout.load().await.unwrap().token;
    rollout
        .save(&state(before + 1), &token, &mine)
        .await
        .unwrap();
    assert_eq!(sequence(&rollout).await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn in_memory_a_heartbeat_expires_by_the_clock_it_was_given() {
    let store = MemoryStore::with_clock(Arc::new(crate::clock::SystemClock::new()));
    store.take("old", 0, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(
        kind(store.take("new", 0, false)).await,
        FaultKind::Forbidden
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(store.take("new", 0, false).await.unwrap().epoch, 2);
}
