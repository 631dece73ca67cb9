//! Rollouts in a file store, as another process reads them.

use std::path::PathBuf;

use gradatim_core::decision::Phase;
use gradatim_core::id::RolloutId;
use gradatim_core::port::PortError;
use gradatim_core::reason::Reason;
use gradatim_core::time::Timestamp;
use gradatim_driver::Evidence;
use gradatim_driver::clock::{Clock, SystemClock};
use gradatim_driver::store::{FileRollout, FileStore, Published};
use serde::Serialize;

use super::failure::Failure;
use super::look::{Look, Tone};
use super::table::{Side, Table};
use super::text::{clean, clock, percent, wrap};

/// Which store.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct StoreArgument {
    /// The directory in which the rollouts are kept
    #[arg(long, value_name = "DIR", default_value = "releases")]
    store: PathBuf,
}

/// A rollout as it was last published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    /// Whether a driver that is alive owns it.
    pub(super) driven: bool,
    #[serde(flatten)]
    pub(super) published: Published,
}

impl StoreArgument {
    /// Opens the store; it is never made here.
    pub(super) fn open(&self) -> Result<FileStore, Failure> {
        let dir = self.store.display();
        if !self.store.join("state").is_dir() {
            let failure = Failure::input(format!("there is no store of rollouts in {dir}"));
            return Err(failure.help("name its directory: --store DIR"));
        }
        FileStore::open(&self.store).map_err(unreadable)
    }

    /// A rollout of the store, by its name.
    pub(super) fn rollout(&self, name: &str) -> Result<FileRollout, Failure> {
        let store = self.open()?;
        known(&store, name)?;
        Ok(store.rollout(name))
    }
}

/// Everything that was published, by name; or the one rollout that is asked for.
///
/// A rollout that cannot be read does not hide the others: what is wrong with it comes apart.
pub(super) fn seen(
    store: &FileStore,
    name: Option<&str>,
) -> Result<(Vec<Seen>, Vec<String>), Failure> {
    if let Some(name) = name {
        known(store, name)?;
        let seen = one(&store.rollout(name)).map_err(unreadable)?;
        return Ok((seen.into_iter().collect(), Vec::new()));
    }
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for name in store.list().map_err(unreadable)? {
        match one(&store.rollout(name)) {
            Ok(seen) => all.extend(seen),
            Err(error) => broken.push(error.text),
        }
    }
    Ok((all, broken))
}

/// A rollout as it was last published; none before its first decision.
pub(super) fn one(rollout: &FileRollout) -> Result<Option<Seen>, PortError> {
    let (published, driven) = (rollout.published()?, rollout.is_driven()?);
    Ok(published.map(|published| Seen { driven, published }))
}

fn known(store: &FileStore, name: &str) -> Result<(), Failure> {
    let names = store.list().map_err(unreadable)?;
    if names.iter().any(|known| known.as_str() == name) {
        return Ok(());
    }
    let failure = Failure::input(format!(
        "there is no rollout {name:?} in {}",
        store.dir().display()
    ));
    let names: Vec<_> = names.iter().take(20).map(RolloutId::as_str).collect();
    Err(match names.is_empty() {
        true => failure.help("it is empty"),
        false => failure.help(format!("there are: {}", super::text::list(&names))),
    })
}

pub(super) fn unreadable(error: PortError) -> Failure {
    Failure::undecided(error.text)
}

/// The present.
pub(super) fn now() -> Timestamp {
    SystemClock::new().now()
}

/// Whether the rollout is at rest: it serves everyone, or was taken back.
pub(super) fn is_at_rest(published: &Published) -> bool {
    match (&published.waiting.reason, published.phase) {
        (_, Phase::Healthy) => true,
        (Reason::Aborted { .. }, _) => published.summary.weight_seen.unwrap_or(0) == 0,
        _ => false,
    }
}

