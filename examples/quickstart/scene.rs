//! The live view as rows of text: pure, so that it can be tested without a terminal.

use std::time::Duration;

use gradatim::analysis::AnalysisPhase;
use gradatim::decision::Phase;

use crate::diary::Metric;
use crate::line::{Line, Tone, grouped};

/// No wider than this, however wide the terminal is.
const WIDEST: usize = 100;
/// Below this, numbers are shortened.
const NARROW: usize = 80;

/// One of the two versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub name: String,
    pub percent: u32,
    pub requests: u64,
    pub failed: u64,
}

/// What the live view shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    pub rollout: String,
    pub phase: Phase,
    /// The step, from 1, and how many there are.
    pub step: (u32, u32),
    pub elapsed: Duration,
    pub stable: Side,
    pub canary: Side,
    pub wanted: u32,
    pub seen: Option<u32>,
    /// The canary's weight over time, 0 to 1.
    pub weights: Vec<f64>,
    /// The canary's share of failed answers over time, 0 to 1.
    pub failures: Vec<f64>,
    pub metrics: Vec<(Metric, Option<Duration>)>,
    pub waiting: String,
    pub address: String,
}

/// A piece of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub text: String,
    pub tone: Tone,
}

/// A row, never wider than asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub spans: Vec<Span>,
    /// Rows of a higher rank go first where the terminal is too low.
    rank: u8,
}

impl Row {
    fn new(rank: u8) -> Self {
        Self {
            spans: Vec::new(),
            rank,
        }
    }

    fn add(mut self, text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        self.spans.push(Span { text, tone });
        self
    }

    fn plain(self, text: impl Into<String>) -> Self {
        self.add(text, Tone::Plain)
    }

    pub(crate) fn width(&self) -> usize {
        self.spans
            .iter()
            .map(|span| span.text.chars().count())
            .sum()
    }

    /// Cuts what does not fit.
    fn cut(mut self, width: usize) -> Self {
        let mut left = width;
        for span in &mut self.spans {
            span.text = span.text.chars().take(left).collect();
            left -= span.text.chars().count();
        }
        self
    }
}

impl Scene {
    /// The rows for a terminal of this size, top to bottom.
    pub(crate) fn rows(&self, width: usize, height: usize) -> Vec<Row> {
        let width = width.min(WIDEST);
        let mut rows = vec![
            self.head(width),
            self.bar(width, true),
            self.bar(width, false),
        ];
        rows.push(self.weight());
        rows.push(self.failure());
        rows.push(Row::new(9));
        rows.extend(
            self.metrics
                .iter()
                .map(|(metric, next)| metric_row(metric, *next, width)),
        );
        rows.push(Row::new(1).add(format!("  {}", self.waiting), Tone::Waiting));
        rows.push(Row::new(8));
        rows.push(self.keys(width));
        while rows.len() > height.max(1) {
            let worst = rows.iter().map(|row| row.rank).max();
            let place = rows.iter().rposition(|row| Some(row.rank) == worst);
            drop(place.map(|place| rows.remove(place)));
        }
        rows.into_iter().map(|row| row.cut(width)).collect()
    }

    fn head(&self, width: usize) -> Row {
        let left = format!(
            "{} · {} → {}",
            self.rollout, self.stable.name, self.canary.name
        );
        let phase = self.phase.to_string();
        let (step, steps) = self.step;
        let right = format!("   step {step} of {steps} · {}", Line::clock(self.elapsed));
        let used = [&left, &phase, &right]
            .map(|it| it.chars().count())
            .iter()
            .sum();
        let gap = " ".repeat(width.saturating_sub(used).max(1));
        let tone = match self.phase {
            Phase::Healthy => Tone::Good,
            Phase::Degraded => Tone::Bad,
            Phase::Progressing | Phase::Paused => Tone::Waiting,
        };
        Row::new(0)
            .plain(left)
            .plain(gap)
            .add(phase, tone)
            .plain(right)
    }

    fn bar(&self, width: usize, is_stable: bool) -> Row {
        let side = if is_stable {
            &self.stable
        } else {
            &self.canary
        };
        let names = [&self.stable.name, &self.canary.name].map(|it| it.chars().count());
        let column = names.into_iter().max().unwrap_or(0);
        let (percent, requests) = (side.percent, grouped(side.requests));
        let failed = grouped(side.failed);
        let (numbers, failed) = if width < NARROW {
            (
                format!(" {percent:>3} % {requests:>7} req"),
                format!("{failed:>6} failed"),
            )
        } else {
            (
                format!(" {percent:>3} % {requests:>9} requests"),
                format!("{failed:>9} failed"),
            )
        };
        let used = column + 4 + numbers.chars().count() + failed.chars().count();
        let cells = width.saturating_sub(used);
        let share = usize::try_from(self.stable.percent).unwrap_or(100).min(100);
        let border = (cells * share + 50) / 100;
        let (full, empty) = (|many| "█".repeat(many), |many| "░".repeat(many));
        let (left, right) = (border, cells - border);
        let row = Row::new(0).plain(format!("  {:column$} ", side.name));
        let row = if is_stable {
            row.add(full(left), Tone::Good)
                .add(empty(right), Tone::Faint)
        } else {
            row.add(empty(left), Tone::Faint)
                .add(full(right), Tone::Waiting)
        };
        let tone = if side.failed > 0 {
            Tone::Bad
        } else {
            Tone::Plain
        };
        row.plain(numbers).add(failed, tone)
    }

