//! `gradatim explain`: what manifests will do, before anyone runs them.

mod advice;
mod failing;
mod judged;
mod noticed;
mod table;
mod words;

use std::io::Write;
use std::time::Duration;

use gradatim_core::go_duration;
use gradatim_core::plan::forecast::{Assumed, Forecast, Noticed, Suggestion, forecast, suggest};
use gradatim_core::plan::lint::lint;
use gradatim_core::yaml::{Diagnostic, Skipped};
use serde::Serialize;

use self::advice::Placed;
use self::judged::Traffic;
use super::failure::Failure;
use super::input::{Files, Input, Rollout};
use super::look::Tone;
use super::{Exit, Io, Output, backends, diagnostics, text};

/// Say what manifests will do, before anyone runs them
///
/// A table of the steps, how a version that fails from its first request would be found, and
/// advice on what is legal but odd.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    #[command(flatten)]
    files: Files,
    /// Write the same as JSON, with times in seconds
    #[arg(long)]
    json: bool,
    /// Explain this rollout only
    #[arg(long, value_name = "ROLLOUT")]
    name: Option<String>,
    /// Count with so many pods, not with those in the manifest
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// Say which setting would take a failing version's users back within this time
    #[arg(long, value_name = "TIME", value_parser = go_duration::parse_non_negative)]
    target: Option<Duration>,
    /// How long a new pod needs until it is available [default: minReadySeconds]
    #[arg(long, value_name = "TIME", value_parser = go_duration::parse_non_negative)]
    pod_start: Option<Duration>,
    /// How old the newest data is that a measurement sees [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = go_duration::parse_non_negative)]
    data_lag: Option<Duration>,
    /// Say what comparing both versions could notice with so many requests a second
    #[arg(long, value_name = "N", value_parser = noticed::traffic)]
    requests_per_second: Option<f64>,
    /// The share of stable's requests that fail [default: 0.05%, 0.3% and 1%]
    #[arg(long, value_name = "SHARE", value_parser = noticed::share)]
    #[arg(requires = "requests_per_second")]
    error_rate: Option<f64>,
    /// Read stable's requests and failures of the last 10 minutes from this Prometheus, by the
    /// counters of the rollout's judge, and say what it could notice
    #[arg(long, value_name = "URL", value_parser = backends::address)]
    #[arg(conflicts_with = "requests_per_second")]
    prometheus: Option<String>,
    /// Give an argument of the judge a value, such as stable-hash; may be repeated
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = backends::pair)]
    #[arg(requires = "prometheus")]
    args: Vec<(String, String)>,
}

/// What is said of everything that was given.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    rollouts: Vec<Explained<'a>>,
    skipped: &'a [Skipped],
}

/// What is said of one rollout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    routers: Vec<&'a str>,
    #[serde(flatten)]
    forecast: Forecast,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<Traffic>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    noticed: Vec<Noticed>,
    warnings: &'a [Diagnostic],
    advice: Vec<Placed>,
    #[serde(skip)]
    rollout: &'a Rollout,
}

