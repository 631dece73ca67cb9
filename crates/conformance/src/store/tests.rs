//! A store that keeps every rule, and one for each way of breaking one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gradatim_core::decision::Saved;
use gradatim_core::fault::FaultKind;
use gradatim_core::order::{Acknowledgement, Order};
use gradatim_core::port::{Loaded, MailboxOrder, Ownership, PortError, Store, Token};
use gradatim_core::state::State;

use super::{Bench, all};
use crate::testing::{block_on, pause};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    RoundsNumbers,
    ReadsFromMemory,
    TakesAnyToken,
    ComparesThenSets,
    SameEpoch,
    IgnoresAbove,
    ComparesTheHolderOnly,
    NobodyIsFenced,
    TearsASave,
    OverwritesWhatCannotBeRead,
    CallsItNothing,
    SaveEmptiesTheMailbox,
    NumbersAnew,
    NewestFirst,
    ForgetsWhatForWhom,
    KeepsAcknowledged,
    AnybodyTakes,
    NobodyTakes,
    ForceIsNone,
    HeartbeatIsNothing,
    AnybodyHandsOver,
    SavesForNobody,
    ForgetsTheEpoch,
    HandsNothingOver,
}

#[derive(Clone, Default)]
struct World {
    saved: Option<Saved>,
    saves: u64,
    owner: Option<Ownership>,
    epoch: u64,
    fresh: BTreeMap<String, bool>,
    orders: Vec<Order>,
    last: u64,
}

struct Fake {
    world: Arc<Mutex<World>>,
    memory: Mutex<Option<Saved>>,
    fault: Option<Fault>,
}

fn error<T>(kind: FaultKind) -> Result<T, PortError> {
    Err(PortError::new(kind, "the fake says no"))
}

impl Fake {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn owns(&self, world: &World, owner: &Ownership) -> bool {
        let known = world.owner.as_ref();
        let same_holder = known.is_some_and(|known| known.holder == owner.holder);
        known == Some(owner)
            || self.has(Fault::NobodyIsFenced)
            || (self.has(Fault::SavesForNobody) && known.is_none())
            || (self.has(Fault::ComparesTheHolderOnly) && same_holder)
    }
}

#[async_trait]
impl Store for Fake {
    async fn load(&self) -> Result<Loaded, PortError> {
        let world = self.world.lock().unwrap().clone();
        let mut saved = world.saved.unwrap_or(Saved::Nothing { incarnation: 1 });
        if self.has(Fault::CallsItNothing) && matches!(saved, Saved::Unreadable { .. }) {
            saved = Saved::Nothing { incarnation: 2 };
        }
        if let Some(memory) = self.memory.lock().unwrap().clone() {
            saved = memory;
        }
        let token = Token(world.saves.to_string());
        Ok(Loaded { saved, token })
    }

    async fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError> {
        let seen = self.world.lock().unwrap().clone();
        if self.has(Fault::ComparesThenSets) {
            pause().await;
        }
        if self.has(Fault::TearsASave) {
            let message = "half a state".to_owned();
            self.world.lock().unwrap().saved = Some(Saved::Unreadable { message });
            pause().await;
            self.world.lock().unwrap().saved = seen.saved.clone();
        }
        let mut guard = self.world.lock().unwrap();
        let world = &mut *guard;
        let compared = if self.has(Fault::ComparesThenSets) {
            &seen
        } else {
            &*world
        };
        if !self.owns(compared, owner) {
            return error(FaultKind::Fenced);
        }
        let spoilt = matches!(world.saved, Some(Saved::Unreadable { .. }));
        if spoilt && !self.has(Fault::OverwritesWhatCannotBeRead) {
            return error(FaultKind::Invalid);
        }
        if compared.saves.to_string() != token.0 && !self.has(Fault::TakesAnyToken) {
            return error(FaultKind::Conflict);
        }
        let mut state = Box::new(state.clone());
        if self.has(Fault::RoundsNumbers) {
            state.generation = state.generation as f64 as u64;
        }
        if self.has(Fault::SaveEmptiesTheMailbox) {
            world.orders.clear();
        }
        world.saves += 1;
        world.saved = Some(Saved::State(state));
        if self.has(Fault::ReadsFromMemory) {
            *self.memory.lock().unwrap() = world.saved.clone();
        }
        Ok(Token(world.saves.to_string()))
    }

