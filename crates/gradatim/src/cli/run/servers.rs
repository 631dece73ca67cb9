//! The file that says which servers are which version.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use gradatim_nginx::plain::{Config, Servers, Sticky};
use serde::Deserialize;

use crate::cli::failure::Failure;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServersFile {
    file: PathBuf,
    stable: String,
    release: String,
    versions: BTreeMap<String, Vec<String>>,
    health: Option<String>,
    probe: Option<SocketAddr>,
    cookie: Option<String>,
    header: Option<String>,
    keepalive: Option<u32>,
    nginx: Option<PathBuf>,
    main_file: Option<PathBuf>,
}

impl ServersFile {
    pub(super) fn read(from: &str, bytes: &[u8]) -> Result<Self, Failure> {
        let wrong = |what: String| {
            let failure = Failure::input(format!("{from}: {what}"));
            failure.help("gradatim run --help shows such a file")
        };
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let file: Self = serde_saphyr::from_str(text).map_err(|error| {
            // A picture of the file follows.
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            wrong(first.trim_start_matches("error: ").to_owned())
        })?;
        for version in [&file.stable, &file.release] {
            if !file.versions.contains_key(version) {
                return Err(wrong(format!("version {version:?} has no servers")));
            }
        }
        if file.cookie.is_some() && file.header.is_some() {
            return Err(wrong(
                "a client is known by a cookie or by a header".to_owned(),
            ));
        }
        if file.health.as_ref().is_some_and(|path| !is_path(path)) {
            return Err(wrong("health is a path such as /healthz".to_owned()));
        }
        let checked = file.config("any").check();
        checked.map_err(|error| wrong(error.to_string()))?;
        Ok(file)
    }

    /// What the router is given, for the rollout of this name.
    pub(super) fn config(&self, rollout: &str) -> Config {
        let variable = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        };
        let name: String = rollout.chars().map(variable).collect();
        let mut config = Config::new(name, &self.file);
        for (version, servers) in &self.versions {
            config = config.servers(version.as_str(), servers.iter().cloned());
        }
        if let Some(cookie) = &self.cookie {
            config = config.sticky(Sticky::Cookie(cookie.clone()));
        }
        if let Some(header) = &self.header {
            config = config.sticky(Sticky::Header(header.clone()));
        }
        if let Some(probe) = self.probe {
            config = config.probe(probe);
        }
        if let Some(connections) = self.keepalive {
            config = config.keepalive(connections);
        }
        if let Some(program) = &self.nginx {
            config = config.program(program);
        }
        if let Some(file) = &self.main_file {
            config = config.main_file(file);
        }
        config
    }

    pub(super) fn workload(&self, config: &Config) -> Servers {
        let servers = Servers::new(config, self.stable.as_str(), self.release.as_str());
        match &self.health {
            Some(path) => servers.health(path),
            None => servers,
        }
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "{file: /etc/nginx/shop.conf, stable: v1, release: v2,
versions: {v1: ['10.0.0.1:80'], v2: ['10.0.0.2:80']}, health: /healthz, probe: '127.0.0.1:9180',
cookie: shopper}";

    #[test]
    fn what_is_wrong_with_the_file_is_named_with_the_file() {
        assert!(ServersFile::read("servers.yaml", GOOD.as_bytes()).is_ok());
        for (from, to, words) in [
            ("release: v2", "release: v3", "\"v3\" has no servers"),
            ("'10.0.0.2:80'", "'a; b'", "is not a server"),
            ("['10.0.0.2:80']", "[]", "is not a server"),
            ("/etc/nginx", "nginx", "not an absolute path"),
            ("cookie: shopper", "cookies: shopper", "cookies"),
            (
                "cookie: shopper",
                "cookie: a, header: b",
                "by a cookie or by a header",
            ),
            ("/healthz", "healthz", "a path such as /healthz"),
            ("'127.0.0.1:9180'", "here", "invalid socket address"),
            ("stable: v1, ", "", "stable"),
            (
                "probe:",
                "prob:",
                "unknown field `prob`, expected one of file,",
            ),
        ] {
            let text = GOOD.replace(from, to);
            let failure = ServersFile::read("servers.yaml", text.as_bytes()).unwrap_err();
            let said = format!("{failure:?}").replace('\\', "");
            assert!(
                said.contains(words) && said.contains("servers.yaml") && !said.contains('\n'),
                "{to}: {said}"
            );
        }
    }

    #[test]
    fn the_rollouts_name_begins_variables_of_nginx() {
        let file = ServersFile::read("servers.yaml", GOOD.as_bytes()).unwrap();
        assert!(file.config("my-Shop.v2").check().is_ok());
    }
}
