//! The rules of a [`Store`].

mod scene;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::join;
use gradatim_core::decision::Saved;
use gradatim_core::fault::FaultKind;
use gradatim_core::order::OrderKind;
use gradatim_core::port::{Ownership, Store};

use self::scene::{Scene, abort, cut_short, done_with, name, order};
use crate::report::{Check, Report, broken, done, ensure, refused, same, skipped};

const PORT: &str = "Store";

/// What the author of a store supplies so that it can be checked.
///
/// The first two methods are enough to begin with; what a bench cannot do is skipped by name.
pub trait Bench: Sync {
    /// Where one rollout is kept.
    type World: Send + Sync;

    /// A fresh world, in which nothing of the rollout is kept yet.
    fn world(&self) -> impl Future<Output = Self::World> + Send;

    /// The rollout's store in a world. Two of them share nothing but the world, as two processes
    /// do.
    fn store(&self, world: &Self::World) -> impl Future<Output = Arc<dyn Store>> + Send;

    /// Makes the last heartbeat of a holder too old; false when the bench cannot.
    fn expire(&self, world: &Self::World, holder: &str) -> impl Future<Output = bool> + Send {
        let _ = (world, holder);
        async { false }
    }

    /// Puts what nobody can read in the place of the state; false when the bench cannot.
    fn spoil(&self, world: &Self::World) -> impl Future<Output = bool> + Send {
        let _ = world;
        async { false }
    }
}

/// Checks every rule, each in a world of its own.
pub async fn all<B: Bench>(bench: &B) -> Report {
    let mut report = Report::default();
    let mut note = |number, check| report.note(PORT, number, check);
    note(1, what_was_saved_is_loaded(bench).await);
    note(2, a_save_with_an_old_token_changes_nothing(bench).await);
    note(3, each_grant_is_above_all_before(bench).await);
    note(4, only_the_owner_saves(bench).await);
    note(
        5,
        a_save_that_is_cut_short_leaves_a_whole_state(bench).await,
    );
    note(6, what_cannot_be_read_is_not_overwritten(bench).await);
    note(
        7,
        orders_are_numbered_and_stay_until_acknowledged(bench).await,
    );
    note(8, a_living_owner_is_replaced_only_by_force(bench).await);
    note(9, what_was_handed_over_is_taken_at_once(bench).await);
    report
}

/// Rule 1: what was saved is loaded, bit for bit, by any process.
pub async fn what_was_saved_is_loaded<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let loaded = done(scene.store.load().await, "`load` of an empty store")?;
    let empty = matches!(loaded.saved, Saved::Nothing { .. });
    ensure(empty, || {
        format!("an empty store holds {}", name(&loaded.saved))
    })?;
    let owner = scene.take("one").await?;
    for _ in 0..3 {
        let state = scene.save(&owner).await?;
        scene.holds_exactly(&state, "after a save").await?;
    }
    let theirs = scene.state();
    let token = done(scene.other.load().await, "`load`")?.token;
    done(
        scene.other.save(&theirs, &token, &owner).await,
        "`save` by another process",
    )?;
    scene
        .holds_exactly(&theirs, "after another process saved")
        .await
}

/// Rule 2: `save` is compare-and-set; with a token that is not the newest it changes nothing and
/// is an error of kind `Conflict`.
pub async fn a_save_with_an_old_token_changes_nothing<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let owner = scene.take("one").await?;
    let old = done(scene.store.load().await, "`load`")?.token;
    let state = scene.save(&owner).await?;
    let late = scene.state();
    let answer = scene.other.save(&late, &old, &owner).await;
    refused(answer, FaultKind::Conflict, "a save under an old token")?;
    scene
        .holds(&state, "after a save under an old token")
        .await?;
    for _ in 0..4 {
        let token = done(scene.store.load().await, "`load`")?.token;
        let (mine, theirs) = (scene.state(), scene.state());
        let by_one = scene.store.save(&mine, &token, &owner);
        let (one, two) = join(by_one, scene.other.save(&theirs, &token, &owner)).await;
        let winner = match (one, two) {
            (Ok(_), Err(error)) if error.kind == FaultKind::Conflict => mine,
            (Err(error), Ok(_)) if error.kind == FaultKind::Conflict => theirs,
            answers => {
                return broken(format!(
                    "of two saves under one token one must win and one be a Conflict: {answers:?}"
                ));
            }
        };
        scene.holds(&winner, "after two saves at once").await?;
    }
    Ok(())
}

