//! Secrets on their way out: filled in just before sending, struck out of what comes back.

use std::sync::Arc;

use gradatim_core::port::{PortError, Secret, Secrets};
use gradatim_core::registry::SecretRef;

/// Secrets that one request needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault {
    known: Vec<(SecretRef, Secret)>,
}

impl Vault {
    /// Fetches every secret that the texts name, each once.
    pub(crate) async fn open<'t>(
        secrets: &Arc<dyn Secrets>,
        texts: impl Iterator<Item = &'t str>,
    ) -> Result<Self, PortError> {
        let mut wanted: Vec<SecretRef> = texts.flat_map(SecretRef::all_in).collect();
        wanted.sort();
        wanted.dedup();
        let mut known = Vec::with_capacity(wanted.len());
        for reference in wanted {
            let secret = secrets.get(&reference.name, &reference.key).await?;
            known.push((reference, secret));
        }
        Ok(Self { known })
    }

    /// One more text that must be shown to nobody.
    pub(crate) fn hide(&mut self, secret: Secret) {
        self.known.push((SecretRef::new("", ""), secret));
    }

    /// A text with its secrets filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (reference, secret)| {
                reference.fill(&text, secret.reveal())
            })
    }

    /// A text with every secret struck out, also where the other side has encoded it for an
    /// address.
    pub(crate) fn strike(&self, text: &str) -> String {
        let values = self.known.iter().map(|(_, secret)| secret.reveal());
        values
            .filter(|value| !value.is_empty())
            .fold(text.to_owned(), |text, value| {
                let encoded = encoded(value);
                text.replace(value, "[secret]")
                    .replace(&encoded, "[secret]")
            })
    }
}

/// A text as it stands in the query of an address.
fn encoded(text: &str) -> String {
    let mut url = reqwest::Url::parse("http://x/").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().append_key_only(text);
    }
    let query = url.as_ref().and_then(reqwest::Url::query);
    query.unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_struck_out_as_it_is_and_as_it_stands_in_an_address() {
        let mut vault = Vault::default();
        vault.hide(Secret::new("p&ss word"));
        let text = "http://x/?t=p%26ss+word refused: p&ss word";
        assert_eq!(vault.strike(text), "http://x/?t=[secret] refused: [secret]");
        assert!(!format!("{vault:?}").contains("p&ss"));
    }

    #[test]
    fn an_empty_secret_strikes_nothing() {
        let mut vault = Vault::default();
        vault.hide(Secret::new(""));
        assert_eq!(vault.strike("as it is"), "as it is");
    }
}
