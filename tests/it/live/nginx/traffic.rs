//! Shares, stickiness and the cost of changes, counted in requests.

use std::io::Write;
use std::time::{Duration, Instant};

use gradatim_core::compile;
use gradatim_core::port::TrafficRouter;
use gradatim_core::registry::Registry;
use gradatim_core::spec::{CanarySpec, RolloutSpec, SessionAffinity, StepSpec, TrafficRouting};
use gradatim_nginx::plain::{self, Sticky};

use super::{Front, route};
use crate::live::clients::{Client, Load, send};

/// Said aloud, past the harness.
pub(super) fn measured(text: &str) {
    let _ = writeln!(std::io::stderr(), "MEASURED: plain NGINX: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_requests_are_split_as_it_was_written() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    const REQUESTS: u64 = 20_000;
    // The connections are kept from one weight to the next.
    let mut clients: Vec<Client> = (0..8).map(|_| Client::new(front.port)).collect();
    send(&mut clients, 8).await;
    for (sequence, weight) in [5, 20, 50, 0, 100, 50, 0].into_iter().enumerate() {
        front.set(weight, sequence as u64 + 1).await;
        let tally = send(&mut clients, REQUESTS).await;
        let (sent, canary) = (tally.requests as f64, tally.canary as f64);
        let share = f64::from(weight) / 100.0;
        let deviation = (sent * share * (1.0 - share)).sqrt();
        measured(&format!(
            "weight {weight}: {} of {} requests to the canary, {} connections cut",
            tally.canary, tally.requests, tally.cut
        ));
        assert!(tally.requests >= REQUESTS && tally.failed == 0, "{tally:?}");
        assert!(
            (canary - sent * share).abs() <= 4.0 * deviation,
            "{weight}: {tally:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_saw_the_canary_stays_with_it_while_its_weight_rises() {
    let Some(front) = Front::start(Sticky::Cookie("shopper".to_owned())).await else {
        return;
    };
    let mut client = Client::new(front.port);
    let mut on_canary = [false; 400];
    for (sequence, weight) in [5, 20, 50, 80, 100].into_iter().enumerate() {
        front.set(weight, sequence as u64 + 1).await;
        for (number, saw_it) in on_canary.iter_mut().enumerate() {
            let header = format!("Cookie: shopper=client-{number}\r\n");
            let now = client.ask(&header).await.body == "v2";
            assert!(
                now || !*saw_it,
                "client {number} lost the canary at {weight}"
            );
            *saw_it = now;
        }
        let canary = on_canary.iter().filter(|it| **it).count() as f64;
        let (wanted, share) = (4.0 * f64::from(weight), f64::from(weight) / 100.0);
        let deviation = (wanted * (1.0 - share)).sqrt();
        assert!(
            (canary - wanted).abs() <= 4.0 * deviation,
            "{canary} at {weight}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_the_cookie_is_split_and_stays_with_the_one_it_gets() {
    let Some(front) = Front::start(Sticky::Cookie("shopper".to_owned())).await else {
        return;
    };
    front.set(50, 1).await;
    let mut client = Client::new(front.port);
    let mut first_on_canary = 0;
    for _ in 0..200 {
        let first = client.ask("").await;
        let given = first.field("set-cookie");
        let cookie = given.and_then(|it| it.split(';').next()).unwrap();
        first_on_canary += u32::from(first.body == "v2");
        let again = client.ask(&format!("Cookie: {cookie}\r\n")).await;
        assert_eq!(again.body, first.body, "{cookie}");
        assert!(again.field("set-cookie").is_none(), "{}", again.head);
    }
    // Four deviations of 7.07 around 100.
    assert!((72..=128).contains(&first_on_canary), "{first_on_canary}");
}

/// The same as a manifest says it, in the field that every router reads.
#[tokio::test(flavor = "multi_thread")]
async fn the_rollouts_session_affinity_keeps_who_saw_the_canary_while_its_weight_rises() {
    let Some(front) = Front::start(Sticky::Cookie("trial".to_owned())).await else {
        return;
    };
    let registry = plain::register(Registry::new(), front.config());
    let routing = TrafficRouting::new(plain::NAME, serde_json::json!({}));
    let canary = CanarySpec::new([StepSpec::set_weight(10)]).with_traffic_routing(routing);
    let mut spec = RolloutSpec::new("shop", canary);
    spec.session_affinity = Some(SessionAffinity::new("trial"));
    let compiled = compile(&spec, &[], &registry).unwrap();
    let router = registry
        .build_router(&compiled.plan.routers[0], &compiled.frame)
        .unwrap();
    let mut client = Client::new(front.port);
    let mut clients = vec![(None::<String>, false); 200];
    for (sequence, weight) in [20, 50, 100].into_iter().enumerate() {
        router
            .apply(&route(weight, sequence as u64 + 1))
            .await
            .unwrap();
        for (cookie, saw_it) in &mut clients {
            let header = cookie.as_ref().map(|it| format!("Cookie: x=1; {it}\r\n"));
            let answer = client.ask(&header.unwrap_or_default()).await;
            assert!(!*saw_it || answer.body == "v2", "lost at {weight}");
            *saw_it = answer.body == "v2";
            if cookie.is_none() {
                let given = answer.field("set-cookie").unwrap();
                assert!(given.contains("Max-Age=86400; "), "{given}");
                *cookie = given.split(';').next().map(str::to_owned);
            }
        }
        let kept = clients.iter().filter(|(_, saw_it)| *saw_it).count();
        // Four deviations around 40 of 200 are 23 below; from then on it rises.
        assert!(
            kept >= 17 && (weight < 100 || kept == 200),
            "{kept} at {weight}"
        );
    }
    router.apply(&route(0, 9)).await.unwrap();
    for (cookie, _) in &clients {
        let cookie = cookie.as_ref().unwrap();
        let answer = client.ask(&format!("Cookie: {cookie}\r\n")).await;
        assert_eq!(answer.body, "v1", "a mark outlives nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_under_load_fail_no_request() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let load = Load::start(front.port, 8);
    for change in 0..20 {
        front.set([10, 40][change % 2], change as u64 + 1).await;
    }
    let tally = load.stop().await;
    measured(&format!(
        "twenty changes under load: {} requests, {} of 500 and above, {} kept connections cut",
        tally.requests, tally.failed, tally.cut
    ));
    assert!(tally.requests > 100 && tally.failed == 0, "{tally:?}");
    // Every worker closes what is idle: more than one for each client and reload is something else.
    assert!(tally.cut <= 8 * 20, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_decision_to_abort_no_request_reaches_the_canary_once_that_is_seen() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let mut times = Vec::new();
    for round in 0..10 {
        front.set(50, 2 * round + 1).await;
        let load = Load::start(front.port, 8);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let decided = Instant::now();
        front.router.apply(&route(0, 2 * round + 2)).await.unwrap();
        let seen = Instant::now();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let last = load.stop().await.last_canary.unwrap();
        assert!(
            last <= seen,
            "a request began {:?} after that at the canary",
            last - seen
        );
        times.push(last.saturating_duration_since(decided));
    }
    times.sort_unstable();
    measured(&format!(
        "from the decision to abort to the last request at the canary: median {:?}, worst {:?}",
        times[times.len() / 2],
        times[times.len() - 1]
    ));
}
