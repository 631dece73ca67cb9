//! Secrets from this process' environment, and from files as Kubernetes mounts them.

use std::io::ErrorKind;
use std::path::PathBuf;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::port::{PortError, Secret, Secrets};

/// Secrets from variables of this process.
///
/// The key `token` of the secret `prom-auth` is the variable `PROM_AUTH_TOKEN` behind the prefix:
/// upper case, and `_` for whatever is neither a letter nor a digit.
#[derive(Clone, Debug, Default)]
pub struct EnvSecrets {
    prefix: String,
}

impl EnvSecrets {
    /// Variables whose names begin so, such as `SECRET_`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The variable of one key of one secret.
    pub fn variable(&self, name: &str, key: &str) -> String {
        let letter = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        };
        let rest = name.chars().chain(['_']).chain(key.chars()).map(letter);
        self.prefix.chars().chain(rest).collect()
    }
}

#[async_trait]
impl Secrets for EnvSecrets {
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
        let variable = self.variable(name, key);
        std::env::var(&variable).map(Secret::new).map_err(|_| {
            let text = format!("no secret {name}/{key}: the variable {variable} is not set");
            PortError::new(FaultKind::NotFound, text)
        })
    }
}

/// Secrets from files: the key `token` of the secret `prom-auth` is the file `prom-auth/token`
/// below the directory. One line end at the end of a file is not part of the secret.
#[derive(Clone, Debug)]
pub struct FileSecrets {
    dir: PathBuf,
}

impl FileSecrets {
    /// The files below a directory; read anew each time, so that a rotated secret is seen.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }
}

#[async_trait]
impl Secrets for FileSecrets {
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
        // A name out of a manifest must not lead out of the directory.
        if [name, key].iter().any(|part| !is_file_name(part)) {
            let text = format!("no secret {name}/{key}: this is no name of a file");
            return Err(PortError::new(FaultKind::NotFound, text));
        }
        let path = self.dir.join(name).join(key);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Secret::new(text.strip_suffix('\n').unwrap_or(&text))),
            Err(error) => {
                let kind = match error.kind() {
                    ErrorKind::PermissionDenied => FaultKind::Forbidden,
                    _ => FaultKind::NotFound,
                };
                let path = path.display();
                let text = format!("no secret {name}/{key}: {path} cannot be read");
                Err(PortError::new(kind, text).caused_by(error))
            }
        }
    }
}

fn is_file_name(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\\', '\0'])
}

/// Several places, the first that has a secret winning.
#[derive(Default)]
pub struct FirstOf {
    places: Vec<std::sync::Arc<dyn Secrets>>,
}

impl FirstOf {
    /// No place: every secret is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more place.
    #[must_use]
    pub fn then(mut self, place: std::sync::Arc<dyn Secrets>) -> Self {
        self.places.push(place);
        self
    }
}

#[async_trait]
impl Secrets for FirstOf {
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
        let mut missing = Vec::new();
        for place in &self.places {
            match place.get(name, key).await {
                Ok(secret) => return Ok(secret),
                Err(error) if error.kind == FaultKind::NotFound => missing.push(error.text),
                Err(error) => return Err(error),
            }
        }
        let text = match missing.is_empty() {
            true => format!("no secret {name}/{key}: nobody was asked"),
            false => missing.join("; "),
        };
        Err(PortError::new(FaultKind::NotFound, text))
    }
}

impl std::fmt::Debug for FirstOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstOf")
            .field("places", &self.places.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_variable_is_named_after_secret_and_key() {
        let secrets = EnvSecrets::new("SECRET_");
        assert_eq!(
            secrets.variable("prom-auth", "api.token"),
            "SECRET_PROM_AUTH_API_TOKEN"
        );
        let error = secrets.get("prom-auth", "api.token").await.unwrap_err();
        assert_eq!(error.kind, FaultKind::NotFound);
        assert!(error.text.contains("SECRET_PROM_AUTH_API_TOKEN"), "{error}");
    }

    #[tokio::test]
    async fn a_file_holds_a_secret_and_no_name_leads_out_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("prom")).unwrap();
        std::fs::write(dir.path().join("prom/token"), "s3same\n").unwrap();
        std::fs::write(dir.path().join("outside"), "no").unwrap();
        let secrets = FileSecrets::new(dir.path().join("prom"));
        assert!(secrets.get("..", "outside").await.is_err());
        let secrets = FileSecrets::new(dir.path());
        assert_eq!(
            secrets.get("prom", "token").await.unwrap(),
            Secret::new("s3same")
        );
        for (name, key) in [
            ("prom", "nope"),
            ("prom", "../outside"),
            ("", "x"),
            ("/etc", "passwd"),
        ] {
            let error = secrets.get(name, key).await.unwrap_err();
            assert_eq!(error.kind, FaultKind::NotFound, "{name}/{key}");
        }
    }

    #[tokio::test]
    async fn the_first_place_that_has_a_secret_wins_and_all_are_named_that_have_not() {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(FileSecrets::new(dir.path()));
        let both = FirstOf::new()
            .then(Arc::new(EnvSecrets::new("NOPE_")))
            .then(files);
        let error = both.get("a", "b").await.unwrap_err();
        assert!(
            error.text.contains("NOPE_A_B") && error.text.contains("cannot be read"),
            "{error}"
        );
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/b"), "x").unwrap();
        assert_eq!(both.get("a", "b").await.unwrap(), Secret::new("x"));
    }
}
