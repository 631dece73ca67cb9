//! Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use gradatim_core::analysis::AnalysisPhase;
use gradatim_core::decision::JudgeSummary;
use gradatim_core::id::RolloutId;
use gradatim_core::measurement::RunKey;
use gradatim_core::plan::StrategyKind;

use super::{Row, Took};

type Rows = BTreeMap<RolloutId, Row>;
/// Labels beyond the rollout's own, and a value.
type Sample = (Vec<(&'static str, String)>, f64);

pub(super) fn render(rows: &Rows) -> String {
    let mut page = Page {
        rows,
        text: String::new(),
    };
    page.argo();
    page.own();
    page.text
}

struct Page<'a> {
    rows: &'a Rows,
    text: String,
}

impl Page<'_> {
    /// What Argo Rollouts has a name for.
    fn argo(&mut self) {
        self.info();
        self.replicas();
        self.rounds();
        self.happened();
    }

    fn info(&mut self) {
        self.family(
            "rollout_info",
            "gauge",
            "Strategy, routers and phase of a rollout.",
            |row| {
                let labels = [
                    ("strategy", strategy(row.strategy).to_owned()),
                    ("traffic_router", row.routers.clone()),
                    ("phase", row.phase.to_string()),
                ];
                vec![(labels.to_vec(), 1.0)]
            },
        );
    }

    fn replicas(&mut self) {
        let replicas = |row: &Row| row.replicas;
        self.family(
            "rollout_info_replicas_desired",
            "gauge",
            "Pods asked for.",
            |row| one(replicas(row).map(|r| r.desired)),
        );
        self.family(
            "rollout_info_replicas_available",
            "gauge",
            "Pods available.",
            |row| one(replicas(row).map(|r| r.available)),
        );
        self.family(
            "rollout_info_replicas_unavailable",
            "gauge",
            "Pods missing.",
            |row| one(replicas(row).map(|r| r.desired.saturating_sub(r.available))),
        );
        self.family(
            "rollout_info_replicas_updated",
            "gauge",
            "Pods of the wanted version.",
            |row| one(replicas(row).map(|r| r.updated)),
        );
    }

    fn happened(&mut self) {
        self.family(
            "rollout_reconcile_error",
            "counter",
            "Rounds in which something could not be read, saved or done.",
            |row| one(Some(row.troubled_rounds)),
        );
        self.family(
            "rollout_events_total",
            "counter",
            "Events by reason.",
            |row| {
                let sample = |(kind, count): (_, &u64)| {
                    (vec![("reason", format!("{kind:?}"))], *count as f64)
                };
                row.events.iter().map(sample).collect()
            },
        );
        self.family(
            "analysis_run_metric_phase",
            "gauge",
            "Metrics that came to their end.",
            |row| {
                let sample = |((run, name), phase): (&(RunKey, String), &AnalysisPhase)| {
                    let labels = vec![
                        ("run", run.to_string()),
                        ("metric", name.clone()),
                        ("phase", phase.to_string()),
                    ];
                    (labels, 1.0)
                };
                row.judged.iter().map(sample).collect()
            },
        );
    }

    /// What it has none for.
    fn own(&mut self) {
        self.progress();
        self.evidence();
        self.work();
    }

    /// How far the judges are that compare both sides.
    fn evidence(&mut self) {
        type Value = fn(&JudgeSummary) -> f64;
        let families: [(&str, &str, Value); 2] = [
            (
                "gradatim_judge_evidence",
                "Evidence that the new version is worse, 1 at the start.",
                |judge| judge.evidence.get(),
            ),
            (
                "gradatim_judge_evidence_needed",
                "How much evidence takes it back.",
                |judge| judge.needed.get(),
            ),
        ];
        for (name, help, value) in families {
            self.family(name, "gauge", help, |row| {
                let sample = |judge: &JudgeSummary| {
                    (vec![("metric", judge.metric.to_string())], value(judge))
                };
                row.summary
                    .judge
                    .as_deref()
                    .map(sample)
                    .into_iter()
                    .collect()
            });
        }
    }

    /// How far the rollouts are.
    fn progress(&mut self) {
        self.family(
            "gradatim_weight",
            "gauge",
            "The new version's wanted weight.",
            |row| one(Some(row.summary.weight)),
        );
        self.family(
            "gradatim_weight_seen",
            "gauge",
            "Its weight as it was read.",
            |row| one(row.summary.weight_seen),
        );
        self.family(
            "gradatim_weight_total",
            "gauge",
            "What weights sum to.",
            |row| one(Some(row.summary.total)),
        );
        self.family("gradatim_step", "gauge", "The step, from 0.", |row| {
            one(Some(row.summary.step))
        });
        self.family(
            "gradatim_steps",
            "gauge",
            "How many steps there are.",
            |row| one(Some(row.summary.steps)),
        );
        self.family("gradatim_attempt", "gauge", "The attempt.", |row| {
            one(Some(row.summary.attempt))
        });
        self.family(
            "gradatim_verdicts_total",
            "counter",
            "Ends of metrics.",
            |row| {
                let sample = |((name, phase), count): (&(String, _), &u64)| {
                    let labels = vec![("metric", name.clone()), ("phase", format!("{phase}"))];
                    (labels, *count as f64)
                };
                row.verdicts.iter().map(sample).collect()
            },
        );
    }

    /// What the driver did for it.
    fn work(&mut self) {
        self.family(
            "gradatim_lateness_seconds_total",
            "counter",
            "Lateness of all rounds.",
            |row| vec![(Vec::new(), row.late.as_secs_f64())],
        );
        self.family(
            "gradatim_lateness_seconds_max",
            "gauge",
            "Lateness of the latest round.",
            |row| vec![(Vec::new(), row.latest.as_secs_f64())],
        );
        self.family(
            "gradatim_failed_saves_total",
            "counter",
            "Saves that failed.",
            |row| one(Some(row.failed_saves)),
        );
        self.family(
            "gradatim_failing_actions",
            "gauge",
            "Actions whose last try failed.",
            |row| vec![(Vec::new(), row.failing_actions as f64)],
        );
    }

    /// How long rounds took, which are Argo's reconciliations.
    fn rounds(&mut self) {
        let name = "rollout_reconcile";
        self.head(name, "histogram", "How long rounds took, in seconds.");
        for (id, row) in self.rows {
            let mut count = 0;
            for (bound, more) in Took::BOUNDS.iter().zip(row.took.counts) {
                count += more;
                let bound = (*bound as f64 / 1000.0).to_string();
                self.sample(
                    "rollout_reconcile_bucket",
                    id,
                    vec![("le", bound)],
                    count as f64,
                );
            }
            let (all, sum) = (row.took.all as f64, row.took.sum.as_secs_f64());
            let bound = vec![("le", "+Inf".to_owned())];
            self.sample("rollout_reconcile_bucket", id, bound, all);
            self.sample("rollout_reconcile_sum", id, Vec::new(), sum);
            self.sample("rollout_reconcile_count", id, Vec::new(), all);
        }
    }

    fn family(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl Fn(&Row) -> Vec<Sample>,
    ) {
        self.head(name, kind, help);
        for (id, row) in self.rows {
            for (labels, value) in samples(row) {
                self.sample(name, id, labels, value);
            }
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(
        &mut self,
        name: &str,
        id: &RolloutId,
        labels: Vec<(&'static str, String)>,
        value: f64,
    ) {
        let (namespace, rollout) = id.as_str().split_once('/').unwrap_or(("", id.as_str()));
        let own = [
            ("namespace", namespace.to_owned()),
            ("name", rollout.to_owned()),
        ];
        let all = own.into_iter().chain(labels);
        let all: Vec<String> = all.map(|(key, value)| label(key, &value)).collect();
        self.line(format_args!("{name}{{{}}} {value}", all.join(",")));
    }

    fn line(&mut self, line: impl Display) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

fn one(value: Option<impl TryInto<i64>>) -> Vec<Sample> {
    let number = value.and_then(|value| value.try_into().ok());
    number
        .map(|number| (Vec::new(), number as f64))
        .into_iter()
        .collect()
}

fn label(key: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{key}=\"{value}\"")
}

fn strategy(kind: StrategyKind) -> &'static str {
    match kind {
        StrategyKind::Canary => "canary",
        StrategyKind::BlueGreen => "blueGreen",
        StrategyKind::RollingUpdate => "rollingUpdate",
    }
}
