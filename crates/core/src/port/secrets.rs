use std::fmt;

use async_trait::async_trait;

use super::PortError;

/// A secret text that shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Resolves the secrets that arguments refer to.
///
/// The rules:
/// 1. A secret that is not there is an error of kind `NotFound` that names it, not its value.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The value of one key of one secret.
    ///
    /// # Errors
    /// When there is no such secret or key.
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError>;
}
