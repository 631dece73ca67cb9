//! The rules of a [`TrafficRouter`].

mod scene;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use gradatim_core::capability::Part;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::TrafficRouter;
use gradatim_core::route::{Slot, Split};

use self::scene::Scene;
use crate::report::{Check, Report, done, ensure, refused_for_good, same, skipped};
use crate::watch::{listen, told};

const PORT: &str = "TrafficRouter";

/// What the author of a router supplies so that it can be checked.
///
/// The first two methods are enough to begin with; each of the others makes one more thing
/// checkable, and what a bench cannot do is skipped by name.
pub trait Bench: Sync {
    /// Where the router's objects are: a stub of a server, a namespace, a directory.
    type World: Send + Sync;

    /// A fresh world, in which every object is as its user has made it and nobody was here yet.
    fn world(&self) -> impl Future<Output = Self::World> + Send;

    /// A router on a world. Two routers on one world share nothing but the world.
    fn router(&self, world: &Self::World) -> impl Future<Output = Arc<dyn TrafficRouter>> + Send;

    /// What a split sums to. Default 100.
    fn total(&self) -> u32 {
        100
    }

    /// The slots that the router knows: the one that rests, then the one on trial. By default
    /// stable and canary.
    fn slots(&self) -> [Slot; 2] {
        [Slot::Stable, Slot::Canary]
    }

    /// Two revisions that the world knows: the old one, then the new one. Default `v1`, `v2`.
    fn revisions(&self) -> [RevisionId; 2] {
        [RevisionId::new("v1"), RevisionId::new("v2")]
    }

    /// Two managed routes, one for a header and one for a mirror. Default `checked-header`,
    /// `checked-mirror`.
    fn managed_routes(&self) -> [String; 2] {
        ["checked-header".to_owned(), "checked-mirror".to_owned()]
    }

    /// Waits until what was written shows itself to those who read.
    fn settle(&self, world: &Self::World) -> impl Future<Output = ()> + Send {
        let _ = world;
        async {}
    }

    /// Lets time pass on the router's clock; false when the bench cannot.
    fn pass(&self, world: &Self::World, time: Duration) -> impl Future<Output = bool> + Send {
        let _ = (world, time);
        async { false }
    }

    /// Edits the split as a stranger would, behind the router's back, its stamps left as they
    /// are; false when the bench cannot.
    fn meddle(&self, world: &Self::World, split: &Split) -> impl Future<Output = bool> + Send {
        let _ = (world, split);
        async { false }
    }

    /// How many writes the world has seen; none when the bench does not count.
    fn writes(&self, world: &Self::World) -> impl Future<Output = Option<u64>> + Send {
        let _ = world;
        async { None }
    }

    /// Everything in the world that is none of the router's business, as a text; none when there
    /// is nothing.
    fn others(&self, world: &Self::World) -> impl Future<Output = Option<String>> + Send {
        let _ = world;
        async { None }
    }

    /// Makes one of several objects that carry the split impossible to write, so that the others
    /// still can be written; false when there is only one, or the bench cannot.
    fn jam(&self, world: &Self::World) -> impl Future<Output = bool> + Send {
        let _ = world;
        async { false }
    }

    /// Undoes [`jam`](Self::jam).
    fn free(&self, world: &Self::World) -> impl Future<Output = ()> + Send {
        let _ = world;
        async {}
    }

    /// Takes one of the router's objects away; false when the bench cannot.
    fn remove(&self, world: &Self::World) -> impl Future<Output = bool> + Send {
        let _ = world;
        async { false }
    }
}

/// Checks every rule, each in a world of its own.
pub async fn all<B: Bench>(bench: &B) -> Report {
    let mut report = Report::default();
    let mut note = |number, check| report.note(PORT, number, check);
    note(1, applying_makes_the_route_so_and_nothing_else(bench).await);
    note(2, applying_twice_is_applying_once(bench).await);
    note(3, reading_answers_from_the_objects(bench).await);
    note(4, a_part_is_read_when_it_is_carried(bench).await);
    note(5, each_part_bears_its_own_stamp(bench).await);
    note(6, an_older_stamp_is_refused(bench).await);
    note(7, what_cannot_be_expressed_is_refused(bench).await);
    note(
        8,
        a_raise_is_all_or_nothing_and_a_lowering_all_it_can(bench).await,
    );
    note(9, since_stands_while_nothing_changes(bench).await);
    note(10, a_missing_object_is_an_error_and_is_named(bench).await);
    note(11, a_watched_router_tells_of_each_change(bench).await);
    report
}

