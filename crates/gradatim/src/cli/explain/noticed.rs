//! What a judge that compares both versions would notice.

use std::io::{self, Write};

use gradatim_core::plan::Plan;
use gradatim_core::plan::forecast::{Assumed, Noticed, noticed};

use super::super::Output;
use super::super::look::Tone;
use super::super::text::percent;
use super::failing::entry;
use super::judged::{self, Traffic};

/// How often services fail that are fine.
const USUAL: [f64; 3] = [0.0005, 0.003, 0.01];

/// The least requests a second that are worth an answer.
const LEAST: f64 = 0.001;

/// For the error rate that is given, else for usual ones; nothing where no traffic is told.
pub(super) fn of(
    plan: &Plan,
    assumed: &Assumed,
    requests_per_second: Option<f64>,
    error_rate: Option<f64>,
) -> Vec<Noticed> {
    let Some(traffic) = requests_per_second else {
        return Vec::new();
    };
    let given = error_rate.as_ref().map(std::slice::from_ref);
    let rates = given.unwrap_or(&USUAL).iter();
    rates
        .map(|rate| noticed(plan, assumed, traffic, *rate))
        .collect()
}

/// Writes from which difference on a version is caught.
pub(super) fn write(
    found: Option<&Traffic>,
    all: &[Noticed],
    out: &mut Output<'_>,
) -> io::Result<()> {
    let Some(first) = all.first() else {
        return Ok(());
    };
    let head = format!(
        "What a judge that compares both versions would notice at {} requests a second",
        (first.requests_per_second * 1000.0).round() / 1000.0
    );
    writeln!(out)?;
    let head = out.look().paint(Tone::Strong, &head).to_string();
    writeln!(out, "{head}")?;
    if let Some(found) = found {
        judged::write_traffic(found, out)?;
    }
    let requests = format!("{:.0} to the new version beside stable", first.requests);
    entry(out, "requests", &requests)?;
    for one in all {
        let label = format!("at {}", percent(one.error_rate));
        entry(out, &label, &words(one))?;
    }
    let promise = "the rate at which stable fails. Caught in about half of all releases; of 100 good \
                   ones at most 1 is taken back by chance. A pause without end counts as none.";
    entry(out, "at", promise)
}

fn words(noticed: &Noticed) -> String {
    let (Some(ratio), Some(failures)) = (noticed.ratio, noticed.failures) else {
        return "nothing: too few requests to compare".to_owned();
    };
    let rate = percent((ratio * noticed.error_rate).min(1.0));
    let times = match ratio {
        ratio if ratio < 10.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.0}"),
    };
    format!("{times} times as many failures ({rate}), after about {failures:.0} more than stable's")
}

/// Reads a number of requests a second.
pub(super) fn traffic(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite() && *number >= LEAST);
    number.ok_or_else(|| format!("a number of {LEAST} or more is expected"))
}

/// Reads a share such as `0.3%` or `0.003`, between 0 and 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().map(|part| part / 100.0),
        None => text.parse::<f64>(),
    };
    let share = number.ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "a share above 0 and below 1 is expected, such as 0.3%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::{Exit, Io, run};

    const SHOP: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 10
  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop
      trafficRouting: {nginx: {stableIngress: shop}}
      steps:
      - setWeight: 10
      - pause: {duration: 5m}
      - setWeight: 25
      - pause: {duration: 5m}
      - setWeight: 50
      - pause: {duration: 5m}
";

    fn explained(arguments: &[&str]) -> (Exit, String) {
        let (mut input, mut out, mut err) = (SHOP.as_bytes(), Vec::new(), Vec::new());
        let all = [&["gradatim", "explain"], arguments, &["-"]].concat();
        let exit = run(all, &mut Io::plain(&mut input, &mut out, &mut err));
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_a_comparison_would_notice_is_told_for_the_traffic_that_is_given() {
        let (exit, out) = explained(&["--requests-per-second", "100", "--error-rate", "0.3%"]);
        assert_eq!(exit, Exit::Good, "{out}");
        let told = "compares both versions would notice at 100 requests a second";
        assert!(out.contains(told), "{out}");
        assert!(out.contains("  at 0.3 %    1.7 times as many"), "{out}");
        let (_, out) = explained(&["--requests-per-second", "0.01"]);
        assert_eq!(out.matches("too few requests").count(), 3, "{out}");
        let (_, out) = explained(&[]);
        assert!(!out.contains("would notice"), "{out}");
    }

    #[test]
    fn the_same_as_data_has_an_entry_for_each_error_rate() {
        let (_, out) = explained(&["--json", "--requests-per-second", "100"]);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        let noticed = report["rollouts"][0]["noticed"].as_array().unwrap();
        let rates: Vec<_> = noticed
            .iter()
            .map(|one| one["errorRate"].as_f64())
            .collect();
        assert_eq!(rates, [Some(0.0005), Some(0.003), Some(0.01)]);
        assert!(noticed[2]["ratio"].as_f64() < noticed[0]["ratio"].as_f64());
    }

    #[test]
    fn traffic_and_shares_that_are_none_are_refused() {
        for wrong in ["0", "-1", "many", "inf", "NaN"] {
            let argument = format!("--requests-per-second={wrong}");
            assert_eq!(explained(&[&argument]).0, Exit::WrongInput, "{wrong}");
        }
        for wrong in ["0", "100%", "2", "-1%", "NaN", "some"] {
            let rate = format!("--error-rate={wrong}");
            let ran = explained(&["--requests-per-second=9", &rate]);
            assert_eq!(ran.0, Exit::WrongInput, "{wrong}");
        }
        assert_eq!(explained(&["--error-rate=1%"]).0, Exit::WrongInput);
    }
}