    async fn take(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError> {
        let mut world = self.world.lock().unwrap();
        let other = world.owner.clone().filter(|owner| owner.holder != holder);
        let alive = other.is_some_and(|owner| world.fresh.get(&owner.holder) == Some(&true));
        let force = force && !self.has(Fault::ForceIsNone);
        if (alive && !force && !self.has(Fault::AnybodyTakes))
            || (self.has(Fault::NobodyTakes) && !force && world.owner.is_some())
        {
            return error(FaultKind::Forbidden);
        }
        let above = if self.has(Fault::IgnoresAbove) {
            0
        } else {
            above
        };
        let more = u64::from(!self.has(Fault::SameEpoch));
        world.epoch = world.epoch.max(above) + more;
        let owner = Ownership {
            holder: holder.to_owned(),
            epoch: world.epoch,
        };
        world.owner = Some(owner.clone());
        world.fresh.insert(holder.to_owned(), true);
        Ok(owner)
    }

    async fn hand_over(&self, owner: &Ownership) -> Result<(), PortError> {
        let mut world = self.world.lock().unwrap();
        let is_owner = world.owner.as_ref() == Some(owner);
        if self.has(Fault::HandsNothingOver) || !(is_owner || self.has(Fault::AnybodyHandsOver)) {
            return Ok(());
        }
        if self.has(Fault::ForgetsTheEpoch) {
            world.epoch = 0;
        }
        world.owner = None;
        Ok(())
    }

    async fn owner(&self) -> Result<Option<Ownership>, PortError> {
        Ok(self.world.lock().unwrap().owner.clone())
    }

    async fn heartbeat(&self, holder: &str) -> Result<(), PortError> {
        let fresh = !self.has(Fault::HeartbeatIsNothing);
        let mut world = self.world.lock().unwrap();
        world.fresh.insert(holder.to_owned(), fresh);
        Ok(())
    }

    async fn leave(&self, order: &MailboxOrder) -> Result<u64, PortError> {
        let mut world = self.world.lock().unwrap();
        world.last = if self.has(Fault::NumbersAnew) {
            world.orders.len() as u64 + 1
        } else {
            world.last + 1
        };
        let mut order = Order {
            source: "mailbox".to_owned(),
            sequence: world.last,
            kind: order.kind.clone(),
            expects: order.expects.clone(),
            by: order.by.clone(),
        };
        if self.has(Fault::ForgetsWhatForWhom) {
            order.expects = Default::default();
        }
        world.orders.push(order);
        Ok(world.last)
    }

    async fn pending(&self) -> Result<Vec<Order>, PortError> {
        let mut orders = self.world.lock().unwrap().orders.clone();
        if self.has(Fault::NewestFirst) {
            orders.reverse();
        }
        Ok(orders)
    }

    async fn acknowledge(&self, done: &[Acknowledgement]) -> Result<(), PortError> {
        if !self.has(Fault::KeepsAcknowledged) {
            let mut world = self.world.lock().unwrap();
            let open = |order: &Order| done.iter().all(|done| done.sequence != order.sequence);
            world.orders.retain(open);
        }
        Ok(())
    }
}

struct FakeBench(Option<Fault>);

impl Bench for FakeBench {
    type World = Arc<Mutex<World>>;

    async fn world(&self) -> Self::World {
        Arc::default()
    }

    async fn store(&self, world: &Self::World) -> Arc<dyn Store> {
        Arc::new(Fake {
            world: Arc::clone(world),
            memory: Mutex::default(),
            fault: self.0,
        })
    }

    async fn expire(&self, world: &Self::World, holder: &str) -> bool {
        let mut world = world.lock().unwrap();
        world.fresh.insert(holder.to_owned(), false);
        true
    }

    async fn spoil(&self, world: &Self::World) -> bool {
        let message = "spoilt".to_owned();
        world.lock().unwrap().saved = Some(Saved::Unreadable { message });
        true
    }
}

#[test]
fn a_store_that_keeps_the_rules_is_clean_and_nothing_is_skipped() {
    let report = block_on(all(&FakeBench(None)));
    report.assert_clean();
    assert_eq!(report.skipped, []);
    assert_eq!(report.kept.len(), 9);
    // One that hands nothing over is no worse than one that was written before there was that.
    let report = block_on(all(&FakeBench(Some(Fault::HandsNothingOver))));
    report.assert_clean();
    assert_eq!(report.unchecked(), [9]);
}

#[test]
fn each_way_of_breaking_a_rule_is_caught_under_its_number() {
    let faults: [(Fault, &[u8]); 23] = [
        (Fault::RoundsNumbers, &[1, 5]),
        (Fault::ReadsFromMemory, &[1]),
        (Fault::TakesAnyToken, &[2]),
        (Fault::ComparesThenSets, &[2]),
        (Fault::SameEpoch, &[3, 4, 9]),
        (Fault::IgnoresAbove, &[3]),
        (Fault::ComparesTheHolderOnly, &[4]),
        (Fault::NobodyIsFenced, &[4, 9]),
        (Fault::TearsASave, &[2, 5]),
        (Fault::OverwritesWhatCannotBeRead, &[6]),
        (Fault::CallsItNothing, &[6]),
        (Fault::SaveEmptiesTheMailbox, &[7]),
        (Fault::NumbersAnew, &[7]),
        (Fault::NewestFirst, &[7]),
        (Fault::ForgetsWhatForWhom, &[7]),
        (Fault::KeepsAcknowledged, &[7]),
        (Fault::AnybodyTakes, &[8, 9]),
        (Fault::NobodyTakes, &[8]),
        (Fault::ForceIsNone, &[3, 4, 6, 8]),
        (Fault::HeartbeatIsNothing, &[8]),
        (Fault::AnybodyHandsOver, &[9]),
        (Fault::SavesForNobody, &[4, 9]),
        (Fault::ForgetsTheEpoch, &[9]),
    ];
    for (fault, rules) in faults {
        let report = block_on(all(&FakeBench(Some(fault))));
        assert_eq!(report.broken(), rules, "{fault:?}\n{report}");
    }
}
