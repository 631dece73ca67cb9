//! What a server can do wrong: nothing panics, nothing hangs past its deadline, and no fault turns
//! into a pass.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gradatim_conformance::provider::SECRET;
use gradatim_core::analysis::{AnalysisPhase, MetricPlan, judge};
use gradatim_core::condition::Condition;
use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::measurement::{Outcome, Reading};
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use gradatim_loki::Loki;
use gradatim_prometheus::Prometheus;
use gradatim_web::Web;
use serde_json::{Value, json};

use super::{ask, keys};
use crate::stub::{Reply, Stub};

/// The three providers, each with a query to an address.
fn providers(address: &str) -> Vec<(Arc<dyn MetricProvider>, Value)> {
    let prometheus = gradatim_prometheus::Config::default();
    let loki = gradatim_loki::Config::default();
    vec![
        (
            Arc::new(Prometheus::new(prometheus, keys()).unwrap()),
            json!({"address": address, "query": "up", "timeout": 2}),
        ),
        (
            Arc::new(Loki::new(loki, keys()).unwrap()),
            json!({"address": address, "query": "vector(1)", "timeout": 2}),
        ),
        (
            Arc::new(Web::new(keys()).unwrap()),
            json!({"url": format!("{address}/"), "timeoutSeconds": 2}),
        ),
    ]
}

