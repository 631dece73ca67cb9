//! Processes that die, sleep and are replaced: the real store, the real driver, real signals.

mod board;
mod process;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use futures::executor::block_on;
use gradatim_core::decision::{Phase, Saved};
use gradatim_core::order::{Expects, OrderKind};
use gradatim_core::port::{MailboxOrder, Store};
use gradatim_driver::Outcome;
use gradatim_driver::store::Published;

use self::board::Board;
use self::process::{Orders, deliver, plan, start, store, until};

fn outcome(dir: &Path, holder: &str) -> Option<String> {
    fs::read_to_string(dir.join(format!("{holder}.outcome"))).ok()
}

fn published(dir: &Path) -> Option<Published> {
    store(dir).rollout("shop").published().unwrap()
}

#[test]
fn a_driver_killed_again_and_again_delivers_the_same_sequence_of_weights() {
    let world = tempfile::tempdir().unwrap();
    let dir = world.path();
    let mut kills = 0;
    for round in 0_u64.. {
        let mut process = start(dir, "driver", Orders::default());
        // Each life is another length, so that each ends at another instant of a round.
        let until_killed = Duration::from_millis(60 + round * 37 % 300);
        if round < 12 {
            sleep(until_killed);
            kills += u32::from(!process.is_over());
            process.kill();
        } else {
            process.wait();
        }
        let saved = block_on(store(dir).rollout("shop").load()).unwrap().saved;
        assert!(!matches!(saved, Saved::Unreadable { .. }), "{saved:?}");
        if outcome(dir, "driver").is_some() {
            break;
        }
    }
    assert!(kills > 3, "{kills}");
    let promoted = format!(
        "{:?}",
        Outcome::Promoted {
            revision: "v2".into()
        }
    );
    assert_eq!(outcome(dir, "driver"), Some(promoted));
    let board = Board::read(dir);
    assert_eq!(board.heights(), [0, 20, 40, 60, 80, 100, 0]);
    assert!(
        board.tries.iter().all(|tried| !tried.refused),
        "{:?}",
        board.tries
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_stopped_between_save_and_write_and_replaced_does_no_harm_when_it_wakes() {
    let world = tempfile::tempdir().unwrap();
    let dir = world.path();
    let orders = Orders {
        halts_at: Some(60),
        ..Orders::default()
    };
    let mut old = start(dir, "old", orders);
    old.stop_at_its_halt(dir);
    // It has saved that it wants 60, and has not written it.
    let Saved::State(state) = store(dir).rollout("shop").load().await.unwrap().saved else {
        panic!("nothing is saved");
    };
    let wanted = state.route.unwrap().split.value;
    assert_eq!(
        (
            wanted.part(gradatim_core::route::Slot::Canary),
            Board::read(dir).canary()
        ),
        (60, 40)
    );

    let abort = MailboxOrder {
        kind: OrderKind::Abort,
        expects: Expects::default(),
        by: None,
    };
    store(dir).rollout("shop").leave(&abort).await.unwrap();
    let taken_back = deliver(dir, "new", plan(None), None).await;
    assert!(
        matches!(taken_back, Outcome::RolledBack { .. }),
        "{taken_back:?}"
    );
    let before = Board::read(dir);
    assert_eq!(before.canary(), 0);

    old.wake();
    assert!(old.wait().success());
    let lost = outcome(dir, "old").unwrap();
    assert!(lost.starts_with("Lost"), "{lost}");
    let after = Board::read(dir);
    assert_eq!(after.canary(), 0);
    let late = &after.tries[before.tries.len()..];
    assert!(
        !late.is_empty() && late.iter().all(|tried| tried.refused),
        "{late:?}"
    );
    assert!(
        late.iter()
            .all(|tried| tried.process == old.id() && tried.canary == 60)
    );
    let Saved::State(state) = store(dir).rollout("shop").load().await.unwrap().saved else {
        panic!("what the new driver saved is gone");
    };
    // The new one has handed it over at its end, and the old one has not taken it.
    let rollout = store(dir).rollout("shop");
    assert_eq!(rollout.owner().await.unwrap(), None);
    let next = rollout.take("next", 0, false).await.unwrap();
    assert_eq!(next.epoch, state.epoch + 1);
}

#[test]
fn another_process_reads_the_status_and_leaves_an_order() {
    let world = tempfile::tempdir().unwrap();
    let dir = world.path();
    let orders = Orders {
        holds_at: Some(40),
        ..Orders::default()
    };
    let mut driver = start(dir, "driver", orders);
    until(|| {
        published(dir).is_some_and(|shown| {
            shown.phase == Phase::Paused && shown.summary.weight_seen == Some(40)
        })
    });
    let shown = published(dir).unwrap();
    assert_eq!(shown.message, "CanaryPauseStep");
    assert!(store(dir).rollout("shop").is_driven().unwrap());
    let promote = MailboxOrder {
        kind: OrderKind::Promote,
        expects: Expects {
            step: Some(shown.summary.step),
            ..Expects::default()
        },
        by: None,
    };
    block_on(store(dir).rollout("shop").leave(&promote)).unwrap();
    assert!(driver.wait().success());
    let ended = outcome(dir, "driver").unwrap();
    assert!(ended.starts_with("Promoted"), "{ended}");
    assert_eq!(block_on(store(dir).rollout("shop").pending()).unwrap(), []);
    assert_eq!(published(dir).unwrap().phase, Phase::Healthy);
}
