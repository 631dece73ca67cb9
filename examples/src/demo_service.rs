//! A small HTTP service to release: several versions of it, good and bad, are one process.
//!
//! | path | what it answers |
//! |---|---|
//! | `/` | a greeting with the version |
//! | `/health` | 200 while it runs |
//! | `/ready` | 200 once it is ready, 503 before |
//! | `/version` | the version |
//! | `/api/data` | some JSON |
//! | `/api/slow` | the same, after two seconds |
//! | `/api/error` | 500 |
//! | `/metrics` | what it has counted, in Prometheus' text format |
//!
//! `/`, `/api/data` and `/api/slow` are as good as the version: see [`Behaviour`].

mod answer;
mod metrics;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::answer::App;

/// How long a connection may take to end once the service stops.
const GRACE: Duration = Duration::from_secs(10);

/// What a version is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// The version's name.
    pub version: String,
    /// One answer in so many is a 500; none when absent.
    pub fails_one_in: Option<u32>,
    /// How long each answer takes.
    pub takes: Duration,
    /// How long it takes to become ready.
    pub warms_up: Duration,
}

impl Behaviour {
    /// A version that is ready at once, fast, and never fails.
    pub fn good(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            fails_one_in: None,
            takes: Duration::ZERO,
            warms_up: Duration::ZERO,
        }
    }

    /// The same, where one answer in so many is a 500.
    #[must_use]
    pub fn failing_one_in(mut self, answers: u32) -> Self {
        self.fails_one_in = Some(answers);
        self
    }

    /// The same, where each answer takes so long.
    #[must_use]
    pub fn taking(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    /// The same, which is ready only after so long.
    #[must_use]
    pub fn warming_up(mut self, time: Duration) -> Self {
        self.warms_up = time;
        self
    }
}

/// A running service. Dropping it is a crash: every connection is cut.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    closing: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Service {
    /// Listens and answers from now on; with port 0 on a free port.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr, behaviour: Behaviour) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (closing, closed) = watch::channel(());
        let app = Arc::new(App::new(behaviour));
        let task = tokio::spawn(accept(listener, app, closed));
        Ok(Self {
            address,
            closing,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connection, ends each open one after its answer, and returns when all have.
    pub async fn stop(mut self) {
        self.closing.send_replace(());
        // It ends by itself within the grace; an error means that it is gone already.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, app: Arc<App>, closing: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut stopping = closing.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&app), closing.clone()));
                }
                // Out of sockets, most likely: some of ours will end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            _ = stopping.changed() => break,
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // Whoever has not ended by then is cut.
    let _ = tokio::time::timeout(GRACE, all).await;
}

async fn converse(stream: TcpStream, app: Arc<App>, mut closing: watch::Receiver<()>) {
    // A small answer must not wait for more to come.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { app.answer(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    tokio::select! {
        // A client that breaks off is no concern of the service.
        _ = connection.as_mut() => return,
        _ = closing.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests;
