//! A server on a free loopback port that answers as a test says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a stub does with a request.
pub(crate) enum Reply {
    /// Answers with a status, a content type and a body.
    Whole(u16, &'static str, Vec<u8>),
    /// Writes these bytes and closes.
    Raw(Vec<u8>),
    /// Writes a head and then bytes without an end, until the other side leaves.
    Endless(&'static str),
    /// Says nothing and keeps the connection.
    Hang,
}

impl Reply {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::Whole(200, "application/json", body.into().into_bytes())
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::Whole(
            status,
            "text/plain; charset=utf-8",
            body.into().into_bytes(),
        )
    }
}

/// A running stub; dropped, it is gone.
pub(crate) struct Stub {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<String>>>,
    most_at_once: Arc<Mutex<(usize, usize)>>,
    task: JoinHandle<()>,
}

impl Stub {
    pub(crate) async fn new(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, answer)
    }

    /// A stub that thinks for a while before each answer.
    pub(crate) async fn slow(
        wait: Duration,
        answer: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start(listener, wait, answer)
    }

    fn on(listener: TcpListener, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(listener, Duration::ZERO, answer)
    }

    fn start(
        listener: TcpListener,
        wait: Duration,
        answer: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let most_at_once: Arc<Mutex<(usize, usize)>> = Arc::default();
        let (kept, at_once) = (Arc::clone(&requests), Arc::clone(&most_at_once));
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, at_once) = (Arc::clone(&kept), Arc::clone(&at_once));
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    enter(&at_once);
                    serve(stream, wait, &kept, answer.as_ref()).await;
                    lock(&at_once).0 -= 1;
                });
            }
        });
        Self {
            address,
            requests,
            most_at_once,
            task,
        }
    }

    /// Every request so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        lock(&self.requests).clone()
    }

    /// The most connections that stood at one time.
    pub(crate) fn most_at_once(&self) -> usize {
        lock(&self.most_at_once).1
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn enter(at_once: &Mutex<(usize, usize)>) {
    let mut at_once = lock(at_once);
    at_once.0 += 1;
    at_once.1 = at_once.1.max(at_once.0);
}

async fn serve(
    mut stream: TcpStream,
    wait: Duration,
    kept: &Mutex<Vec<String>>,
    answer: &(impl Fn(&str) -> Reply + Send + Sync),
) {
    while let Some(request) = request(&mut stream).await {
        lock(kept).push(request.clone());
        tokio::time::sleep(wait).await;
        let reply = answer(&request);
        let sent = match reply {
            Reply::Whole(status, kind, body) => whole(&mut stream, status, kind, &body).await,
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Reply::Endless(head) => endless(&mut stream, head).await,
            Reply::Hang => std::future::pending().await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn whole(
    stream: &mut TcpStream,
    status: u16,
    kind: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len();
    let extra = match status {
        429 | 503 => "Retry-After: 7\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{extra}\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

async fn endless(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let block = vec![b'x'; 64 * 1024];
    loop {
        stream.write_all(&block).await?;
    }
}

/// Head and body of the next request; none when the other side has left.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            Ok(0) | Err(_) => return None,
        }
    }
}
