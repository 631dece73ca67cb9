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
async fn a_log_goes_on_after_a_crash_and_after_a_write_that_failed() {
    /// Takes half of the third write and none of the rest of it.
    #[derive(Default)]
    struct Full {
        text: Vec<u8>,
        writes: u32,
    }
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.writes += 1;
            match self.writes {
                3 => self.text.write(&bytes[..bytes.len() / 2]),
                4 => Err(std::io::ErrorKind::StorageFull.into()),
                _ => self.text.write(bytes),
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = DecisionLog::new(Full::default());
    let lines = [saving(), flight(), rest()];
    let ports = Ports::new(Arc::new(workload()), Arc::new(MemoryStore::new()))
        .policy(Arc::new(Script::new(lines)));
    let mut round = Round::new("shop", Plan::rolling_update("shop"), ports);
    for fails in [false, true, false] {
        let turn = round.turn().await.unwrap();
        assert_eq!(log.record(round.id(), &turn).is_err(), fails);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), log.into_inner().text).unwrap();
    let whole = std::fs::read(file.path()).unwrap();
    let cut = whole.len() - 20;
    std::fs::write(file.path(), &whole[..cut]).unwrap();
    let log = DecisionLog::append(file.path()).unwrap();
    let turn = round.turn().await.unwrap();
    log.record(round.id(), &turn).unwrap();
    let text = std::fs::read(file.path()).unwrap();
    let report = replay(text.as_slice(), &Script::new([saving(), rest()])).unwrap();
    assert!(report.torn);
    assert_eq!((report.rounds, report.differences.len()), (2, 0));
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