pub(super) fn tone(phase: Phase) -> Tone {
    match phase {
        Phase::Healthy => Tone::Good,
        Phase::Progressing => Tone::Plain,
        Phase::Paused => Tone::Waiting,
        Phase::Degraded => Tone::Bad,
    }
}

/// One line for each rollout.
pub(super) fn table(all: &[Seen], now: Timestamp) -> Table {
    let mut table = Table::new();
    table.column("rollout", Side::Left);
    table.column("state", Side::Left);
    table.column("old → new", Side::Left);
    table.column("weight", Side::Right);
    table.column("step", Side::Right);
    table.column("since", Side::Right);
    table.column("why", Side::Left);
    for seen in all {
        let published = &seen.published;
        table.row(vec![
            clean(published.rollout.as_str()).into_owned(),
            published.phase.to_string(),
            versions(published),
            weight(published),
            step(published),
            clock(now.since(published.since)),
            why(seen, now),
        ]);
        table.tone(1, tone(published.phase));
    }
    table
}

/// How far a judge is: its evidence on a logarithmic scale, and its own words.
pub(super) fn judge(seen: &Seen, look: Look) -> Vec<String> {
    const CELLS: usize = 20;
    let Some(judge) = &seen.published.summary.judge else {
        return Vec::new();
    };
    let (evidence, needed) = (judge.evidence.get().max(1.0), judge.needed.get().max(1.1));
    let filled = (evidence.ln() / needed.ln() * CELLS as f64).floor() as usize;
    let bar: String = (0..CELLS)
        .map(|cell| if cell < filled { '█' } else { '░' })
        .collect();
    let tone = match evidence >= needed {
        true => Tone::Bad,
        false if filled * 2 > CELLS => Tone::Waiting,
        false => Tone::Good,
    };
    let rollout = clean(seen.published.rollout.as_str());
    let metric = clean(judge.metric.as_str());
    let mut lines = vec![format!("  {rollout}: {metric}  {}", look.paint(tone, bar))];
    let words = clean(&judge.text);
    let wrapped = wrap(&words, look.width.saturating_sub(6));
    lines.extend(wrapped.iter().map(|line| format!("      {line}")));
    lines
}

/// What a person should know besides: what cannot be measured, and the log lines of what failed.
/// Without what was known before.
pub(super) fn remarks(
    seen: &Seen,
    known: Option<&Published>,
    now: Timestamp,
    look: Look,
) -> Vec<String> {
    let before = known.map_or(&[][..], |it| it.unmeasurable.as_slice());
    let mut lines = Vec::new();
    for one in &seen.published.unmeasurable {
        if before.contains(one) {
            continue;
        }
        let rollout = clean(seen.published.rollout.as_str());
        let line = format!("{rollout}: {}: {}; {}", one.metric, one.what, one.help);
        let wrapped = wrap(&clean(&line), look.width.saturating_sub(2));
        let wrapped = wrapped.iter().map(|line| format!("  {line}"));
        lines.extend(wrapped.map(|line| look.paint(Tone::Waiting, line).into_owned()));
    }
    let before = known.map_or(&[][..], |it| it.evidence.as_slice());
    lines.extend(evidence(seen, before, now, look));
    lines
}

/// The log lines that say why measurements failed, under a line that says which.
fn evidence(seen: &Seen, known: &[Evidence], now: Timestamp, look: Look) -> Vec<String> {
    let fresh = seen.published.evidence.iter();
    let fresh = fresh.filter(|evidence| !known.contains(evidence));
    let mut lines = Vec::new();
    for evidence in fresh {
        let rollout = clean(seen.published.rollout.as_str());
        let metric = clean(evidence.metric.as_str());
        let ago = clock(now.since(evidence.at));
        let head = format!("{rollout}: {metric} failed {ago} ago; the newest lines of its log");
        let head = wrap(&head, look.width.saturating_sub(2));
        lines.extend(head.iter().map(|line| format!("  {line}")));
        for line in &evidence.lines {
            let line = clean(line);
            let wrapped = wrap(&line, look.width.saturating_sub(6));
            lines.extend(wrapped.iter().map(|line| {
                look.paint(Tone::Faint, format!("      {line}"))
                    .into_owned()
            }));
        }
    }
    lines
}

