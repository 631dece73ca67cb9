use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::Input;
use super::args::Args;
use super::findings::{Findings, Site};
use super::routes;
use crate::analysis::MetricPlan;
use crate::condition::Condition;
use crate::go_duration;
use crate::registry::ProviderTraits;
use crate::spec::{IntOrText, MetricSpec};

/// One metric with its arguments put in; `site` is its entry in the template, `late` collects
/// the arguments that are left.
pub(super) fn metric(
    input: Input<'_>,
    spec: &MetricSpec,
    args: &Args,
    late: &mut BTreeSet<String>,
    site: &Site,
    found: &mut Findings,
) -> MetricPlan {
    let mut fields = Fields { args, site, found };
    let interval = fields.duration("interval", spec.interval.as_deref());
    let initial_delay = fields.duration_or_none("initialDelay", spec.initial_delay.as_deref());
    let failure_for = fields.duration("failureFor", spec.failure_for.as_deref());
    let written = fields.written(spec, interval);
    let count = match written {
        Ok(None) if interval.is_some() => None,
        written => Some(written.ok().flatten().unwrap_or(1)),
    };
    let success = fields.condition("successCondition", spec.success_condition.as_deref());
    let failure = fields.condition("failureCondition", spec.failure_condition.as_deref());
    let limits = fields.limits(spec);
    fields.consistent(&limits, written.ok().flatten());
    let name = fields.known("name", &spec.name).unwrap_or_default();
    let provider_site = site.key("provider").key(&spec.provider.name);
    let query = args.fill_value(&spec.provider.part, late, &provider_site, found);
    let traits = provider(input, &spec.provider.name, &query, &provider_site, found);
    let evidence = spec.evidence.as_ref();
    let evidence = evidence.map(|it| args.fill_value(it, late, &site.key("evidence"), found));
    MetricPlan {
        interval,
        initial_delay: initial_delay.unwrap_or_default(),
        count,
        success,
        failure,
        failure_limit: limits.failure,
        inconclusive_limit: limits.inconclusive,
        consecutive_error_limit: limits.consecutive_error,
        consecutive_success_limit: limits.consecutive_success,
        consecutive_failure_limit: limits.consecutive_failure,
        failure_for,
        on_no_data: spec.on_no_data,
        on_nan: spec.on_nan,
        window: traits.window.or(interval).unwrap_or_default(),
        evidence,
        ..MetricPlan::new(name, &*spec.provider.name, query)
    }
}

/// What a provider makes of its part.
pub(super) fn provider(
    input: Input<'_>,
    name: &str,
    part: &Value,
    site: &Site,
    found: &mut Findings,
) -> ProviderTraits {
    match input.registry.parse_provider(name, part) {
        Some(Ok(traits)) => return traits,
        Some(Err(errors)) => routes::part_errors(errors, site, found),
        None if input.registry.is_lenient() => {
            let message = "no such metric provider is registered: its part is not checked";
            found.warn_first(site.says(message).value(name));
        }
        None => {
            let finding = site
                .says("no such metric provider is registered")
                .value(name);
            found.error(finding.help(routes::known(input.registry.providers())));
        }
    }
    ProviderTraits::default()
}

/// A Go duration above zero.
pub(super) fn duration(
    text: Option<&str>,
    site: &Site,
    args: &Args,
    found: &mut Findings,
) -> Option<Duration> {
    let text = known(text?, site, args, found)?;
    match go_duration::parse_non_negative(&text) {
        Ok(duration) if !duration.is_zero() => Some(duration),
        Ok(_) => {
            found.error(site.says("a time above zero").value(text));
            None
        }
        Err(error) => {
            let finding = site.says(error.to_string()).value(text);
            found.error(finding.help("a number with its unit: 30s, 5m, 1h30m"));
            None
        }
    }
}

/// A text whose arguments are all known now.
pub(super) fn known(text: &str, site: &Site, args: &Args, found: &mut Findings) -> Option<String> {
    let filled = args.fill(text, site, found);
    if let Some(name) = filled.late.first() {
        let message = format!("the argument {name:?} is not known before the run starts");
        let finding = site.says(message).value(text);
        found.error(finding.help("only a provider's own part may name it"));
        return None;
    }
    if let Some(secret) = filled.secrets.first() {
        let message = "a secret stands only in a provider's own part: this is shown and stored";
        found.error(site.says(message).value(secret));
        return None;
    }
    (!filled.broken).then_some(filled.text)
}

/// A value is wrong, which has been reported.
#[derive(Clone, Copy)]
struct Wrong;

struct Limits {
    failure: Option<u32>,
    inconclusive: Option<u32>,
    consecutive_error: Option<u32>,
    consecutive_success: Option<u32>,
    consecutive_failure: Option<u32>,
}

/// The fields of one metric.
struct Fields<'a> {
    args: &'a Args,
    site: &'a Site,
    found: &'a mut Findings,
}