/// Rule 3: `take` grants an epoch above every one granted before and above `above`.
pub async fn each_grant_is_above_all_before<B: Bench>(bench: &B) -> Check {
    let scene = Scene::set(bench).await;
    let nobody = done(scene.store.owner().await, "`owner` of an empty store")?;
    same(nobody, None, "the owner of what nobody has taken")?;
    let mut highest = 0;
    let (store, other) = (&scene.store, &scene.other);
    for (store, holder, above) in [
        (store, "one", 7),
        (other, "two", 0),
        (store, "two", 40),
        (other, "one", 3),
    ] {
        let owner = done(store.take(holder, above, true).await, "`take`")?;
        let floor = highest.max(above);
        ensure(owner.epoch > floor, || {
            format!(
                "`take` above {above} grants {}, but {highest} was granted",
                owner.epoch
            )
        })?;
        highest = owner.epoch;
        same(owner.holder.as_str(), holder, "the holder of a grant")?;
        for store in [&scene.store, &scene.other] {
            let found = done(store.owner().await, "`owner`")?;
            same(found, Some(owner.clone()), "the owner after `take`")?;
        }
    }
    let (one, two) = join(store.take("one", 0, true), other.take("two", 0, true)).await;
    let (one, two) = (done(one, "`take`")?, done(two, "`take` at the same time")?);
    let differ = one.epoch != two.epoch && one.epoch.min(two.epoch) > highest;
    ensure(differ, || {
        format!(
            "two at once were granted {} and {} after {highest}",
            one.epoch, two.epoch
        )
    })?;
    let last = if one.epoch > two.epoch { one } else { two };
    let found = done(scene.store.owner().await, "`owner`")?;
    same(found, Some(last), "the owner after two took at once")
}

/// Rule 4: a save by a holder that no longer owns the rollout is an error of kind `Fenced`.
pub async fn only_the_owner_saves<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let stranger = Ownership {
        holder: "stranger".to_owned(),
        epoch: 1,
    };
    scene
        .is_fenced(&stranger, "a save by somebody who never took the rollout")
        .await?;
    let first = scene.take("one").await?;
    let state = scene.save(&first).await?;
    let again = scene.take("one").await?;
    scene
        .is_fenced(&first, "a save under an epoch that its holder has replaced")
        .await?;
    let second = done(scene.other.take("two", 0, true).await, "`take` by force")?;
    for (owner, what) in [
        (&again, "a save by the former owner"),
        (&stranger, "a save by somebody who never took it"),
    ] {
        scene.is_fenced(owner, what).await?;
    }
    scene.holds(&state, "after those were refused").await?;
    let state = scene.save(&second).await?;
    scene.holds(&state, "after the owner's save").await
}

/// Rule 5: a crash at any instant leaves what was saved before or what was saved after, never
/// between.
///
/// A process cannot be killed here; instead the save is dropped at each point where it waits.
pub async fn a_save_that_is_cut_short_leaves_a_whole_state<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let owner = scene.take("one").await?;
    // A save that was dropped may still arrive.
    let mut whole = vec![Saved::State(scene.save(&owner).await?)];
    for waits in 0..32 {
        let token = done(scene.store.load().await, "`load`")?.token;
        let after = scene.state();
        whole.push(Saved::State(after.clone()));
        let ended = cut_short(scene.store.save(&after, &token, &owner), waits).await;
        let found = done(
            scene.other.load().await,
            "`load` after a save was cut short",
        )?;
        ensure(whole.contains(&found.saved), || {
            let found = name(&found.saved);
            format!("a save that was cut short leaves {found}, neither what was before nor after")
        })?;
        if matches!(ended, Some(Ok(_))) {
            return scene
                .holds(&after, "after a save that was not cut short")
                .await;
        }
    }
    skipped("a save waits more than 32 times; whatever was left of it was whole")
}

/// Rule 6: what cannot be read is `Unreadable`, and no save overwrites it.
pub async fn what_cannot_be_read_is_not_overwritten<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let owner = scene.take("one").await?;
    scene.save(&owner).await?;
    let old = done(scene.store.load().await, "`load`")?.token;
    if !bench.spoil(&scene.world).await {
        return skipped("the bench cannot spoil a state");
    }
    let loaded = scene.unreadable("once it is spoilt").await?;
    let owner = done(
        scene.other.take("two", 0, true).await,
        "`take` of a spoilt rollout",
    )?;
    for token in [old, loaded] {
        let state = scene.state();
        let answer = scene.other.save(&state, &token, &owner).await;
        ensure(answer.is_err(), || {
            "a state that cannot be read is overwritten".to_owned()
        })?;
        scene.unreadable("after a save was tried").await?;
    }
    Ok(())
}