/// Rule 1: `apply` makes the parts that the router carries what the route says, and nothing else.
pub async fn applying_makes_the_route_so_and_nothing_else<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    let others = bench.others(&scene.world).await;
    for share in [scene.low(), scene.high(), scene.total(), 0] {
        let route = scene.route(share);
        scene.apply(&route).await?;
        scene.reads(&route, "after `apply`").await?;
        let route = scene.with_trials(&route);
        scene.apply(&route).await?;
        scene
            .reads(&route, "after header routes and mirrors were added")
            .await?;
    }
    let now = bench.others(&scene.world).await;
    same(now, others, "what is none of the router's business")
}

/// Rule 2: applying the same route twice is applying it once; the second time writes nothing.
pub async fn applying_twice_is_applying_once<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    let route = scene.route(scene.low());
    scene.apply(&route).await?;
    let (seen, writes) = (scene.written().await?, bench.writes(&scene.world).await);
    bench.pass(&scene.world, Duration::from_secs(60)).await;
    scene.apply(&route).await?;
    same(
        scene.written().await?,
        seen.clone(),
        "read after the second `apply`",
    )?;
    done(
        scene.other.apply(&route).await,
        "the same route by another process",
    )?;
    bench.settle(&scene.world).await;
    same(
        scene.written().await?,
        seen,
        "read after another process applied it again",
    )?;
    let Some(writes) = writes else {
        return skipped("the bench does not count writes; what is read stays the same");
    };
    let now = bench.writes(&scene.world).await.unwrap_or(writes);
    ensure(now == writes, || {
        format!(
            "applying again what is there already writes {} times",
            now - writes
        )
    })
}

/// Rule 3: `observe` reads the objects, a stranger's edits included, never what was written.
pub async fn reading_answers_from_the_objects<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    let route = scene.route(scene.low());
    scene.apply(&route).await?;
    scene.reads(&route, "after `apply`").await?;
    let theirs = scene.route(scene.high());
    done(
        scene.other.apply(&theirs).await,
        "`apply` by another process",
    )?;
    bench.settle(&scene.world).await;
    scene.reads(&theirs, "after another process wrote").await?;
    scene.carries(Part::Split)?;
    let split = scene.split(scene.total());
    if !bench.meddle(&scene.world, &split).await {
        return skipped("the bench cannot edit as a stranger; another process's writes are read");
    }
    bench.settle(&scene.world).await;
    scene.reads_split(&split, "after a stranger's edit").await
}

/// Rule 4: a part that the router does not carry is absent; one that it carries is present once
/// it was applied.
pub async fn a_part_is_read_when_it_is_carried<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    let route = scene.route(scene.low());
    scene.apply(&route).await?;
    let seen = scene.seen().await?;
    let found = [
        (Part::Bind, seen.bind.is_some()),
        (Part::Split, seen.split.is_some()),
        (Part::Headers, seen.headers.is_some()),
        (Part::Mirrors, seen.mirrors.is_some()),
    ];
    for (part, found) in found {
        let carried = scene.capabilities.carries(part);
        ensure(found == carried, || match carried {
            true => format!("{part:?} is carried and was applied, but is not read"),
            false => format!("{part:?} is read, but the capabilities do not name it"),
        })?;
    }
    Ok(())
}

/// Rule 5: each part is written with its own stamp, and read back with it.
pub async fn each_part_bears_its_own_stamp<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    let first = scene.route(scene.low());
    let first = scene.with_trials(&first);
    scene.apply(&first).await?;
    scene.bears(&first, "after the first `apply`").await?;
    let mut second = first.clone();
    second.split = scene.stamped(scene.split(scene.high()));
    second.bind = scene.stamped(scene.switched());
    scene.apply(&second).await?;
    scene
        .bears(&second, "after split and binding have changed")
        .await?;
    let highest = done(scene.other.highest_stamp().await, "`highest_stamp`")?;
    same(highest, scene.newest(&second), "the highest stamp")
}

/// Rule 6: a fenced router refuses a route whose newest stamp is older than the one that is
/// there, in one conditional write.
pub async fn an_older_stamp_is_refused<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    if !scene.capabilities.fenced {
        return skipped("the router says that it is not fenced");
    }
    let [lower, older, newer] = [0, scene.low(), scene.high()].map(|share| scene.route(share));
    scene.apply(&newer).await?;
    for (route, what) in [(&older, "an older route"), (&lower, "an older lowering")] {
        let by_other = scene.other.apply(route).await;
        refused_for_good(
            by_other,
            FaultKind::Fenced,
            &format!("{what} by another process"),
        )?;
        let by_same = scene.router.apply(route).await;
        refused_for_good(by_same, FaultKind::Fenced, what)?;
    }
    bench.settle(&scene.world).await;
    scene
        .reads(&newer, "after an older route was refused")
        .await?;
    scene.apply(&newer).await?;
    scene.the_newest_wins_every_race().await
}

