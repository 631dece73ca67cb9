//! Fixed servers as a workload: a server is a pod, and is ready while it answers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{Missing, PortError, Workload};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, Trouble, TroubleKind, WorkloadSeen};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::config::Config;

/// How often servers are asked between rounds.
const LOOK: Duration = Duration::from_secs(2);
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Servers that somebody else starts and stops, and who runs which version.
///
/// All servers of a version are always asked for; those that answer are ready. Nothing is scaled,
/// restarted or undone here: a version that is to be taken back is taken back by its traffic.
#[derive(Clone, Debug)]
pub struct Servers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The oldest first.
    versions: Vec<(RevisionId, Vec<String>)>,
    stable: RevisionId,
    wanted: RevisionId,
    health: Option<String>,
    created: Timestamp,
    /// Since when servers of a version have not answered.
    unwell: Mutex<BTreeMap<RevisionId, Timestamp>>,
    /// How they were observed last.
    observed: Mutex<Vec<RevisionSeen>>,
}

impl Servers {
    /// The servers of a configuration: what has served so far, and what shall be released.
    pub fn new(
        config: &Config,
        stable: impl Into<RevisionId>,
        wanted: impl Into<RevisionId>,
    ) -> Self {
        let (stable, wanted) = (stable.into(), wanted.into());
        let mut versions: Vec<_> = config.servers.clone().into_iter().collect();
        let age = |id: &RevisionId| match id {
            id if *id == wanted => 2,
            id if *id == stable => 1,
            _ => 0,
        };
        versions.sort_by_key(|(id, _)| age(id));
        Self {
            inner: Arc::new(Inner {
                versions,
                stable,
                wanted,
                health: None,
                created: now(),
                unwell: Mutex::default(),
                observed: Mutex::default(),
            }),
        }
    }

    /// The path at which a server that is well answers with 2xx. Without one, a server that
    /// accepts a connection is well.
    #[must_use]
    pub fn health(self, path: impl Into<String>) -> Self {
        let inner = Inner {
            versions: self.inner.versions.clone(),
            stable: self.inner.stable.clone(),
            wanted: self.inner.wanted.clone(),
            health: Some(path.into()),
            created: self.inner.created,
            unwell: Mutex::default(),
            observed: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    async fn look(&self) -> Result<Vec<RevisionSeen>, PortError> {
        let inner = Arc::clone(&self.inner);
        let looked = tokio::task::spawn_blocking(move || inner.look()).await;
        looked.map_err(|error| {
            let text = "the servers could not be asked";
            PortError::new(FaultKind::Other, text).caused_by(error)
        })
    }
}

#[async_trait]
impl Workload for Servers {
    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let revisions = self.look().await?;
        let inner = &self.inner;
        *inner.observed() = revisions.clone();
        let stable = revisions.iter().find(|seen| seen.id == inner.stable);
        let replicas = stable.map_or(1, |seen| seen.pods);
        let mut seen = WorkloadSeen::new(inner.wanted.clone(), replicas, revisions);
        seen.recorded_stable = Some(inner.stable.clone());
        seen.scales = false;
        Ok(seen)
    }

    async fn scale(&self, revision: &RevisionId, replicas: u32, _: Stamp) -> Result<(), PortError> {
        let listed = self.inner.servers(revision)?;
        match usize::try_from(replicas).is_ok_and(|wanted| wanted <= listed) {
            // They run already, and those that are too many do no harm.
            true => Ok(()),
            false => Err(fixed(format!(
                "{revision} has {listed} servers, not {replicas}"
            ))),
        }
    }

    async fn restart(&self, _: Timestamp, _: u32, _: Stamp) -> Result<(), PortError> {
        Err(fixed(
            "fixed servers are restarted by whoever runs them".to_owned(),
        ))
    }

    async fn undo(&self, to: &RevisionId, _: Stamp) -> Result<(), PortError> {
        self.inner.servers(to)?;
        let text = format!("name {to} as the version to release, and run again");
        Err(fixed(text))
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        let inner = &self.inner;
        let mut missing = Vec::new();
        for seen in self.look().await? {
            let in_use = seen.id == inner.stable || seen.id == inner.wanted;
            for trouble in seen.trouble.iter().filter(|_| in_use) {
                missing.push(Missing {
                    what: format!("a server of {}: {}", seen.id, trouble.text),
                    help: "start it, or take it off the list".to_owned(),
                });
            }
        }
        Ok(missing)
    }

    /// Resolves while servers answer otherwise than when they were observed; each is asked every
    /// two seconds for that. Never without a runtime.
    async fn changed(&self) {
        if Handle::try_current().is_err() {
            return std::future::pending().await;
        }
        loop {
            sleep(LOOK).await;
            let seen = self.look().await;
            if seen.is_ok_and(|seen| seen != *self.inner.observed()) {
                return;
            }
        }
    }
}

impl Inner {
    fn observed(&self) -> MutexGuard<'_, Vec<RevisionSeen>> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn servers(&self, revision: &RevisionId) -> Result<usize, PortError> {
        let listed = self.versions.iter().find(|(id, _)| id == revision);
        let servers = listed.map(|(_, servers)| servers.len());
        servers.ok_or_else(|| {
            let text = format!("no servers are listed for {revision}");
            PortError::new(FaultKind::NotFound, text)
        })
    }

