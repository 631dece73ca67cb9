//! The rules of a [`Workload`].

mod scene;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::Workload;
use gradatim_core::time::Timestamp;

use self::scene::Scene;
use crate::report::{Check, Report, done, ensure, refused, refused_for_good, same, skipped};
use crate::watch::{listen, told};

const PORT: &str = "Workload";

/// What the author of a workload supplies so that it can be checked.
///
/// The first two methods are enough to begin with; what a bench cannot do is skipped by name.
pub trait Bench: Sync {
    /// Where the pods are.
    type World: Send + Sync;

    /// A fresh world of two revisions, both of which exist: an old one and the one that is
    /// wanted.
    fn world(&self) -> impl Future<Output = Self::World> + Send;

    /// A workload on a world. Two of them share nothing but the world.
    fn workload(&self, world: &Self::World) -> impl Future<Output = Arc<dyn Workload>> + Send;

    /// The two revisions: the old one, then the wanted one. Default `v1`, `v2`.
    fn revisions(&self) -> [RevisionId; 2] {
        [RevisionId::new("v1"), RevisionId::new("v2")]
    }

    /// Waits until pods have come and gone as they should, and what was written shows itself.
    fn settle(&self, world: &Self::World) -> impl Future<Output = ()> + Send {
        let _ = world;
        async {}
    }

    /// The instant that it is in the world; none when the bench cannot tell.
    fn now(&self, world: &Self::World) -> impl Future<Output = Option<Timestamp>> + Send {
        let _ = world;
        async { None }
    }

    /// How many writes the world has seen; none when the bench does not count.
    fn writes(&self, world: &Self::World) -> impl Future<Output = Option<u64>> + Send {
        let _ = world;
        async { None }
    }

    /// Keeps pods of a revision from starting, for a reason that the server gives in these words;
    /// false when the bench cannot.
    fn trouble(
        &self,
        world: &Self::World,
        revision: &RevisionId,
        words: &str,
    ) -> impl Future<Output = bool> + Send {
        let _ = (world, revision, words);
        async { false }
    }
}

/// Checks every rule, each in a world of its own.
pub async fn all<B: Bench>(bench: &B) -> Report {
    let mut report = Report::default();
    let mut note = |number, check| report.note(PORT, number, check);
    note(1, scaling_is_absolute(bench).await);
    note(2, an_older_stamp_is_refused(bench).await);
    note(3, what_is_there_is_counted(bench).await);
    note(4, a_revision_keeps_its_name(bench).await);
    note(5, what_does_not_exist_is_not_found(bench).await);
    note(6, trouble_is_told_in_the_servers_words(bench).await);
    note(7, a_restart_replaces_what_is_older(bench).await);
    note(8, an_undo_changes_what_is_wanted(bench).await);
    note(9, a_watched_workload_tells_of_each_change(bench).await);
    report
}

/// Rule 1: `scale` is absolute, so that asking twice is asking once.
pub async fn scaling_is_absolute<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    scene.scales().await?;
    let [old, new] = bench.revisions();
    let old_before = scene.revision(&old).await?.desired;
    for count in [3, 1, 4, 0, 2] {
        scene.scale(&new, count).await?;
        scene.desires(&new, count, "after `scale`").await?;
    }
    let writes = bench.writes(&scene.world).await;
    let stamp = scene.last();
    for workload in [&scene.workload, &scene.other] {
        done(
            workload.scale(&new, 2, stamp).await,
            "the same `scale` again",
        )?;
    }
    bench.settle(&scene.world).await;
    scene
        .desires(&new, 2, "after the same `scale` again")
        .await?;
    let old_after = scene.revision(&old).await?.desired;
    same(
        old_after,
        old_before,
        "the pods that are asked for of the other revision",
    )?;
    let Some(writes) = writes else {
        return skipped("the bench does not count writes; the count stays the same");
    };
    let again = bench.writes(&scene.world).await.unwrap_or(writes) - writes;
    ensure(again == 0, || {
        format!("asking again for what is there writes {again} times")
    })
}

/// Rule 2: a fenced workload refuses a stamp older than the one that the target bears.
pub async fn an_older_stamp_is_refused<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    scene.scales().await?;
    if !scene.workload.is_fenced() {
        return skipped("the workload says that it is not fenced");
    }
    let [_, new] = bench.revisions();
    let older = scene.stamp();
    scene.scale(&new, 3).await?;
    for (workload, whose) in [
        (&scene.workload, "its own"),
        (&scene.other, "another process's"),
    ] {
        let answer = workload.scale(&new, 1, older).await;
        refused_for_good(answer, FaultKind::Fenced, &format!("{whose} older `scale`"))?;
    }
    scene
        .desires(&new, 3, "after an older `scale` was refused")
        .await?;
    let found = scene.revision(&new).await?.stamp;
    let (found, wanted) = (
        found.map(|stamp| stamp.to_string()),
        scene.last().to_string(),
    );
    same(found, Some(wanted), "the stamp that the target bears")?;
    scene.the_newest_wins_every_race(&new).await
}

