use std::sync::Arc;

use gradatim_core::decision::Decision;
use gradatim_core::plan::Plan;
use gradatim_core::port::Store;

use super::{DecisionLog, ReplayError, replay};
use crate::store::MemoryStore;
use crate::testing::{Script, flight, rest, state, workload};
use crate::{Ports, Round};

/// The log of a script's rounds.
async fn logged(lines: &[Decision], rounds: usize) -> String {
    let (store, log) = (MemoryStore::new(), DecisionLog::new(Vec::new()));
    let ports = Ports::new(Arc::new(workload()), Arc::new(store) as Arc<dyn Store>)
        .policy(Arc::new(Script::new(lines.to_vec())));
    let mut round = Round::new("shop", Plan::rolling_update("shop"), ports);
    for _ in 0..rounds {
        let turn = round.turn().await.unwrap();
        log.record(round.id(), &turn).unwrap();
    }
    String::from_utf8(log.into_inner()).unwrap()
}

fn saving() -> Decision {
    Decision {
        state: Some(state(1)),
        ..flight()
    }
}

#[tokio::test]
async fn a_round_that_equals_the_one_before_is_counted_and_not_written() {
    // The first rounds differ in what was taken over and in what was saved.
    let lines = [saving(), flight(), flight(), flight(), flight(), rest()];
    let text = logged(&lines, 6).await;
    assert_eq!(text.lines().count(), 4, "{text}");
    let report = replay(text.as_bytes(), &Script::new([saving(), flight(), rest()])).unwrap();
    assert_eq!((report.rounds, report.skipped), (3, 3));
    assert_eq!((report.plans, report.rollouts), (1, 1));
    assert_eq!(report.differences, []);
}

#[tokio::test]
async fn a_replay_finds_the_round_that_is_decided_otherwise_now() {
    let text = logged(&[saving(), flight(), rest()], 3).await;
    let report = replay(text.as_bytes(), &Script::new([saving(), rest(), rest()])).unwrap();
    let lines: Vec<usize> = report.differences.iter().map(|found| found.line).collect();
    assert_eq!(lines, [3]);
    assert_eq!(*report.differences[0].recorded, flight());
    assert_eq!(*report.differences[0].decided, rest());
}

#[tokio::test]
async fn a_last_line_cut_short_by_a_crash_is_left_out_and_any_other_is_an_error() {
    let text = logged(&[saving(), rest()], 2).await;
    let script = || Script::new([saving(), rest()]);
    let torn = &text[..text.len() - 20];
    let report = replay(torn.as_bytes(), &script()).unwrap();
    assert!(report.torn);
    assert_eq!((report.rounds, report.differences.len()), (1, 0));
    let broken = text.replacen("{\"round\"", "{\"rond\"", 1);
    let error = replay(broken.as_bytes(), &script()).unwrap_err();
    assert!(matches!(error, ReplayError::Malformed { line: 2, .. }));
    let (_plan, rounds) = text.split_once('\n').unwrap();
    let error = replay(rounds.as_bytes(), &script()).unwrap_err();
    assert!(matches!(error, ReplayError::NoPlan { line: 1, .. }));
}

#[tokio::test]
async fn the_real_policy_decides_its_own_log_again_to_the_letter() {
    use gradatim_core::policy::Standard;
    let log = DecisionLog::new(Vec::new());
    let ports = Ports::new(Arc::new(workload()), Arc::new(MemoryStore::new()));
    let mut round = Round::new("shop", Plan::rolling_update("shop"), ports);
    for _ in 0..5 {
        let turn = round.turn().await.unwrap();
        log.record(round.id(), &turn).unwrap();
    }
    let text = log.into_inner();
    let report = replay(text.as_slice(), &Standard).unwrap();
    assert!(report.rounds >= 2, "{report:?}");
    assert_eq!(report.differences, []);
}
