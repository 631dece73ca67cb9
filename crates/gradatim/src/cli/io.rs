use std::io::{self, ErrorKind, Read, Write};

use super::Look;

/// Where a command reads and writes.
pub struct Io<'a> {
    /// What `-` names.
    pub input: &'a mut dyn Read,
    /// Data.
    pub out: Output<'a>,
    /// Progress, warnings and what went wrong.
    pub err: Output<'a>,
}

impl<'a> Io<'a> {
    /// Plain text in and out, as in a pipe.
    pub fn plain(
        input: &'a mut dyn Read,
        out: &'a mut (dyn Write + Send),
        err: &'a mut (dyn Write + Send),
    ) -> Self {
        Self {
            input,
            out: Output::new(out, Look::default()),
            err: Output::new(err, Look::default()),
        }
    }
}

/// A writer, and how text may look there.
///
/// Writes buffer until [`flush`](Write::flush). Once the reader has closed its end, everything
/// written is dropped without an error.
pub struct Output<'a> {
    writer: &'a mut (dyn Write + Send),
    look: Look,
    buffer: Vec<u8>,
    closed: bool,
}

impl<'a> Output<'a> {
    /// An output that looks so.
    pub fn new(writer: &'a mut (dyn Write + Send), look: Look) -> Self {
        Self {
            writer,
            look,
            buffer: Vec::new(),
            closed: false,
        }
    }

    /// How text may look there.
    pub fn look(&self) -> Look {
        self.look
    }

    /// Whether the reader has closed its end.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn pass(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() > 64 * 1024 {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.buffer);
        if self.closed {
            return Ok(());
        }
        let written = self.writer.write_all(&bytes);
        let written = written.and_then(|()| self.writer.flush());
        self.pass(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed(usize);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_noticed_once_and_is_no_error() {
        let mut pipe = Closed(0);
        let mut output = Output::new(&mut pipe, Look::default());
        for _ in 0..3 {
            writeln!(output, "line").unwrap();
            output.flush().unwrap();
        }
        assert!(output.is_closed());
        assert_eq!(pipe.0, 1);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut full = Full;
        let mut output = Output::new(&mut full, Look::default());
        writeln!(output, "line").unwrap();
        assert_eq!(output.flush().unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
