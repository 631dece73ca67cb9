//! What a measurement costs beside a bare request with the same answer, on loopback.
//!
//! ```text
//! cargo bench -p gradatim-prometheus --bench measure
//! ```

// What criterion's macros write has no documentation.
#![allow(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Ask, MeasurementId, RunKey};
use gradatim_core::port::{MetricProvider, PortError, Secret, Secrets};
use gradatim_core::time::Timestamp;
use gradatim_prometheus::{Config, Prometheus};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const QUERY: &str = "sum(rate(http_requests_total{app=\"shop\",code!~\"5..\"}[1m]))";

struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn get(&self, _: &str, _: &str) -> Result<Secret, PortError> {
        Err(PortError::new(FaultKind::NotFound, "no secrets here"))
    }
}

/// A server that gives one answer to whatever comes, in a thread of its own.
fn server() -> String {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let _ = sender.send(listener.local_addr().expect("an address"));
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    // One request fits into one read on loopback.
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        let _ = stream.write_all(ANSWER.as_bytes()).await;
                    }
                });
            }
        });
    });
    format!("http://{}", address.recv().expect("a server"))
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 110\r\n\r\n\
{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1795203364.496,\"0.9973\"]}]}}";

fn ask(address: &str) -> Ask {
    let query = json!({"address": address, "query": QUERY});
    Ask {
        id: MeasurementId {
            incarnation: 1,
            revision: "v2".into(),
            attempt: 1,
            run: RunKey::Background,
            metric: "success-rate".into(),
            digest: Default::default(),
            tick: 0,
            retry: 0,
        },
        provider: "prometheus".to_owned(),
        query,
        window: Duration::from_secs(60),
        at: Timestamp::from_secs(1_795_203_364),
        handle: None,
    }
}

fn measure(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let address = server();
    let url = format!("{address}/api/v1/query");
    let bare = reqwest::Client::new();
    let provider = Prometheus::new(Config::default(), Arc::new(NoSecrets)).expect("a client");
    let ask = ask(&address);
    let mut group = criterion.benchmark_group("one answer on loopback");
    group.bench_function("a bare request", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let query = [("query", QUERY), ("time", "1795203364"), ("timeout", "30s")];
                let answer = bare
                    .get(&url)
                    .query(&query)
                    .send()
                    .await
                    .expect("an answer");
                answer.bytes().await.expect("its body")
            })
        });
    });
    group.bench_function("a measurement", |bencher| {
        bencher.iter(|| runtime.block_on(provider.measure(&ask)).expect("a value"));
    });
    group.finish();
}

criterion_group!(benches, measure);
criterion_main!(benches);
