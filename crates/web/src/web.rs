//! `provider.web`: any JSON endpoint.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::measurement::{Ask, Notes, Outcome, Reading};
use gradatim_core::port::{MetricProvider, PortError, Secrets};
use gradatim_core::registry::{PartError, ProviderTraits};
use gradatim_http::{Answer, Body, Endpoint, HttpClient, Part, Request};
use jsonpath_rust::JsonPath;
use jsonpath_rust::parser::parse_json_path;
use serde_json::Value;

/// How long a request may take whose manifest does not say; as in Argo Rollouts.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The methods that may be asked for.
const METHODS: [&str; 3] = ["GET", "POST", "PUT"];

/// What a manifest asks of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    endpoint: Endpoint,
    method: String,
    body: Body,
    path: String,
}

impl Asking {
    /// Reads a part: the fields of Argo Rollouts' `provider.web`.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn parse(value: &Value) -> Result<Self, Vec<PartError>> {
        let mut part = Part::new(value);
        let endpoint = Endpoint::read(&mut part, "url", "timeoutSeconds");
        if endpoint.address.is_none() && part.text("url").is_none_or(|url| url.trim().is_empty()) {
            part.refuse("", "url is missing", "");
        }
        let method = method(&mut part);
        let body = body(&mut part, &method);
        let path = path(&mut part);
        part.finish()?;
        Ok(Self {
            endpoint,
            method,
            body,
            path,
        })
    }

    fn request(&self) -> Result<Request, PortError> {
        let request = self.endpoint.request("the endpoint", "", None, false)?;
        let url = self.endpoint.address.clone();
        Ok(Request {
            method: self.method.clone(),
            // The base of an address may lose its last slash, a whole one must not.
            url: url.unwrap_or(request.url),
            body: self.body.clone(),
            timeout: self.endpoint.timeout.unwrap_or(TIMEOUT),
            ..request
        })
    }

    /// What stands at the path; a body that is no JSON is a text.
    fn reading(&self, answer: &Answer) -> Result<Reading, PortError> {
        let json: Value = match serde_json::from_slice(&answer.body) {
            Ok(json) => json,
            Err(_) if is_cut_json(answer) => return Err(answer.malformed("JSON that is cut short")),
            Err(_) => Value::String(answer.text()),
        };
        let found = json
            .query(&self.path)
            .map_err(|error| answer.malformed(error))?;
        match found.first() {
            Some(value) => Ok(Reading::Json(answer.strike_json((*value).clone()))),
            None => Err(answer.malformed(format_args!("nothing at {}", self.path))),
        }
    }
}

/// Whether a body says that it is JSON and is none.
fn is_cut_json(answer: &Answer) -> bool {
    answer.content_type.ends_with("json")
}

fn method(part: &mut Part<'_>) -> String {
    let method = part.text("method").filter(|method| !method.is_empty());
    let method = method.unwrap_or_else(|| "GET".to_owned());
    if !METHODS.contains(&method.as_str()) {
        part.refuse("method", "no such method here", "GET, POST or PUT");
    }
    method
}

fn body(part: &mut Part<'_>, method: &str) -> Body {
    let text = part.text("body").filter(|body| !body.is_empty());
    let json = part.value("jsonBody").cloned();
    if text.is_some() && json.is_some() {
        part.refuse("jsonBody", "there is a body already", "body or jsonBody");
    }
    if method == "GET" && (text.is_some() || json.is_some()) {
        part.refuse("method", "a GET carries no body", "method: POST");
    }
    match (text, json) {
        (Some(text), _) => Body::Text(text),
        (None, Some(json)) => Body::Json(json),
        (None, None) => Body::Empty,
    }
}

/// A path as Kubernetes writes it, `{$.data.ok}`, or bare.
fn path(part: &mut Part<'_>) -> String {
    let text = part.text("jsonPath").filter(|path| !path.trim().is_empty());
    let Some(text) = text else {
        return "$".to_owned();
    };
    let bare = text.trim();
    let bare = bare
        .strip_prefix('{')
        .and_then(|path| path.strip_suffix('}'))
        .unwrap_or(bare);
    let bare = match bare.trim() {
        path if path.starts_with('$') => path.to_owned(),
        path => format!("${path}"),
    };
    if let Err(error) = parse_json_path(&bare) {
        let error = error.to_string();
        let error = error.lines().last().unwrap_or_default().trim();
        part.refuse(
            "jsonPath",
            &format!("this is no path: {error}"),
            "such as {$.data.ok}",
        );
    }
    bare
}

/// Measures with any JSON endpoint; one value serves all.
#[derive(Clone, Debug)]
pub struct Web {
    client: HttpClient,
}

impl Web {
    /// A provider with a client of its own.
    ///
    /// # Errors
    /// When no HTTP client can be made on this system.
    pub fn new(secrets: Arc<dyn Secrets>) -> Result<Self, PortError> {
        Ok(Self::with_client(HttpClient::new(secrets)?))
    }

    /// A provider that shares a client.
    pub fn with_client(client: HttpClient) -> Self {
        Self { client }
    }

    /// What a plan needs to know of a part.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn parse(part: &Value) -> Result<ProviderTraits, Vec<PartError>> {
        Asking::parse(part).map(|_| ProviderTraits::default())
    }
}

#[async_trait]
impl MetricProvider for Web {
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let asking = Asking::parse(&ask.query).map_err(|errors| gradatim_http::misread(&errors))?;
        let mut request = asking.request()?;
        if request.method != "GET" {
            request = request.header(crate::IDEMPOTENCY, ask.id.to_string());
        }
        let answer = self.client.send(&request).await?.ok()?;
        let notes = Notes {
            query: Some(format!("{} {}", request.method, request.url)),
            ..Notes::default()
        };
        let reading = asking.reading(&answer)?;
        Ok(Outcome::Done { reading, notes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(value: &Value) -> Vec<String> {
        let told = |error: PartError| format!("{}: {}", error.path, error.message);
        Asking::parse(value)
            .unwrap_err()
            .into_iter()
            .map(told)
            .collect()
    }

    #[test]
    fn a_path_is_read_in_every_form_that_manifests_use() {
        for path in [
            "{$.data.ok}",
            "$.data.ok",
            "{.data.ok}",
            " { $.data.ok } ",
            ".data.ok",
        ] {
            let asking = Asking::parse(&json!({"url": "http://x/", "jsonPath": path}));
            assert_eq!(asking.unwrap().path, "$.data.ok", "{path}");
        }
        let asking = Asking::parse(&json!({"url": "http://x/"})).unwrap();
        assert_eq!((asking.path.as_str(), asking.method.as_str()), ("$", "GET"));
    }

    #[test]
    fn everything_that_is_wrong_is_found_at_once() {
        let value = json!({
            "body": "a", "jsonBody": {"b": 1}, "jsonPath": "{$[}", "timeoutSeconds": -1,
        });
        let errors = errors(&value);
        let heads = [
            "timeoutSeconds: ",
            ": url is missing",
            "jsonBody: there",
            "method: a GET",
            "jsonPath: ",
        ];
        assert_eq!(errors.len(), heads.len(), "{errors:?}");
        for (error, head) in errors.iter().zip(heads) {
            assert!(error.starts_with(head), "{error}");
        }
    }

    #[test]
    fn an_address_keeps_its_last_slash() {
        let asking = Asking::parse(&json!({"url": "http://x/a/?b={{args.c}}"})).unwrap();
        assert_eq!(asking.request().unwrap().url, "http://x/a/?b={{args.c}}");
    }
}
