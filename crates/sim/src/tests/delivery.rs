use super::*;
use crate::{Simulation, Version};

#[test]
fn a_healthy_version_is_promoted() {
    let report = Simulation::new(plan(steps())).wants("v2").run();
    assert!(report.outcome.is_promoted(), "{}", story(&report));
    println!("{}\n{:#?}", story(&report), report.versions);
    assert_eq!(report.users.failed, 0.0);
    assert!(report.holds(), "{:?}", report.violations);
}

#[test]
fn a_version_that_fails_is_taken_back() {
    let report = Simulation::new(plan(steps()))
        .version("v2", Version::failing(0.2))
        .wants("v2")
        .run();
    println!("{}\n{:#?}", story(&report), report.versions);
    assert!(report.outcome.is_rolled_back(), "{}", story(&report));
}