/// Rule 3: `observe` counts what is there now: desired, existing, ready and available pods.
pub async fn what_is_there_is_counted<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let [_, new] = bench.revisions();
    for workload in [&scene.workload, &scene.other] {
        let seen = done(workload.observe().await, "`observe`")?;
        let wanted = (seen.wanted, seen.revisions.len() >= 2);
        same(
            wanted,
            (new.clone(), true),
            "the wanted revision, and whether both are listed",
        )?;
    }
    scene.scales().await?;
    for count in [3, 1] {
        scene.scale(&new, count).await?;
        scene.settles_at(&new, count).await?;
    }
    Ok(())
}

/// Rule 4: a revision is known by one name as long as it exists.
pub async fn a_revision_keeps_its_name<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let [old, new] = bench.revisions();
    let before = scene.names().await?;
    let known =
        before.iter().any(|(id, ..)| *id == old) && before.iter().any(|(id, ..)| *id == new);
    ensure(known, || {
        format!("the revisions are {before:?}, the bench's are {old} and {new}")
    })?;
    if scene.scales().await.is_ok() {
        for count in [2, 0, 1] {
            scene.scale(&new, count).await?;
        }
    }
    same(
        scene.names().await?,
        before,
        "name, number and creation of each revision",
    )
}

/// Rule 5: what a revision that does not exist is asked to do is an error of kind `NotFound`.
pub async fn what_does_not_exist_is_not_found<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let nobody = RevisionId::new("no-such-revision");
    let stamp = scene.stamp();
    let answer = scene.workload.undo(&nobody, stamp).await;
    refused(
        answer,
        FaultKind::NotFound,
        "`undo` to a revision that does not exist",
    )?;
    scene.scales().await?;
    let answer = scene.workload.scale(&nobody, 1, stamp).await;
    refused(
        answer,
        FaultKind::NotFound,
        "`scale` of a revision that does not exist",
    )
}

/// Rule 6: pods that cannot start are told as trouble, in the server's words.
pub async fn trouble_is_told_in_the_servers_words<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    scene.scales().await?;
    let [old, new] = bench.revisions();
    let words = "exceeded quota: checked, used pods=4, limited pods=4";
    if !bench.trouble(&scene.world, &new, words).await {
        return skipped("the bench cannot keep pods from starting");
    }
    scene.scale(&new, 2).await?;
    let seen = scene.revision(&new).await?;
    let told = seen
        .trouble
        .iter()
        .any(|trouble| trouble.text.contains(words));
    ensure(told, || {
        let trouble = &seen.trouble;
        format!("pods cannot start because {words:?}, but the trouble told is {trouble:?}")
    })?;
    ensure(seen.available == 0, || {
        format!(
            "pods cannot start, but {} count as available",
            seen.available
        )
    })?;
    let trouble = scene.revision(&old).await?.trouble;
    ensure(trouble.is_empty(), || {
        format!("the other revision has the trouble too: {trouble:?}")
    })
}

/// Rule 7: `restart` replaces the pods that started before an instant, and no others, at most so
/// many down at once; called again until none is left.
pub async fn a_restart_replaces_what_is_older<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    scene.scales().await?;
    let [_, new] = bench.revisions();
    scene.scale(&new, 3).await?;
    let Some(now) = bench.now(&scene.world).await else {
        return skipped("the bench cannot tell the time");
    };
    let started = scene.revision(&new).await?.oldest_pod;
    ensure(started.is_some_and(|at| at <= now), || {
        format!("it is {now}, but the oldest of three pods started {started:?}")
    })?;
    let Some(started) = started else {
        return Ok(());
    };
    for _ in 0..3 {
        // Each of the three pods would have had its turn.
        scene
            .restart(started, "`restart` of what is older than the oldest pod")
            .await?;
    }
    same(
        scene.revision(&new).await?.oldest_pod,
        Some(started),
        "a pod that is not older",
    )?;
    scene.restarts_all(&new, now).await
}

/// Rule 8: `undo` makes an older revision the wanted one.
pub async fn an_undo_changes_what_is_wanted<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let [old, _] = bench.revisions();
    let stamp = scene.stamp();
    let answer = scene.workload.undo(&old, stamp).await;
    if matches!(&answer, Err(error) if error.kind == FaultKind::Invalid) {
        return skipped("the workload says that it cannot undo");
    }
    done(answer, "`undo`")?;
    for workload in [&scene.workload, &scene.other] {
        done(workload.undo(&old, stamp).await, "the same `undo` again")?;
    }
    bench.settle(&scene.world).await;
    for workload in [&scene.workload, &scene.other] {
        let seen = done(workload.observe().await, "`observe`")?;
        same(seen.wanted, old.clone(), "the wanted revision after `undo`")?;
    }
    Ok(())
}

/// Rule 9: a workload that says that it is watched tells of every change, whoever makes it.
pub async fn a_watched_workload_tells_of_each_change<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    if !scene.workload.is_watched() {
        return skipped("the workload says that it is not watched");
    }
    scene.scales().await?;
    let [_, new] = bench.revisions();
    let watcher = Arc::clone(&scene.other);
    let mut changed = listen(|| watcher.changed());
    scene.scale(&new, 3).await?;
    bench.settle(&scene.world).await;
    told(&mut changed, "another process's `scale`")
}
