use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{Behaviour, Service};

async fn start(behaviour: Behaviour) -> Service {
    let address = ([127, 0, 0, 1], 0).into();
    Service::start(address, behaviour).await.unwrap()
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn get(service: &Service, path: &str) -> (u16, String) {
    let uri = format!("http://{}{path}", service.address());
    let response = client().get(uri.parse().unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn every_path_answers_as_documented() {
    let service = start(Behaviour::good("v7")).await;
    for (path, status, part) in [
        ("/", 200, "v7"),
        ("/health", 200, "ok"),
        ("/ready", 200, "ready"),
        ("/version", 200, "v7"),
        ("/api/data", 200, "\"version\":\"v7\""),
        ("/api/error", 500, "asked"),
        ("/nowhere", 404, "no such path"),
    ] {
        let (got, body) = get(&service, path).await;
        assert_eq!(got, status, "{path}");
        assert!(body.contains(part), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_version_that_fails_one_in_two_fails_every_second_answer() {
    let service = start(Behaviour::good("v2").failing_one_in(2)).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(get(&service, "/api/data").await.0);
    }
    assert_eq!(answers, [500, 200, 500, 200]);
    assert_eq!(get(&service, "/health").await.0, 200);
}

#[tokio::test]
async fn a_version_that_warms_up_is_healthy_before_it_is_ready() {
    let service = start(Behaviour::good("v2").warming_up(Duration::from_secs(3600))).await;
    assert_eq!(get(&service, "/ready").await.0, 503);
    assert_eq!(get(&service, "/health").await.0, 200);
}

#[tokio::test]
async fn the_metrics_count_users_and_not_probes() {
    let service = start(Behaviour::good("v\"2")).await;
    for path in ["/api/data", "/api/data", "/api/error", "/made/up", "/ready"] {
        get(&service, path).await;
    }
    let (_, page) = get(&service, "/metrics").await;
    for line in [
        r#"http_requests_total{version="v\"2",path="/api/data",code="200"} 2"#,
        r#"http_requests_total{version="v\"2",path="/api/error",code="500"} 1"#,
        r#"http_requests_total{version="v\"2",path="other",code="404"} 1"#,
        r#"http_request_duration_seconds_bucket{version="v\"2",le="+Inf"} 4"#,
        r#"http_request_duration_seconds_count{version="v\"2"} 4"#,
        r#"http_requests_in_flight{version="v\"2"} 0"#,
        r#"app_info{version="v\"2"} 1"#,
    ] {
        assert!(
            page.lines().any(|it| it == line),
            "{line} is not in\n{page}"
        );
    }
    assert!(!page.contains("ready"), "{page}");
}

/// Asks for data and returns once the service has begun to answer.
async fn begin(service: &Service) -> tokio::task::JoinHandle<Result<u16, ()>> {
    let uri = format!("http://{}/api/data", service.address());
    let answer = client().get(uri.parse().unwrap());
    let asked = tokio::spawn(async move {
        let answer = answer.await.map_err(drop);
        answer.map(|answer| answer.status().as_u16())
    });
    let begun = |page: &str| page.contains("in_flight{version=\"v1\"} 1") || asked.is_finished();
    while !begun(&get(service, "/metrics").await.1) {}
    asked
}

#[tokio::test]
async fn a_service_that_stops_gives_the_answer_it_owes() {
    let service = start(Behaviour::good("v1").taking(Duration::from_millis(300))).await;
    let asked = begin(&service).await;
    let address = service.address();
    service.stop().await;
    assert_eq!(asked.await.unwrap(), Ok(200));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_service_that_crashes_cuts_its_connections() {
    let service = start(Behaviour::good("v1").taking(Duration::from_secs(3600))).await;
    let asked = begin(&service).await;
    drop(service);
    assert_eq!(asked.await.unwrap(), Err(()));
}
