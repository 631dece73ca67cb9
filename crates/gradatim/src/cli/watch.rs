//! `gradatim watch`: rollouts in a file store as they go on.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use gradatim_core::decision::Phase;
use gradatim_core::go_duration;
use gradatim_core::time::Timestamp;
use gradatim_driver::store::{FileStore, Published};

use super::desk::{Desk, KEYS};
use super::failure::Failure;
use super::keys::{Key, Keys};
use super::leave::Leave;
use super::look::Tone;
use super::order::blocking;
use super::store::{self, Seen, StoreArgument};
use super::text::{clean, wrap};
use super::{Exit, Io, Output};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often the times that are shown change.
const TICK: Duration = Duration::from_secs(1);

/// Follow rollouts in a file store
///
/// One that is named is followed until it is at rest: exit code 0 when it is Healthy, 1 when it was
/// taken back. Without a name all of them are followed until you stop it. On a terminal the screen
/// is drawn anew, and for one that is named p promotes, a aborts without asking and q stops
/// watching; otherwise each change is a line.
#[derive(Debug, clap::Args)]
pub(super) struct Watch {
    /// Follow this rollout until it is at rest
    #[arg(value_name = "ROLLOUT")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
    /// Stop after this time; a rollout that is not at rest by then is undecided
    #[arg(long, value_name = "TIME", value_parser = go_duration::parse_non_negative)]
    timeout: Option<Duration>,
    /// Write each change as a JSON object on a line
    #[arg(long)]
    json: bool,
}

impl Watch {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let store = self.store.open()?;
        blocking(self.follow(&store, io))?
    }

    async fn follow(&self, store: &FileStore, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let began = Instant::now();
        let mut shown = Shown::new(self.json, io.out.look().redraw);
        // What is wrong with the store is said before the terminal is touched.
        let (mut all, _) = store::seen(store, self.name.as_deref())?;
        let mut desk = self.desk(store, &mut shown);
        let mut leave = match desk.has_keys() {
            true => Some(Leave::listen(false)?),
            false => None,
        };
        loop {
            shown.said.extend(desk.answers());
            shown.show(&all, &mut io.out)?;
            if io.out.is_closed() {
                return Ok(Exit::Good);
            }
            if let Some(exit) = self.ended(&all) {
                return Ok(exit);
            }
            if self
                .timeout
                .is_some_and(|timeout| began.elapsed() >= timeout)
            {
                return self.left(store, io);
            }
            match pressed(&mut desk, leave.as_mut()).await {
                None => {}
                Some(Key::Leave) => return self.left(store, io),
                Some(_) if self.name.is_none() => {}
                Some(key) => {
                    let summary = all.first().map(|seen| &seen.published.summary);
                    shown.said.push(desk.order(key, summary).await);
                }
            }
            (all, _) = store::seen(store, self.name.as_deref())?;
        }
    }

    /// Keys are for a picture to press them on, and an order is for one rollout.
    fn desk(&self, store: &FileStore, shown: &mut Shown) -> Desk {
        let keys = shown.redraw.then(Keys::listen).flatten();
        if keys.is_some() {
            shown.hint = Some(match &self.name {
                Some(_) => KEYS,
                None => "q stop watching; every rollout stays as it is",
            });
        }
        Desk::new(
            keys,
            store.rollout(self.name.as_deref().unwrap_or_default()),
        )
    }

    /// How the one that is followed has ended.
    fn ended(&self, all: &[Seen]) -> Option<Exit> {
        self.name.as_ref()?;
        let published = &all.first()?.published;
        store::is_at_rest(published).then_some(match published.phase {
            Phase::Healthy => Exit::Good,
            _ => Exit::Bad,
        })
    }

    fn left(&self, store: &FileStore, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let Some(name) = &self.name else {
            return Ok(Exit::Good);
        };
        let seen = store::one(&store.rollout(name.as_str())).map_err(store::unreadable)?;
        let driven = seen.is_some_and(|seen| seen.driven);
        let dead = if driven {
            ""
        } else {
            ", and no driver is alive"
        };
        writeln!(io.err, "{} is not at rest yet{dead}", clean(name))?;
        Ok(Exit::Undecided)
    }
}

