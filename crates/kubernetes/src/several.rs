//! A route that stands in several objects: how they are written, and read as one.

use futures::future::join_all;
use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::route::{Confidence, Seen};
use gradatim_core::stamp::Stamp;
use serde_json::Value;

use crate::fence::Since;
use crate::objects::Objects;

/// What is to be written of one object, as long as it says what was read of it.
#[derive(Clone)]
pub struct Write {
    objects: Objects,
    what: What,
    raises: bool,
}

#[derive(Clone)]
enum What {
    Create(Value),
    Swap { found: Value, patch: Value },
}

impl Write {
    /// An object that was not there. Made, it gives the canary more than before if `raises`.
    pub fn create(objects: &Objects, object: Value, raises: bool) -> Self {
        Self {
            objects: objects.clone(),
            what: What::Create(object),
            raises,
        }
    }

    /// A patch of an object as it was found; see [`Objects::swap`].
    pub fn merge(objects: &Objects, found: &Value, patch: Value, raises: bool) -> Self {
        Self {
            objects: objects.clone(),
            what: What::Swap {
                found: found.clone(),
                patch,
            },
            raises,
        }
    }

    /// Whether it gives the canary more than before.
    pub fn raises(&self) -> bool {
        self.raises
    }

    async fn make(&self) -> Result<(), PortError> {
        let made = match &self.what {
            What::Create(object) => self.objects.create(object).await,
            What::Swap { found, patch } => self.objects.swap(found, patch).await,
        };
        made.map(drop)
    }

    async fn rehearse(&self) -> Result<(), PortError> {
        let tried = match &self.what {
            What::Create(object) => self.objects.rehearse(object).await,
            What::Swap { found, patch } => self.objects.rehearse_swap(found, patch).await,
        };
        tried.map(drop)
    }
}

/// Makes the writes of several objects, one entry for each object: its write, none where it says
/// so already, or why there is none.
///
/// What lowers the canary is written wherever that can be. What raises it is written only when
/// nothing else failed, and when the server has said of each such write that it would take it.
///
/// # Errors
/// The first that there was; nothing at all is written when an object bears a newer stamp.
pub async fn write(planned: Vec<Result<Option<Write>, PortError>>) -> Result<(), PortError> {
    let (mut writes, mut faults) = (Vec::new(), Vec::new());
    for plan in planned {
        match plan {
            Ok(write) => writes.extend(write),
            Err(error) if error.kind == FaultKind::Fenced => return Err(error),
            Err(error) => faults.push(error),
        }
    }
    let (raising, lowering): (Vec<_>, Vec<_>) = writes.into_iter().partition(Write::raises);
    let made = join_all(lowering.iter().map(|write| write.make())).await;
    faults.extend(made.into_iter().filter_map(Result::err));
    if faults.is_empty() && raising.len() > 1 {
        let tried = join_all(raising.iter().map(|write| write.rehearse())).await;
        faults.extend(tried.into_iter().filter_map(Result::err));
    }
    if faults.is_empty() {
        let made = join_all(raising.iter().map(|write| write.make())).await;
        faults.extend(made.into_iter().filter_map(Result::err));
    }
    faults.into_iter().next().map_or(Ok(()), Err)
}

/// Remembers since when a part has been what it is.
pub type PartSince<T> = Since<(Vec<T>, Option<Stamp>)>;

/// A part of the route as several objects say it: one value where all agree, the oldest stamp,
/// none where one bears none.
pub fn read<T: Clone + PartialEq>(each: Vec<(T, Option<Stamp>)>, since: &PartSince<T>) -> Seen<T> {
    let (mut values, stamps): (Vec<T>, Vec<Option<Stamp>>) = each.into_iter().unzip();
    if values.windows(2).all(|two| two[0] == two[1]) {
        values.truncate(1);
    }
    let stamps: Option<Vec<Stamp>> = stamps.into_iter().collect();
    let stamp = stamps.and_then(|stamps| stamps.into_iter().min());
    let since = since.note((values.clone(), stamp));
    Seen {
        values,
        stamp,
        confidence: Confidence::Config,
        since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Option<Stamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn what_agrees_is_one_value_under_the_oldest_stamp() {
        let since = PartSince::default();
        let seen = read(vec![(5, stamp("1.3.0.0")), (5, stamp("1.2.0.0"))], &since);
        assert_eq!((seen.value(), seen.stamp), (Some(&5), stamp("1.2.0.0")));
        let again = read(vec![(5, stamp("1.2.0.0")), (5, stamp("1.4.0.0"))], &since);
        assert_eq!(again, seen);
    }

    #[test]
    fn what_differs_is_told_and_a_missing_stamp_is_none() {
        let seen = read(
            vec![(5, stamp("1.3.0.0")), (7, None)],
            &PartSince::default(),
        );
        assert_eq!((seen.values.as_slice(), seen.stamp), (&[5, 7][..], None));
        assert_eq!(read::<u8>(Vec::new(), &PartSince::default()).value(), None);
    }
}
