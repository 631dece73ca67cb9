//! The router: the only file that knows both the disk and the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gradatim_core::capability::{Capabilities, HeaderMatchKind, Part as Carried};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{Missing, PortError, TrafficRouter};
use gradatim_core::route::{Bindings, BoundSlot, Confidence, Route, RouteSeen, Seen, Slot, Split};
use gradatim_core::time::Timestamp;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::config::{Config, ConfigError};
use super::decode::{self, Said, Unreadable};
use super::disk::Disk;
use super::encode::{self, GRAIN, Inexpressible};
use super::program::Program;
use super::record::{Part, Record};
use super::running::{Loaded, Probe};

/// How often the file is looked at for a stranger's edit.
const LOOK: Duration = Duration::from_millis(250);

/// A rollout's traffic in one file that NGINX includes.
#[derive(Clone)]
pub struct PlainNginx {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    disk: Disk,
    program: Program,
    probe: Option<Probe>,
    /// The file as it was observed last.
    observed: Mutex<Option<String>>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl PlainNginx {
    /// A router; nothing is written yet.
    ///
    /// # Errors
    /// When the configuration cannot work, or there is no NGINX.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let wall = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            Timestamp::ZERO + since.unwrap_or_default()
        };
        Self::with_clock(config, wall)
    }

    /// The same with a clock of one's own, by which it says since when something has been so.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(
        config: Config,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let inner = Inner {
            disk: Disk::new(&config.file),
            program: Program::of(&config)?,
            probe: config.probe.map(|address| Probe {
                address,
                name: config.name.clone(),
                patience: config.patience,
            }),
            observed: Mutex::default(),
            now: Box::new(now),
            config,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What any router of this kind can do; with a probe it confirms what it has written.
    pub fn can_do(has_probe: bool) -> Capabilities {
        use HeaderMatchKind::{Exact, Prefix, Regex};
        Capabilities {
            parts: BTreeSet::from([Carried::Bind, Carried::Split, Carried::Headers]),
            grain: GRAIN,
            header_matches: BTreeSet::from([Exact, Prefix, Regex]),
            confidence: confidence(has_probe),
            settle: Duration::from_secs(if has_probe { 0 } else { 10 }),
            fenced: true,
            session_affinity: true,
        }
    }

    /// Writes a first file, all traffic to this version, where there is none: NGINX cannot start
    /// while an included file is missing. True when it was written; it is for the caller to start
    /// or reload NGINX then.
    ///
    /// # Errors
    /// When the file cannot be written, or no servers are known for the version.
    pub fn write_first(&self, stable: &RevisionId) -> Result<bool, PortError> {
        self.inner.write_first(stable)
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let inner = Arc::clone(&self.inner);
        // It runs to its end though the caller may give up: no write is left half done.
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| {
            let text = "the work on NGINX's file was cut short";
            Err(PortError::new(FaultKind::Other, text).caused_by(error))
        })
    }
}

impl fmt::Debug for PlainNginx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PlainNginx")
            .field(&self.inner.config)
            .finish()
    }
}

fn confidence(has_probe: bool) -> Confidence {
    match has_probe {
        true => Confidence::Proxy,
        false => Confidence::Config,
    }
}

#[async_trait]
impl TrafficRouter for PlainNginx {
    fn capabilities(&self) -> Capabilities {
        Self::can_do(self.inner.probe.is_some())
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let route = route.clone();
        self.off_the_runtime(move |inner| inner.apply(&route)).await
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        self.off_the_runtime(Inner::observe).await
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        self.off_the_runtime(Inner::missing).await
    }

    /// Resolves while the file is another than `observe` has read; never without a runtime. What
    /// NGINX runs is not listened to: a reload without an edit is seen by the next round.
    async fn changed(&self) {
        if Handle::try_current().is_err() {
            return std::future::pending().await;
        }
        while !self.inner.is_edited() {
            sleep(LOOK).await;
        }
    }
}

impl Inner {
    fn write_first(&self, stable: &RevisionId) -> Result<bool, PortError> {
        let _lock = self.disk.lock(self.config.patience)?;
        if self.disk.text()?.is_some() {
            return Ok(false);
        }
        let since = (self.now)();
        let bind = Bindings::from([
            (Slot::Stable, stable.clone()),
            (Slot::Canary, stable.clone()),
        ]);
        let record = Record {
            bind: unstamped(bind, since),
            split: unstamped(Split::all(Slot::Stable, 100), since),
            headers: unstamped(Vec::new(), since),
        };
        let text = encode::text(&self.config, &record).map_err(|it| self.invalid(&it))?;
        self.disk.replace(&text)?;
        self.disk.note_loaded(&text)?;
        Ok(true)
    }

