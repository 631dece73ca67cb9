use granit_parser::{Marker, Span};

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// From 1.
    pub(super) line: u32,
    /// In characters, from 1.
    pub(super) column: u32,
    /// In characters; 1 where it is not on one line.
    pub(super) length: u32,
}

/// Where a piece of YAML stands in its file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    /// So many lines and columns in.
    Shifted {
        /// Lines above it.
        lines: u32,
        /// Columns before each of its lines.
        columns: u32,
    },
    /// Text whose lines are not the file's: everything stands at one place.
    Fixed(Mark),
}

impl Default for Frame {
    fn default() -> Self {
        Self::Shifted {
            lines: 0,
            columns: 0,
        }
    }
}

impl Frame {
    pub(super) fn mark(self, span: &Span) -> Mark {
        let length = match span.start.line() == span.end.line() {
            true => narrow(span.end.col().saturating_sub(span.start.col())).max(1),
            false => 1,
        };
        match self {
            Self::Fixed(mark) => mark,
            Self::Shifted { .. } => Mark {
                length,
                ..self.point(&span.start)
            },
        }
    }

    pub(super) fn point(self, marker: &Marker) -> Mark {
        match self {
            Self::Fixed(mark) => mark,
            Self::Shifted { lines, columns } => Mark {
                line: narrow(marker.line()).saturating_add(lines),
                column: narrow(marker.col())
                    .saturating_add(columns)
                    .saturating_add(1),
                length: 1,
            },
        }
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
