//! Files that are replaced whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a lock is waited for: its holder needs milliseconds, unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest name of a file that every file system takes, its ending left out.
const LONGEST_NAME: usize = 240;

/// What a file is about: a folder each.
#[derive(Clone, Copy, Debug)]
pub(super) enum Area {
    State,
    Owner,
    Orders,
    Status,
    Lock,
    Holders,
}

impl Area {
    const ALL: [Self; 6] = [
        Self::State,
        Self::Owner,
        Self::Orders,
        Self::Status,
        Self::Lock,
        Self::Holders,
    ];

    fn folder(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Owner => "owner",
            Self::Orders => "orders",
            Self::Status => "status",
            Self::Lock => "lock",
            Self::Holders => "holders",
        }
    }
}

#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
}

impl Disk {
    pub(super) fn open(dir: &Path) -> Result<Self, PortError> {
        for area in Area::ALL {
            let folder = dir.join(area.folder());
            fs::create_dir_all(&folder).map_err(|error| failed("made", &folder, error))?;
        }
        let dir = dir.to_owned();
        Ok(Self { dir })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn area(&self, area: Area) -> PathBuf {
        self.dir.join(area.folder())
    }

    fn file(&self, area: Area, name: &str, ending: &str) -> Result<PathBuf, PortError> {
        let encoded = encode(name);
        if encoded.is_empty() || encoded.len() > LONGEST_NAME {
            let text = format!("{name:?} is empty or too long for a file's name");
            return Err(PortError::new(FaultKind::Invalid, text));
        }
        Ok(self.area(area).join(encoded + ending))
    }

    /// The text of a file, none when there is no such file.
    pub(super) fn text(&self, area: Area, name: &str) -> Result<Option<String>, PortError> {
        let path = self.file(area, name, ".json")?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, error)),
        }
    }

    pub(super) fn read<T: DeserializeOwned>(
        &self,
        area: Area,
        name: &str,
    ) -> Result<Option<T>, PortError> {
        let Some(text) = self.text(area, name)? else {
            return Ok(None);
        };
        let malformed = |error: serde_json::Error| {
            let text = format!("{} of {name:?} makes no sense: {error}", area.folder());
            PortError::new(FaultKind::Malformed, text).caused_by(error)
        };
        serde_json::from_str(&text).map(Some).map_err(malformed)
    }

    /// Replaces a file so that a crash, of the machine too, leaves the old one or the new one.
    ///
    /// The caller holds the lock: the file beside it is nobody else's.
    pub(super) fn replace<T: Serialize>(
        &self,
        area: Area,
        name: &str,
        value: &T,
    ) -> Result<(), PortError> {
        let (path, beside) = (
            self.file(area, name, ".json")?,
            self.file(area, name, ".tmp")?,
        );
        let write = || -> io::Result<()> {
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec(value)?)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(self.area(area))?.sync_all()
        };
        write().map_err(|error| failed("written", &path, error))
    }

    /// Replaces a file that may get lost with the machine; no lock is needed.
    pub(super) fn note<T: Serialize>(
        &self,
        area: Area,
        name: &str,
        value: &T,
    ) -> Result<(), PortError> {
        let ending = format!(".{}.tmp", std::process::id());
        let (path, beside) = (
            self.file(area, name, ".json")?,
            self.file(area, name, &ending)?,
        );
        let write = || -> io::Result<()> {
            fs::write(&beside, serde_json::to_vec(value)?)?;
            fs::rename(&beside, &path)
        };
        write().map_err(|error| failed("written", &path, error))
    }

    pub(super) fn remove(&self, area: Area, name: &str) -> Result<(), PortError> {
        let path = self.file(area, name, ".json")?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("removed", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// The names of everything in an area; what is half written has another ending.
    pub(super) fn names(&self, area: Area) -> Result<Vec<String>, PortError> {
        let folder = self.area(area);
        let entries = fs::read_dir(&folder).map_err(|error| failed("read", &folder, error))?;
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            decode(name.strip_suffix(".json")?)
        };
        Ok(entries.filter_map(name).collect())
    }

    /// Runs one read-modify-write of a rollout with nobody else in it.
    pub(super) fn locked<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Self) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let path = self.file(Area::Lock, name, "")?;
        let options = OpenOptions::new().create(true).append(true).open(&path);
        let file = options.map_err(|error| failed("opened", &path, error))?;
        lock(&file, &path)?;
        // The lock ends with the file.
        work(self)
    }
}

fn lock(file: &File, path: &Path) -> Result<(), PortError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(failed("locked", path, error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                let text = format!("{} is locked by another process", path.display());
                return Err(PortError::new(FaultKind::Timeout, text));
            }
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(2)),
        }
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> PortError {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => FaultKind::Forbidden,
        _ => FaultKind::Other,
    };
    let text = format!("{} could not be {what}: {error}", path.display());
    PortError::new(kind, text).caused_by(error)
}

/// A name as a file's: small letters, digits, `-`, `_` and inner dots stand for themselves.
pub(super) fn encode(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        let plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
            || (byte == b'.' && !encoded.is_empty());
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
    }
    encoded
}

/// The name that was encoded, none when the text is no encoding.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let text = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(text, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
