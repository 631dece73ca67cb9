//! All releases, on all cores, with the same results on any number of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::learn;
use crate::options::Options;
use crate::play::{self, Outcome};
use crate::scenario::Scenario;
use crate::score::Cell;

/// So many seeds in a row are releases of one service, whose earlier releases have taught.
const SERVICE: u64 = 20;

/// What is done in one piece: some seeds of one scenario, all of one service.
struct Piece {
    scenario: usize,
    seeds: std::ops::Range<u64>,
}

/// What came of a piece: for each seed an outcome for each judge.
type Played = Vec<Vec<Outcome>>;

/// Plays everything that was asked for. For each scenario, a cell for each judge.
pub(crate) fn run(options: &Options, progress: impl Fn(usize, usize) + Sync) -> Vec<Vec<Cell>> {
    let pieces = pieces(options);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let played: Vec<Mutex<Played>> = pieces.iter().map(|_| Mutex::default()).collect();
    thread::scope(|scope| {
        for _ in 0..options.threads.min(pieces.len()) {
            scope.spawn(|| {
                while let Some(at) = claim(&next, pieces.len()) {
                    let outcomes = play_piece(options, &pieces[at]);
                    *played[at]
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner()) = outcomes;
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, pieces.len());
                }
            });
        }
    });
    let played = played
        .into_iter()
        .map(|it| it.into_inner().unwrap_or_default());
    cells(options.scenarios.len(), pieces.iter().zip(played))
}

fn claim(next: &AtomicUsize, pieces: usize) -> Option<usize> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    (at < pieces).then_some(at)
}

fn pieces(options: &Options) -> Vec<Piece> {
    let of = |(place, scenario): (usize, &Scenario)| {
        let end = options.seed + options.seeds(scenario);
        let services = options.seed / SERVICE..=(end - 1) / SERVICE;
        services.map(move |service| Piece {
            scenario: place,
            seeds: options.seed.max(service * SERVICE)..end.min((service + 1) * SERVICE),
        })
    };
    options.scenarios.iter().enumerate().flat_map(of).collect()
}

fn play_piece(options: &Options, piece: &Piece) -> Played {
    let scenario = &options.scenarios[piece.scenario];
    let service = [piece.seeds.start / SERVICE, play::place(scenario)];
    let curves = learn::curves(scenario, options.schedule, service);
    let seeds = piece.seeds.clone();
    seeds
        .map(|seed| play::play(scenario, options.schedule, seed, &curves))
        .collect()
}

fn cells<'a>(
    scenarios: usize,
    played: impl Iterator<Item = (&'a Piece, Played)>,
) -> Vec<Vec<Cell>> {
    let mut outcomes: Vec<Vec<Vec<Outcome>>> = vec![Vec::new(); scenarios];
    for (piece, played) in played {
        let judges = &mut outcomes[piece.scenario];
        for each in played {
            judges.resize(each.len(), Vec::new());
            for (judge, outcome) in judges.iter_mut().zip(each) {
                judge.push(outcome);
            }
        }
    }
    let of = |judges: &Vec<Vec<Outcome>>| judges.iter().map(|it| Cell::of(it)).collect();
    outcomes.iter().map(of).collect()
}
