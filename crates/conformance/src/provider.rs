//! The rules of a [`MetricProvider`].

mod recorded;
mod scene;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Outcome, Series};
use gradatim_core::number::Number;
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;
use serde_json::Value;

pub use self::recorded::Recorded;
use self::scene::{Scene, fault, is_empty, leaks, numbers, series};
use crate::report::{Check, Report, broken, done, ensure, same, skipped};

const PORT: &str = "MetricProvider";

/// The value of the secret in an [`Answer::Secret`].
pub const SECRET: &str = "s3same-opens";

/// What the other side shall answer when it is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// One number: NaN and the infinities too.
    Number(Number),
    /// One number before an instant, another from then on: an answer for an instant in the past.
    Turning {
        /// The instant.
        at: Timestamp,
        /// The number before it.
        before: Number,
        /// The number from it on.
        after: Number,
    },
    /// Nothing: no series, no rows, an empty list.
    Nothing,
    /// Several series with labels and times.
    Series(Vec<Series>),
    /// What is no answer: broken JSON, a page of HTML.
    Garbage,
    /// An answer in which a number should stand and a word does.
    Word,
    /// That the query is wrong.
    WrongQuery,
    /// The number 1, to a query with a secret whose value is [`SECRET`] in it.
    Secret {
        /// Whether the other side fails instead, and repeats what it was sent.
        fails: bool,
    },
    /// That something was done, once: a job started, a page posted, a gate asked.
    Deed,
    /// That it takes longer, until it is terminated.
    Endless,
}

/// What the author of a metric provider supplies so that it can be checked.
pub trait Bench: Sync {
    /// The other side: a stub of a server, a file.
    type World: Send + Sync;

    /// A fresh world.
    fn world(&self) -> impl Future<Output = Self::World> + Send;

    /// A provider on a world.
    fn provider(&self, world: &Self::World)
    -> impl Future<Output = Arc<dyn MetricProvider>> + Send;

    /// A query that gets this answer from now on, beside those made before; none when the
    /// provider knows no such answer.
    fn query(
        &self,
        world: &Self::World,
        answer: &Answer,
    ) -> impl Future<Output = Option<Value>> + Send;

    /// The instant that measurements speak of. Default 2027-01-15T08:00:00Z.
    fn at(&self) -> Timestamp {
        Timestamp::from_secs(1_800_000_000)
    }

    /// How many [deeds](Answer::Deed) were done.
    fn deeds(&self, world: &Self::World) -> impl Future<Output = u64> + Send {
        let _ = world;
        async { 0 }
    }

    /// How much [takes longer](Answer::Endless) and was not terminated.
    fn running(&self, world: &Self::World) -> impl Future<Output = u64> + Send {
        let _ = world;
        async { 0 }
    }

    /// Everything else that shows the provider to people, such as its `Debug` output.
    fn shown(&self, world: &Self::World) -> impl Future<Output = Option<String>> + Send {
        let _ = world;
        async { None }
    }
}

/// Checks every rule, each in a world of its own.
pub async fn all<B: Bench>(bench: &B) -> Report {
    let mut report = Report::default();
    let mut note = |number, check| report.note(PORT, number, check);
    note(1, an_answer_is_to_its_ask_and_its_instant(bench).await);
    note(2, nothing_is_an_empty_series(bench).await);
    note(3, nan_and_infinities_arrive_as_themselves(bench).await);
    note(4, what_makes_no_sense_is_malformed(bench).await);
    note(5, a_wrong_query_is_invalid_for_good(bench).await);
    note(6, asked_twice_is_done_once(bench).await);
    note(7, a_secret_is_shown_to_nobody(bench).await);
    note(8, labels_and_times_are_kept(bench).await);
    note(9, what_runs_can_be_ended(bench).await);
    report
}

/// Rule 1: a successful call answers the ask that it was given, at the instant the ask names.
pub async fn an_answer_is_to_its_ask_and_its_instant<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let [one, two] = [1.5, -2.0].map(Number::new);
    let first = scene.ask(&Answer::Number(one)).await?;
    let second = scene.ask(&Answer::Number(two)).await?;
    for (ask, number) in [(&first, one), (&second, two), (&first, one)] {
        same(
            numbers(&scene.reading(ask).await?),
            vec![number],
            "the answer",
        )?;
    }
    let (left, right) = join(scene.reading(&second), scene.reading(&first)).await;
    let both = (numbers(&left?), numbers(&right?));
    same(
        both,
        (vec![two], vec![one]),
        "the answers to two asks at once",
    )?;
    if !scene.provider.has_history() {
        return Ok(());
    }
    let (at, minute) = (bench.at(), Duration::from_secs(60));
    let turning = Answer::Turning {
        at,
        before: one,
        after: two,
    };
    let mut ask = scene.ask(&turning).await?;
    for (instant, number) in [(at - minute, one), (at + minute, two), (at - minute, one)] {
        ask.at = instant;
        let found = numbers(&scene.reading(&ask).await?);
        same(
            found,
            vec![number],
            &format!("the answer for {instant}, with a turn at {at}"),
        )?;
    }
    Ok(())
}

