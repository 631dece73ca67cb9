//! A state that is copied when it is first changed: most rounds change nothing.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use crate::state::State;

/// The saved state, or a copy of it once something is written into it.
pub(super) struct Draft<'a>(Cow<'a, State>);

impl<'a> Draft<'a> {
    /// What was saved, as it is.
    pub(super) fn of(saved: &'a State) -> Self {
        Self(Cow::Borrowed(saved))
    }

    /// A state that nobody has saved.
    pub(super) fn new(state: State) -> Self {
        Self(Cow::Owned(state))
    }

    /// Whether nothing was written yet.
    #[cfg(test)]
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }

    /// The state, if it differs from the one before.
    pub(super) fn changed(self, before: Option<&State>) -> Option<State> {
        match self.0 {
            Cow::Owned(state) => (before != Some(&state)).then_some(state),
            Cow::Borrowed(_) => None,
        }
    }
}

impl Deref for Draft<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

/// Copies the saved state: what may be as it was already is compared before it is written.
impl DerefMut for Draft<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.0.to_mut()
    }
}
