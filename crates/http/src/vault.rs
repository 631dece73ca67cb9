//! Secrets on their way out: filled in just before sending, struck out of what comes back.

use std::sync::Arc;

use gradatim_core::port::{PortError, Secret, Secrets};
use gradatim_core::registry::SecretRef;
use serde_json::Value;

/// Secrets that one request needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault {
    known: Vec<(SecretRef, Secret)>,
    /// Every form of every secret in lower case, the longest first: a form may hold another one.
    forms: Vec<Secret>,
}

/// A text with secrets struck out, in each form that the other side of a request or a command may
/// give them back in: as they are, in JSON, or in an address.
pub fn strike(text: &str, secrets: &[Secret]) -> String {
    let mut vault = Vault::default();
    for secret in secrets {
        vault.hide(secret.clone());
    }
    vault.strike(text)
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
        let mut vault = Self::default();
        for reference in wanted {
            let secret = secrets.get(&reference.name, &reference.key).await?;
            vault.keep(reference, secret);
        }
        Ok(vault)
    }

    /// One more text that must be shown to nobody.
    pub(crate) fn hide(&mut self, secret: Secret) {
        self.keep(SecretRef::new("", ""), secret);
    }

    fn keep(&mut self, reference: SecretRef, secret: Secret) {
        let forms = forms(secret.reveal()).into_iter();
        let forms = forms.filter(|form| !form.is_empty());
        self.forms
            .extend(forms.map(|form| Secret::new(form.to_ascii_lowercase())));
        self.forms
            .sort_by_key(|form| std::cmp::Reverse(form.reveal().len()));
        self.forms
            .dedup_by(|one, other| one.reveal() == other.reveal());
        self.known.push((reference, secret));
    }

    /// A text with its secrets filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (reference, secret)| {
                reference.fill(&text, secret.reveal())
            })
    }

    /// Whether there is anything to strike out.
    pub(crate) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// How long the longest secret is, in any form of it.
    pub(crate) fn longest(&self) -> usize {
        self.forms.first().map_or(0, |form| form.reveal().len())
    }

    /// A text with every secret struck out, also where the other side has encoded it.
    pub(crate) fn strike(&self, text: &str) -> String {
        let forms = self.forms.iter().map(Secret::reveal);
        forms.fold(text.to_owned(), without)
    }

    /// JSON with every secret struck out of its texts and names.
    pub(crate) fn strike_json(&self, json: Value) -> Value {
        if self.is_empty() {
            return json;
        }
        match json {
            Value::String(text) => Value::String(self.strike(&text)),
            Value::Array(items) => items.into_iter().map(|it| self.strike_json(it)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (self.strike(&name), self.strike_json(value)))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => json,
        }
    }
}

/// A secret as it is, without the white space around it, and as it stands in an address: in its
/// path, in its query, and in its query as a form; and each of these as it stands in JSON.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned(), value.trim().to_owned()];
    if let Ok(mut url) = reqwest::Url::parse("http://x/") {
        url.set_path(value);
        forms.push(url.path().trim_start_matches('/').to_owned());
        url.set_query(Some(value));
        forms.extend(url.query().map(str::to_owned));
        url.query_pairs_mut().clear().append_key_only(value);
        forms.extend(url.query().map(str::to_owned));
    }
    let json = |form: &String| serde_json::to_string(form).unwrap_or_default();
    let json: Vec<String> = forms.iter().map(json).collect();
    let quoted = json
        .iter()
        .filter_map(|form| form.strip_prefix('"')?.strip_suffix('"'));
    forms.extend(quoted.map(str::to_owned));
    forms
}

/// Strikes a form out, whatever its letters' case became: a host is written in lower case.
fn without(text: String, form: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if !lower.contains(form) {
        return text;
    }
    let (mut struck, mut end) = (String::with_capacity(text.len()), 0);
    for (at, found) in lower.match_indices(form) {
        struck.push_str(text.get(end..at).unwrap_or_default());
        struck.push_str("[secret]");
        end = at + found.len();
    }
    struck.push_str(text.get(end..).unwrap_or_default());
    struck
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
        assert_eq!(vault.strike("/p&ss%20word/P&SS WORD"), "/[secret]/[secret]");
        vault.hide(Secret::new("a/\"b"));
        assert_eq!(vault.strike("GET /?t=a/%22b"), "GET /?t=[secret]");
        vault.hide(Secret::new("a \\ b"));
        assert_eq!(vault.strike("\"/?t=a%20\\\\%20b\""), "\"/?t=[secret]\"");
        vault.hide(Secret::new("quo\"te\n"));
        assert_eq!(
            vault.strike("{\"a\":\"quo\\\"te\\n\"}"),
            "{\"a\":\"[secret]\"}"
        );
        assert_eq!(vault.strike("quo\"te"), "[secret]");
    }

    #[test]
    fn a_secret_that_holds_another_one_is_struck_out_whole() {
        let mut vault = Vault::default();
        vault.hide(Secret::new("abc"));
        vault.hide(Secret::new("xabcx"));
        assert_eq!(vault.strike("xabcx abc"), "[secret] [secret]");
    }

    #[test]
    fn json_keeps_its_shape_without_the_secret() {
        let mut vault = Vault::default();
        vault.hide(Secret::new("s3same"));
        let json = serde_json::json!({"s3same": [1, null, "a s3same", {"b": "S3SAME"}]});
        let struck = serde_json::json!({"[secret]": [1, null, "a [secret]", {"b": "[secret]"}]});
        assert_eq!(vault.strike_json(json), struck);
    }

    #[test]
    fn an_empty_secret_strikes_nothing() {
        let mut vault = Vault::default();
        vault.hide(Secret::new(""));
        assert_eq!(vault.strike("as it is"), "as it is");
    }
}