    fn apply(&self, route: &Route) -> Result<(), PortError> {
        if !route.mirrors.value.is_empty() {
            return Err(self.invalid(&Inexpressible::Mirror));
        }
        let _lock = self.disk.lock(self.config.patience)?;
        let before = self.disk.text()?;
        let known = before.as_deref().map(|text| self.known(text)).transpose()?;
        if let Some(newer) = known
            .as_ref()
            .and_then(Record::newest)
            .filter(|it| *it > route.newest())
        {
            let text = format!(
                "{} bears a newer stamp, {newer}: another driver has taken over",
                self.file()
            );
            return Err(PortError::new(FaultKind::Fenced, text));
        }
        let record = Record::of(route, known.as_ref(), (self.now)());
        let text = encode::text(&self.config, &record).map_err(|it| self.invalid(&it))?;
        if before.as_deref() != Some(&text) {
            self.disk.replace(&text)?;
        } else if self.is_loaded(&text)? {
            return Ok(());
        }
        match self.load(&text) {
            Ok(()) => self.disk.note_loaded(&text),
            Err(error) => Err(self.put_back(before, error)),
        }
    }

    fn known(&self, text: &str) -> Result<Record, PortError> {
        decode::record(text).ok_or_else(|| self.unreadable(&Unreadable::Foreign))
    }

    fn is_loaded(&self, text: &str) -> Result<bool, PortError> {
        let noted = self.disk.loaded()?.as_deref() == Some(text);
        let told = match &self.probe {
            Some(probe) => probe
                .ask()
                .is_ok_and(|it| Some(it.loaded.digest) == digest(text)),
            None => true,
        };
        Ok(noted && told)
    }

    fn load(&self, text: &str) -> Result<(), PortError> {
        self.program.test()?;
        let old = self.probe.as_ref().and_then(Probe::accepting);
        let reloaded = self.program.reload();
        reloaded.map_err(|error| self.orphaned(error, old.as_ref()))?;
        match (&self.probe, digest(text)) {
            (Some(probe), Some(digest)) => probe.confirm(&digest, old.as_ref()),
            _ => Ok(()),
        }
    }

    /// What to do where workers answer whose master was killed: nobody makes them load anything,
    /// and while they hold the addresses no other NGINX can start.
    fn orphaned(&self, mut error: PortError, workers: Option<&BTreeSet<u32>>) -> PortError {
        if let Some(workers) = workers.filter(|_| error.text.contains("No such process")) {
            let workers: Vec<_> = workers.iter().map(u32::to_string).collect();
            error.text = format!(
                "NGINX's master process is gone, and its workers serve on by the split before: \
                 kill {} && {}",
                workers.join(" "),
                self.program.line("")
            );
        }
        error
    }

    /// The file that was loaded last stands there again, and NGINX has it.
    fn put_back(&self, before: Option<String>, mut error: PortError) -> PortError {
        let good = self.disk.loaded().ok().flatten().or(before);
        let back = match good {
            Some(good) => self.disk.replace(&good),
            None => {
                self.disk.remove();
                Ok(())
            }
        };
        let file = self.file();
        error.text = match back {
            Ok(()) => format!("{file} is as it was before: {}", error.text),
            Err(second) => format!("{file} holds what is not loaded ({second}): {}", error.text),
        };
        // A reload that came too late must not bring what was taken back.
        if error.kind == FaultKind::Timeout {
            let _ = self.program.reload();
        }
        error
    }

    fn is_edited(&self) -> bool {
        let observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be read is told by the rounds that try to.
        self.disk.text().is_ok_and(|text| text != *observed)
    }

    fn observe(&self) -> Result<RouteSeen, PortError> {
        let text = self.disk.text()?;
        *self.observed.lock().unwrap_or_else(PoisonError::into_inner) = text.clone();
        let Some(text) = text else {
            let text = format!("{} is missing: NGINX cannot start without it", self.file());
            return Err(PortError::new(FaultKind::NotFound, text));
        };
        let record = self.known(&text)?;
        let said = decode::said(&self.config, &record, &text).map_err(|it| self.unreadable(&it))?;
        let running = self.probe.as_ref().map(Probe::ask).transpose()?;
        let view = View {
            is_ours: said == said_by(&record),
            modified: self.disk.modified(),
            other: self.not_loaded(&text, running.map(|it| it.loaded))?,
            has_probe: self.probe.is_some(),
        };
        let bound = said
            .bind
            .into_iter()
            .map(|(slot, id)| (slot, bound(id)))
            .collect();
        let other = view.other.as_ref();
        Ok(RouteSeen {
            bind: Some(view.seen(bound, &record.bind, other.map(|it| part_of(&it.bind)))),
            split: Some(view.seen(said.split, &record.split, other.map(|it| it.split.clone()))),
            headers: Some(view.seen(
                said.headers,
                &record.headers,
                other.map(|it| it.headers.clone()),
            )),
            mirrors: None,
        })
    }

