//! A way to the API server on which things go wrong, and on which every request is counted.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use futures::future::BoxFuture;
use gradatim_kubernetes::client::{Pace, client};
use gradatim_kubernetes::{Client, Config};
use http::Request;
use http_body_util::BodyDataStream;
use kube::client::Body;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a request.
#[derive(Clone)]
pub(in crate::live) enum Wrong {
    /// The server refuses, with a JSON status of this code.
    Refuses(u16),
    /// The server is overloaded, and says in a header when to come back.
    Overloaded(u32),
    /// No answer ever comes.
    Hangs,
    /// The connection breaks before the request was sent.
    Breaks,
    /// The connection breaks before the answer was read: what was asked was done.
    LosesTheAnswer,
    /// Before the request is sent, somebody else does something.
    Meanwhile(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>),
    /// Of so many requests one, each time the next of these.
    OneOf(usize, Arc<[Self]>),
}

/// Listens in plain HTTP and asks the API server as one user.
pub(in crate::live) struct Proxy {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<(&'static str, String, Wrong)>>,
    asked: Mutex<Vec<String>>,
    turns: AtomicUsize,
    /// The watches that are open.
    streams: Mutex<Vec<tokio::task::AbortHandle>>,
}

impl Proxy {
    /// Before an API server; what it is asked it asks as this user.
    pub(in crate::live) async fn before(user: Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(serve(listener, Arc::clone(&shared), user));
        Self {
            address,
            shared,
            task,
        }
    }

    /// A client that goes this way.
    pub(in crate::live) fn client(&self) -> Client {
        self.client_at(Pace::default())
    }

    /// The same at another pace.
    pub(in crate::live) fn client_at(&self, pace: Pace) -> Client {
        let config = Config::new(self.address.parse().unwrap());
        client(config, pace).unwrap()
    }

    /// Lets requests of a method, any for an empty one, go wrong whose address holds a text.
    pub(in crate::live) fn let_go_wrong(&self, method: &'static str, holds: &str, wrong: Wrong) {
        let rule = (method, holds.to_owned(), wrong);
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// All is well again.
    pub(in crate::live) fn mend(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Every request since the last time, as `METHOD /path?query`.
    pub(in crate::live) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// Breaks every connection that is open: the watches.
    pub(in crate::live) fn cut(&self) {
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            stream.abort();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, user: Client) {
    while let Ok((stream, _)) = listener.accept().await {
        let (inner, user) = (Arc::clone(&shared), user.clone());
        let served = tokio::spawn(async move {
            // A client that goes away is nothing to fail on.
            let _ = answer(stream, &inner, &user).await;
        });
        let mut streams = shared.streams.lock().unwrap();
        streams.retain(|stream| !stream.is_finished());
        streams.push(served.abort_handle());
    }
}

/// Reads one request and answers it; the connection ends with the answer.
async fn answer(stream: TcpStream, shared: &Shared, user: &Client) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let line = format!("{} {}", request.method(), request.uri());
    shared.asked.lock().unwrap().push(line);
    let wrong = shared.wrong(&request);
    match wrong {
        Some(Wrong::Hangs) => return std::future::pending().await,
        Some(Wrong::Breaks) => return Ok(()),
        Some(Wrong::Refuses(code)) => {
            let text = format!(
                "{{\"kind\": \"Status\", \"apiVersion\": \"v1\", \"status\": \"Failure\", \
                 \"code\": {code}, \"message\": \"something is wrong\"}}"
            );
            let head = "Content-Type: application/json\r\n";
            return say(&mut stream, code, head, text.as_bytes()).await;
        }
        Some(Wrong::Overloaded(seconds)) => {
            let head = format!("Content-Type: text/plain\r\nRetry-After: {seconds}\r\n");
            return say(&mut stream, 429, &head, b"Too many requests").await;
        }
        Some(Wrong::Meanwhile(other)) => other().await,
        Some(Wrong::LosesTheAnswer) => {
            let answer = user.send(request).await;
            assert!(answer.is_ok(), "the server was to be asked");
            return Ok(());
        }
        Some(Wrong::OneOf(..)) | None => {}
    }
    forward(&mut stream, user, request).await
}

async fn forward(
    stream: &mut BufReader<TcpStream>,
    user: &Client,
    request: Request<Body>,
) -> std::io::Result<()> {
    let Ok(answer) = user.send(request).await else {
        return Ok(());
    };
    let kind = answer.headers().get("content-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let head = format!("Content-Type: {kind}\r\n");
    say(stream, answer.status().as_u16(), &head, b"").await?;
    let mut body = pin!(BodyDataStream::new(answer.into_body()));
    while let Ok(Some(bytes)) = body.try_next().await {
        stream.write_all(&bytes).await?;
        stream.flush().await?;
    }
    stream.shutdown().await
}

/// A head, and what there is of a body; its end is the connection's.
async fn say(
    stream: &mut BufReader<TcpStream>,
    code: u16,
    head: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {code} X\r\n{head}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Request<Body>> {
    let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (method, uri) = (
        words.next().ok_or_else(gone)?,
        words.next().ok_or_else(gone)?,
    );
    let mut request = Request::builder().method(method).uri(uri);
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            name @ ("content-type" | "accept") => request = request.header(name, value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(request.body(Body::from(body)).unwrap())
}

impl Shared {
    fn wrong(&self, request: &Request<Body>) -> Option<Wrong> {
        let rules = self.rules.lock().unwrap();
        let uri = request.uri().to_string();
        let hit = |(method, holds, _): &&(&str, String, Wrong)| {
            (method.is_empty() || request.method() == *method) && uri.contains(holds.as_str())
        };
        let (_, _, wrong) = rules.iter().find(hit)?;
        let Wrong::OneOf(each, wrongs) = wrong else {
            return Some(wrong.clone());
        };
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let is_next = turn % each == each - 1;
        is_next.then(|| wrongs[turn / each % wrongs.len()].clone())
    }
}
