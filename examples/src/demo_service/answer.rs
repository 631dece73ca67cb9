use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::Behaviour;
use super::metrics::Metrics;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long `/api/slow` takes on top of what the version takes.
const SLOW: Duration = Duration::from_secs(2);

/// What one running service knows.
pub(super) struct App {
    behaviour: Behaviour,
    started: Instant,
    answered: AtomicU32,
    metrics: Metrics,
}

type Reply = (StatusCode, &'static str, String);

impl App {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self {
            metrics: Metrics::new(&behaviour.version),
            behaviour,
            started: Instant::now(),
            answered: AtomicU32::new(0),
        }
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let reply = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, path) => self.reply(path).await,
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered"),
        };
        Ok(response(reply))
    }

    /// Probes and scrapes are not counted: they are no user's.
    async fn reply(&self, path: &str) -> Reply {
        match path {
            "/health" => text(StatusCode::OK, "ok"),
            "/ready" if self.is_ready() => text(StatusCode::OK, "ready"),
            "/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "warming up"),
            "/metrics" => (StatusCode::OK, PROMETHEUS, self.metrics.render()),
            path => {
                let counted = self.metrics.begin(route(path));
                let reply = self.serve(path).await;
                counted.end(reply.0);
                reply
            }
        }
    }

    async fn serve(&self, path: &str) -> Reply {
        let version = &self.behaviour.version;
        match path {
            "/" => {
                self.behave(format!("Hello from the shop, {version}"), TEXT)
                    .await
            }
            "/version" => text(StatusCode::OK, version),
            "/api/data" => self.behave(data(version), JSON).await,
            "/api/slow" => {
                tokio::time::sleep(SLOW).await;
                self.behave(data(version), JSON).await
            }
            "/api/error" => text(StatusCode::INTERNAL_SERVER_ERROR, "as you asked"),
            _ => text(StatusCode::NOT_FOUND, "no such path"),
        }
    }

    /// Answers as the version does: late, or not at all.
    async fn behave(&self, body: String, kind: &'static str) -> Reply {
        if !self.behaviour.takes.is_zero() {
            tokio::time::sleep(self.behaviour.takes).await;
        }
        let place = self.answered.fetch_add(1, Ordering::Relaxed);
        match self.behaviour.fails_one_in {
            Some(one_in) if place.is_multiple_of(one_in.max(1)) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "connection pool exhausted",
            ),
            _ => (StatusCode::OK, kind, body),
        }
    }

    fn is_ready(&self) -> bool {
        self.started.elapsed() >= self.behaviour.warms_up
    }
}

/// The label for a path: what somebody makes up must not become a series.
fn route(path: &str) -> &'static str {
    const KNOWN: [&str; 5] = ["/", "/version", "/api/data", "/api/slow", "/api/error"];
    KNOWN
        .into_iter()
        .find(|known| *known == path)
        .unwrap_or("other")
}

fn data(version: &str) -> String {
    let items = [("tea", 3.20), ("coffee", 4.80), ("cocoa", 5.10)];
    let items = items.map(|(name, price)| serde_json::json!({ "name": name, "price": price }));
    serde_json::json!({ "version": version, "items": items }).to_string()
}

fn text(status: StatusCode, body: &str) -> Reply {
    (status, TEXT, format!("{body}\n"))
}

fn response((status, kind, body): Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