/// Rule 7: orders are numbered in the order in which they were left; an acknowledged one is not
/// pending again, one that is not acknowledged stays pending.
pub async fn orders_are_numbered_and_stay_until_acknowledged<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let owner = scene.take("one").await?;
    let undo = order(OrderKind::Undo(Some("v1".into())));
    let first = done(scene.store.leave(&undo).await, "`leave`")?;
    let (second, third) = join(scene.store.leave(&abort()), scene.other.leave(&abort())).await;
    let (second, third) = (
        done(second, "`leave`")?,
        done(third, "`leave` at the same time")?,
    );
    ensure(first < second.min(third) && second != third, || {
        format!("orders are numbered {first}, and then {second} and {third} at once")
    })?;
    scene.save(&owner).await?;
    scene
        .pends(&[first, second.min(third), second.max(third)])
        .await?;
    let pending = done(scene.other.pending().await, "`pending`")?;
    let kept = pending.first().is_some_and(|kept| {
        kept.kind == undo.kind && kept.expects == undo.expects && kept.by == undo.by
    });
    ensure(kept, || {
        format!("what was left as {undo:?} pends as {:?}", pending.first())
    })?;
    let acknowledged = done_with(&pending, second.min(third));
    done(
        scene.other.acknowledge(&acknowledged).await,
        "`acknowledge`",
    )?;
    done(
        scene.other.acknowledge(&acknowledged).await,
        "`acknowledge` of what is gone",
    )?;
    scene.pends(&[first, second.max(third)]).await?;
    let last = second.max(third);
    for number in [first, last] {
        let acknowledged = done_with(&pending, number);
        done(
            scene.store.acknowledge(&acknowledged).await,
            "`acknowledge`",
        )?;
    }
    scene.pends(&[]).await?;
    let next = done(scene.other.leave(&abort()).await, "`leave`")?;
    ensure(next > last, || {
        format!("an order is numbered {next} after {last}, which was acknowledged")
    })
}

/// Rule 8: `take` by another holder while the owner's heartbeat is fresh is an error of kind
/// `Forbidden`, unless `force` says otherwise.
pub async fn a_living_owner_is_replaced_only_by_force<B: Bench>(bench: &B) -> Check {
    let scene = Scene::set(bench).await;
    let owner = scene.take("one").await?;
    let answer = scene.other.take("two", 0, false).await;
    refused(answer, FaultKind::Forbidden, "`take` from a living owner")?;
    let found = done(scene.other.owner().await, "`owner`")?;
    same(found, Some(owner), "the owner after that was refused")?;
    done(
        scene.store.take("one", 0, false).await,
        "`take` by the owner itself",
    )?;
    done(scene.other.take("two", 0, true).await, "`take` by force")?;
    let answer = scene.store.take("one", 0, false).await;
    refused(answer, FaultKind::Forbidden, "`take` from the new owner")?;
    if !bench.expire(&scene.world, "two").await {
        return skipped("the bench cannot let a heartbeat expire; a living owner is left alone");
    }
    done(scene.store.heartbeat("two").await, "`heartbeat`")?;
    let answer = scene.store.take("one", 0, false).await;
    refused(
        answer,
        FaultKind::Forbidden,
        "`take` from an owner whose heartbeat is fresh again",
    )?;
    bench.expire(&scene.world, "two").await;
    done(
        scene.store.take("one", 0, false).await,
        "`take` from an owner whose heartbeat is old",
    )?;
    Ok(())
}

/// Rule 9: `hand_over` by exactly the owner lets another holder take the rollout at once, with a
/// higher epoch, and the one that has handed it over saves no more; by anybody else, or under an
/// older epoch, it changes nothing.
pub async fn what_was_handed_over_is_taken_at_once<B: Bench>(bench: &B) -> Check {
    let mut scene = Scene::set(bench).await;
    let old = scene.take("one").await?;
    let owner = scene.take("one").await?;
    let state = scene.save(&owner).await?;
    let stranger = Ownership {
        holder: "two".to_owned(),
        ..owner.clone()
    };
    for (by, what) in [
        (&old, "`hand_over` under an older epoch"),
        (&stranger, "`hand_over` by another holder"),
    ] {
        done(scene.other.hand_over(by).await, what)?;
        let found = done(scene.store.owner().await, "`owner`")?;
        same(found, Some(owner.clone()), what)?;
        let answer = scene.other.take("two", 0, false).await;
        refused(answer, FaultKind::Forbidden, "`take` after that")?;
    }
    done(scene.store.hand_over(&owner).await, "`hand_over`")?;
    // The holder lives on, for other rollouts.
    done(scene.store.heartbeat("one").await, "`heartbeat`")?;
    let next = match scene.other.take("two", 0, false).await {
        Err(error) if error.kind == FaultKind::Forbidden => {
            return skipped("the store hands nothing over; the next holder waits");
        }
        taken => done(taken, "`take` of what was handed over")?,
    };
    ensure(next.epoch > owner.epoch, || {
        format!(
            "`take` grants {} after {} was handed over",
            next.epoch, owner.epoch
        )
    })?;
    scene
        .is_fenced(&owner, "a save by the one that handed it over")
        .await?;
    scene.holds(&state, "after that was refused").await?;
    done(scene.store.hand_over(&owner).await, "`hand_over` once more")?;
    let found = done(scene.store.owner().await, "`owner`")?;
    same(
        found,
        Some(next.clone()),
        "the owner after the last one handed over once more",
    )?;
    done(scene.other.hand_over(&next).await, "`hand_over`")?;
    scene
        .is_fenced(&next, "a save of what was handed over and is nobody's")
        .await?;
    let again = done(
        scene.store.take("one", 0, false).await,
        "`take` by the first",
    )?;
    ensure(again.epoch > next.epoch, || {
        format!("`take` grants {} after {}", again.epoch, next.epoch)
    })
}
