//! Any plan in any world: whatever goes wrong, what must hold does hold, and what is healthy ends.
//!
//! A failing case is printed, and its seed is kept beside this file. `PROPTEST_CASES` sets how many
//! cases are tried; the cases of the default run are always the same ones.

mod case;
mod coverage;
mod crashes;
mod model;
mod promise;

use std::sync::Arc;

use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};

use self::case::{Case, calm, troubled};
use self::coverage::Coverage;

/// How many cases are tried by default.
const CASES: u32 = 160;

fn runner() -> TestRunner {
    let persistence = FileFailurePersistence::WithSource("regressions");
    let config = Config {
        failure_persistence: Some(Box::new(persistence)),
        source_file: Some(file!()),
        max_shrink_iters: 400,
        ..Config::default()
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => TestRunner::new(config),
        None => {
            let config = Config {
                cases: CASES,
                ..config
            };
            let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
            TestRunner::new_with_rng(config, rng)
        }
    }
}

fn fails(case: &Case, what: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(format!("{what}\n{case}"))
}

#[test]
fn a_healthy_version_in_a_calm_world_is_promoted_within_the_time_that_the_plan_needs() {
    let tried = runner().run(&calm(), |case| {
        let bound = model::bound(&case);
        let report = case.simulation().bound(bound).run();
        if let Some(violation) = report.violations.first() {
            return Err(fails(&case, violation));
        }
        if !report.outcome.is_promoted() {
            return Err(fails(&case, &report.outcome));
        }
        if report.took > bound {
            return Err(fails(
                &case,
                format!("it took {:?}, not {bound:?}", report.took),
            ));
        }
        model::heights(&case, &report).map_err(|wrong| fails(&case, wrong))
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn whatever_goes_wrong_what_must_hold_does_hold() {
    let coverage = Arc::new(Coverage::default());
    let tried = runner().run(&troubled(), |case| {
        coverage.case(&case);
        let report = case.simulation().witness(coverage.clone()).run();
        coverage.report(&report);
        match report.violations.first() {
            None => Ok(()),
            Some(violation) => Err(fails(&case, violation)),
        }
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
    coverage.assert_complete();
}
