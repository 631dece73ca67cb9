//! The terminal: a live view below the lines that have been written, and keys.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, mpsc as std_mpsc};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Color, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{QueueableCommand, cursor};
use tokio::sync::mpsc;

use crate::line::{Line, Tone};
use crate::scene::{Row, Scene};
use crate::voice::Wish;

/// The time from one picture to the next.
const PICTURE: Duration = Duration::from_millis(100);

/// Whether a live view can be shown and is welcome.
pub(crate) fn is_welcome() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stdout().is_terminal() && io::stdin().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// The terminal in raw mode; given back when dropped, and by a panic anywhere.
struct Terminal;

impl Terminal {
    fn take() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        terminal::enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::Relaxed);
        let terminal = Self;
        io::stdout().queue(cursor::Hide)?.flush()?;
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Makes the terminal as it was, if it was taken; doing it twice is doing it once.
pub(crate) fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    // Nothing can be done about a terminal that is gone.
    let _ = terminal::disable_raw_mode();
    let mut out = io::stdout();
    let _ = out
        .queue(ResetColor)
        .and_then(|out| out.queue(cursor::Show));
    let _ = out.flush();
}

/// Draws pictures until it is told to stop.
pub(crate) struct Painter {
    picture: Box<dyn FnMut() -> Option<Scene> + Send>,
    written: std_mpsc::Receiver<Line>,
    wishes: mpsc::UnboundedSender<Wish>,
    /// How wide each row of the last picture is.
    drawn: Vec<usize>,
    _terminal: Terminal,
}

impl Painter {
    /// Takes the terminal over until it is dropped.
    ///
    /// # Errors
    /// When the terminal cannot be taken over.
    pub(crate) fn new(
        picture: impl FnMut() -> Option<Scene> + Send + 'static,
        written: std_mpsc::Receiver<Line>,
        wishes: mpsc::UnboundedSender<Wish>,
    ) -> io::Result<Self> {
        Ok(Self {
            picture: Box::new(picture),
            written,
            wishes,
            drawn: Vec::new(),
            _terminal: Terminal::take()?,
        })
    }

    /// Draws until `is_over`; then what is left to be shown, without the live view.
    pub(crate) fn run(&mut self, is_over: impl Fn() -> bool) {
        while !is_over() {
            self.read_keys();
            if self.draw(true).is_err() {
                // Nobody can see or say anything any more.
                let _ = self.wishes.send(Wish::Leave);
                return;
            }
        }
        let _ = self.draw(false);
    }

    /// Waits for the next picture, and for keys until then.
    fn read_keys(&self) {
        match event::poll(PICTURE) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => return thread::sleep(PICTURE),
        }
        while let Ok(true) = event::poll(Duration::ZERO) {
            let Ok(event) = event::read() else { return };
            if let Some(wish) = wish(&event) {
                // Whoever listened has heard enough.
                let _ = self.wishes.send(wish);
            }
        }
    }

    fn draw(&mut self, with_picture: bool) -> io::Result<()> {
        let (width, height) = terminal::size().unwrap_or((80, 24));
        let (width, height) = (usize::from(width), usize::from(height));
        let mut out = Vec::new();
        out.queue(terminal::BeginSynchronizedUpdate)?;
        self.wipe(&mut out, width)?;
        for line in self.written.try_iter().filter(|line| !line.is_detail) {
            paint(&mut out, &line.to_string(), line.tone)?;
            out.write_all(b"\r\n")?;
        }
        self.drawn.clear();
        let scene = if with_picture { (self.picture)() } else { None };
        if let Some(scene) = scene {
            // A row in the last column, or on the last line, would make the terminal scroll.
            let rows = scene.rows(width.saturating_sub(1), height.saturating_sub(1));
            for row in &rows {
                self.row(&mut out, row)?;
            }
        }
        out.queue(terminal::EndSynchronizedUpdate)?;
        let mut terminal = io::stdout().lock();
        terminal.write_all(&out)?;
        terminal.flush()
    }

    /// Goes back to where the last picture began; a terminal made narrower has broken its rows.
    fn wipe(&self, out: &mut Vec<u8>, width: usize) -> io::Result<()> {
        let lines = |row: &usize| row.div_ceil(width.max(1)).max(1);
        let up: usize = self.drawn.iter().map(lines).sum();
        out.write_all(b"\r")?;
        if up > 0 {
            out.queue(cursor::MoveUp(u16::try_from(up).unwrap_or(u16::MAX)))?;
        }
        out.queue(Clear(ClearType::FromCursorDown))?;
        Ok(())
    }

    fn row(&mut self, out: &mut Vec<u8>, row: &Row) -> io::Result<()> {
        for span in &row.spans {
            paint(out, &span.text, span.tone)?;
        }
        self.drawn.push(row.width());
        out.write_all(b"\r\n")
    }
}

fn paint(out: &mut Vec<u8>, text: &str, tone: Tone) -> io::Result<()> {
    match tone {
        Tone::Plain => return out.write_all(text.as_bytes()),
        Tone::Good => out.queue(SetForegroundColor(Color::Green))?,
        Tone::Bad => out.queue(SetForegroundColor(Color::Red))?,
        Tone::Waiting => out.queue(SetForegroundColor(Color::Yellow))?,
        Tone::Faint => out.queue(SetAttribute(Attribute::Dim))?,
    };
    out.write_all(text.as_bytes())?;
    out.queue(SetAttribute(Attribute::Reset))?;
    Ok(())
}

fn wish(event: &Event) -> Option<Wish> {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind,
        ..
    }) = event
    else {
        return None;
    };
    if *kind == KeyEventKind::Release {
        return None;
    }
    let control = modifiers.contains(KeyModifiers::CONTROL);
    match code {
        KeyCode::Char('c' | 'C') if control => Some(Wish::Interrupt),
        KeyCode::Char('p') if !control => Some(Wish::Promote),
        KeyCode::Char('a') if !control => Some(Wish::Abort),
        KeyCode::Char('q') if !control => Some(Wish::Leave),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers))
    }

    #[test]
    fn each_key_is_one_wish_and_the_others_are_none() {
        let none = KeyModifiers::NONE;
        let wishes = ['p', 'a', 'q', 'x', 'c'].map(|code| wish(&key(code, none)));
        let expected = [
            Some(Wish::Promote),
            Some(Wish::Abort),
            Some(Wish::Leave),
            None,
            None,
        ];
        assert_eq!(wishes, expected);
        assert_eq!(
            wish(&key('c', KeyModifiers::CONTROL)),
            Some(Wish::Interrupt)
        );
        assert_eq!(wish(&key('a', KeyModifiers::CONTROL)), None);
        assert_eq!(wish(&Event::Resize(80, 24)), None);
    }
}
