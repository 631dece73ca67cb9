//! What each statement means.

use std::time::Duration;

use gradatim_core::measurement::GateState;
use gradatim_core::order::OrderKind;

use crate::script::*;

fn read(text: &str) -> Scenario {
    Scenario::parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn window(from: u64, to: impl Into<Option<u64>>) -> Window {
    let (from, to) = (secs(from), to.into().map(secs));
    Window { from, to }
}

#[test]
fn nothing_but_comments_is_the_plainest_world() {
    for text in [
        "",
        "\n\n",
        "# a comment\n   # another\n",
        "\u{feff}# a mark\r\n",
    ] {
        let scenario = Scenario {
            source: String::new(),
            ..read(text)
        };
        assert_eq!(scenario, Scenario::default());
    }
    let plain = Scenario::default();
    assert_eq!((plain.seed, plain.replicas, plain.end), (1, None, None));
    assert_eq!(plain.stable.as_deref(), Some("v1"));
    assert_eq!(plain.wanted, "v2");
}

#[test]
fn the_world_has_a_seed_versions_pods_traffic_and_an_end() {
    let scenario = read(
        "seed 7\nreplicas 4\nstable none\nwanted v9\nquota 6 pods from 1:00\ntesters 2 %\nend at 1:00:30\n\
         traffic 6000/min\ntraffic 20 requests/s scattered from 2:00 until 3m\n",
    );
    assert_eq!((scenario.seed, scenario.replicas), (7, Some(4)));
    assert_eq!((scenario.stable, scenario.wanted.as_str()), (None, "v9"));
    assert_eq!(scenario.end, Some(secs(3630)));
    assert_eq!((scenario.testers, scenario.scattered), (0.02, true));
    let quota = Timed {
        value: 6,
        window: window(60, None),
    };
    assert_eq!(scenario.quota, [quota]);
    let rates: Vec<_> = scenario
        .traffic
        .iter()
        .map(|one| (one.value, one.window))
        .collect();
    assert_eq!(rates, [(100.0, Window::ALWAYS), (20.0, window(120, 180))]);
}

#[test]
fn a_version_fails_is_slow_or_its_pods_do_not_come_up() {
    let scenario = read(
        "v2 fails 5 %\nv2 fails 1% growing 2% a minute from 1:10\nv2 answers in 2s to 90s\n\
         v1 pods crash after 20s\npods ready after 12s\nv2 pods never ready\nv2 pods at most 3 ready\n\
         v2 pods refused \"exceeded quota\"\nv2 pods cannot pull their image\n\
         v2 pods are 5 times slower in their first 30s",
    );
    let found: Vec<_> = scenario
        .traits
        .iter()
        .map(|one| (&one.kind, one.window))
        .collect();
    let fails = |rate, growing| TraitKind::Fails { rate, growing };
    let refused = TraitKind::Refused(Some("exceeded quota".to_owned()));
    let cold = TraitKind::Cold {
        times: 5.0,
        lasts: secs(30),
    };
    assert_eq!(
        found,
        [
            (&fails(0.05, 0.0), Window::ALWAYS),
            (&fails(0.01, 0.02), window(70, None)),
            (&TraitKind::Answers(secs(2)), window(0, 90)),
            (&TraitKind::CrashAfter(secs(20)), Window::ALWAYS),
            (&TraitKind::ReadyAfter(secs(12)), Window::ALWAYS),
            (&TraitKind::AtMostReady(0), Window::ALWAYS),
            (&TraitKind::AtMostReady(3), Window::ALWAYS),
            (&refused, Window::ALWAYS),
            (&TraitKind::ImageNotPulled(None), Window::ALWAYS),
            (&cold, Window::ALWAYS),
        ]
    );
    let of = |index: usize| {
        scenario.traits[index]
            .version
            .as_ref()
            .map(|v| v.name.as_str())
    };
    assert_eq!((of(0), of(3), of(4)), (Some("v2"), Some("v1"), None));
}

#[test]
fn what_a_metric_measures_is_narrowed_in_any_order() {
    let first = read("metric x: error rate in % of all over 1m\n").metrics;
    for other in [
        "of all in % over 1m",
        "over 1m of all in %",
        "of all over 1m in %",
    ] {
        let metrics = read(&format!("metric x: error rate {other}\n")).metrics;
        assert_eq!(metrics[0].measures, first[0].measures, "{other}");
    }
}

#[test]
fn a_metric_measures_requests_values_or_a_job() {
    let scenario = read(
        "metric success-rate: success rate of canary over 1m\n\
         metric \"error share\": error rate in % of all\n\
         metric p95: p99.9 latency in ms of stable over 30s from 1:00\n\
         metric rps: request rate\n\
         metric x: values 1, -2.5e3, NaN, +Inf, no data, error \"503\"\n\
         metric x: no data from 1:00 to 2:00\n\
         metric smoke: job fails after 40s\n",
    );
    let requests = |what, of, over: Option<u64>, factor| Measures::Requests {
        what,
        of,
        over: over.map(secs),
        factor,
    };
    let measures: Vec<_> = scenario.metrics.iter().map(|one| &one.measures).collect();
    assert_eq!(
        measures[..4],
        [
            &requests(Signal::SuccessRate, Subject::Canary, Some(60), 1.0),
            &requests(Signal::ErrorRate, Subject::All, None, 100.0),
            &requests(Signal::Latency(0.999), Subject::Stable, Some(30), 1000.0),
            &requests(Signal::RequestRate, Subject::Canary, None, 1.0),
        ]
    );
    let Measures::Values(values) = measures[4] else {
        panic!("{measures:?}");
    };
    assert_eq!(values[..2], [Value::Number(1.0), Value::Number(-2500.0)]);
    assert!(matches!(values[2], Value::Number(nan) if nan.is_nan()));
    assert_eq!(values[3], Value::Number(f64::INFINITY));
    assert_eq!(values[4..], [Value::NoData, Value::Error("503".to_owned())]);
    assert_eq!(*measures[5], Measures::Values(vec![Value::NoData]));
    let job = Measures::Job {
        succeeds: false,
        after: secs(40),
    };
    assert_eq!(*measures[6], job);
    assert_eq!(scenario.metrics[1].name.name, "error share");
}

#[test]
fn a_gate_that_opens_is_closed_before_and_one_that_closes_was_open() {
    let said = |text: &str| -> Vec<_> {
        let gates = read(text).gates.into_iter();
        gates.map(|gate| (gate.says, gate.window)).collect()
    };
    let (open, closed) = (GateState::Open, GateState::Closed);
    assert_eq!(
        said("gate confirm: opens at 3:00\ngate confirm: closes at 4:00"),
        [
            (closed, Window::ALWAYS),
            (open, window(180, None)),
            (closed, window(240, None))
        ]
    );
    assert_eq!(
        said("gate confirm: closes at 3:00"),
        [(open, Window::ALWAYS), (closed, window(180, None))]
    );
    assert_eq!(
        said("gate confirm: unknown from 1:00 to 2:00\ngate confirm: open"),
        [
            (GateState::Unknown, window(60, 120)),
            (open, Window::ALWAYS)
        ]
    );
}

#[test]
fn ports_fail_hang_lag_and_lose_writes() {
    let scenario = read(
        "router fails from 2:00 to 3:00\nrouter nginx fails 30 %\n\
         workload cannot be read\nworkload cannot be written\nstore hangs\n\
         router lags 20s\nrouter loses writes\nrouter repeats 20 % of writes after 9s\n\
         router reads are 30s old\nprovider gives no data\nprovider prometheus hangs",
    );
    let kinds: Vec<_> = scenario.faults.iter().map(|one| one.kind.clone()).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        kinds,
        [
            PortFault::Fails(1.0),
            PortFault::Fails(0.3),
            PortFault::CannotBeRead,
            PortFault::CannotBeWritten,
            PortFault::Hangs,
            PortFault::Lags(secs(20)),
            PortFault::LosesWrites(1.0),
            PortFault::RepeatsWrites {
                part: 0.2,
                after: secs(9),
            },
            PortFault::ReadsOld(secs(30)),
            PortFault::GivesNoData,
            PortFault::Hangs,
        ]
    );
    let name = |index: usize| match &scenario.faults[index].port {
        Port::Router(name) | Port::Provider(name) => name.as_ref().map(|one| one.name.clone()),
        _ => None,
    };
    assert_eq!((name(0), name(1)), (None, text("nginx")));
    assert_eq!((name(9), name(10)), (None, text("prometheus")));
}