/// Rule 7: what the router cannot express is an error of kind `Invalid`; nothing is rounded in
/// silence.
pub async fn what_cannot_be_expressed_is_refused<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    scene.carries(Part::Split)?;
    let route = scene.route(scene.low());
    scene.apply(&route).await?;
    let mut uneven = scene.route(0);
    let grain = scene.capabilities.grain.max(1);
    uneven.split.value = scene.split_of(1, grain.saturating_mul(2).max(2));
    let what = format!("half of one of its {grain} shares");
    let answer = scene.router.apply(&uneven).await;
    refused_for_good(answer, FaultKind::Invalid, &what)?;
    bench.settle(&scene.world).await;
    scene.reads(&route, "after that was refused").await
}

/// Rule 8: a raise checks every object before it writes one; a lowering writes every object it
/// can.
pub async fn a_raise_is_all_or_nothing_and_a_lowering_all_it_can<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    scene.carries(Part::Split)?;
    let (before, raised, lowered) = (
        scene.route(scene.low()),
        scene.route(scene.high()),
        scene.route(0),
    );
    scene.apply(&before).await?;
    if !bench.jam(&scene.world).await {
        return skipped("there is one object only, or the bench cannot jam one");
    }
    let what = "a raise while one object cannot be written";
    ensure(scene.router.apply(&raised).await.is_err(), || {
        format!("{what} succeeds")
    })?;
    bench.free(&scene.world).await;
    bench.settle(&scene.world).await;
    scene
        .reads(&before, "after a raise with a jammed object")
        .await?;
    bench.jam(&scene.world).await;
    let what = "a lowering while one object cannot be written";
    ensure(scene.router.apply(&lowered).await.is_err(), || {
        format!("{what} succeeds")
    })?;
    bench.free(&scene.world).await;
    bench.settle(&scene.world).await;
    scene.reads_both_splits(&before, &lowered).await?;
    scene.apply(&lowered).await?;
    scene
        .reads(&lowered, "after the object could be written again")
        .await
}

/// Rule 9: `since` does not move while the value and its stamp stay what they are, and moves when
/// they change.
pub async fn since_stands_while_nothing_changes<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    let route = scene.route(scene.low());
    scene.apply(&route).await?;
    let first = scene.since().await?;
    let time = Duration::from_secs(60);
    let passes = bench.pass(&scene.world, time).await;
    same(
        scene.since().await?,
        first.clone(),
        "`since` of what has not changed",
    )?;
    let route = scene.changed_route();
    scene.apply(&route).await?;
    let second = scene.since().await?;
    if !passes {
        return skipped("the bench cannot let time pass; `since` stands between two reads");
    }
    let moved = first
        .iter()
        .zip(&second)
        .all(|(first, second)| *second >= *first + time);
    ensure(moved, || {
        format!("`since` stays {first:?} though value and stamp changed 60 s later ({second:?})")
    })
}

/// Rule 10: a missing object is an error of `observe` and not an empty part, and `probe`, which
/// writes nothing, names it.
pub async fn a_missing_object_is_an_error_and_is_named<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    let route = scene.route(scene.low());
    scene.apply(&route).await?;
    let writes = bench.writes(&scene.world).await;
    let missing = done(scene.other.probe().await, "`probe` of a whole world")?;
    ensure(missing.is_empty(), || {
        format!("`probe` misses {missing:?} in a whole world")
    })?;
    let now = bench.writes(&scene.world).await;
    ensure(now == writes, || "`probe` writes".to_owned())?;
    if !bench.remove(&scene.world).await {
        return skipped("the bench cannot take an object away; `probe` of a whole world is clean");
    }
    for router in [&scene.router, &scene.other] {
        let seen = router.observe().await;
        ensure(seen.is_err(), || {
            format!("an object is gone, but `observe` answers {seen:?}")
        })?;
    }
    let missing = done(scene.other.probe().await, "`probe` while an object is gone")?;
    ensure(!missing.is_empty(), || {
        "an object is gone, but `probe` misses nothing".to_owned()
    })
}

/// Rule 11: a router that says that it is watched tells of every change, whoever makes it.
pub async fn a_watched_router_tells_of_each_change<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await?;
    if !scene.router.is_watched() {
        return skipped("the router says that it is not watched");
    }
    let watcher = Arc::clone(&scene.other);
    let mut changed = listen(|| watcher.changed());
    let route = scene.route(scene.low());
    scene.apply(&route).await?;
    bench.settle(&scene.world).await;
    told(&mut changed, "another process's `apply`")
}