impl Fields<'_> {
    fn known(&mut self, field: &str, text: &str) -> Option<String> {
        known(text, &self.site.key(field), self.args, self.found)
    }

    fn duration(&mut self, field: &str, text: Option<&str>) -> Option<Duration> {
        duration(text, &self.site.key(field), self.args, self.found)
    }

    /// A duration, where zero is as good as none.
    fn duration_or_none(&mut self, field: &str, text: Option<&str>) -> Option<Duration> {
        let text = self.known(field, text?)?;
        let zero = go_duration::parse_non_negative(&text).is_ok_and(|it| it.is_zero());
        if zero {
            None
        } else {
            self.duration(field, Some(&text))
        }
    }

    fn condition(&mut self, field: &str, text: Option<&str>) -> Option<Condition> {
        let text = self.known(field, text.filter(|text| !text.is_empty())?)?;
        match Condition::parse(&text) {
            Ok(condition) => Some(condition),
            Err(error) => {
                let finding = self.site.key(field).says(error.to_string());
                self.found.error(finding.value(text));
                None
            }
        }
    }

    /// A whole number, at least `least`, where one is written.
    fn int(
        &mut self,
        field: &str,
        value: Option<&IntOrText>,
        least: i64,
    ) -> Result<Option<i64>, Wrong> {
        let Some(value) = value else { return Ok(None) };
        let text = match value {
            IntOrText::Int(number) => number.to_string(),
            IntOrText::Text(text) => self.known(field, text).ok_or(Wrong)?,
        };
        let number = text.trim().parse().ok();
        let in_range = |number: &i64| (least..=i64::from(u32::MAX)).contains(number);
        if let Some(number) = number.filter(in_range) {
            return Ok(Some(number));
        }
        let finding = self.site.key(field);
        let finding = finding.says("a whole number, as it counts measurements");
        let help = format!("{least} or more");
        self.found.error(finding.value(text).help(help));
        Err(Wrong)
    }

    /// How many measurements are written. As in Argo, 0 is the same as none.
    fn written(
        &mut self,
        spec: &MetricSpec,
        interval: Option<Duration>,
    ) -> Result<Option<u32>, Wrong> {
        let count = self.int("count", spec.count.as_ref(), 0)?;
        let count = count.and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| *count > 0);
        if let Some(many @ 2..) = count
            && interval.is_none()
            && spec.interval.is_none()
        {
            let finding = self.site.key("count");
            let finding = finding
                .says("a count above 1 needs an interval")
                .value(many);
            let help = "add interval: the time between two of them";
            self.found.error(finding.help(help));
        }
        Ok(count)
    }

    /// -1 is no limit.
    fn limit(&mut self, field: &str, value: Option<&IntOrText>, default: u32) -> Option<u32> {
        match self.int(field, value, -1) {
            Ok(Some(number)) => u32::try_from(number).ok(),
            Ok(None) | Err(Wrong) => Some(default),
        }
    }

    /// 0 is off.
    fn in_a_row(&mut self, field: &str, value: Option<&IntOrText>) -> Option<u32> {
        let number = self.int(field, value, 0).ok().flatten()?;
        u32::try_from(number).ok().filter(|number| *number > 0)
    }

    fn limits(&mut self, spec: &MetricSpec) -> Limits {
        let errors = spec.consecutive_error_limit.as_ref();
        let successes = spec.consecutive_success_limit.as_ref();
        let failures = spec.consecutive_failure_limit.as_ref();
        Limits {
            failure: self.limit("failureLimit", spec.failure_limit.as_ref(), 0),
            inconclusive: self.limit("inconclusiveLimit", spec.inconclusive_limit.as_ref(), 0),
            consecutive_error: self.limit("consecutiveErrorLimit", errors, 4),
            consecutive_success: self.in_a_row("consecutiveSuccessLimit", successes),
            consecutive_failure: self.in_a_row("consecutiveFailureLimit", failures),
        }
    }

    /// A limit that more measurements would be needed for than there are is a mistake.
    fn consistent(&mut self, limits: &Limits, written: Option<u32>) {
        let Some(count) = written else {
            return;
        };
        let failures = limits.failure.unwrap_or(0);
        let successes = limits.consecutive_success.unwrap_or(0);
        if count < failures.saturating_add(successes) {
            let message = match successes {
                0 => format!("failureLimit is {failures}: so many never fail"),
                _ => format!(
                    "failureLimit {failures} and consecutiveSuccessLimit {successes} need more"
                ),
            };
            self.too_few(count, message, failures.saturating_add(successes));
        }
        let inconclusive = limits.inconclusive.unwrap_or(0);
        if count < inconclusive {
            let message = format!("inconclusiveLimit is {inconclusive}: so many never reach it");
            self.too_few(count, message, inconclusive);
        }
    }

    fn too_few(&mut self, count: u32, message: String, least: u32) {
        let finding = self.site.key("count").says(message).value(count);
        self.found.error(finding.help(format!("at least {least}")));
    }
}
