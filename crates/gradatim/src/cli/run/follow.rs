//! From the first round to the end, or until somebody leaves.

use std::time::Duration;

use gradatim_core::id::RolloutId;
use gradatim_driver::{Outcome, Release, Turn, Witness};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval};

use super::view::View;
use crate::cli::Io;
use crate::cli::desk::Desk;
use crate::cli::keys::Key;
use crate::cli::leave::Leave;
use crate::cli::look::Tone;

/// From one picture to the next.
const PICTURE: Duration = Duration::from_millis(500);
/// What is said when somebody leaves by key.
const LEFT: &str = "leaving it as it is; once more leaves at once";

/// Hears of every round.
pub(super) struct Rounds(UnboundedSender<Turn>);

impl Rounds {
    pub(super) fn new() -> (Self, UnboundedReceiver<Turn>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }
}

impl Witness for Rounds {
    fn turned(&self, _: &RolloutId, turn: &Turn) {
        // Nobody listens any more when the program ends.
        let _ = self.0.send(turn.clone());
    }
}

/// Shows a release to its end. The other value is false when somebody did not want to wait until
/// it had stopped in good order.
pub(super) async fn follow(
    release: &Release,
    mut rounds: UnboundedReceiver<Turn>,
    mut view: View,
    mut leave: Leave,
    mut desk: Desk,
    io: &mut Io<'_>,
) -> (Outcome, bool) {
    let mut pictures = interval(PICTURE);
    pictures.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut end = Box::pin(release.outcome());
    let mut stopped = Box::pin(async {
        release.stop().await;
        release.status().outcome().unwrap_or(Outcome::Stopped)
    });
    let mut leaving = false;
    let ended = loop {
        let wish = tokio::select! {
            biased;
            Some(turn) = rounds.recv() => {
                for line in desk.others(&turn) {
                    view.say(Tone::Waiting, &line, io);
                }
                view.turn(turn, io);
                None
            }
            () = leave.asked() => Some(leave.words()),
            key = desk.pressed() => match key {
                Key::Leave => {
                    release.abort_on_exit(false);
                    Some(LEFT)
                }
                key => {
                    let (tone, line) = desk.order(key, Some(&release.status().decision.summary)).await;
                    view.say(tone, &line, io);
                    None
                }
            },
            outcome = &mut stopped, if leaving => break (outcome, true),
            outcome = &mut end, if !leaving => break (outcome, true),
            _ = pictures.tick() => {
                view.draw(io);
                None
            }
        };
        tell(&mut desk, &mut view, io);
        match wish {
            Some(_) if leaving => break (Outcome::Stopped, false),
            Some(words) => {
                leaving = true;
                view.say(Tone::Waiting, words, io);
            }
            None => {}
        }
    };
    while let Ok(turn) = rounds.try_recv() {
        view.turn(turn, io);
    }
    tell(&mut desk, &mut view, io);
    view.erase(io);
    ended
}

/// What became of orders; of a refused one the rounds say why.
fn tell(desk: &mut Desk, view: &mut View, io: &mut Io<'_>) {
    let answers = desk.answers().into_iter();
    for (tone, line) in answers.filter(|(tone, _)| *tone != Tone::Bad) {
        view.say(tone, &line, io);
    }
}