#[test]
fn drivers_crash_stand_still_and_meet_a_second_one() {
    let scenario = read(
        "driver crashes at 2:10\ndriver crashes at 2:10 for 1m after 1 write\n\
         driver crashes after 30 % of writes for 5s\ndriver stands still at 1:00 for 2m after 2 writes\n\
         second driver at 3:00 takes over",
    );
    let crash = |away, after_writes| DriverLine::Crashes {
        at: secs(130),
        away: secs(away),
        after_writes,
    };
    assert_eq!(
        scenario.drivers,
        [
            crash(0, None),
            crash(60, Some(1)),
            DriverLine::CrashesAfterWrites {
                part: 0.3,
                away: secs(5),
            },
            DriverLine::Stands {
                at: secs(60),
                lasts: secs(120),
                after_writes: Some(2),
            },
            DriverLine::Second {
                at: secs(180),
                takes_over: true
            },
        ]
    );
}

#[test]
fn orders_and_edits_happen_at_their_time() {
    let scenario = read(
        "at 3:00 promote\nat 3:00 promote full\nat 180s skip step\nat 3:00 undo\nat 3:00 undo to v1\n\
         at 5:00 scale 8\nat 6:00 deploy v3\nat 7:00 set spec.paused true\nat 8:00 kill 1 pod of v3\n\
         at 9:00 somebody sets weight 50",
    );
    let changes: Vec<_> = scenario
        .changes
        .iter()
        .map(|one| one.change.clone())
        .collect();
    let order = Change::Order;
    assert_eq!(
        changes[..4],
        [
            order(OrderKind::Promote),
            order(OrderKind::PromoteFull),
            order(OrderKind::SkipStep),
            order(OrderKind::Undo(None)),
        ]
    );
    assert!(matches!(&changes[4], Change::Undo(to) if to.name == "v1"));
    assert_eq!(changes[5], Change::Scale(8));
    assert!(matches!(&changes[6], Change::Deploy(to) if to.name == "v3"));
    assert_eq!(changes[7], Change::Paused(true));
    assert!(matches!(&changes[8], Change::Kill { pods: 1, .. }));
    assert_eq!(changes[9], Change::StrangerSetsWeight(50));
    assert!(scenario.changes[..5].iter().all(|one| one.at == secs(180)));
}

