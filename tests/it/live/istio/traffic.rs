//! Shares, header routes, mirrors and the cost of changes, counted in requests through Envoy.

use std::io::Write;
use std::time::{Duration, Instant};

use gradatim_core::port::TrafficRouter;
use gradatim_core::route::{
    Confidence, HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, Route, Split, StringMatch,
};

use super::front::{By, Front};
use super::route;
use crate::live::clients::{Client, Load, Tally, send};

/// Said aloud, past the harness.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "MEASURED: Istio: {text}");
}

fn clients(front: &Front) -> Vec<Client> {
    (0..8).map(|_| Client::new(front.port)).collect()
}

/// Within four deviations of a fair split; none at 0 and all at 100.
fn assert_fair(tally: &Tally, weight: u32) {
    let (sent, canary) = (tally.requests as f64, tally.canary as f64);
    let share = f64::from(weight) / 100.0;
    let deviation = (sent * share * (1.0 - share)).sqrt();
    assert_eq!(tally.failed, 0, "{tally:?}");
    assert!(
        (canary - sent * share).abs() <= 4.0 * deviation,
        "{weight}: {tally:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_requests_are_split_between_subsets_as_it_was_written() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    // The connections are kept from one weight to the next.
    let mut clients = clients(&front);
    for (sequence, weight) in [5, 20, 50, 0, 100, 50, 0].into_iter().enumerate() {
        front.set(&route(sequence as u64 + 1, weight)).await;
        let tally = send(&mut clients, 20_000).await;
        say(&format!(
            "weight {weight}: {} of {} requests to the canary, {} connections cut",
            tally.canary, tally.requests, tally.cut
        ));
        assert!(tally.requests >= 20_000, "{tally:?}");
        assert_fair(&tally, weight);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_split_between_hosts() {
    let Some(front) = Front::start(By::Hosts).await else {
        return;
    };
    let mut clients = clients(&front);
    for (sequence, weight) in [20, 0, 100, 0].into_iter().enumerate() {
        front.set(&route(sequence as u64 + 1, weight)).await;
        assert_fair(&send(&mut clients, 2_000).await, weight);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_split_by_routes_of_tcp() {
    let Some(front) = Front::start(By::Connections).await else {
        return;
    };
    // A connection stays where it is.
    let ask = async || {
        let mut client = Client::new(front.port);
        client.ask("").await;
        client.tally
    };
    for (sequence, weight) in [100, 0, 50].into_iter().enumerate() {
        let wanted = route(sequence as u64 + 1, weight);
        front.router.apply(&wanted).await.unwrap();
        // What is written is not confirmed where connections are split.
        let seen = front.router.observe().await.unwrap().split.unwrap();
        assert_eq!(seen.confidence, Confidence::Config);
        // The first one on the other side shows that it is so.
        let began = Instant::now();
        while (ask().await.canary == 1) != (weight > 0) {
            assert!(began.elapsed() < Duration::from_secs(30), "never {weight}");
        }
        let mut all = Tally::default();
        for _ in 0..500 {
            let one = ask().await;
            all.requests += one.requests;
            all.canary += one.canary;
        }
        assert_fair(&all, weight);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_the_header_go_to_the_canary_and_no_others() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    let mut wanted = route(1, 0);
    let header = |name: &str, header_value| HeaderMatch {
        header_name: name.to_owned(),
        header_value,
    };
    wanted.headers.value = vec![HeaderRoute {
        name: "trial".to_owned(),
        matches: vec![
            header("x-trial", StringMatch::Exact("yes".to_owned())),
            header("user-agent", StringMatch::Regex("Tester/.*".to_owned())),
        ],
    }];
    front.set(&wanted).await;
    let mut client = Client::new(front.port);
    for _ in 0..100 {
        for (headers, version) in [
            ("X-Trial: yes\r\n", "v2"),
            ("User-Agent: Tester/1\r\n", "v2"),
            ("X-Trial: no\r\n", "v1"),
            ("", "v1"),
        ] {
            assert_eq!(client.ask(headers).await.body, version, "{headers}");
        }
    }
    front.set(&route(2, 0)).await;
    for _ in 0..100 {
        assert_eq!(client.ask("X-Trial: yes\r\n").await.body, "v1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_saw_the_canary_stays_with_it_until_it_is_taken_back() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    let front = front.keeping("trial").await;
    let mut client = Client::new(front.port);
    let mut cookies = vec![None::<String>; 200];
    for (sequence, weight) in [20, 50, 100].into_iter().enumerate() {
        front.set(&route(sequence as u64 + 1, weight)).await;
        for cookie in &mut cookies {
            let header = cookie
                .as_ref()
                .map(|cookie| format!("Cookie: x=1; {cookie}\r\n"));
            let answer = client.ask(&header.unwrap_or_default()).await;
            assert!(cookie.is_none() || answer.body == "v2", "lost at {weight}");
            let given = answer
                .field("set-cookie")
                .and_then(|it| it.split(';').next());
            assert!(given.is_none() || answer.body == "v2");
            *cookie = cookie.take().or(given.map(str::to_owned));
        }
        let kept = cookies.iter().flatten().count();
        // Four deviations around 40 of 200 are 23 below; from then on it rises.
        assert!(
            kept >= 17 && (weight < 100 || kept == 200),
            "{kept} at {weight}"
        );
    }
    front.set(&route(9, 0)).await;
    for cookie in cookies.iter().flatten() {
        let answer = client.ask(&format!("Cookie: {cookie}\r\n")).await;
        assert_eq!(answer.body, "v1", "a mark outlives nothing");
    }
}

fn mirrored(sequence: u64, percentage: u32) -> Route {
    let mut wanted = route(sequence, 0);
    let path = Some(StringMatch::Prefix("/".to_owned()));
    wanted.mirrors.value = vec![MirrorRoute {
        name: "shadow".to_owned(),
        matches: vec![MirrorMatch {
            path,
            ..MirrorMatch::default()
        }],
        percentage,
    }];
    wanted
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_reach_the_canary_and_its_answers_are_thrown_away() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    // With nothing of the split what comes there are copies.
    let copies = || front.versions[1].asked();
    let mut clients = clients(&front);
    front.set(&mirrored(1, 100)).await;
    let tally = send(&mut clients, 800).await;
    assert_eq!((tally.canary, tally.failed), (0, 0), "{tally:?}");
    // A copy is sent beside the request; the last ones may still be on their way.
    let began = Instant::now();
    while copies() < 800 && began.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(copies(), 800);
    front.set(&route(2, 0)).await;
    let tally = send(&mut clients, 200).await;
    assert_eq!((tally.canary, copies()), (0, 800), "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_has_not_acknowledged_is_not_confirmed() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    front.set(&route(1, 20)).await;
    front.envoy.signal("STOP");
    front.router.apply(&route(2, 50)).await.unwrap();
    for _ in 0..5 {
        let seen = front.router.observe().await.unwrap().split.unwrap();
        assert_eq!(seen.value(), Some(&Split::canary(50, 100)));
        assert_eq!(
            seen.confidence,
            Confidence::Config,
            "it is written, no more"
        );
        // Another look is due though nothing is written any more.
        let again = tokio::time::timeout(Duration::from_secs(30), front.router.changed());
        again.await.expect("nobody looks again");
    }
    front.envoy.signal("CONT");
    front.sees(&route(2, 50)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_istiod_that_does_not_answer_is_named_and_nothing_is_confirmed() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    let (front, nobody) = front.asking_nobody().await;
    front.router.apply(&route(1, 20)).await.unwrap();
    let seen = front.router.observe().await.unwrap().split.unwrap();
    assert_eq!(seen.value(), Some(&Split::canary(20, 100)));
    assert_eq!(seen.confidence, Confidence::Config);
    let missing = front.router.probe().await.unwrap();
    let [missing] = missing.as_slice() else {
        panic!("{missing:?}");
    };
    assert!(
        missing.what.starts_with("istiod's /debug/syncz"),
        "{nobody}: {missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_under_load_fail_no_request() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    let load = Load::start(front.port, 8);
    for change in 0..20 {
        front
            .set(&route(change + 1, [10, 40][change as usize % 2]))
            .await;
    }
    let tally = load.stop().await;
    say(&format!(
        "twenty changes under load: {} requests, {} of 500 and above, {} kept connections cut",
        tally.requests, tally.failed, tally.cut
    ));
    assert!(tally.requests > 100 && tally.failed == 0, "{tally:?}");
    assert_eq!(
        tally.cut, 0,
        "Envoy takes new routes without a new listener"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_decision_to_abort_no_request_reaches_the_canary_once_that_is_seen() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    let (mut last_requests, mut confirmations) = (Vec::new(), Vec::new());
    for round in 0..15 {
        front.set(&route(2 * round + 1, 50)).await;
        let load = Load::start(front.port, 8);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let decided = Instant::now();
        front.set(&route(2 * round + 2, 0)).await;
        let seen = Instant::now();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let last = load.stop().await.last_canary.unwrap();
        assert!(
            last <= seen,
            "a request began {:?} after that at the canary",
            last - seen
        );
        last_requests.push(last.saturating_duration_since(decided));
        confirmations.push(seen - decided);
    }
    for (what, mut times) in [
        ("the last request at the canary", last_requests),
        ("the proxy's acknowledgement", confirmations),
    ] {
        times.sort_unstable();
        say(&format!(
            "from the decision to abort to {what}: median {:?}, worst {:?}",
            times[times.len() / 2],
            times[times.len() - 1]
        ));
    }
}
