//! What a canary Ingress says, as the controller understands it; pure.

use gradatim_core::route::{HeaderMatch, HeaderRoute, Split, StringMatch};
use serde_json::Value;

use gradatim_kubernetes::objects::annotation;

use super::config::IngressConfig;

/// The annotation that keeps the names of the managed routes, in their order.
pub(super) const HEADER_ROUTE: &str = "gradatim.dev/header-route";
/// What stands there before the name of the one that is a cookie's.
pub(super) const COOKIE: &str = "cookie:";
/// What a cookie is to be, after its name.
pub(super) const ALWAYS: &str = "=always";
/// Which version's clients are kept with it; none where none are.
pub(super) const AFFINITY: &str = "gradatim.dev/session-affinity";
/// The stamp of the split.
pub(super) const SPLIT_STAMP: &str = "gradatim.dev/stamp-split";
/// The stamp of the header routes.
pub(super) const HEADERS_STAMP: &str = "gradatim.dev/stamp-headers";

/// The split: everything is stable's while there is no canary Ingress.
pub(super) fn split(config: &IngressConfig, canary: Option<&Value>) -> Split {
    let Some(canary) = canary.filter(|canary| is_on(config, canary)) else {
        return Split::canary(0, config.total);
    };
    let number = |name| annotation(canary, &config.key(name))?.parse::<i64>().ok();
    // The controller takes a total of 100 or less for 100, and what is no number for 0.
    let total = number("canary-weight-total")
        .filter(|total| *total > 100)
        .unwrap_or(100);
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    let weight = number("canary-weight")
        .unwrap_or(0)
        .clamp(0, i64::from(total));
    let weight = u32::try_from(weight).unwrap_or(0);
    match in_parts_of(weight, total, config.total) {
        Some(weight) => Split::canary(weight, config.total),
        None => Split::canary(weight, total),
    }
}

/// The header and the cookie that lead to the canary, as managed routes; a header that nobody named
/// is `""`, a cookie that nobody named is a stranger's.
pub(super) fn headers(config: &IngressConfig, canary: Option<&Value>) -> Vec<HeaderRoute> {
    let Some(canary) = canary.filter(|canary| is_on(config, canary)) else {
        return Vec::new();
    };
    let named = annotation(canary, HEADER_ROUTE).unwrap_or_default();
    let read = |name: &str| match name.strip_prefix(COOKIE) {
        Some(name) => Some((name.to_owned(), cookie(config, canary)?)),
        None => Some((name.to_owned(), header(config, canary)?)),
    };
    let routes = named.split(',').filter_map(read);
    let routes = routes.map(|(name, one)| HeaderRoute {
        name,
        matches: vec![one],
    });
    routes.collect()
}

fn header(config: &IngressConfig, canary: &Value) -> Option<HeaderMatch> {
    let said = |name| annotation(canary, &config.key(name)).map(str::to_owned);
    let header_name = said("canary-by-header")?;
    let header_value = match (
        said("canary-by-header-value"),
        said("canary-by-header-pattern"),
    ) {
        (Some(value), _) => StringMatch::Exact(value),
        (None, Some(pattern)) => StringMatch::Regex(pattern),
        (None, None) => StringMatch::Exact("always".to_owned()),
    };
    Some(HeaderMatch {
        header_name,
        header_value,
    })
}

/// The controller takes a cookie whose value is `always`.
fn cookie(config: &IngressConfig, canary: &Value) -> Option<HeaderMatch> {
    let name = annotation(canary, &config.key("canary-by-cookie"))?;
    Some(HeaderMatch {
        header_name: "Cookie".to_owned(),
        header_value: StringMatch::Exact(format!("{name}{ALWAYS}")),
    })
}

/// Without this annotation the controller takes none of the others.
fn is_on(config: &IngressConfig, canary: &Value) -> bool {
    annotation(canary, &config.key("canary")) == Some("true")
}

/// A share of one total as a share of another, where that is a whole number.
pub(super) fn in_parts_of(share: u32, total: u32, other: u32) -> Option<u32> {
    let scaled = u64::from(share) * u64::from(other);
    let is_whole = scaled % u64::from(total.max(1)) == 0;
    is_whole
        .then(|| u32::try_from(scaled / u64::from(total.max(1))).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::config::tests::frame;
    use super::*;

    fn config() -> IngressConfig {
        IngressConfig::parse(&json!({"stableIngress": "shop"}), &frame()).unwrap()
    }

    fn ingress(annotations: &[(&str, &str)]) -> Value {
        let keys = annotations
            .iter()
            .map(|(name, value)| (config().key(name), json!(value)));
        json!({"metadata": {"annotations": keys.collect::<Map<_, _>>()}})
    }

    #[test]
    fn the_weight_is_what_the_controller_makes_of_it() {
        let read = |weight: &str, total: Option<&str>| {
            let mut said = vec![("canary", "true"), ("canary-weight", weight)];
            said.extend(total.map(|total| ("canary-weight-total", total)));
            split(&config(), Some(&ingress(&said))).to_string()
        };
        let cases = [
            ("20", None, "stable 80/100, canary 20/100"),
            ("0", None, "stable 100/100"),
            ("100", None, "canary 100/100"),
            ("150", None, "canary 100/100"),
            ("-5", None, "stable 100/100"),
            ("2.5", None, "stable 100/100"),
            ("", None, "stable 100/100"),
            ("20", Some("50"), "stable 80/100, canary 20/100"),
            ("20", Some("-1"), "stable 80/100, canary 20/100"),
            ("20", Some("200"), "stable 90/100, canary 10/100"),
            ("5", Some("1000"), "stable 995/1000, canary 5/1000"),
        ];
        for (weight, total, wanted) in cases {
            assert_eq!(read(weight, total), wanted, "{weight} of {total:?}");
        }
    }

    #[test]
    fn without_the_switch_nothing_counts() {
        let off = ingress(&[("canary-weight", "50"), ("canary-by-header", "X-Canary")]);
        for canary in [Some(&off), None] {
            assert_eq!(split(&config(), canary), Split::canary(0, 100));
            assert_eq!(headers(&config(), canary), []);
        }
    }

    #[test]
    fn a_value_comes_before_a_pattern() {
        let said = [
            ("canary", "true"),
            ("canary-by-header", "X-Canary"),
            ("canary-by-header-value", "yes"),
            ("canary-by-header-pattern", "^y"),
        ];
        let value = |upto: usize| {
            headers(&config(), Some(&ingress(&said[..upto])))[0].matches[0]
                .header_value
                .clone()
        };
        assert_eq!(value(4), StringMatch::Exact("yes".to_owned()));
        assert_eq!(value(2), StringMatch::Exact("always".to_owned()));
    }
}
