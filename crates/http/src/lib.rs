//! What the backends of [gradatim](https://crates.io/crates/gradatim) that speak HTTP share.
//!
//! A provider describes a request as data; this crate sends it once and answers with the bytes
//! or with an error of a kind. It never sleeps, never tries again by itself and never decides.
//!
//! ```
//! use gradatim_core::port::PortError;
//! use gradatim_http::{HttpClient, Request};
//!
//! async fn version(client: &HttpClient) -> Result<String, PortError> {
//!     let request = Request::get("http://127.0.0.1:9090/api/v1/status/buildinfo");
//!     let answer = client.send(&request).await?;
//!     Ok(answer.ok()?.text())
//! }
//! ```
//!
//! # What it promises
//!
//! - Every request has a deadline, and every answer a largest size.
//! - A redirect is followed at most five times, to the same host only, and never from https to
//!   http: no credential ever reaches a host that nobody named.
//! - Certificates are verified, unless the manifest says `insecure`.
//! - At most 16 requests are under way to one host, over fewer than 32 connections, whoever sends
//!   them; the others wait their turn within their own deadline.
//! - A placeholder of a secret ([`SecretRef`](gradatim_core::registry::SecretRef)) is filled in
//!   just before sending. The secret's value is struck out of every text that comes back.

mod answer;
mod authentication;
mod client;
mod failure;
pub mod frame;
mod oauth2;
mod part;
mod request;
pub mod selector;
mod vault;

pub use self::answer::Answer;
pub use self::authentication::{Authentication, OAuth2};
pub use self::client::{HttpClient, HttpClientBuilder};
pub use self::part::{Endpoint, Part, misread};
pub use self::request::{Body, Request};
pub use self::vault::strike;

/// The present instant, for a probe: nobody gives it one.
pub fn now() -> gradatim_core::time::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    gradatim_core::time::Timestamp::ZERO + since.unwrap_or_default()
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod testing;
