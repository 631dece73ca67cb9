//! Keeps to the pace, and keeps what an overloaded server says.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::{Body, DynBody};
use serde_json::json;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, Layer, Service};

use super::Pace;

type Answer = Response<Box<DynBody>>;

/// The layer of a client.
pub(super) struct Manners {
    pace: Pace,
}

impl Manners {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace }
    }
}

impl<S> Layer<S> for Manners {
    type Service = Polite<S>;

    fn layer(&self, inner: S) -> Polite<S> {
        Polite {
            inner,
            bucket: Bucket::new(self.pace),
            turn: None,
        }
    }
}

/// All clones of a client share one of these, behind a queue.
pub(super) struct Polite<S> {
    inner: S,
    bucket: Bucket,
    /// The timer of the request that waits for its turn.
    turn: Option<Pin<Box<Sleep>>>,
}

impl<S> Service<Request<Body>> for Polite<S>
where
    S: Service<Request<Body>, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(at) = self.bucket.waits_until(Instant::now()) {
            let turn = self.turn.get_or_insert_with(|| Box::pin(sleep_until(at)));
            ready!(turn.as_mut().poll(context));
        }
        self.turn = None;
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.bucket.take(Instant::now());
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(with_its_wait(answer.await?)) })
    }
}

/// A bucket of tokens, kept as the instant at which it is full again.
#[derive(Debug)]
struct Bucket {
    each: Duration,
    room: Duration,
    full_at: Option<Instant>,
}

impl Bucket {
    fn new(pace: Pace) -> Self {
        let each = Duration::from_secs(1) / pace.per_second.max(1);
        Self {
            each,
            room: each * (pace.burst.max(1) - 1),
            full_at: None,
        }
    }

    /// When there is a token again; none where there is one.
    fn waits_until(&self, now: Instant) -> Option<Instant> {
        let at = self.full_at?.checked_sub(self.room)?;
        (at > now).then_some(at)
    }

    fn take(&mut self, now: Instant) {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        self.full_at = Some(full_at + self.each);
    }
}

/// Of a refusal nothing but its body is kept; the time after which to come back stands in a header.
/// What has a body of its own kind says it there.
fn with_its_wait(answer: Answer) -> Answer {
    let status = answer.status();
    let overloaded = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    match wait(answer.headers()).filter(|_| overloaded && !is_json(answer.headers())) {
        Some(seconds) => refusal(status, seconds),
        None => answer,
    }
}

fn wait(headers: &HeaderMap) -> Option<u32> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

fn refusal(status: StatusCode, seconds: u32) -> Answer {
    let text = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": status.as_u16(),
        "reason": status.canonical_reason().unwrap_or_default(),
        "message": "the API server is overloaded",
        "details": {"retryAfterSeconds": seconds},
    });
    let body = Full::from(text.to_string()).map_err(|never| match never {});
    let mut answer: Answer = Response::new(Box::new(body));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, at: Instant) -> usize {
        let mut taken = 0;
        while bucket.waits_until(at).is_none() {
            bucket.take(at);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_burst_goes_at_once_and_then_so_many_a_second() {
        let mut bucket = Bucket::new(Pace {
            per_second: 10,
            burst: 4,
        });
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(taken(&mut bucket, start), 4);
        assert_eq!(bucket.waits_until(start), Some(after(100)));
        assert_eq!(taken(&mut bucket, after(100)), 1);
        assert_eq!(taken(&mut bucket, after(350)), 2);
        // A long rest fills it, and no further.
        assert_eq!(taken(&mut bucket, after(60_000)), 4);
    }

    #[test]
    fn a_pace_of_nothing_is_one_a_second() {
        let mut bucket = Bucket::new(Pace {
            per_second: 0,
            burst: 0,
        });
        let start = Instant::now();
        assert_eq!(taken(&mut bucket, start), 1);
        assert_eq!(
            bucket.waits_until(start),
            Some(start + Duration::from_secs(1))
        );
    }

    fn answered(status: u16, kind: &str, wait: Option<&str>) -> Answer {
        let body = Full::from("as it was").map_err(|never| match never {});
        let mut answer: Answer = Response::new(Box::new(body));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, kind.parse().unwrap());
        if let Some(wait) = wait {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, wait.parse().unwrap());
        }
        answer
    }

    async fn body(answer: Answer) -> String {
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_wait_of_a_plain_refusal_is_kept() {
        for status in [429, 503] {
            let answer = with_its_wait(answered(status, "text/plain", Some("7")));
            assert_eq!(answer.status(), status);
            let text = body(answer).await;
            assert!(text.contains("\"retryAfterSeconds\":7"), "{text}");
        }
    }

    #[tokio::test]
    async fn every_other_answer_stays_as_it_is() {
        let others = [
            (429, "application/json", Some("7")),
            (429, "text/plain", None),
            (429, "text/plain", Some("Wed, 21 Oct 2026 07:28:00 GMT")),
            (500, "text/plain", Some("7")),
            (200, "text/plain", Some("7")),
        ];
        for (status, kind, wait) in others {
            let answer = with_its_wait(answered(status, kind, wait));
            assert_eq!(body(answer).await, "as it was", "{status} {wait:?}");
        }
    }
}
