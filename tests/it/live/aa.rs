//! `gradatim backtest --aa` on known history: stable against itself.

use std::fmt::Write;

use gradatim::cli::{Exit, Io, run};
use serde_json::Value;

use super::gate::at;
use super::prometheus::{BEGIN, Live};

const PODS: u64 = 6;
/// Two hours, scraped every 15 s.
const LENGTH: u64 = 2 * 3600;

/// A number that looks like chance.
fn lot(pod: u64, request: u64) -> u64 {
    let mixed = (request ^ (pod << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}

/// Six pods of `shop`, like each other, and six of `cart`, of which one fails every tenth request
/// from the second hour on. Each answers two requests a second.
fn history() -> String {
    let (mut requests, mut buckets) = (String::new(), String::new());
    for app in ["shop", "cart"] {
        for pod in 0..PODS {
            let (mut good, mut failed, mut slow) = (0_u64, 0_u64, 0_u64);
            for second in (0..=LENGTH).step_by(15) {
                let labels = format!("app=\"{app}\",version=\"v1\",pod=\"{app}-{pod}\"");
                let time = BEGIN + second as i64;
                let total = good + failed;
                for (code, value) in [("200", good), ("500", failed)] {
                    let name = "http_requests_total";
                    writeln!(
                        requests,
                        "{name}{{{labels},code=\"{code}\"}} {value} {time}"
                    )
                    .unwrap();
                }
                for (le, value) in [("0.1", total - slow), ("+Inf", total)] {
                    let name = "http_request_duration_seconds_bucket";
                    writeln!(buckets, "{name}{{{labels},le=\"{le}\"}} {value} {time}").unwrap();
                }
                let is_bad = app == "cart" && pod == 3 && second >= 3600;
                for request in second * 2..(second + 15) * 2 {
                    let fails = lot(pod, request) % 1000 < if is_bad { 100 } else { 5 };
                    failed += u64::from(fails);
                    good += u64::from(!fails);
                    slow += u64::from(lot(pod + 90, request).is_multiple_of(10));
                }
            }
        }
    }
    format!(
        "# TYPE http_requests counter\n{requests}\
         # TYPE http_request_duration_seconds_bucket unknown\n{buckets}# EOF\n"
    )
}

fn manifest(workload: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: compare}}
spec:
  metrics:
  - name: compare
    interval: 15s
    count: 40
    provider:
      prometheus:
        counters: {{source: http, workload: {workload}, stable: v1, canary: v2}}
"
    )
}

fn backtest(manifest: &str, arguments: &[&str]) -> (Exit, String, String) {
    let (mut input, mut out, mut err) = (manifest.as_bytes(), Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let all = ["gradatim", "backtest", "-", "--aa"]
        .iter()
        .chain(arguments);
    let exit = run(all.copied(), &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_of_like_pods_are_never_taken_back_and_a_bad_pod_is_found() {
    let Some(live) = Live::start(&history(), &[]).await else {
        return;
    };
    let (from, to) = (at(605), at(6005));
    let ending = |wanted: Exit, workload: &str, json: bool| {
        let address = live.address.as_str();
        let mut arguments = vec!["--prometheus", address, "--from", &from, "--to", &to];
        arguments.extend(["--every", "5m"]);
        arguments.extend(json.then_some("--json"));
        let (exit, out, err) =
            tokio::task::block_in_place(|| backtest(&manifest(workload), &arguments));
        assert_eq!(exit, wanted, "{err}");
        out
    };
    let of = |workload, json| ending(Exit::Good, workload, json);
    let text = of("shop", false);
    assert!(text.starts_with("19 imaginary releases of 10m, "), "{text}");
    assert!(
        text.contains("rolled back       0   of 19 that were judged"),
        "{text}"
    );
    assert!(
        text.contains("Would have rolled back 0 of 19 imaginary releases."),
        "{text}"
    );

    let report: Value = serde_json::from_str(&of("cart", true)).unwrap();
    let starts = report["starts"].as_array().unwrap();
    assert_eq!((starts.len(), report["judged"].as_u64()), (19, Some(19)));
    for start in starts {
        let pods = start["canary"]["pods"].as_array().unwrap();
        let with_bad = pods.iter().any(|pod| pod == "cart-3");
        let is_late = start["at"].as_str().unwrap() >= at(3600).as_str();
        // A release that began before the hour meets the bad pod for a part of its time.
        let is_early = start["at"].as_str().unwrap() < at(3000).as_str();
        let back = !start["rolledBackAfterSeconds"].is_null();
        assert!(!back || (with_bad && !is_early), "{start:#}");
        let known = start["evidence"].as_f64().unwrap();
        assert!(!(is_late && with_bad) || back || known > 1.0, "{start:#}");
    }
    assert!(report["rolledBack"].as_u64().unwrap() >= 1, "{report:#}");
    let text = of("cart", false);
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("more than chance"), "{text}");
    assert!(text.contains("errors: "), "{text}");

    let text = ending(Exit::Undecided, "nobody", false);
    assert!(
        text.contains("left out         19   stable served no request"),
        "{text}"
    );
    assert!(text.contains("Nothing could be judged."), "{text}");
}

#[test]
fn without_raw_counters_there_is_nothing_to_split() {
    let instant = "2026-10-01T00:00:00Z";
    let manifest = super::gate::template("30s", 10, "1m");
    let arguments = ["--arg", "version=v2", "--from", instant, "--to", instant];
    let (exit, out, err) = backtest(&manifest, &arguments);
    assert_eq!((exit, out.as_str()), (Exit::WrongInput, ""), "{err}");
    assert!(err.contains("no metric here reads raw counters"), "{err}");
    assert!(err.contains("provider.prometheus.counters"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_is_away_leaves_every_release_out() {
    let port = super::server::free_port();
    let address = format!("http://127.0.0.1:{port}");
    let instant = "2026-10-01T00:00:00Z";
    let arguments = ["--prometheus", &address, "--from", instant, "--to", instant];
    let (exit, out, err) = tokio::task::block_in_place(|| backtest(&manifest("shop"), &arguments));
    assert_eq!(exit, Exit::Undecided, "{err}");
    assert!(out.contains("Nothing could be judged."), "{out}");
}
