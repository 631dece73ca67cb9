//! From a question to a request; pure.

use std::time::Duration;

use gradatim_core::port::PortError;
use gradatim_core::time::Timestamp;
use gradatim_http::Request;

use crate::config::Config;
use crate::part::Asking;

/// The window of a query that counts lines where nobody says another one.
const WINDOW: Duration = Duration::from_secs(60);
/// The header that names the tenant.
const TENANT: &str = "X-Scope-OrgID";

/// The query as it is sent: a query that gives lines counts them over its window.
pub(crate) fn logql(asking: &Asking, window: Duration) -> String {
    let query = asking.query.trim();
    if !asking.counts_lines() {
        return query.to_owned();
    }
    let window = asking.window.unwrap_or(window);
    let window = if window.is_zero() { WINDOW } else { window };
    format!("sum(count_over_time({query} [{}ms]))", window.as_millis())
}

/// A number, or series of numbers.
pub(crate) fn value(
    asking: &Asking,
    config: &Config,
    query: &str,
    at: Timestamp,
) -> Result<Request, PortError> {
    match (asking.window, asking.step) {
        (Some(window), Some(step)) => {
            let request = request(asking, config, "query_range")?;
            let step = format!("{}ms", step.as_millis());
            let request = over(request, at, window).query("step", step);
            Ok(request.query("query", query))
        }
        _ => {
            let request = request(asking, config, "query")?;
            Ok(request.query("query", query).query("time", nanos(at)))
        }
    }
}

/// The newest lines of a window.
pub(crate) fn lines(
    asking: &Asking,
    config: &Config,
    at: Timestamp,
    window: Duration,
    most: usize,
) -> Result<Request, PortError> {
    let request = request(asking, config, "query_range")?;
    // The end is not part of a range, and the newest line is the one that matters most.
    let end = at + Duration::from_millis(1);
    let request = over(request, end, asking.window.unwrap_or(window));
    let request = request.query("query", asking.query.trim());
    Ok(request
        .query("limit", most.to_string())
        .query("direction", "backward"))
}

fn over(request: Request, at: Timestamp, window: Duration) -> Request {
    let window = if window.is_zero() { WINDOW } else { window };
    request
        .query("start", nanos(at - window))
        .query("end", nanos(at))
}

fn request(asking: &Asking, config: &Config, path: &str) -> Result<Request, PortError> {
    let path = format!("/loki/api/v1/{path}");
    let ours = config.address.as_deref();
    let mut request = asking
        .endpoint
        .request("Loki", &path, ours, config.overrides)?;
    request.timeout = asking.endpoint.timeout.unwrap_or(config.timeout);
    Ok(match asking.tenant.as_ref().or(config.tenant.as_ref()) {
        Some(tenant) => request.header(TENANT, tenant),
        None => request,
    })
}

/// Nanoseconds, as Loki counts.
fn nanos(at: Timestamp) -> String {
    format!("{}", i128::from(at.as_millis()) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asking(value: serde_json::Value) -> Asking {
        Asking::parse(&value).unwrap()
    }

    fn field<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
        let field = request.query.iter().find(|(key, _)| key == name);
        field.map(|(_, value)| value.as_str())
    }

    #[test]
    fn lines_are_counted_over_the_window_and_numbers_are_asked_as_they_stand() {
        let lines = asking(json!({"query": "{app=\"web\"} |= \"error\""}));
        let counted = "sum(count_over_time({app=\"web\"} |= \"error\" [30000ms]))";
        assert_eq!(logql(&lines, Duration::from_secs(30)), counted);
        assert!(logql(&lines, Duration::ZERO).ends_with("[60000ms]))"));
        let metric = asking(json!({"query": " sum(rate({app=\"web\"}[1m])) "}));
        assert_eq!(
            logql(&metric, Duration::ZERO),
            "sum(rate({app=\"web\"}[1m]))"
        );
    }

    #[test]
    fn a_tenant_and_an_instant_go_with_the_query() {
        let asking =
            asking(json!({"address": "http://l:3100/", "tenant": "shop", "query": "vector(1)"}));
        let at = Timestamp::from_millis(1_795_203_887_220);
        let request = value(&asking, &Config::default(), "vector(1)", at).unwrap();
        assert_eq!(request.url, "http://l:3100/loki/api/v1/query");
        assert_eq!(field(&request, "time"), Some("1795203887220000000"));
        assert_eq!(request.headers, [(TENANT.to_owned(), "shop".to_owned())]);
    }

    #[test]
    fn the_newest_lines_are_asked_for_first() {
        let asking = asking(json!({"query": "{app=\"web\"}"}));
        let config = Config::with_address("http://l:3100");
        let at = Timestamp::from_secs(100);
        let request = lines(&asking, &config, at, Duration::from_secs(40), 5).unwrap();
        let fields = ["start", "end", "limit", "direction"].map(|name| field(&request, name));
        let wanted = ["60001000000", "100001000000", "5", "backward"];
        assert_eq!(fields, wanted.map(Some));
    }
}
