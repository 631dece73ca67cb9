//! The file and what stands beside it: the one that is loaded, the new one, the lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::port::PortError;
use gradatim_core::time::Timestamp;

/// How often a lock that somebody else holds is tried.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Disk {
    file: PathBuf,
}

impl Disk {
    pub(super) fn new(file: &Path) -> Self {
        let file = file.to_owned();
        Self { file }
    }

    /// The text of the file, none when there is none.
    pub(super) fn text(&self) -> Result<Option<String>, PortError> {
        read(&self.file)
    }

    /// What NGINX was last seen to load.
    pub(super) fn loaded(&self) -> Result<Option<String>, PortError> {
        read(&self.beside("loaded"))
    }

    /// When the file was written last, by whomever.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        let at = fs::metadata(&self.file).and_then(|it| it.modified()).ok()?;
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp::ZERO + since)
    }

    /// Replaces the whole file.
    pub(super) fn replace(&self, text: &str) -> Result<(), PortError> {
        let is_read_only = fs::metadata(&self.file).is_ok_and(|it| it.permissions().readonly());
        if is_read_only {
            let file = self.file.display();
            let text = format!("{file} is read-only: somebody protects it; chmod u+w {file}");
            return Err(PortError::new(FaultKind::Forbidden, text));
        }
        self.swap(&self.file, text)
    }

    /// Notes that this is what NGINX has loaded.
    pub(super) fn note_loaded(&self, text: &str) -> Result<(), PortError> {
        self.swap(&self.beside("loaded"), text)
    }

    /// Takes the file away.
    pub(super) fn remove(&self) {
        // When it cannot be removed it stays, not loaded, and is read so.
        let _ = fs::remove_file(&self.file);
    }

    /// Holds off other processes until it is dropped.
    pub(super) fn lock(&self, patience: Duration) -> Result<File, PortError> {
        let path = self.beside("lock");
        let mut options = OpenOptions::new();
        let lock = options.create(true).append(true).open(&path);
        let lock = lock.map_err(|error| failed("lock", &path, error))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
                Err(TryLockError::WouldBlock) if began.elapsed() < patience => sleep(LOOK),
                Err(TryLockError::WouldBlock) => {
                    let text = format!("{} is held by another process", path.display());
                    return Err(PortError::new(FaultKind::Conflict, text));
                }
            }
        }
    }

    /// A file of ours beside it, with a name that no `include *.conf` takes.
    fn beside(&self, ending: &str) -> PathBuf {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        self.file.with_file_name(format!(".{name}.{ending}"))
    }

    /// Written aside, flushed, renamed: it is the old one or the new one, never a part.
    fn swap(&self, path: &Path, text: &str) -> Result<(), PortError> {
        let aside = self.beside("new");
        let written = write(&aside, text)
            .and_then(|()| fs::rename(&aside, path))
            .and_then(|()| flush_folder(path));
        written.map_err(|error| {
            // On a full disk half a file would take the room that the next one needs.
            let _ = fs::remove_file(&aside);
            failed("write", path, error)
        })
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn flush_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn read(path: &Path) -> Result<Option<String>, PortError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, error)),
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> PortError {
    let (kind, help) = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            (FaultKind::Forbidden, "; let this process write its folder")
        }
        ErrorKind::NotFound => (FaultKind::NotFound, "; make its folder"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (FaultKind::Other, "; make room"),
        _ => (FaultKind::Other, ""),
    };
    let text = format!("cannot {what} {}: {error}{help}", path.display());
    let mut failed = PortError::new(kind, text).caused_by(error);
    // Somebody may change the folder at any time, and a lowering must not wait for long.
    failed.retry = Retry::Soon;
    failed
}