    /// What NGINX runs where that is another file.
    fn not_loaded(&self, text: &str, running: Option<Loaded>) -> Result<Option<Record>, PortError> {
        if let Some(running) = running {
            let same = Some(&running.digest) == digest(text).as_ref();
            return Ok((!same).then_some(running.record));
        }
        let loaded = self.disk.loaded()?;
        Ok(loaded
            .filter(|loaded| loaded != text)
            .and_then(|it| decode::record(&it)))
    }

    fn missing(&self) -> Result<Vec<Missing>, PortError> {
        let missing = |what: String, help: &str| Missing {
            what,
            help: help.to_owned(),
        };
        let mut all = Vec::new();
        if self.disk.text()?.is_none() {
            let help = "write a first one, include it within http { }, and reload NGINX";
            all.push(missing(self.file(), help));
        } else if let Err(error) = self.program.test() {
            all.push(missing(error.text, "make `nginx -t` succeed"));
        } else if self.program.includes(&self.config.file) == Some(false) {
            let what = format!("NGINX's configuration does not include {}", self.file());
            let help = format!(
                "write `include {};` within its http {{ }}, and then: {}",
                self.file(),
                self.program.line("-s reload")
            );
            all.push(missing(what, &help));
        } else if let Some(Err(error)) = self.probe.as_ref().map(Probe::ask) {
            let help = match error.kind {
                FaultKind::Unreachable => format!(
                    "start NGINX ({}), or let it load the file ({})",
                    self.program.line(""),
                    self.program.line("-s reload")
                ),
                _ => format!(
                    "let NGINX load the file ({}); where another program has the probe's \
                     address, give a free one",
                    self.program.line("-s reload")
                ),
            };
            all.push(missing(error.text, &help));
        }
        Ok(all)
    }

    fn file(&self) -> String {
        self.config.file.display().to_string()
    }

    fn invalid(&self, what: &Inexpressible) -> PortError {
        PortError::new(FaultKind::Invalid, format!("{}: {what}", self.file()))
    }

    fn unreadable(&self, what: &Unreadable) -> PortError {
        let (file, kind) = (
            self.file(),
            match what {
                Unreadable::Foreign => FaultKind::Forbidden,
                _ => FaultKind::Malformed,
            },
        );
        let help = match what {
            Unreadable::Foreign => "give another name, or move it away",
            _ => "undo the edit; the next write replaces it",
        };
        PortError::new(kind, format!("{file}: {what}: {help}"))
    }
}

fn unstamped<T>(value: T, since: Timestamp) -> Part<T> {
    Part {
        value,
        stamp: None,
        since,
    }
}

fn bound(revision: Option<RevisionId>) -> BoundSlot {
    BoundSlot {
        revision,
        ready_endpoints: None,
    }
}

fn part_of(bind: &Part<Bindings>) -> Part<BTreeMap<Slot, BoundSlot>> {
    let value = bind.value.iter();
    Part {
        value: value
            .map(|(slot, id)| (*slot, bound(Some(id.clone()))))
            .collect(),
        stamp: bind.stamp,
        since: bind.since,
    }
}

fn said_by(record: &Record) -> Said {
    let bind = record.bind.value.iter();
    Said {
        bind: bind.map(|(slot, id)| (*slot, Some(id.clone()))).collect(),
        split: record.split.value.clone(),
        headers: record.headers.value.clone(),
    }
}

/// The digest that the file itself says NGINX shall tell.
fn digest(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("return 200 '$pid {\"digest\":\"")?;
    rest.split_once('"').map(|(digest, _)| digest.to_owned())
}

/// What a read of each part must know.
struct View {
    /// Whether the file says what was written.
    is_ours: bool,
    modified: Option<Timestamp>,
    /// What NGINX runs where that is another file.
    other: Option<Record>,
    has_probe: bool,
}

impl View {
    fn seen<T: PartialEq>(
        &self,
        value: T,
        written: &Part<impl Sized>,
        other: Option<Part<T>>,
    ) -> Seen<T> {
        let mut seen = Seen::agreed(
            value,
            written.stamp,
            confidence(self.has_probe),
            written.since,
        );
        if !self.is_ours {
            // A stranger's file may or may not be loaded.
            seen.confidence = Confidence::Config;
            seen.since = self.modified.unwrap_or(seen.since).max(seen.since);
        } else if let Some(other) = other {
            seen.stamp = seen.stamp.min(other.stamp);
            if seen.values.first() != Some(&other.value) {
                seen.values.push(other.value);
                seen.confidence = Confidence::Config;
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests;