/// A wished time, and what would meet it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(rename = "within", serialize_with = "seconds")]
    within: Duration,
    met: bool,
    suggestions: Vec<Suggestion>,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl Explain {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let registry = backends::known();
        let input = match self.json {
            false => self.files.compiled(&registry, io)?,
            true => match self.files.compile(&registry, io)? {
                Ok(input) => input,
                Err(wrong) => {
                    json(&mut io.out, &wrong)?;
                    return Ok(Exit::WrongInput);
                }
            },
        };
        let chosen = self.chosen(&input)?;
        let mut rollouts = Vec::new();
        for rollout in chosen {
            let traffic = self.traffic(rollout, io)?;
            rollouts.push(self.explained(rollout, &input, traffic));
        }
        match self.json {
            true => json(
                &mut io.out,
                &Report {
                    rollouts,
                    skipped: &input.skipped,
                },
            )?,
            false => self.write(&rollouts, &input, &mut io.out)?,
        }
        Ok(Exit::Good)
    }

    fn chosen<'a>(&self, input: &'a Input) -> Result<Vec<&'a Rollout>, Failure> {
        let Some(name) = &self.name else {
            return Ok(input.rollouts.iter().collect());
        };
        let is = |it: &&Rollout| it.spec.name == *name || it.compiled.plan.name.as_str() == name;
        let chosen: Vec<_> = input.rollouts.iter().filter(is).collect();
        if chosen.is_empty() {
            let names: Vec<_> = input
                .rollouts
                .iter()
                .map(|it| it.spec.name.as_str())
                .collect();
            let failure = Failure::input(format!("there is no rollout {name:?} in these files"));
            return Err(match names.is_empty() {
                true => failure,
                false => failure.help(format!("there are: {}", text::list(&names))),
            });
        }
        Ok(chosen)
    }

    /// What stable serves now, where a Prometheus is given; why that is not known is only told.
    fn traffic(&self, rollout: &Rollout, io: &mut Io<'_>) -> Result<Option<Traffic>, Failure> {
        let Some(prometheus) = &self.prometheus else {
            return Ok(None);
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::undecided(format!("no runtime: {error}")))?;
        let plan = &rollout.compiled.plan;
        match runtime.block_on(judged::traffic(plan, prometheus, &self.args)) {
            Ok(found) => Ok(Some(found)),
            Err(why) => {
                let note = format!("the traffic of {} is not known: {why}", rollout.spec.name);
                diagnostics::note(&mut io.err, &note)?;
                Ok(None)
            }
        }
    }

    fn explained<'a>(
        &self,
        rollout: &'a Rollout,
        input: &Input,
        traffic: Option<Traffic>,
    ) -> Explained<'a> {
        let plan = &rollout.compiled.plan;
        let mut assumed = Assumed::of(&rollout.spec);
        assumed.replicas = self.replicas.unwrap_or(assumed.replicas);
        assumed.pod_start = self.pod_start.unwrap_or(assumed.pod_start);
        assumed.data_lag = self.data_lag.unwrap_or(assumed.data_lag);
        let forecast = forecast(plan, &assumed);
        let target = self.target.map(|within| Target {
            within,
            met: forecast
                .failing
                .takes()
                .is_some_and(|takes| takes <= within),
            suggestions: suggest(plan, &assumed, within),
        });
        let found = traffic.map(|found| found.requests_per_second);
        let requests_per_second = self.requests_per_second.or(found);
        let failing = traffic.and_then(|found| found.known_errors());
        let error_rate = self.error_rate.or(failing);
        let mut spec = rollout.spec.clone();
        spec.replicas = assumed.replicas;
        let advice = lint(&spec, &input.templates, plan).into_iter();
        let advice = advice.map(|it| Placed::new(it, &input.sources)).collect();
        Explained {
            name: &rollout.spec.name,
            namespace: rollout.spec.namespace.as_deref(),
            routers: plan
                .routers
                .iter()
                .map(|router| router.name.as_str())
                .collect(),
            forecast,
            target,
            traffic,
            noticed: noticed::of(plan, &assumed, requests_per_second, error_rate),
            warnings: &rollout.warnings,
            advice,
            rollout,
        }
    }

    fn write(
        &self,
        rollouts: &[Explained<'_>],
        input: &Input,
        out: &mut Output<'_>,
    ) -> Result<(), Failure> {
        for (at, explained) in rollouts.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            table::write(explained, out)?;
            failing::write(explained, out)?;
            judged::write(&explained.rollout.compiled.plan, out)?;
            noticed::write(explained.traffic.as_ref(), &explained.noticed, out)?;
        }
        if rollouts.is_empty() {
            let templates = text::count(input.templates.len(), "template");
            writeln!(out, "No rollout, {templates}.")?;
        }
        let advice: Vec<_> = rollouts.iter().flat_map(|it| &it.advice).collect();
        let odd = advice::write(&advice, out)?;
        let look = out.look();
        let verdict = match odd {
            0 => look.paint(Tone::Good, "Nothing odd, no error."),
            odd => format!("{} to look at, no error.", text::count(odd, "thing")).into(),
        };
        writeln!(out)?;
        writeln!(out, "{verdict}")?;
        Ok(())
    }
}

fn json(out: &mut Output<'_>, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    writeln!(out, "{text}")?;
    Ok(())
}