pub(super) fn versions(published: &Published) -> String {
    let name = |revision: &Option<gradatim_core::id::RevisionId>| {
        revision
            .as_ref()
            .map_or_else(|| "–".to_owned(), |it| clean(it.as_str()).into_owned())
    };
    let summary = &published.summary;
    match summary.stable == summary.latest {
        true => name(&summary.stable),
        false => format!("{} → {}", name(&summary.stable), name(&summary.latest)),
    }
}

/// The new version's weight, and what is seen of it where that differs.
pub(super) fn weight(published: &Published) -> String {
    let summary = &published.summary;
    if summary.stable == summary.latest {
        return "–".to_owned();
    }
    let share = |parts: u32| percent(f64::from(parts) / f64::from(summary.total.max(1)));
    match summary.weight_seen {
        // The reason says it already when it is the weight that is waited for.
        Some(seen) if seen != summary.weight && !is_route(published) => {
            format!("{} (seen {})", share(summary.weight), share(seen))
        }
        _ => share(summary.weight),
    }
}

fn is_route(published: &Published) -> bool {
    matches!(published.waiting.reason, Reason::Route { .. })
}

/// The step as a person counts it.
pub(super) fn step(published: &Published) -> String {
    let summary = &published.summary;
    let under_way = published.phase != Phase::Healthy && !is_at_rest(published);
    match under_way && summary.steps > 0 {
        true => format!(
            "{}/{}",
            summary.step.saturating_add(1).min(summary.steps),
            summary.steps
        ),
        false => "–".to_owned(),
    }
}

/// What it waits for, and for how long at most.
pub(super) fn why(seen: &Seen, now: Timestamp) -> String {
    let published = &seen.published;
    let reason = &published.waiting.reason;
    let mut why = clean(&reason.to_string()).into_owned();
    match (reason, published.waiting.until) {
        (Reason::Pause, None) => {
            why = format!(
                "pause without end: gradatim promote {}",
                clean(published.rollout.as_str())
            );
        }
        (_, Some(until)) if until > now => {
            why.push_str(&format!(", {} left", clock(until.since(now))));
        }
        (Reason::Pause, Some(_)) | (_, None) => {}
        (_, Some(until)) => why.push_str(&format!(", overdue for {}", clock(now.since(until)))),
    }
    if !seen.driven && !is_at_rest(published) {
        why.insert_str(0, "no driver is alive; ");
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(evidence: f64) -> Seen {
        let published = serde_json::json!({
            "rollout": "shop", "since": 0, "phase": "Progressing", "message": "",
            "waiting": {"reason": {"kind": "pause"}, "until": null},
            "summary": {
                "stable": "v1", "latest": "v2", "step": 1, "steps": 4, "weight": 10,
                "weight_seen": 10, "total": 100, "attempt": 1,
                "judge": {
                    "metric": "judge", "evidence": evidence, "needed": 100.0,
                    "text": "Still watching: evidence 10 of 100 needed.",
                },
            },
        });
        Seen {
            driven: true,
            published: serde_json::from_value(published).unwrap(),
        }
    }

    #[test]
    fn the_evidence_against_its_limit_is_a_bar_on_a_logarithmic_scale() {
        let filled = |evidence| {
            let lines = judge(&seen(evidence), Look::default());
            lines[0].matches('█').count()
        };
        assert_eq!([0.4, 1.0, 10.0, 100.0, 1e9].map(filled), [0, 0, 10, 20, 20]);
        let lines = judge(&seen(10.0), Look::default());
        assert_eq!(
            lines,
            [
                "  shop: judge  ██████████░░░░░░░░░░",
                "      Still watching: evidence 10 of 100 needed.",
            ]
        );
    }
}
