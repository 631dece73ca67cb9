//! A request as data.

use std::time::Duration;

use crate::authentication::Authentication;

/// The largest answer that is read unless a request says otherwise, in bytes: 32 MiB.
const MOST: usize = 32 * 1024 * 1024;
/// How long a request may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// Nothing.
    Empty,
    /// Any text, under the content type that the headers say.
    Text(String),
    /// JSON.
    Json(serde_json::Value),
    /// Fields of a form.
    Form(Vec<(String, String)>),
}

/// A request as data. Its texts may hold placeholders of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, `GET` by default.
    pub method: String,
    /// The address, without the query.
    pub url: String,
    /// The query's fields.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// What it carries.
    pub body: Body,
    /// How the sender is known.
    pub authentication: Authentication,
    /// Whether certificates are taken on trust. Default false.
    pub insecure: bool,
    /// How long it may take, until the answer's last byte. Default 30 s.
    pub timeout: Duration,
    /// The largest answer that is read, in bytes. Default 32 MiB.
    pub most: usize,
}

impl Request {
    /// A request with any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            authentication: Authentication::None,
            insecure: false,
            timeout: TIMEOUT,
            most: MOST,
        }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>, body: Body) -> Self {
        Self {
            body,
            ..Self::new("POST", url)
        }
    }

    /// The same with one more field in its query.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
