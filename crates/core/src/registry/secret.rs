use std::fmt;

const OPEN: &str = "{{secret:";
const CLOSE: &str = "}}";

/// A secret that a provider's part names; its text form is the placeholder that stands there.
///
/// A plan never holds a secret. A provider asks its [`Secrets`](crate::port::Secrets) for what
/// [`SecretRef::all_in`] finds and puts it in with [`SecretRef::fill`], just before it sends.
///
/// ```
/// use gradatim_core::registry::SecretRef;
///
/// let header = "Bearer {{secret:prometheus:token}}";
/// let secret = SecretRef::new("prometheus", "token");
/// assert_eq!(SecretRef::all_in(header), [secret.clone()]);
/// assert_eq!(secret.fill(header, "s3same"), "Bearer s3same");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef {
    /// The secret's name.
    pub name: String,
    /// The key in it.
    pub key: String,
}

impl SecretRef {
    /// A key of a secret.
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
        }
    }

    /// The secrets that a text names, in their order.
    pub fn all_in(text: &str) -> Vec<Self> {
        let places = text.split(OPEN).skip(1);
        let names = places.filter_map(|rest| rest.split_once(CLOSE)?.0.split_once(':'));
        names.map(|(name, key)| Self::new(name, key)).collect()
    }

    /// The text with this secret's value wherever the text names it.
    pub fn fill(&self, text: &str, value: &str) -> String {
        text.replace(&self.to_string(), value)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPEN}{}:{}{CLOSE}", self.name, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_placeholder_is_left_alone() {
        for text in [
            "",
            "{{secret:a}}",
            "{{secret:a:b",
            "{{args.a}}",
            "secret:a:b",
        ] {
            assert_eq!(SecretRef::all_in(text), [], "{text}");
        }
        assert_eq!(
            SecretRef::new("a", "b").fill("{{secret:a:c}}", "x"),
            "{{secret:a:c}}"
        );
    }
}