#[test]
fn what_is_expected_may_have_its_time() {
    let scenario = read(
        "expect promoted\nexpect rolled back by 3:40\nexpect paused\nexpect progressing\n\
         expect degraded\nexpect at most 40 failed requests",
    );
    let expects: Vec<_> = scenario
        .expects
        .iter()
        .map(|one| (&one.what, one.by))
        .collect();
    assert_eq!(
        expects,
        [
            (&Expected::Promoted, None),
            (&Expected::RolledBack, Some(secs(220))),
            (&Expected::Paused, None),
            (&Expected::Progressing, None),
            (&Expected::Degraded, None),
            (&Expected::FailedAtMost(40), None),
        ]
    );
    assert_eq!(scenario.expects[1].place.line, 2);
}

#[test]
fn what_happens_is_told_in_the_words_of_the_text() {
    let scenario = read(
        "v2 fails 5% growing 1 % a minute from 1:10  # slowly\nrouter fails 20% to 2:00\n\
         metric x: values 1,NaN from 0:10\ngate confirm: opens at 3:00\nseed 4\n\
         at 3:00 promote full\nat 4:00 deploy v3\nat 5:00 kill 2 pods of v1\n",
    );
    let told: Vec<_> = scenario
        .told
        .iter()
        .map(|one| (one.word, one.text.as_str(), one.window))
        .collect();
    assert_eq!(
        told,
        [
            (
                "world",
                "v2 fails 5 % growing 1 % a minute",
                window(70, None)
            ),
            ("fault", "router fails 20 %", window(0, 120)),
            ("metric", "x: values 1, NaN", window(10, None)),
            ("metric", "gate confirm: opens", window(180, None)),
            ("order", "promote full", window(180, None)),
            ("edit", "deploy v3", window(240, None)),
            ("world", "kill 2 pods of v1", window(300, None)),
        ]
    );
}
