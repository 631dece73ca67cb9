//! From a tree to a spec: one collector for each type of the spec.

mod analysis;
mod blue_green;
mod canary;
mod duration;
mod extension;
mod judge;
mod metric;
mod rollout;
mod step;
mod value;

pub(super) use self::analysis::template;
pub(super) use self::rollout::rollout;

/// Puts a value that could be read in the place of its default.
fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