    fn weight(&self) -> Row {
        let seen = self
            .seen
            .map_or_else(|| "unknown".to_owned(), |seen| seen.to_string());
        let text = format!("wanted {}, seen {seen}", self.wanted);
        let row = Row::new(6)
            .plain("  weight   ")
            .plain(sparks(&self.weights));
        row.plain(format!("   {text}"))
    }

    fn failure(&self) -> Row {
        let Side {
            name,
            requests,
            failed,
            ..
        } = &self.canary;
        let share = 100.0 * *failed as f64 / (*requests).max(1) as f64;
        let tone = if *failed > 0 { Tone::Bad } else { Tone::Plain };
        let row = Row::new(7)
            .plain("  failed   ")
            .add(sparks(&self.failures), tone);
        row.plain(format!("   {share:.1} % of {name}"))
    }

    fn keys(&self, width: usize) -> Row {
        let keys = "  p promote   a abort   q leave it as it is";
        let address = format!("curl http://{}/", self.address);
        let used = keys.chars().count() + address.chars().count();
        let row = Row::new(5).add(keys, Tone::Faint);
        match width.checked_sub(used).filter(|gap| *gap > 2) {
            Some(gap) => row
                .add(" ".repeat(gap), Tone::Faint)
                .add(address, Tone::Faint),
            None => row,
        }
    }
}

fn metric_row(metric: &Metric, next: Option<Duration>, width: usize) -> Row {
    let (mark, tone) = match metric.phase {
        _ if metric.has_failed() => ('✗', Tone::Bad),
        AnalysisPhase::Failed | AnalysisPhase::Error => ('✗', Tone::Bad),
        AnalysisPhase::Successful => ('✓', Tone::Good),
        _ => ('·', Tone::Waiting),
    };
    let shown = if width < NARROW { 2 } else { 4 };
    let newest = metric.values.iter().rev().take(shown).rev();
    let values: String = newest.map(|value| format!("{value:>7}")).collect();
    let state = match (next, metric.phase) {
        (Some(next), _) => format!("next in {:.1} s", next.as_secs_f64()),
        (None, AnalysisPhase::Successful) => "passed".to_owned(),
        (None, _) if metric.has_failed() => "failed".to_owned(),
        (None, _) => String::new(),
    };
    let row = Row::new(2).add(format!("  {mark} {:<14}", metric.name), tone);
    let column = shown * 7;
    let bound = format!("wanted {}", metric.wanted);
    row.plain(format!("{values:<column$}   {state:<14}"))
        .add(bound, Tone::Faint)
}

/// A small picture of numbers from 0 to 1.
fn sparks(numbers: &[f64]) -> String {
    const CELLS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let cell = |number: &f64| {
        let place = (number.clamp(0.0, 1.0) * (CELLS.len() - 1) as f64).ceil();
        CELLS.get(place as usize).copied().unwrap_or(' ')
    };
    numbers.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        let side = |name: &str, percent, requests, failed| Side {
            name: name.to_owned(),
            percent,
            requests,
            failed,
        };
        let metric = Metric {
            name: "success-rate".to_owned(),
            values: ["1", "0.93", "0.5"].map(str::to_owned).to_vec(),
            failed: ["0.93", "0.5"].map(str::to_owned).to_vec(),
            allowed: 1,
            wanted: ">= 0.95".to_owned(),
            phase: AnalysisPhase::Running,
            next: None,
        };
        Scene {
            rollout: "shop".to_owned(),
            phase: Phase::Progressing,
            step: (4, 8),
            elapsed: Duration::from_secs(21),
            stable: side("v1", 75, 2812, 3),
            canary: side("v2", 25, 611, 41),
            wanted: 25,
            seen: Some(25),
            weights: vec![0.0, 0.1, 0.25, 1.0],
            failures: vec![0.0, 0.07],
            metrics: vec![(metric, None)],
            waiting: "waiting for success-rate, until 0:31 at the latest".to_owned(),
            address: "127.0.0.1:41234".to_owned(),
        }
    }

    fn text(row: &Row) -> String {
        row.spans.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn a_person_sees_the_split_the_numbers_and_the_reason() {
        let rows: Vec<String> = scene().rows(100, 40).iter().map(text).collect();
        let expected = [
            "shop · v1 → v2                                                      Progressing   step 4 of 8 · 0:21",
            "  v1 ████████████████████████████████████████░░░░░░░░░░░░░  75 %     2 812 requests        3 failed",
            "  v2 ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░█████████████  25 %       611 requests       41 failed",
            "  weight   ▁▂▃█   wanted 25, seen 25",
            "  failed   ▁▂   6.7 % of v2",
            "",
            "  ✗ success-rate        1   0.93    0.5          failed        wanted >= 0.95",
            "  waiting for success-rate, until 0:31 at the latest",
            "",
            "  p promote   a abort   q leave it as it is                             curl http://127.0.0.1:41234/",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn no_row_is_wider_and_no_more_rows_are_there_than_the_terminal_has() {
        for width in [0, 1, 20, 57, 80, 300] {
            for height in [0, 1, 3, 24] {
                let rows = scene().rows(width, height);
                assert!(rows.iter().all(|row| row.width() <= width.min(WIDEST)));
                assert!(rows.len() <= height.max(1));
            }
        }
        let few: Vec<String> = scene().rows(100, 4).iter().map(text).collect();
        assert!(
            few[0].starts_with("shop") && few[3].contains("waiting"),
            "{few:?}"
        );
    }

    #[test]
    fn all_of_a_bar_is_a_full_bar() {
        let mut scene = scene();
        (scene.stable.percent, scene.canary.percent) = (0, 100);
        let rows: Vec<String> = scene.rows(80, 40).iter().map(text).collect();
        assert!(!rows[1].contains('█') && !rows[2].contains('░'), "{rows:?}");
    }
}
