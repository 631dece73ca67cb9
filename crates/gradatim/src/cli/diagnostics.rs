//! Errors and warnings as a compiler shows them: what, where, and what would be right.

use std::collections::BTreeSet;
use std::io::{self, Write};

use gradatim_core::yaml::{Diagnostic, Position};
use gradatim_driver::Unmeasurable;

use super::look::{Look, Tone};
use super::{Output, text};

/// How bad something is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error:",
            Self::Warning => "warning:",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Error => Tone::Bad,
            Self::Warning => Tone::Waiting,
        }
    }
}

/// Writes one of them.
pub(super) fn write(
    output: &mut Output<'_>,
    severity: Severity,
    diagnostic: &Diagnostic,
) -> io::Result<()> {
    let look = output.look();
    let word = look.paint(severity.tone(), severity.word());
    let message = text::clean(&diagnostic.message);
    let indent = severity.word().len() + 1;
    let mut lines = text::wrap(&message, look.width - indent).into_iter();
    let first = lines.next().unwrap_or_default();
    writeln!(output, "{word} {}", look.paint(Tone::Strong, first))?;
    for line in lines {
        writeln!(output, "{:indent$}{}", "", look.paint(Tone::Strong, line))?;
    }
    let field = field(diagnostic);
    match &diagnostic.position {
        Some(position) => excerpt(output, severity.tone(), position, &field)?,
        None if field.is_empty() => {}
        None => writeln!(output, "  = in {field}")?,
    }
    if let Some(help) = &diagnostic.help {
        note(output, &text::clean(help))?;
    }
    Ok(())
}

/// Writes why a metric would have nothing to measure.
pub(super) fn unmeasurable(output: &mut Output<'_>, one: &Unmeasurable) -> io::Result<()> {
    let mut diagnostic = Diagnostic::new(format!("{}: {}", one.metric, one.what));
    diagnostic.help = (!one.help.is_empty()).then(|| one.help.clone());
    write(output, Severity::Warning, &diagnostic)
}

/// Writes a remark below something.
pub(super) fn note(output: &mut Output<'_>, note: &str) -> io::Result<()> {
    for (at, line) in text::wrap(note, output.look().width - 4).iter().enumerate() {
        let mark = if at == 0 { '=' } else { ' ' };
        writeln!(output, "  {mark} {line}")?;
    }
    Ok(())
}

/// The files that are spoken of, each once.
pub(super) fn files(diagnostics: &[Diagnostic]) -> Vec<String> {
    let positions = diagnostics.iter().filter_map(|one| one.position.as_ref());
    let names: BTreeSet<_> = positions.map(|at| at.file.as_str()).collect();
    names
        .into_iter()
        .map(|name| text::clean(name).into_owned())
        .collect()
}

/// The field, after its object where no position says which one.
fn field(diagnostic: &Diagnostic) -> String {
    let path = diagnostic.path.to_string();
    let field = match (&diagnostic.object, &diagnostic.position) {
        (Some(object), None) if path.is_empty() => object.to_string(),
        (Some(object), None) => format!("{object}: {path}"),
        _ => path,
    };
    text::clean(&field).into_owned()
}

/// The line of the file, with a mark below what is meant.
pub(super) fn excerpt(
    output: &mut Output<'_>,
    tone: Tone,
    position: &Position,
    field: &str,
) -> io::Result<()> {
    let look = output.look();
    let Position {
        file, line, column, ..
    } = position;
    let file = text::clean(file);
    writeln!(
        output,
        "  ┌ {}",
        look.paint(Tone::Faint, format!("{file}:{line}:{column}"))
    )?;
    let shown = Shown::new(position, look);
    if shown.text.trim().is_empty() {
        return match field.is_empty() {
            true => writeln!(output, "  └"),
            false => writeln!(output, "  └ {field}"),
        };
    }
    writeln!(output, "  │ {}", shown.text.trim_end())?;
    let carets = look.paint(tone, "^".repeat(shown.length));
    let used = 4 + shown.start + shown.length + 1;
    match used + field.chars().count() <= look.width {
        true => {
            let line = format!("  └ {:start$}{carets} {field}", "", start = shown.start);
            writeln!(output, "{}", line.trim_end())
        }
        false => {
            writeln!(output, "  │ {:start$}{carets}", "", start = shown.start)?;
            writeln!(output, "  └ {field}")
        }
    }
}

/// The part of a line that fits, and where in it the mark stands.
struct Shown {
    text: String,
    start: usize,
    length: usize,
}

impl Shown {
    fn new(position: &Position, look: Look) -> Self {
        let room = look.width.saturating_sub(5).max(20);
        let text: Vec<char> = text::clean(&position.text).chars().collect();
        let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let column = wide(position.column).saturating_sub(1).min(text.len());
        let length = wide(position.length).clamp(1, text.len().saturating_sub(column).max(1));
        if text.len() <= room {
            let text = text.into_iter().collect();
            return Self {
                text,
                start: column,
                length,
            };
        }
        // A third of the room stands before the mark, so that its surroundings are seen.
        let from = match column + length < room {
            true => 0,
            false => column.saturating_sub(room / 3),
        };
        let mut window: Vec<char> = text.iter().copied().skip(from).take(room - 1).collect();
        if from > 0
            && let Some(first) = window.first_mut()
        {
            *first = '…';
        }
        if from + window.len() < text.len() {
            window.push('…');
        }
        let start = column - from;
        let length = length.min((room - 1).saturating_sub(start)).max(1);
        Self {
            text: window.into_iter().collect(),
            start,
            length,
        }
    }
}
