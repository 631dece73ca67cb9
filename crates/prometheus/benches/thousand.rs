//! How much memory a thousand measurements take that are due at the same second, against one server.
//!
//! ```text
//! cargo bench -p gradatim-prometheus --bench thousand
//! ```
//!
//! It reads the process's peak from Linux, so that it says nothing elsewhere; the server is part of
//! the process, and has one copy of its answer.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Ask, MeasurementId, RunKey};
use gradatim_core::port::{MetricProvider, PortError, Secret, Secrets};
use gradatim_core::time::Timestamp;
use gradatim_prometheus::{Config, Prometheus};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const MEASUREMENTS: u32 = 1000;
/// The most series that one answer may have.
const SERIES: usize = 10_000;

struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn get(&self, _: &str, _: &str) -> Result<Secret, PortError> {
        Err(PortError::new(FaultKind::NotFound, "no secrets here"))
    }
}

/// Connections that stand, and the most of them that ever stood.
#[derive(Default)]
struct Connections {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// An answer with so many series, as Prometheus writes it.
fn answer(series: usize) -> Vec<u8> {
    let mut body = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    for index in 0..series {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{{\"metric\":{{\"__name__\":\"http_requests_total\",\"app\":\"shop\",\
             \"pod\":\"shop-7f3a-{index}\"}},\"value\":[1795203364.496,\"{index}.25\"]}}"
        );
    }
    body.push_str("]}}");
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
    format!("{head} {length}\r\n\r\n{body}").into_bytes()
}

/// A server that gives one answer to whatever comes, a moment later.
async fn serve(listener: TcpListener, answer: Arc<Vec<u8>>, connections: Arc<Connections>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, connections) = (Arc::clone(&answer), Arc::clone(&connections));
        tokio::spawn(async move {
            let now = connections.now.fetch_add(1, Ordering::Relaxed) + 1;
            connections.most.fetch_max(now, Ordering::Relaxed);
            converse(stream, &answer).await;
            connections.now.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn converse(mut stream: TcpStream, answer: &[u8]) {
    let mut buffer = [0; 4096];
    // One request fits into one read on loopback.
    while let Ok(1..) = stream.read(&mut buffer).await {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

fn ask(address: &str, tick: u32) -> Ask {
    Ask {
        id: MeasurementId {
            incarnation: 1,
            revision: "v2".into(),
            attempt: 1,
            run: RunKey::Background,
            metric: "success-rate".into(),
            digest: Default::default(),
            tick,
            retry: 0,
        },
        provider: "prometheus".to_owned(),
        query: json!({"address": address, "query": "up", "timeout": 300}),
        window: Duration::from_secs(60),
        at: Timestamp::from_secs(1_795_203_364),
        handle: None,
    }
}

/// The most memory that the process has held so far, in MB; none where nobody says.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// All at once; each is judged as soon as it is there, as a driver does, and let go.
async fn measure(series: usize) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let (answer, connections) = (Arc::new(answer(series)), Arc::<Connections>::default());
    let size = answer.len();
    let server = tokio::spawn(serve(listener, answer, Arc::clone(&connections)));
    let provider = Arc::new(Prometheus::new(Config::default(), Arc::new(NoSecrets))?);
    let (before, began) = (peak(), Instant::now());
    let mut under_way = JoinSet::new();
    for tick in 0..MEASUREMENTS {
        let (provider, ask) = (Arc::clone(&provider), ask(&address, tick));
        under_way.spawn(async move { provider.measure(&ask).await.map(drop) });
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    let took = began.elapsed().as_secs_f64();
    server.abort();
    let more = before
        .zip(peak())
        .map_or(f64::NAN, |(before, after)| after - before);
    let most = connections.most.load(Ordering::Relaxed);
    println!(
        "{MEASUREMENTS} measurements of {series} series ({size} bytes each): \
         {most} connections, {more:.1} MB more at the peak, {took:.1} s"
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for series in [1, 100, SERIES] {
        measure(series).await?;
    }
    Ok(())
}
