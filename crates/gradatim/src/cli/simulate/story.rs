//! A transcript on a terminal: no wider than that, and coloured where it has colours.

use std::borrow::Cow;
use std::io::{self, Write};

use gradatim_sim::script::{Tone as Sense, Transcript, Unmet, clock};

use crate::cli::look::Tone;
use crate::cli::{Look, Output, text};

/// What parts a fact from its circumstances.
const PART: &str = "    ";

/// Writes it, and what was expected and did not come.
pub(super) fn tell(
    out: &mut Output<'_>,
    transcript: &Transcript,
    unmet: &[Unmet],
) -> io::Result<()> {
    let look = out.look();
    let times = transcript.lines.iter().map(|line| clock(line.at).len());
    let times = times.max().unwrap_or(0).max(5);
    for line in &transcript.lines {
        let head = format!("{:>times$}  {:<10} ", clock(line.at), line.word);
        let room = look.width.saturating_sub(head.len()).max(20);
        let indent = " ".repeat(head.len());
        for (place, part) in folded(&text::clean(&line.text), room).iter().enumerate() {
            let head = if place == 0 { &head } else { &indent };
            writeln!(
                out,
                "{}",
                painted(look, line.tone, &format!("{head}{part}"))
            )?;
        }
    }
    write(out, transcript.tone, &transcript.verdict)?;
    for line in &transcript.ending {
        let tone = if line.starts_with("INVARIANTS BROKEN") {
            Sense::Bad
        } else {
            Sense::Plain
        };
        write(out, tone, line)?;
    }
    for one in unmet {
        let line = format!("EXPECTED (line {}): {}", one.place.line, one.message);
        write(out, Sense::Bad, &line)?;
    }
    Ok(())
}

fn write(out: &mut Output<'_>, tone: Sense, line: &str) -> io::Result<()> {
    let look = out.look();
    for line in text::wrap(&text::clean(line), look.width) {
        writeln!(out, "{}", painted(look, tone, &line))?;
    }
    Ok(())
}

fn painted(look: Look, sense: Sense, line: &str) -> Cow<'_, str> {
    match sense {
        Sense::Good => look.paint(Tone::Good, line),
        Sense::Bad => look.paint(Tone::Bad, line),
        Sense::Waiting => look.paint(Tone::Waiting, line),
        _ => line.into(),
    }
}

/// A text in lines that fit: circumstances go below the fact before any sentence is broken.
fn folded(line: &str, room: usize) -> Vec<String> {
    let long = |text: &str| text.chars().count();
    let mut lines: Vec<String> = Vec::new();
    for part in line.split(PART) {
        match lines.last_mut() {
            Some(last) if long(last) + PART.len() + long(part) <= room => {
                last.push_str(PART);
                last.push_str(part);
            }
            _ if long(part) <= room => lines.push(part.to_owned()),
            _ => lines.extend(text::wrap(part, room)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_below_and_nothing_is_lost() {
        let line = "success-rate 0.9    failed 1 (limit 1)    result[0] = 0.9, wanted >= 0.95";
        assert_eq!(folded(line, 80), [line]);
        let parts = [
            "success-rate 0.9    failed 1 (limit 1)",
            "result[0] = 0.9, wanted >= 0.95",
        ];
        assert_eq!(folded(line, 45), parts);
        let broken = folded(line, 20);
        assert!(
            broken.iter().all(|line| line.chars().count() <= 20),
            "{broken:?}"
        );
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&broken.join(" ")), words(line));
        assert_eq!(folded("", 20), [""]);
    }
}