/// The next key, if there is one soon.
async fn pressed(desk: &mut Desk, leave: Option<&mut Leave>) -> Option<Key> {
    let asked = async {
        match leave {
            Some(leave) => leave.asked().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = tokio::time::sleep(LOOK) => None,
        key = desk.pressed() => Some(key),
        () = asked => Some(Key::Leave),
    }
}

/// What is on the screen, or was written last.
struct Shown {
    json: bool,
    redraw: bool,
    last: Vec<Seen>,
    /// How many lines are to be drawn anew.
    lines: usize,
    drawn: Option<Instant>,
    /// What can be pressed.
    hint: Option<&'static str>,
    /// What became of what was pressed, and stands nowhere yet.
    said: Vec<(Tone, String)>,
}

impl Shown {
    fn new(json: bool, redraw: bool) -> Self {
        Self {
            json,
            redraw: redraw && !json,
            last: Vec::new(),
            lines: 0,
            drawn: None,
            hint: None,
            said: Vec::new(),
        }
    }

    fn show(&mut self, all: &[Seen], out: &mut Output<'_>) -> io::Result<()> {
        let now = store::now();
        let stale = self.drawn.is_none_or(|drawn| drawn.elapsed() >= TICK);
        let has_news = !self.said.is_empty();
        if self.redraw && (stale || has_news || self.last != all) {
            self.draw(all, now, out)?;
        }
        if !self.redraw {
            for seen in all {
                if !self.last.iter().any(|known| said(known) == said(seen)) {
                    self.line(seen, now, out)?;
                }
            }
        }
        self.last = all.to_vec();
        out.flush()
    }

    /// Draws everything where it stood before.
    fn draw(&mut self, all: &[Seen], now: Timestamp, out: &mut Output<'_>) -> io::Result<()> {
        let look = out.look();
        let mut lines = match all.is_empty() {
            true => vec!["No rollout has been decided on yet.".to_owned()],
            false => store::table(all, now).drawn(look),
        };
        for seen in all {
            lines.extend(store::judge(seen, look));
            lines.extend(store::remarks(seen, None, now, look));
        }
        let hint = self
            .hint
            .map(|it| look.paint(Tone::Faint, format!("  {it}")));
        let room = look.height.saturating_sub(2).max(2);
        let room = room.saturating_sub(hint.iter().len()).max(2);
        if lines.len() > room {
            let hidden = lines.len() - room + 1;
            lines.truncate(room - 1);
            lines.push(format!("  … {hidden} more lines"));
        }
        if self.lines > 0 {
            write!(out, "\x1b[{}A\x1b[J", self.lines)?;
        }
        for (tone, line) in self.said.drain(..) {
            for line in wrap(&line, look.width.saturating_sub(2)) {
                writeln!(out, "  {}", look.paint(tone, line))?;
            }
        }
        lines.extend(hint.map(std::borrow::Cow::into_owned));
        for line in &lines {
            writeln!(out, "{line}")?;
        }
        (self.lines, self.drawn) = (lines.len(), Some(Instant::now()));
        Ok(())
    }

    fn line(&self, seen: &Seen, now: Timestamp, out: &mut Output<'_>) -> io::Result<()> {
        if self.json {
            let text = serde_json::to_string(seen)?;
            return writeln!(out, "{text}");
        }
        let look = out.look();
        let published = &seen.published;
        let head = format!(
            "{}  {}  {}",
            published.since,
            clean(published.rollout.as_str()),
            look.paint(store::tone(published.phase), published.phase.to_string()),
        );
        let step = match store::step(published).as_str() {
            "–" => String::new(),
            step => format!("  step {step}"),
        };
        let weight = match store::weight(published).as_str() {
            "–" => String::new(),
            weight => format!("  {weight}"),
        };
        writeln!(out, "{head}{step}{weight}")?;
        let why = store::why(seen, now);
        for line in wrap(&why, look.width.saturating_sub(4)) {
            writeln!(out, "    {line}")?;
        }
        let mut known = self.last.iter().map(|it| &it.published);
        let known = known.find(|it| it.rollout == published.rollout);
        for line in store::remarks(seen, known, now, look) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

/// What makes a line of its own: not that a judge has looked once more.
fn said(seen: &Seen) -> (bool, Published) {
    let mut published = seen.published.clone();
    published.summary.judge = None;
    (seen.driven, published)
}