/// Rule 2: an empty answer is an empty series, never a zero.
pub async fn nothing_is_an_empty_series<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let ask = scene.ask(&Answer::Nothing).await?;
    let reading = scene.reading(&ask).await?;
    ensure(is_empty(&reading), || {
        format!("there is nothing, but the answer is {reading:?}")
    })
}

/// Rule 3: NaN and the infinities arrive as themselves.
pub async fn nan_and_infinities_arrive_as_themselves<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Number::new) {
        let ask = scene.ask(&Answer::Number(number)).await?;
        let found = numbers(&scene.reading(&ask).await?);
        same(
            found,
            vec![number],
            &format!("the answer where it is {number}"),
        )?;
    }
    Ok(())
}

/// Rule 4: what cannot be understood is an error of kind `Malformed`, never a number.
pub async fn what_makes_no_sense_is_malformed<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let mut checked = false;
    for answer in [Answer::Garbage, Answer::Word] {
        let Some(query) = bench.query(&scene.world, &answer).await else {
            continue;
        };
        let ask = scene.ask_for(query);
        let what = format!("an answer that makes no sense ({answer:?})");
        scene.fails(&ask, FaultKind::Malformed, &what).await?;
        checked = true;
    }
    if checked {
        Ok(())
    } else {
        skipped("the bench knows no answer that makes no sense")
    }
}

/// Rule 5: a wrong query is an error of kind `Invalid` that no retry helps.
pub async fn a_wrong_query_is_invalid_for_good<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let ask = scene.ask(&Answer::WrongQuery).await?;
    let fault = scene
        .fails(&ask, FaultKind::Invalid, "a wrong query")
        .await?;
    let never = fault.retry == gradatim_core::fault::Retry::Never;
    ensure(never, || {
        "a wrong query is refused, but the error says that another try may help".to_owned()
    })
}

/// Rule 6: the ask's id is the idempotency key of what is not a pure read: asked twice, done once.
pub async fn asked_twice_is_done_once<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let first = scene.ask(&Answer::Deed).await?;
    let mut second = first.clone();
    second.id.retry += 1;
    for (ask, deeds) in [(&first, 1), (&first, 1), (&second, 2), (&first, 2)] {
        scene.measure(ask).await?;
        let found = bench.deeds(&scene.world).await;
        same(
            found,
            deeds,
            &format!("what was done after {} was asked", ask.id),
        )?;
    }
    Ok(())
}

/// Rule 7: a secret never appears in an error, a note or a `Debug` output.
pub async fn a_secret_is_shown_to_nobody<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    for fails in [false, true] {
        let ask = scene.ask(&Answer::Secret { fails }).await?;
        let answer = scene.provider.measure(&ask).await;
        if let Some(place) = leaks(&answer, SECRET) {
            return broken(format!("a secret is told in {place}"));
        }
        if fails {
            ensure(fault(&answer).is_some(), || {
                "the other side fails, but the answer is a success".to_owned()
            })?;
        } else {
            scene.reading(&ask).await?;
        }
        let shown = bench.shown(&scene.world).await.unwrap_or_default();
        let shown = format!("{shown} {:?}", scene.provider.probe(&ask.query).await);
        ensure(!shown.contains(SECRET), || {
            "a secret is shown by the provider".to_owned()
        })?;
    }
    Ok(())
}

/// Rule 8: labels and times of samples are kept.
pub async fn labels_and_times_are_kept<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let wanted = scene.labelled();
    let ask = scene.ask(&Answer::Series(wanted.clone())).await?;
    let reading = scene.reading(&ask).await?;
    let Some(mut found) = series(&reading) else {
        return broken(format!("labelled series are answered as {reading:?}"));
    };
    found.sort_by(|one, other| one.labels.cmp(&other.labels));
    same(found, wanted, "the series")
}

/// Rule 9: a handle has at most 256 bytes; `terminate` ends what runs, and what is unknown or
/// over is no error.
pub async fn what_runs_can_be_ended<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let known = bench.query(&scene.world, &Answer::Endless).await;
    let mut ask = scene.ask_for(known.clone().unwrap_or_default());
    let answer = scene.provider.terminate(&ask.id, "no-such-handle").await;
    done(answer, "`terminate` of what is unknown")?;
    if known.is_none() {
        return skipped("nothing that the provider measures takes longer");
    }
    for again in [false, true] {
        let Outcome::Running { handle, .. } = scene.measure(&ask).await? else {
            return broken("what takes longer is not answered as running");
        };
        ensure(handle.len() <= 256, || {
            format!("a handle has {} bytes", handle.len())
        })?;
        let what = format!(
            "what runs when it was asked {}",
            if again { "twice" } else { "once" }
        );
        same(bench.running(&scene.world).await, 1, &what)?;
        ask.handle = Some(handle);
    }
    let handle = ask.handle.clone().unwrap_or_default();
    for _ in 0..2 {
        done(
            scene.provider.terminate(&ask.id, &handle).await,
            "`terminate`",
        )?;
        same(
            bench.running(&scene.world).await,
            0,
            "what runs after `terminate`",
        )?;
    }
    Ok(())
}
