//! From the first round to the end, or until somebody leaves.

use std::time::Duration;

use gradatim_core::id::RolloutId;
use gradatim_driver::{Outcome, Release, Turn, Witness};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval};

use super::leave::Leave;
use super::view::View;
use crate::cli::Io;
use crate::cli::look::Tone;

/// From one picture to the next.
const PICTURE: Duration = Duration::from_millis(500);

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
        tokio::select! {
            biased;
            Some(turn) = rounds.recv() => view.turn(turn, io),
            () = leave.asked() => match leaving {
                true => break (Outcome::Stopped, false),
                false => {
                    leaving = true;
                    view.say(Tone::Waiting, leave.words(), io);
                }
            },
            outcome = &mut stopped, if leaving => break (outcome, true),
            outcome = &mut end, if !leaving => break (outcome, true),
            _ = pictures.tick() => view.draw(io),
        }
    };
    while let Ok(turn) = rounds.try_recv() {
        view.turn(turn, io);
    }
    view.erase(io);
    ended
}
