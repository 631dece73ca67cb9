use std::borrow::Cow;
use std::io::IsTerminal;

/// The widest that anything is written.
const WIDEST: usize = 100;
/// The narrowest that anything is laid out for.
const NARROWEST: usize = 40;

/// How text may look at its destination. The default is plain text, as for a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are understood and wanted.
    pub color: bool,
    /// Whether lines can be drawn anew.
    pub redraw: bool,
    /// How many columns there are, at most 100.
    pub width: usize,
    /// How many lines there are.
    pub height: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            color: false,
            redraw: false,
            width: WIDEST,
            height: 24,
        }
    }
}

/// What a colour says; the words say it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Waiting,
    Strong,
    Faint,
    Plain,
}

impl Look {
    /// How text may look on a stream of this process.
    ///
    /// A pipe, `TERM=dumb` and `NO_COLOR` give plain text; a dumb terminal is never redrawn.
    pub fn of(stream: &impl IsTerminal) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if !stream.is_terminal() {
            return Self::default();
        }
        let redraw = set("TERM").is_some_and(|term| term != "dumb");
        // A terminal that does not know its size says 0.
        let size = crossterm::terminal::size().ok();
        let size = size.filter(|(columns, lines)| *columns > 0 && *lines > 0);
        let (columns, lines) = size.map_or((WIDEST, 24), |(columns, lines)| {
            (columns.into(), lines.into())
        });
        Self {
            color: redraw && set("NO_COLOR").is_none(),
            redraw,
            width: columns.clamp(NARROWEST, WIDEST),
            height: lines,
        }
    }

    /// The text in a colour, where there are colours.
    pub(super) fn paint<'t>(self, tone: Tone, text: impl Into<Cow<'t, str>>) -> Cow<'t, str> {
        let text = text.into();
        if !self.color || text.is_empty() || tone == Tone::Plain {
            return text;
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Waiting => "33",
            Tone::Strong => "1",
            Tone::Faint | Tone::Plain => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_no_colour() {
        assert_eq!(Look::default().paint(Tone::Bad, "failed"), "failed");
        let colored = Look {
            color: true,
            ..Look::default()
        };
        assert_eq!(colored.paint(Tone::Good, "ok"), "\x1b[32mok\x1b[0m");
    }
}
