//! A backend's own part of a manifest: read field by field, every error found at once.

use std::collections::BTreeSet;
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::registry::PartError;
use reqwest::Url;
use serde_json::{Map, Value};

use crate::authentication::{Authentication, OAuth2};
use crate::request::Request;

/// One object of a part while it is read: what was asked for is known, the rest is an error.
#[derive(Debug)]
pub struct Part<'v> {
    fields: Option<&'v Map<String, Value>>,
    path: String,
    known: BTreeSet<&'static str>,
    errors: Vec<PartError>,
}

impl<'v> Part<'v> {
    /// A part, which must be an object.
    pub fn new(value: &'v Value) -> Self {
        Self::at(value, String::new())
    }

    fn at(value: &'v Value, path: String) -> Self {
        let mut part = Self {
            fields: value.as_object(),
            path,
            known: BTreeSet::new(),
            errors: Vec::new(),
        };
        if part.fields.is_none() {
            let error = PartError::new(&part.path, "fields are wanted here");
            part.errors.push(error.with_value(shown(value)));
        }
        part
    }

    /// A field's value, `null` counting as none.
    pub fn value(&mut self, key: &'static str) -> Option<&'v Value> {
        self.known.insert(key);
        self.fields?.get(key).filter(|value| !value.is_null())
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        if value.as_str().is_none() {
            self.refuse(key, "a text is wanted", "put it in quotes");
        }
        value.as_str().map(str::to_owned)
    }

    /// A text that must be there and not be empty.
    pub fn required(&mut self, key: &'static str) -> String {
        let text = self.text(key).unwrap_or_default();
        let given = self.fields.is_some_and(|fields| fields.contains_key(key));
        if text.trim().is_empty() && self.fields.is_some() {
            let before = self.errors.len();
            match given {
                true => self.refuse(key, "this must not be empty", ""),
                false => self.refuse("", &format!("{key} is missing"), ""),
            }
            debug_assert!(self.errors.len() > before);
        }
        text
    }

    /// A yes or no; no when it is not there.
    pub fn flag(&mut self, key: &'static str) -> bool {
        let Some(value) = self.value(key) else {
            return false;
        };
        if !value.is_boolean() {
            self.refuse(key, "true or false is wanted", "");
        }
        value.as_bool().unwrap_or(false)
    }

    /// Whole seconds above zero.
    pub fn seconds(&mut self, key: &'static str) -> Option<Duration> {
        let value = self.value(key)?;
        match value
            .as_u64()
            .filter(|seconds| (1..=86_400).contains(seconds))
        {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => {
                self.refuse(
                    key,
                    "a number of seconds is wanted",
                    "1 to 86400, without a unit",
                );
                None
            }
        }
    }

    /// Reads an object below this one.
    pub fn object<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let value = self.value(key)?;
        Some(self.below(value, key.to_owned(), read))
    }

    /// Reads each object of a list below this one.
    pub fn list<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.as_array() else {
            self.refuse(key, "a list is wanted", "");
            return Vec::new();
        };
        let each = items.iter().enumerate();
        each.map(|(index, item)| self.below(item, format!("{key}[{index}]"), &mut read))
            .collect()
    }

    fn below<T>(&mut self, value: &'v Value, key: String, read: impl FnOnce(&mut Self) -> T) -> T {
        let path = match self.path.as_str() {
            "" => key,
            path => format!("{path}.{key}"),
        };
        let mut part = Part::at(value, path);
        let read = read(&mut part);
        part.close();
        self.errors.append(&mut part.errors);
        read
    }

    /// Texts of a list.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let texts = value.as_array().map(|items| {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        texts.flatten().unwrap_or_else(|| {
            self.refuse(key, "a list of texts is wanted", "");
            Vec::new()
        })
    }

    /// Says what is wrong with a field, or with the object where the key is empty.
    pub fn refuse(&mut self, key: &str, message: &str, help: &str) {
        let path = match (self.path.as_str(), key) {
            (path, "") => path.to_owned(),
            ("", key) => key.to_owned(),
            (path, key) => format!("{path}.{key}"),
        };
        let mut error = PartError::new(&path, message);
        if let Some(value) = self.fields.and_then(|fields| fields.get(key)) {
            error = error.with_value(shown(value));
        }
        if !help.is_empty() {
            error = error.with_help(help);
        }
        self.errors.push(error);
    }

    fn close(&mut self) {
        let keys = self.fields.into_iter().flat_map(Map::keys);
        let unknown: Vec<&String> = keys
            .filter(|key| !self.known.contains(key.as_str()))
            .collect();
        for key in unknown {
            let known: Vec<&str> = self.known.iter().copied().collect();
            let help = format!("known here: {}", known.join(", "));
            self.refuse(key, "unknown field", &help);
        }
    }

    /// Everything that is wrong, fields that nobody asked for included.
    ///
    /// # Errors
    /// When anything is wrong.
    pub fn finish(mut self) -> Result<(), Vec<PartError>> {
        self.close();
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(self.errors),
        }
    }
}

/// A value as it is shown in an error; one that may hold a secret in clear is cut short.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().take(60).collect()
}

/// Where a provider's requests go, as a manifest says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The address; the embedder's default where none is written.
    pub address: Option<String>,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// How the sender is known.
    pub authentication: Authentication,
    /// Whether certificates are taken on trust.
    pub insecure: bool,
    /// How long a request may take; the provider's own default where nothing is written.
    pub timeout: Option<Duration>,
}

