use std::collections::BTreeMap;

use gradatim_core::analysis::AnalysisPhase;
use gradatim_core::condition::Condition;
use serde_json::json;

use super::*;

fn plan() -> RunPlan {
    let mut metric = MetricPlan::new("success-rate", "prometheus", json!({}));
    metric.success = Some(Condition::parse("result[0] >= 0.95").unwrap());
    let mut latency = MetricPlan::new("p95 <&> latency", "prometheus", json!({}));
    latency.failure = Some(Condition::parse("result[0] > 0.5").unwrap());
    RunPlan {
        templates: vec!["web <b>".to_owned()],
        metrics: vec![metric, latency],
        ..RunPlan::default()
    }
}

/// A start every hour; those of the night are taken back.
fn report(count: u32, values: impl Fn(u32) -> f64) -> Report {
    let begin: Timestamp = "2026-10-01T00:10:05Z".parse().unwrap();
    let start = |hour: u32| {
        let at = begin + Duration::from_secs(u64::from(hour) * 3600);
        let bad = hour % 24 == 3;
        let point = |metric, value, failed| Point {
            metric,
            at,
            value,
            failed,
        };
        Start {
            at,
            phase: match bad {
                true => AnalysisPhase::Failed,
                false if hour % 24 == 5 => AnalysisPhase::Inconclusive,
                false => AnalysisPhase::Successful,
            },
            after: Duration::from_secs(300),
            decisive: BTreeMap::from([("success-rate".to_owned(), "<0.9>".to_owned())]),
            points: vec![
                point(0, if bad { 0.9 } else { values(hour) }, bad),
                point(1, 0.2, false),
            ],
        }
    };
    Report::new(Duration::from_secs(3600), (0..count).map(start).collect())
}

#[test]
fn metrics_bounds_and_verdicts_are_in_it_and_no_markup_of_a_manifest() {
    let svg = draw(&plan(), &report(48, |_| 0.99));
    for text in [
        "web &lt;b&gt;",
        ">p95 &lt;&amp;&gt; latency<",
        "result[0] &gt;= 0.95",
        "result[0] &gt; 0.5",
        "48 starts, one every 1h, 2026-10-01T00:10:05Z to 2026-10-02T23:10:05Z",
        ">rolled back<",
        ">2 Oct<",
        "2026-10-01T03:10:05Z: rolled back after 5:00; success-rate: &lt;0.9&gt;",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(!svg.contains("<b>") && !svg.contains("<script"));
    // Two failures, in red, and one undecided a day.
    assert_eq!(svg.matches(": rolled back").count(), 2);
    assert_eq!(svg.matches(": undecided").count(), 2);
}

#[test]
fn it_is_no_larger_than_a_picture_however_many_starts_there_are() {
    let few = draw(&plan(), &report(2_000, |hour| f64::from(hour % 7)));
    let many = draw(&plan(), &report(50_000, |hour| f64::from(hour % 7)));
    assert!(
        many.len() < 2 * few.len(),
        "{} and {}",
        few.len(),
        many.len()
    );
}

#[test]
fn whatever_was_measured_every_number_is_one() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -0.0] {
        let svg = draw(&plan(), &report(48, |_| value));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{value}");
    }
    let svg = draw(&RunPlan::default(), &report(0, |_| 0.0));
    assert!(svg.contains("0 starts"), "{svg}");
}