/// The errors of all three providers at an address.
async fn errors(address: &str) -> Vec<PortError> {
    let mut errors = Vec::new();
    for (provider, query) in providers(address) {
        let began = Instant::now();
        match provider
            .measure(&ask(query, Timestamp::from_secs(1_800_000_000)))
            .await
        {
            Err(error) => errors.push(error),
            Ok(outcome) => panic!("{address}: {outcome:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it hung");
    }
    errors
}

async fn all_are(kind: FaultKind, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) {
    let stub = Stub::new(reply).await;
    for error in errors(&stub.address).await {
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_absent_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for error in errors(&address).await {
        assert_eq!(error.kind, FaultKind::Unreachable, "{error}");
    }
    for error in errors("http://no-such-host.invalid:9090").await {
        assert_eq!(error.kind, FaultKind::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_left_at_the_deadline() {
    all_are(FaultKind::Timeout, |_| Reply::Hang).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    all_are(FaultKind::Invalid, move |_| Reply::Endless(head)).await;
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_of_an_answer_gives_no_number() {
    let half =
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":\"success\",\"data\":".to_vec();
    all_are(FaultKind::Unreachable, move |_| Reply::Raw(half.clone())).await;
    all_are(FaultKind::Unreachable, |_| Reply::Raw(Vec::new())).await;
    all_are(FaultKind::Unreachable, |_| {
        Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())
    })
    .await;
}

#[tokio::test]
async fn a_status_says_whether_trying_again_can_help() {
    for (status, kind) in [
        (500, FaultKind::Other),
        (502, FaultKind::Other),
        (401, FaultKind::Forbidden),
        (403, FaultKind::Forbidden),
        (404, FaultKind::NotFound),
        (422, FaultKind::Invalid),
    ] {
        all_are(kind, move |_| Reply::text(status, "no")).await;
    }
    for status in [429, 503] {
        let stub = Stub::new(move |_| Reply::text(status, "slow down")).await;
        for error in errors(&stub.address).await {
            let wanted = (FaultKind::Overloaded, Retry::After(7000));
            assert_eq!((error.kind, error.retry), wanted, "{error}");
        }
    }
}

#[tokio::test]
async fn a_redirect_never_takes_a_credential_to_another_host() {
    let thief = Stub::new(|_| Reply::json("1")).await;
    let location = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}/\r\nContent-Length: 0\r\n\r\n",
        thief.address
    );
    let stub = Stub::new(move |_| Reply::Raw(location.clone().into_bytes())).await;
    for (provider, mut query) in providers(&stub.address) {
        query["headers"] = json!([{"key": "X-Api-Key", "value": "{{secret:vault:key}}"}]);
        let error = provider
            .measure(&ask(query, Timestamp::ZERO))
            .await
            .unwrap_err();
        assert_eq!(error.kind, FaultKind::Invalid, "{error}");
    }
    assert!(thief.requests().is_empty(), "{:?}", thief.requests());
}

/// Answers that are no numbers, for the two servers that speak Prometheus' dialect.
#[tokio::test]
async fn what_cannot_be_understood_is_malformed_and_never_a_number() {
    let data = |kind: &str, result: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
    };
    let digits = "9".repeat(400);
    let bodies = [
        "<html><body>It works!</body></html>".to_owned(),
        String::new(),
        "null".to_owned(),
        "[1,2,3]".to_owned(),
        r#"{"status":"success"}"#.to_owned(),
        r#"{"status":"success","data":{}}"#.to_owned(),
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}"#.to_owned(),
        data("vector", r#"[{"metric":{},"value":["now","1"]}]"#),
        data("vector", r#"[{"metric":{},"value":[1,"one"]}]"#),
        data("vector", r#"[{"metric":{"a":1},"value":[1,"1"]}]"#),
        data("vector", &format!(r#"[{{"metric":{{}},"value":[1,"{digits}"]}}]"#)),
        data("vector", r#"[{"metric":{},"histogram":[1,{"count":"3"}]}]"#),
        data("string", r#"[1,"up"]"#),
        data("tensor", "[]"),
    ];
    for body in bodies {
        let reply = body.clone();
        let stub = Stub::new(move |_| Reply::json(reply.clone())).await;
        for (provider, query) in providers(&stub.address).into_iter().take(2) {
            let answer = provider.measure(&ask(query, Timestamp::ZERO)).await;
            let error = answer.expect_err(&body);
            assert_eq!(error.kind, FaultKind::Malformed, "{body}: {error}");
        }
    }
}

/// The same for a JSON endpoint, where any JSON is an answer: what is none, and a path to nothing.
#[tokio::test]
async fn an_endpoint_without_its_json_is_malformed_and_never_a_number() {
    let digits = "9".repeat(400);
    for body in [
        String::new(),
        r#"{"value": 1"#.to_owned(),
        "[1,2,3]".to_owned(),
        "null".to_owned(),
        r#"{"other": 1}"#.to_owned(),
        format!(r#"{{"value": {digits}}}"#),
        "<html><body>It works!</body></html>".to_owned(),
    ] {
        let reply = body.clone();
        let stub = Stub::new(move |_| Reply::json(reply.clone())).await;
        let (provider, mut query) = providers(&stub.address).remove(2);
        query["jsonPath"] = json!("{$.value}");
        let answer = provider.measure(&ask(query, Timestamp::ZERO)).await;
        let error = answer.expect_err(&body);
        assert_eq!(error.kind, FaultKind::Malformed, "{body}: {error}");
    }
}

#[tokio::test]
async fn a_page_that_says_it_is_one_passes_no_condition() {
    let stub = Stub::new(|_| {
        let page = b"<html><body>true 1 0</body></html>".to_vec();
        Reply::Whole(200, "text/html", page)
    });
    let stub = stub.await;
    for (provider, query) in providers(&stub.address) {
        let answer = provider.measure(&ask(query, Timestamp::ZERO)).await;
        let mut plan = MetricPlan::new("checked", "checked", json!({}));
        for condition in [
            "result == true",
            "result >= 0",
            "result[0] >= 0",
            "result < 5",
        ] {
            plan.success = Some(Condition::parse(condition).unwrap());
            let passes = match &answer {
                Ok(Outcome::Done { reading, .. }) => {
                    judge(&plan, reading).phase == AnalysisPhase::Successful
                }
                _ => false,
            };
            assert!(!passes, "{condition}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_query_is_said_in_the_server_s_words_and_not_asked_again() {
    let refusal = r#"{"status":"error","errorType":"bad_data","error":"1:4: parse error"}"#;
    for (kind, body) in [
        ("application/json", refusal),
        ("text/plain", "1:4: parse error"),
    ] {
        let stub = Stub::new(move |_| Reply::Whole(400, kind, body.as_bytes().to_vec())).await;
        for error in errors(&stub.address).await {
            let wanted = (FaultKind::Invalid, Retry::Never);
            assert_eq!((error.kind, error.retry), wanted, "{error}");
            assert!(error.text.contains("1:4: parse error"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_series_are_refused_with_a_way_out() {
    let item = r#"{"metric":{"pod":"p"},"value":[1,"1"]},"#.repeat(100_000);
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
        item.trim_end_matches(',')
    );
    let stub = Stub::new(move |_| Reply::json(body.clone())).await;
    for (provider, query) in providers(&stub.address).into_iter().take(2) {
        let answer = provider.measure(&ask(query, Timestamp::ZERO)).await;
        let error = answer.unwrap_err();
        assert!(error.text.contains("aggregate the query"), "{error}");
    }
}

#[tokio::test]
async fn two_hundred_megabytes_are_not_read() {
    let announced = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                     Content-Length: 209715200\r\n\r\n";
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    for head in [announced, endless] {
        let stub = Stub::new(move |_| Reply::Endless(head)).await;
        for (provider, mut query) in providers(&stub.address) {
            for field in ["timeout", "timeoutSeconds"] {
                if query.get(field).is_some() {
                    query[field] = json!(60);
                }
            }
            let answer = provider.measure(&ask(query, Timestamp::ZERO)).await;
            let error = answer.unwrap_err();
            assert_eq!(error.kind, FaultKind::Invalid, "{error}");
            assert!(error.text.contains("ask for less"), "{error}");
        }
    }
}

/// A server whose clock is an hour off answers for the instant that was asked, and not for its own.
#[tokio::test]
async fn clocks_that_differ_change_no_question_and_no_answer() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1800003600,"1"]}]}}"#;
    let stub = Stub::new(move |_| Reply::json(body)).await;
    for (provider, query) in providers(&stub.address).into_iter().take(2) {
        let at = Timestamp::from_secs(1_800_000_000);
        let answer = provider.measure(&ask(query, at)).await.unwrap();
        let Outcome::Done {
            reading: Reading::Series(series),
            ..
        } = answer
        else {
            panic!("{answer:?}");
        };
        let sample = &series[0].samples[0];
        assert_eq!(
            (sample.value.get(), sample.at),
            (1.0, at + Duration::from_secs(3600))
        );
    }
    for request in stub.requests() {
        assert!(request.contains("time=1800000000"), "{request}");
    }
}

#[tokio::test]
async fn numbers_that_are_none_and_a_negative_zero_arrive_as_themselves() {
    for text in ["NaN", "+Inf", "-Inf", "-0"] {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"scalar","result":[1,"{text}"]}}}}"#
        );
        let stub = Stub::new(move |_| Reply::json(body.clone())).await;
        for (provider, query) in providers(&stub.address).into_iter().take(2) {
            let answer = provider
                .measure(&ask(query, Timestamp::ZERO))
                .await
                .unwrap();
            let Outcome::Done {
                reading: Reading::Number(number),
                ..
            } = answer
            else {
                panic!("{answer:?}");
            };
            assert_eq!(number.to_string(), text);
        }
    }
}

/// Whether a condition passes on what an endpoint answers with; an error passes none.
async fn passes(kind: &'static str, body: &str, condition: &str) -> bool {
    let body = body.as_bytes().to_vec();
    let stub = Stub::new(move |_| Reply::Whole(200, kind, body.clone())).await;
    let (provider, query) = providers(&stub.address).remove(2);
    let mut plan = MetricPlan::new("checked", "web", json!({}));
    plan.success = Some(Condition::parse(condition).unwrap());
    match provider.measure(&ask(query, Timestamp::ZERO)).await {
        Ok(Outcome::Done { reading, .. }) => {
            judge(&plan, &reading).phase == AnalysisPhase::Successful
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            assert_eq!(error.kind, FaultKind::Malformed, "{error}");
            false
        }
    }
}

#[tokio::test]
async fn what_is_no_number_passes_nothing_at_an_endpoint_and_a_negative_zero_is_one() {
    let digits = "9".repeat(400);
    let none = [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "+Inf",
        "1e400",
        "-1e400",
        &digits,
    ];
    for kind in ["application/json", "text/plain"] {
        for body in none {
            for condition in ["result >= 0", "result < 5", "result == 0", "result != 1"] {
                // A text is another thing than the number 1, and says so.
                let is_text = kind == "text/plain" && condition == "result != 1";
                let passes = passes(kind, body, condition).await;
                assert!(!passes || is_text, "{kind}: {body} passes {condition}");
            }
        }
        for body in ["-0", "-0.0", "-0e5"] {
            assert!(passes(kind, body, "result == 0").await, "{kind}: {body}");
            assert!(!passes(kind, body, "result < 0").await, "{kind}: {body}");
        }
    }
}

#[tokio::test]
async fn warnings_of_a_partial_answer_are_kept_and_hide_the_secret() {
    let body = json!({
        "status": "success",
        "warnings": [format!("store {SECRET} did not answer")],
        "infos": ["metric might not be a counter"],
        "data": {"resultType": "vector", "result": []},
    });
    let stub = Stub::new(move |_| Reply::json(body.to_string())).await;
    let (provider, mut query) = providers(&stub.address).remove(0);
    query["authentication"] = json!({"bearer": {"token": "{{secret:vault:key}}"}});
    let answer = provider
        .measure(&ask(query, Timestamp::ZERO))
        .await
        .unwrap();
    let Outcome::Done { notes, .. } = answer else {
        panic!()
    };
    assert_eq!(
        notes.warnings,
        [
            "store [secret] did not answer",
            "metric might not be a counter"
        ]
    );
    assert!(stub.requests()[0].contains(&format!("Bearer {SECRET}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_measurements_share_few_connections_and_all_are_answered() {
    let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    let wait = Duration::from_millis(2);
    let stub = Stub::slow(wait, move |_| Reply::json(body)).await;
    let (provider, mut query) = providers(&stub.address).remove(0);
    query["timeout"] = json!(120);
    let asks = (0..1000).map(|tick| {
        let mut ask = ask(query.clone(), Timestamp::ZERO);
        ask.id.tick = tick;
        let provider = Arc::clone(&provider);
        async move { provider.measure(&ask).await }
    });
    let answers = futures::future::join_all(asks).await;
    let failed = answers.iter().find_map(|answer| answer.as_ref().err());
    assert!(failed.is_none(), "{failed:?}");
    assert!(
        stub.most_at_once() <= 32,
        "{} connections",
        stub.most_at_once()
    );
}