    fn look(&self) -> Vec<RevisionSeen> {
        let versions = self.versions.iter().enumerate();
        let seen = versions.map(|(index, (id, servers))| {
            let unwell = self.ask(servers);
            let count = |servers: usize| u32::try_from(servers).unwrap_or(u32::MAX);
            let mut seen = RevisionSeen::new(id.clone(), index as u64 + 1, self.created);
            seen = seen.serving(count(servers.len()));
            seen.ready -= count(unwell.len()).min(seen.ready);
            seen.available = seen.ready;
            seen.trouble = self.trouble(id, &unwell).into_iter().collect();
            seen
        });
        seen.collect()
    }

    /// What is wrong with each server that is not well; all are asked at once.
    fn ask(&self, servers: &[String]) -> Vec<String> {
        let health = self.health.as_deref();
        std::thread::scope(|scope| {
            let asked: Vec<_> = servers
                .iter()
                .map(|server| scope.spawn(move || ask(server, health)))
                .collect();
            let answers = asked.into_iter().map(|it| it.join());
            answers
                .filter_map(|it| it.unwrap_or_else(|_| Err("a panic".to_owned())).err())
                .collect()
        })
    }

    fn trouble(&self, id: &RevisionId, unwell: &[String]) -> Option<Trouble> {
        let mut since = self.unwell.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = unwell.first() else {
            since.remove(id);
            return None;
        };
        Some(Trouble {
            kind: TroubleKind::ProbeFailure,
            pods: u32::try_from(unwell.len()).unwrap_or(u32::MAX),
            text: first.clone(),
            since: *since.entry(id.clone()).or_insert_with(now),
        })
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::ZERO + since.unwrap_or_default()
}

fn fixed(text: String) -> PortError {
    PortError::new(FaultKind::Invalid, text)
}

/// Whether a server is well; an error says which is not, and what it did.
fn ask(server: &str, health: Option<&str>) -> Result<(), String> {
    // What follows are NGINX's parameters.
    let address = server.split(' ').next().unwrap_or(server);
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = connect(address).map_err(failed)?;
    let Some(path) = health else {
        return Ok(());
    };
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).map_err(failed)?;
    match &answer {
        [b'H', b'T', b'T', b'P', b'/', _, b'.', _, b' ', b'2', _, _] => Ok(()),
        other => {
            let status = String::from_utf8_lossy(&other[9..]).into_owned();
            Err(format!("{address}{path} answers {status}"))
        }
    }
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = match has_port {
        true => address.to_owned(),
        false => format!("{address}:80"),
    };
    let nowhere = || std::io::Error::other("no such host");
    let at = address.to_socket_addrs()?.next().ok_or_else(nowhere)?;
    let stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers each connection with this status.
    fn server(status: u16) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes());
            }
        });
        address
    }

    fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_server_is_ready_while_its_health_answers_2xx() {
        let (sick, gone) = (server(503), nobody());
        let config = Config::new("shop", "/shop.conf")
            .servers("v1", [server(200), server(204)])
            .servers(
                "v2",
                [server(200) + " weight=2", sick.clone(), gone.clone()],
            );
        let servers = Servers::new(&config, "v1", "v2").health("/healthz");
        let seen = servers.observe().await.unwrap();
        assert_eq!(
            (seen.wanted.as_str(), seen.replicas, seen.scales),
            ("v2", 2, false)
        );
        let [v1, v2] = &seen.revisions[..] else {
            panic!("{seen:?}");
        };
        assert_eq!(
            (v1.pods, v1.ready, v1.available, v1.trouble.len()),
            (2, 2, 2, 0)
        );
        assert_eq!((v2.pods, v2.ready, v2.trouble[0].pods), (3, 1, 2));
        assert_eq!(v2.trouble[0].text, format!("{sick}/healthz answers 503"));
        let missing = servers.probe().await.unwrap();
        assert!(
            missing.len() == 1 && missing[0].what.starts_with("a server of v2: "),
            "{missing:?}"
        );
        // Without a path a server that listens is well.
        let seen = Servers::new(&config, "v1", "v2").observe().await.unwrap();
        assert_eq!(seen.revisions[1].ready, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_goes_is_told_without_a_round() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = Config::new("shop", "/shop.conf").servers("v1", [address]);
        let servers = Servers::new(&config, "v1", "v1");
        assert_eq!(servers.observe().await.unwrap().revisions[0].ready, 1);
        let silent = tokio::time::timeout(Duration::from_secs(60), servers.changed()).await;
        assert!(silent.is_err(), "nothing has changed");
        drop(listener);
        servers.changed().await;
        assert_eq!(servers.observe().await.unwrap().revisions[0].ready, 0);
    }

    #[tokio::test]
    async fn what_is_released_is_the_newest_and_nothing_is_scaled() {
        let config = Config::new("shop", "/shop.conf")
            .servers("v9", [nobody()])
            .servers("v10", [nobody()])
            .servers("v11", [nobody()]);
        let servers = Servers::new(&config, "v11", "v10");
        let seen = servers.observe().await.unwrap();
        let ids: Vec<&str> = seen.revisions.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, ["v9", "v11", "v10"]);
        let stamp = Stamp::default();
        assert!(servers.scale(&"v10".into(), 1, stamp).await.is_ok());
        let errors = [
            (
                servers.scale(&"v10".into(), 2, stamp).await,
                FaultKind::Invalid,
            ),
            (
                servers.scale(&"v3".into(), 1, stamp).await,
                FaultKind::NotFound,
            ),
            (servers.undo(&"v11".into(), stamp).await, FaultKind::Invalid),
            (servers.undo(&"v3".into(), stamp).await, FaultKind::NotFound),
            (servers.restart(now(), 1, stamp).await, FaultKind::Invalid),
        ];
        for (answer, kind) in errors {
            assert_eq!(answer.unwrap_err().kind, kind);
        }
    }
}
