//! The rule of [`Secrets`].

use std::sync::Arc;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::Secrets;

use crate::report::{Check, Report, done, ensure, refused, told};

const PORT: &str = "Secrets";

/// The name of the secret that a bench puts there.
pub const NAME: &str = "checked";
/// Its key.
pub const KEY: &str = "token";
/// Its value.
pub const VALUE: &str = "s3same-opens";

/// What the author of a source of secrets supplies so that it can be checked.
pub trait Bench: Sync {
    /// A source that holds one secret, [`NAME`] with [`KEY`], whose value is [`VALUE`].
    fn secrets(&self) -> impl Future<Output = Arc<dyn Secrets>> + Send;
}

/// Checks every rule.
pub async fn all<B: Bench>(bench: &B) -> Report {
    let mut report = Report::default();
    report.note(
        PORT,
        1,
        a_missing_secret_is_named_and_no_value_told(bench).await,
    );
    report
}

/// Rule 1: a secret that is not there is an error of kind `NotFound` that names it, not its value.
pub async fn a_missing_secret_is_named_and_no_value_told<B: Bench>(bench: &B) -> Check {
    let secrets = bench.secrets().await;
    let secret = done(secrets.get(NAME, KEY).await, "`get` of what is there")?;
    ensure(secret.reveal() == VALUE, || {
        "`get` answers with another value".to_owned()
    })?;
    for (name, key) in [
        ("no-such-secret", KEY),
        (NAME, "no-such-key"),
        (NAME, ""),
        ("", KEY),
    ] {
        let what = format!("`get` of {name:?} with key {key:?}, which is not there");
        let answer = secrets.get(name, key).await;
        if let Err(error) = &answer {
            let text = format!("{} {error:?}", told(error));
            ensure(!text.contains(VALUE), || {
                format!("{what} tells the value of another key")
            })?;
            ensure(text.contains(name) && text.contains(key), || {
                format!("{what} is an error that does not name it: {}", told(error))
            })?;
        }
        refused(answer, FaultKind::NotFound, &what)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gradatim_core::port::{PortError, Secret};

    use super::*;
    use crate::testing::block_on;

    /// Answers with what the function makes of a name and a key.
    struct Fake(fn(&str, &str) -> Result<Secret, PortError>);

    #[async_trait]
    impl Secrets for Fake {
        async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
            (self.0)(name, key)
        }
    }

    struct FakeBench(fn(&str, &str) -> Result<Secret, PortError>);

    impl Bench for FakeBench {
        async fn secrets(&self) -> Arc<dyn Secrets> {
            Arc::new(Fake(self.0))
        }
    }

    fn missing(kind: FaultKind, text: String) -> Result<Secret, PortError> {
        Err(PortError::new(kind, text))
    }

    #[test]
    fn only_a_source_that_keeps_the_rule_is_clean() {
        type Source = fn(&str, &str) -> Result<Secret, PortError>;
        let sources: [(&str, Source); 6] = [
            ("", |name, key| match (name, key) {
                (NAME, KEY) => Ok(Secret::new(VALUE)),
                _ => missing(FaultKind::NotFound, format!("no {name}/{key}")),
            }),
            ("is accepted", |_, _| Ok(Secret::new(VALUE))),
            ("another value", |_, _| Ok(Secret::new("other"))),
            ("does not name it", |name, key| match (name, key) {
                (NAME, KEY) => Ok(Secret::new(VALUE)),
                _ => missing(FaultKind::NotFound, "no such secret".to_owned()),
            }),
            ("of kind Other", |name, key| match (name, key) {
                (NAME, KEY) => Ok(Secret::new(VALUE)),
                _ => missing(FaultKind::Other, format!("no {name}/{key}")),
            }),
            ("tells the value", |name, key| match (name, key) {
                (NAME, KEY) => Ok(Secret::new(VALUE)),
                _ => missing(
                    FaultKind::NotFound,
                    format!("no {name}/{key}, only {VALUE}"),
                ),
            }),
        ];
        for (what, source) in sources {
            let report = block_on(all(&FakeBench(source)));
            assert_eq!(report.is_clean(), what.is_empty(), "{report}");
            assert!(report.to_string().contains(what), "{what}: {report}");
        }
    }
}
