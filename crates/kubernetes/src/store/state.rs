//! What the ConfigMap of the state says; pure.

use gradatim_core::decision::Saved;
use gradatim_core::fault::FaultKind;
use gradatim_core::port::{Ownership, PortError, Token};
use gradatim_core::state::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::objects::text;

/// The ConfigMap of the state as it was read.
#[derive(Debug, Default)]
pub(super) struct Held {
    state: Option<String>,
    save: u64,
    owner: Option<String>,
}

/// The last one that owned it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Last {
    #[serde(flatten)]
    owner: Ownership,
    #[serde(default)]
    handed_over: bool,
}

impl Held {
    pub(super) fn read(found: Option<&Value>) -> Self {
        let Some(found) = found else {
            return Self::default();
        };
        let data = |key: &str| text(found, &format!("/data/{key}")).map(str::to_owned);
        Self {
            state: data("state"),
            save: data("save").and_then(|save| save.parse().ok()).unwrap_or(0),
            owner: data("owner"),
        }
    }

    pub(super) fn saved(&self) -> Option<Saved> {
        self.state.as_deref().map(Saved::from_json)
    }

    pub(super) fn token(&self) -> Token {
        Token(self.save.to_string())
    }

    /// Whoever may act: nobody where the last one has handed it over.
    pub(super) fn owner(&self) -> Result<Option<Ownership>, PortError> {
        let last = self.last()?.filter(|last| !last.handed_over);
        Ok(last.map(|last| last.owner))
    }

    fn last(&self) -> Result<Option<Last>, PortError> {
        let read = self.owner.as_deref().map(serde_json::from_str).transpose();
        read.map_err(|error| {
            let text = "who owns the rollout cannot be read; take it over by force";
            PortError::new(FaultKind::Malformed, text).caused_by(error)
        })
    }

    /// Whoever owns it and is not this holder. Where that cannot be read, force goes past it.
    pub(super) fn other_owner(
        &self,
        holder: &str,
        force: bool,
    ) -> Result<Option<Ownership>, PortError> {
        match self.owner() {
            Err(_) if force => Ok(None),
            owner => Ok(owner?.filter(|owner| owner.holder != holder)),
        }
    }

    /// A grant above every one before.
    pub(super) fn grant(
        &self,
        holder: &str,
        above: u64,
        force: bool,
    ) -> Result<Ownership, PortError> {
        let granted = match self.last() {
            Err(_) if force => 0,
            last => last?.map_or(0, |last| last.owner.epoch),
        };
        let written = match self.saved() {
            Some(Saved::State(state)) => state.epoch,
            _ => 0,
        };
        Ok(Ownership {
            holder: holder.to_owned(),
            epoch: granted.max(written).max(above).saturating_add(1),
        })
    }

    pub(super) fn is_owned_as(&self, before: &Self) -> bool {
        self.owner == before.owner
    }

    /// The patch that saves a state, if it may be saved.
    pub(super) fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Value, PortError> {
        let known = self.owner()?;
        if known.as_ref() != Some(owner) {
            return Err(Ownership::fenced(known.as_ref()));
        }
        if let Some(Saved::Unreadable { message }) = self.saved() {
            let text = format!("what cannot be read is never overwritten: {message}");
            return Err(PortError::new(FaultKind::Invalid, text));
        }
        if self.token() != *token {
            let text = "somebody else has saved in between";
            return Err(PortError::new(FaultKind::Conflict, text));
        }
        let text = serde_json::to_string(state).map_err(|error| {
            PortError::new(FaultKind::Other, "the state cannot be written").caused_by(error)
        })?;
        let save = self.save.saturating_add(1).to_string();
        Ok(json!({"data": {"state": text, "save": save}}))
    }
}

pub(super) fn grant_patch(owner: &Ownership) -> Value {
    let text = json!({"holder": owner.holder, "epoch": owner.epoch}).to_string();
    json!({"data": {"owner": text}})
}

/// The patch by which the owner gives it up; its epoch stays the highest.
pub(super) fn hand_over_patch(owner: &Ownership) -> Value {
    let (holder, epoch) = (&owner.holder, owner.epoch);
    let text = json!({"holder": holder, "epoch": epoch, "handedOver": true}).to_string();
    json!({"data": {"owner": text}})
}

pub(super) fn taken() -> PortError {
    let text = "somebody else has taken the rollout in between";
    PortError::new(FaultKind::Conflict, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_that_cannot_be_read_gives_way_to_force_alone() {
        let held = Held::read(Some(&json!({"data": {"owner": "nobody", "save": "x"}})));
        assert_eq!(held.owner().unwrap_err().kind, FaultKind::Malformed);
        assert!(held.grant("me", 3, false).is_err());
        assert_eq!(held.grant("me", 3, true).unwrap().epoch, 4);
        assert_eq!(held.token(), Token("0".to_owned()));
    }

    #[test]
    fn what_was_handed_over_is_nobodys_and_the_next_grant_is_above_it() {
        let first = Held::default().grant("me", 6, false).unwrap();
        let held = Held::read(Some(&hand_over_patch(&first)));
        assert_eq!(held.owner().unwrap(), None);
        assert!(held.other_owner("you", false).unwrap().is_none());
        assert_eq!(held.grant("you", 0, false).unwrap().epoch, 8);
    }

    #[test]
    fn a_grant_is_above_the_last_one_even_of_the_same_holder() {
        let first = Held::default().grant("me", 0, false).unwrap();
        let held = Held::read(Some(&grant_patch(&first)));
        assert_eq!(held.owner().unwrap(), Some(first));
        assert_eq!(held.grant("me", 0, false).unwrap().epoch, 2);
        assert!(held.other_owner("me", false).unwrap().is_none());
        assert!(held.other_owner("you", false).unwrap().is_some());
    }
}