impl Endpoint {
    /// Reads `address`, `headers`, `authentication` and `insecure`, and the timeout under the
    /// name that the provider has for it. Names as in Argo Rollouts; `authentication.bearer`
    /// with a `token` is ours.
    pub fn read(part: &mut Part<'_>, address: &'static str, timeout: &'static str) -> Self {
        let endpoint = Self {
            address: part.text(address).filter(|text| !text.trim().is_empty()),
            headers: part.list("headers", |header| {
                let value = header.text("value").unwrap_or_default();
                (header.required("key"), value)
            }),
            authentication: part
                .object("authentication", authentication)
                .unwrap_or_default(),
            insecure: part.flag("insecure"),
            timeout: part.seconds(timeout),
        };
        if let Some(text) = &endpoint.address
            && !is_address(text)
        {
            let help = "such as http://prometheus.monitoring:9090";
            part.refuse(address, "an http or https address is wanted", help);
        }
        endpoint
    }

    /// A request to a path below the address, with all that the manifest says of it.
    ///
    /// The program's own address stands in where the manifest names none, or everywhere when it
    /// `overrides`.
    ///
    /// # Errors
    /// When neither names an address; `whose` says whose is missing.
    pub fn request(
        &self,
        whose: &str,
        path: &str,
        default: Option<&str>,
        overrides: bool,
    ) -> Result<Request, PortError> {
        let theirs = self.address.as_deref();
        let address = if overrides {
            default.or(theirs)
        } else {
            theirs.or(default)
        };
        let address = address.ok_or_else(|| {
            let text =
                format!("no address of {whose}: neither the metric nor the program names one");
            PortError::new(FaultKind::Invalid, text)
        })?;
        let mut request = Request::get(format!("{}{path}", address.trim_end_matches('/')));
        request.headers.clone_from(&self.headers);
        request.authentication = self.authentication.clone();
        request.insecure = self.insecure;
        Ok(request)
    }
}

/// A part that its parser had accepted and that is wrong with its late arguments filled in.
pub fn misread(errors: &[PartError]) -> PortError {
    let told = |error: &PartError| format!("{}: {}", error.path, error.message);
    let texts: Vec<String> = errors.iter().map(told).collect();
    PortError::new(FaultKind::Invalid, texts.join("; "))
}

/// Whether a text is an address, as far as can be told before its arguments are put in.
fn is_address(text: &str) -> bool {
    text.contains("{{")
        || Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn authentication(part: &mut Part<'_>) -> Authentication {
    let basic = part.object("basicAuth", |basic| Authentication::Basic {
        username: basic.required("username"),
        password: basic.required("password"),
    });
    let bearer = part.object("bearer", |bearer| Authentication::Bearer {
        token: bearer.required("token"),
    });
    let oauth2 = part.object("oauth2", |grant| {
        Authentication::OAuth2(OAuth2 {
            token_url: grant.required("tokenUrl"),
            client_id: grant.required("clientId"),
            client_secret: grant.required("clientSecret"),
            scopes: grant.texts("scopes"),
        })
    });
    if let Some(sigv4) = part.value("sigv4")
        && sigv4.as_object().is_none_or(|fields| !fields.is_empty())
    {
        let help = "let a signing proxy stand in front of it, and name that";
        part.refuse("sigv4", "requests are not signed for AWS here", help);
    }
    let mut ways = [basic, bearer, oauth2].into_iter().flatten();
    let first = ways.next().unwrap_or_default();
    if ways.next().is_some() {
        part.refuse("", "there are several ways to authenticate", "keep one");
    }
    first
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Endpoint, Vec<String>> {
        let mut part = Part::new(value);
        let endpoint = Endpoint::read(&mut part, "address", "timeout");
        let told = |error: PartError| format!("{}: {}", error.path, error.message);
        let finished = part.finish();
        finished
            .map(|()| endpoint)
            .map_err(|errors| errors.into_iter().map(told).collect())
    }

    #[test]
    fn what_a_manifest_says_is_read_as_it_stands() {
        let endpoint = read(&json!({
            "address": "https://prometheus.example:9090/base",
            "headers": [{"key": "X-Scope-OrgID", "value": "shop"}],
            "authentication": {"sigv4": {}, "oauth2": {
                "tokenUrl": "https://id.example/token", "clientId": "shop",
                "clientSecret": "{{secret:oauth:secret}}", "scopes": ["read"],
            }},
            "timeout": 40,
        }));
        let endpoint = endpoint.unwrap();
        assert_eq!(endpoint.timeout, Some(Duration::from_secs(40)));
        assert_eq!(
            endpoint.headers,
            [("X-Scope-OrgID".to_owned(), "shop".to_owned())]
        );
        assert!(
            matches!(endpoint.authentication, Authentication::OAuth2(grant)
            if grant.client_secret == "{{secret:oauth:secret}}" && grant.scopes == ["read"])
        );
    }

    #[test]
    fn everything_that_is_wrong_is_found_at_once_with_its_path() {
        let errors = read(&json!({
            "address": "prometheus:9090",
            "headers": [{"value": "x"}, 7],
            "authentication": {
                "basicAuth": {"username": "me"},
                "bearer": {"token": "t"},
                "sigv4": {"region": "eu-west-1"},
            },
            "insecure": "yes",
            "timeout": 0,
            "adress": "x",
        }));
        assert_eq!(
            errors.unwrap_err(),
            [
                "headers[0]: key is missing",
                "headers[1]: fields are wanted here",
                "authentication.basicAuth: password is missing",
                "authentication.sigv4: requests are not signed for AWS here",
                "authentication: there are several ways to authenticate",
                "insecure: true or false is wanted",
                "timeout: a number of seconds is wanted",
                "address: an http or https address is wanted",
                "adress: unknown field",
            ]
        );
    }

    #[test]
    fn a_part_that_is_no_object_is_one_error() {
        assert_eq!(
            read(&json!(["x"])).unwrap_err(),
            [": fields are wanted here"]
        );
    }
}
