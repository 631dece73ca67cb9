//! Clients that keep their connections, and count what comes back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) canary: u64,
    /// Answers of 500 and above.
    pub(super) failed: u64,
    /// Connections that ended while a request was sent or waited for.
    pub(super) cut: u64,
    /// When the last request began that the canary answered.
    pub(super) last_canary: Option<Instant>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.canary += other.canary;
        self.failed += other.failed;
        self.cut += other.cut;
        self.last_canary = self.last_canary.max(other.last_canary);
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// A field of its head; its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }
}

/// One client on one connection.
pub(super) struct Client {
    port: u16,
    stream: Option<TcpStream>,
    pub(super) tally: Tally,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self {
            port,
            stream: None,
            tally: Tally::default(),
        }
    }

    /// Asks, and asks again on a new connection when this one is cut.
    pub(super) async fn ask(&mut self, headers: &str) -> Answer {
        loop {
            let began = Instant::now();
            match self.exchange(headers).await {
                Ok(answer) => {
                    self.tally.requests += 1;
                    self.tally.failed += u64::from(answer.status >= 500);
                    if answer.body == "v2" {
                        self.tally.canary += 1;
                        self.tally.last_canary = Some(began);
                    }
                    return answer;
                }
                Err(_) => {
                    self.stream = None;
                    self.tally.cut += 1;
                    assert!(self.tally.cut < 10_000, "nothing but cut connections");
                }
            }
        }
    }

    async fn exchange(&mut self, headers: &str) -> io::Result<Answer> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
                stream.set_nodelay(true)?;
                self.stream.insert(stream)
            }
        };
        let request = format!("GET / HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let answer = read(stream).await?;
        if answer.field("connection") == Some("close") {
            self.stream = None;
        }
        Ok(answer)
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Answer> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let answer = Answer {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length = answer.field("content-length");
        if length.and_then(|it| it.parse().ok()) == Some(body.len()) {
            return Ok(answer);
        }
    }
}

/// So many requests, shared by clients that keep their connections from before.
pub(super) async fn send(clients: &mut Vec<Client>, requests: u64) -> Tally {
    let each = requests.div_ceil(clients.len() as u64);
    let mut running = JoinSet::new();
    for mut client in clients.drain(..) {
        client.tally = Tally::default();
        running.spawn(async move {
            for _ in 0..each {
                client.ask("").await;
            }
            client
        });
    }
    let mut all = Tally::default();
    while let Some(client) = running.join_next().await {
        let client = client.unwrap();
        all.add(&client.tally);
        clients.push(client);
    }
    all
}

/// Clients that go on until they are told to stop.
pub(super) struct Load {
    clients: JoinSet<Tally>,
    stopping: Arc<AtomicBool>,
}

impl Load {
    pub(super) fn start(port: u16, clients: usize) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut all = JoinSet::new();
        for _ in 0..clients {
            let (stopping, mut client) = (Arc::clone(&stopping), Client::new(port));
            all.spawn(async move {
                while !stopping.load(Ordering::Relaxed) {
                    client.ask("").await;
                }
                client.tally
            });
        }
        Self {
            clients: all,
            stopping,
        }
    }

    pub(super) async fn stop(mut self) -> Tally {
        self.stopping.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        while let Some(tally) = self.clients.join_next().await {
            all.add(&tally.unwrap());
        }
        all
    }
}
