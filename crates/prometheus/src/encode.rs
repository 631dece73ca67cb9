//! From a question to a request; pure.

use gradatim_core::port::PortError;
use gradatim_core::time::Timestamp;
use gradatim_http::{Body, Endpoint, Request};

use crate::config::Config;
use crate::moment::Moment;

/// The longest query that goes into an address; longer ones go into a form.
const LONGEST_ADDRESS: usize = 2000;

/// A query at one instant.
pub(crate) fn instant(
    endpoint: &Endpoint,
    config: &Config,
    query: &str,
    at: Timestamp,
) -> Result<Request, PortError> {
    let fields = vec![("query", query.to_owned()), ("time", seconds(at))];
    request(endpoint, config, "query", fields)
}

/// A query over a time.
pub(crate) fn range(
    endpoint: &Endpoint,
    config: &Config,
    query: &str,
    (start, end, step): (Moment, Moment, std::time::Duration),
    at: Timestamp,
) -> Result<Request, PortError> {
    let fields = vec![
        ("query", query.to_owned()),
        ("start", seconds(start.of(at))),
        ("end", seconds(end.of(at))),
        ("step", step.as_secs_f64().to_string()),
    ];
    request(endpoint, config, "query_range", fields)
}

fn request(
    endpoint: &Endpoint,
    config: &Config,
    path: &str,
    fields: Vec<(&str, String)>,
) -> Result<Request, PortError> {
    let path = format!("/api/v1/{path}");
    let ours = config.address.as_deref();
    let request = endpoint.request("Prometheus", &path, ours, config.overrides)?;
    let timeout = endpoint.timeout.unwrap_or(config.timeout);
    let mut fields: Vec<(String, String)> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    fields.push(("timeout".to_owned(), format!("{}ms", timeout.as_millis())));
    let length: usize = fields.iter().map(|(_, value)| value.len()).sum();
    let mut request = if length > LONGEST_ADDRESS {
        Request {
            method: "POST".to_owned(),
            body: Body::Form(fields),
            ..request
        }
    } else {
        fields
            .into_iter()
            .fold(request, |request, (name, value)| request.query(name, value))
    };
    request.timeout = timeout;
    Ok(request)
}

/// Seconds with milliseconds, exact.
fn seconds(at: Timestamp) -> String {
    let millis = at.as_millis();
    let (whole, part) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    format!("{whole}.{part:03}")
}

#[cfg(test)]
mod tests {
    use gradatim_core::fault::FaultKind;

    use super::*;

    fn endpoint(address: &str) -> Endpoint {
        Endpoint {
            address: Some(address.to_owned()),
            ..Endpoint::default()
        }
    }

    #[test]
    fn a_query_asks_for_the_instant_that_the_measurement_speaks_of() {
        let at = Timestamp::from_millis(1_795_203_364_496);
        let request = instant(
            &endpoint("http://p:9090/base/"),
            &Config::default(),
            "up",
            at,
        );
        let request = request.unwrap();
        assert_eq!(request.url, "http://p:9090/base/api/v1/query");
        let fields = [
            ("query", "up"),
            ("time", "1795203364.496"),
            ("timeout", "30000ms"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(request.query, fields);
    }

    #[test]
    fn a_long_query_goes_into_a_form() {
        let query = "x".repeat(3000);
        let request = instant(
            &endpoint("http://p"),
            &Config::default(),
            &query,
            Timestamp::ZERO,
        );
        let request = request.unwrap();
        assert_eq!((request.method.as_str(), request.query.len()), ("POST", 0));
        assert!(matches!(request.body, Body::Form(fields) if fields[0].1 == query));
    }

    #[test]
    fn the_manifest_s_address_wins_unless_the_program_overrides_it() {
        let mut config = Config::with_address("http://ours");
        let url = |endpoint: &Endpoint, config: &Config| {
            instant(endpoint, config, "up", Timestamp::ZERO).map(|request| request.url)
        };
        let theirs = endpoint("http://theirs");
        assert_eq!(url(&theirs, &config).unwrap(), "http://theirs/api/v1/query");
        assert_eq!(
            url(&Endpoint::default(), &config).unwrap(),
            "http://ours/api/v1/query"
        );
        config.overrides = true;
        assert_eq!(url(&theirs, &config).unwrap(), "http://ours/api/v1/query");
        let none = url(&Endpoint::default(), &Config::default()).unwrap_err();
        assert_eq!(none.kind, FaultKind::Invalid);
    }
}
