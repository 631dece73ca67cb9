use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::Client;
use kube::client::Body;

use super::*;
use crate::objects::{Kind, Objects};

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);
/// So short that a test need not wait.
const SOON: Duration = Duration::from_millis(20);

/// A server that answers each watch with the next of these, and stays silent in all later ones.
#[derive(Clone)]
struct Server {
    watches: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy)]
enum Answer {
    /// These lines, and then nothing.
    Says(&'static str),
    /// The same, and then the end, later than an end that comes at once.
    SaysAndEnds(&'static str),
    Refuses,
}

const CHANGE: &str =
    "{\"type\": \"MODIFIED\", \"object\": {\"metadata\": {\"resourceVersion\": \"8\"}}}\n";
const BOOKMARK: &str = "{\"type\": \"BOOKMARK\", \"object\": {\"kind\": \"Service\", \
    \"apiVersion\": \"v1\", \"metadata\": {\"resourceVersion\": \"9\"}}}\n";
const GONE: &str = "{\"type\": \"ERROR\", \"object\": {\"code\": 410, \"status\": \"Failure\"}}\n";
const LIST: &str = "{\"apiVersion\": \"meta.k8s.io/v1\", \"kind\": \"PartialObjectMetadataList\", \
    \"metadata\": {\"resourceVersion\": \"7\"}, \"items\": []}";

impl Server {
    fn new<const N: usize>(watches: [Answer; N]) -> Self {
        Self {
            watches: Arc::new(Mutex::new(watches.into())),
            asked: Arc::default(),
        }
    }

    /// A watch of a Service on it, begun.
    fn watch(&self, silence: Duration) -> Watch {
        let server = self.clone();
        let answer = move |request: Request<Body>| {
            let answer = server.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        };
        let client = Client::new(tower::service_fn(answer), "default");
        let kind = Kind::new("v1", "Service", "services");
        let watch = Objects::new(client, "default", kind).watch("shop");
        let _ = watch.tasks.set(watch.begin(silence, SOON));
        watch
    }

    fn answer(&self, request: &Request<Body>) -> Response<Streamed> {
        let uri = request.uri().to_string();
        let is_watch = uri.contains("watch=true");
        self.asked.lock().unwrap().push(uri);
        if !is_watch {
            return Response::new(streamed(LIST, Duration::ZERO));
        }
        let next = self.watches.lock().unwrap().pop_front();
        match next.unwrap_or(Answer::Says("")) {
            Answer::Says(text) => Response::new(streamed(text, NEVER)),
            Answer::SaysAndEnds(text) => Response::new(streamed(text, LIVED)),
            Answer::Refuses => {
                let refused = Response::builder().status(500);
                refused.body(streamed("", Duration::ZERO)).unwrap()
            }
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A watch that lives so long has worked.
const LIVED: Duration = Duration::from_millis(1100);

type Streamed = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// A text, and the end some time later.
fn streamed(text: &'static str, end: Duration) -> Streamed {
    let said = stream::iter([Ok(Frame::data(Bytes::from(text)))]);
    let rest = tokio::time::sleep(end).into_stream();
    let rest = rest.filter_map(|()| async { None });
    StreamBody::new(said.chain(rest).boxed())
}

async fn told(watch: &Watch) {
    let told = tokio::time::timeout(Duration::from_secs(30), watch.changed());
    told.await.expect("nothing is told");
}

async fn read(watch: &Watch, memory: &Memory<u32>, value: u32) -> u32 {
    let read = watch.remembered(memory, async { Ok(value) });
    read.await.unwrap()
}

#[tokio::test]
async fn what_was_read_counts_until_something_changes_or_is_written() {
    let server = Server::new([Answer::Says("")]);
    let (watch, memory) = (server.watch(NEVER), Memory::default());
    assert_eq!(read(&watch, &memory, 1).await, 1);
    assert_eq!(read(&watch, &memory, 2).await, 2, "it does not stand yet");
    told(&watch).await;
    assert_eq!(read(&watch, &memory, 3).await, 3);
    assert_eq!(read(&watch, &memory, 4).await, 3);
    watch.forget();
    assert_eq!(read(&watch, &memory, 5).await, 5);
    assert!(watch.changed().now_or_never().is_none(), "our own write");
    watch.known.changed();
    assert_eq!(read(&watch, &memory, 6).await, 6);
    told(&watch).await;
}

#[tokio::test]
async fn a_change_is_told_once() {
    let server = Server::new([Answer::Says(CHANGE)]);
    let watch = server.watch(NEVER);
    while watch.change() != Some(2) {
        told(&watch).await;
    }
    let _ = watch.changed().now_or_never();
    assert!(watch.changed().now_or_never().is_none());
}

#[tokio::test]
async fn a_watch_that_ends_in_good_order_goes_on_where_it_was_and_tells_nothing() {
    let server = Server::new([Answer::SaysAndEnds(BOOKMARK), Answer::Says(CHANGE)]);
    let (watch, memory) = (server.watch(NEVER), Memory::default());
    told(&watch).await;
    assert_eq!(read(&watch, &memory, 1).await, 1);
    assert_eq!(read(&watch, &memory, 2).await, 1);
    told(&watch).await;
    assert_eq!(read(&watch, &memory, 3).await, 3);
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[1].contains("resourceVersion=7"), "{asked:?}");
    assert!(asked[2].contains("resourceVersion=9"), "{asked:?}");
}

#[tokio::test]
async fn a_watch_that_is_silent_for_too_long_is_dead() {
    let server = Server::new([]);
    let watch = server.watch(SOON);
    // It stands, falls, stands again, and each time it says so.
    for _ in 0..4 {
        told(&watch).await;
    }
    let lists = server.asked().into_iter().filter(|it| it.contains("limit"));
    assert!(lists.count() >= 2, "it is begun anew");
}

#[tokio::test]
async fn while_it_cannot_be_had_it_wakes_and_remembers_nothing() {
    let wrong = [
        Answer::Refuses,
        Answer::Refuses,
        Answer::Says(GONE),
        Answer::Says("no JSON\n"),
    ];
    let server = Server::new(wrong);
    let (watch, memory) = (server.watch(NEVER), Memory::default());
    for value in [1, 2] {
        told(&watch).await;
        assert_eq!(watch.change(), None);
        assert_eq!(read(&watch, &memory, value).await, value);
    }
    while server.asked().len() < 10 {
        told(&watch).await;
    }
    while watch.change().is_none() {
        told(&watch).await;
    }
    assert_eq!(read(&watch, &memory, 8).await, 8);
    assert_eq!(read(&watch, &memory, 9).await, 8);
}
