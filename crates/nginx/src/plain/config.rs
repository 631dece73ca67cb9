//! What the user gives.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gradatim_core::id::RevisionId;
use gradatim_core::spec::SessionAffinity;

/// What keeps a client on one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sticky {
    /// Nothing: each request is on its own.
    #[default]
    Request,
    /// A cookie's value. A client without it is decided for by the request, and
    /// `add_header Set-Cookie $NAME_cookie;` in the user's server keeps it where it was.
    Cookie(String),
    /// A header's value; a client without it is decided for by the request.
    Header(String),
}

/// Where the file is, which servers are which version, and how NGINX is called.
///
/// ```
/// use gradatim_nginx::plain::{Config, Sticky};
///
/// let config = Config::new("shop", "/etc/nginx/gradatim/shop.conf")
///     .servers("v1", ["10.0.0.1:8080", "10.0.0.2:8080"])
///     .servers("v2", ["10.0.0.3:8080"])
///     .sticky(Sticky::Cookie("shopper".to_owned()))
///     .probe(([127, 0, 0, 1], 9180));
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) servers: BTreeMap<RevisionId, Vec<String>>,
    pub(super) sticky: Sticky,
    pub(super) probe: Option<SocketAddr>,
    pub(super) program: Option<PathBuf>,
    pub(super) arguments: Vec<OsString>,
    pub(super) patience: Duration,
    pub(super) keepalive: Option<u32>,
    pub(super) max_age: Option<Duration>,
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name begins NGINX's variables.
    #[error("the name {0:?} is not made of a to z, 0 to 9 and _")]
    Name(String),
    /// The file is no absolute path: NGINX would look for it elsewhere.
    #[error("{0:?} is not an absolute path of a file")]
    File(PathBuf),
    /// A version has no server, or one that NGINX would not read as a server.
    #[error("version {revision}: {server:?} is not a server such as 10.0.0.1:8080")]
    Server {
        /// The version.
        revision: RevisionId,
        /// Its server; empty when it has none.
        server: String,
    },
    /// A cookie or a header with a name that NGINX has no variable for.
    #[error("{0:?} is not a name of a cookie or a header that NGINX can read")]
    Sticky(String),
    /// There is no such program.
    #[error("there is no {0}: install it (apt-get install nginx), or give its path")]
    Program(String),
}

impl Config {
    /// A configuration for the rollout of this name, in this file. The name begins the variables
    /// that the file defines.
    pub fn new(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            servers: BTreeMap::new(),
            sticky: Sticky::Request,
            probe: None,
            program: None,
            arguments: Vec::new(),
            patience: Duration::from_secs(4),
            keepalive: None,
            max_age: None,
        }
    }

    /// The servers of a version, as NGINX's `server` directive takes them.
    #[must_use]
    pub fn servers<S: Into<String>>(
        mut self,
        revision: impl Into<RevisionId>,
        servers: impl IntoIterator<Item = S>,
    ) -> Self {
        let servers = servers.into_iter().map(Into::into).collect();
        self.servers.insert(revision.into(), servers);
        self
    }

    /// What keeps a client on one side. Default [`Sticky::Request`].
    #[must_use]
    pub fn sticky(mut self, sticky: Sticky) -> Self {
        self.sticky = sticky;
        self
    }

    /// Keeps a client where it was as a rollout's `sessionAffinity` says: by a cookie of this
    /// name and life.
    #[must_use]
    pub fn session_affinity(mut self, affinity: &SessionAffinity) -> Self {
        self.sticky = Sticky::Cookie(affinity.cookie_name.clone());
        self.max_age = Some(affinity.max_age);
        self
    }

    /// A free loopback address at which NGINX shall tell which file it has loaded, at
    /// `/gradatim/NAME`. Without it a reload is written and not confirmed.
    #[must_use]
    pub fn probe(mut self, address: impl Into<SocketAddr>) -> Self {
        self.probe = Some(address.into());
        self
    }

    /// How many idle connections to the servers of each version a worker keeps open. It wants
    /// `proxy_http_version 1.1;` and `proxy_set_header Connection "";` beside `proxy_pass`.
    /// Default none.
    #[must_use]
    pub fn keepalive(mut self, connections: u32) -> Self {
        self.keepalive = Some(connections.max(1));
        self
    }

    /// The program. By default `nginx` is looked for on `PATH` and in the `sbin` folders.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// NGINX's main configuration file. Default is the program's own.
    #[must_use]
    pub fn main_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.arguments.push("-c".into());
        self.arguments.push(file.into().into());
        self
    }

    /// How long a call of the program and the confirmation of a reload may take each. Default
    /// 4 s, which lets a write end within a driver's deadline of 10 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where the file is.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether it can work.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_variable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(is_variable) {
            return Err(ConfigError::Name(self.name.clone()));
        }
        if !self.file.is_absolute() || self.file.file_name().is_none() {
            return Err(ConfigError::File(self.file.clone()));
        }
        let named = match &self.sticky {
            Sticky::Request => None,
            Sticky::Cookie(name) => Some((name, is_cookie(name))),
            Sticky::Header(name) => Some((name, is_header(name))),
        };
        if let Some((name, false)) = named {
            return Err(ConfigError::Sticky(name.clone()));
        }
        self.check_servers()
    }

    fn check_servers(&self) -> Result<(), ConfigError> {
        for (revision, servers) in &self.servers {
            let wrong = servers.iter().find(|server| !is_server(server));
            let wrong = wrong.cloned().or(servers.is_empty().then(String::new));
            if let Some(server) = wrong {
                let revision = revision.clone();
                return Err(ConfigError::Server { revision, server });
            }
        }
        Ok(())
    }
}

/// Whether NGINX has a variable `$http_…` for a header of this name.
pub(super) fn is_header(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !name.is_empty() && name.chars().all(is_part)
}

pub(super) fn is_cookie(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Nothing that would end the directive and begin another.
fn is_server(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._:-=[]/ ".contains(c);
    !text.is_empty() && text.trim() == text && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_out_of_its_directive_is_refused() {
        let config = || Config::new("shop", "/etc/nginx/shop.conf");
        assert!(
            config()
                .servers("v1", ["[::1]:80 weight=2"])
                .check()
                .is_ok()
        );
        for server in ["", " ", "a:80; }", "a:80\nb", "$host", "a:80 # no", "\"a\""] {
            let wrong = config().servers("v1", [server]).check();
            assert!(
                matches!(wrong, Err(ConfigError::Server { .. })),
                "{server:?}"
            );
        }
        for name in ["", "Shop", "my-shop", "a b", "ä"] {
            assert!(Config::new(name, "/a.conf").check().is_err(), "{name:?}");
        }
        assert!(Config::new("shop", "shop.conf").check().is_err());
        for sticky in [Sticky::Cookie("a b".into()), Sticky::Header("a$b".into())] {
            assert!(config().sticky(sticky).check().is_err());
        }
    }
}
