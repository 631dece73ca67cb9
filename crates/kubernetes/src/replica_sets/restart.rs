//! Which pods a restart takes next; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use serde_json::Value;

use super::pods::{is_ready, of, started};
use super::set::{desired, number};
use crate::fence::stamp_of;
use crate::names::STAMP;

/// Refuses a restart of a driver that has lost the rollout. Targets that the same driver wrote
/// since it was asked to restart do not stand in the way.
pub(super) fn refuse_older(sets: &[Value], stamp: Stamp) -> Result<(), PortError> {
    let epoch = sets
        .iter()
        .filter_map(|set| stamp_of(set, STAMP))
        .map(|stamp| stamp.epoch)
        .max();
    match epoch.filter(|epoch| *epoch > stamp.epoch) {
        None => Ok(()),
        Some(epoch) => {
            let text = format!("the pods are of epoch {epoch}, ours is {}", stamp.epoch);
            Err(PortError::new(FaultKind::Fenced, text))
        }
    }
}

/// The pods to evict: those that started before an instant, the newest revision's first. At most
/// so many are down at once; who is not ready is down already.
pub(super) fn next<'a>(
    sets: &'a [Value],
    all: &'a [Value],
    before: Timestamp,
    at_most: u32,
) -> Vec<&'a Value> {
    let mut sets: Vec<_> = sets.iter().collect();
    sets.sort_by_key(|set| std::cmp::Reverse(number(set)));
    let serving = |set: &'a Value| of(set, all).filter(|pod| is_ready(pod)).count();
    let down = sets
        .iter()
        .map(|set| (desired(set) as usize).saturating_sub(serving(set)));
    let mut room = (at_most as usize).saturating_sub(down.sum());
    let mut chosen = Vec::new();
    for set in sets {
        let old = |pod: &&Value| started(pod).is_some_and(|at| at < before);
        let mut pods: Vec<_> = of(set, all).filter(old).collect();
        pods.sort_by_key(|pod| started(pod));
        for pod in pods {
            if is_ready(pod) {
                if room == 0 {
                    continue;
                }
                room -= 1;
            }
            chosen.push(pod);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::REVISION;
    use crate::objects::name_of;

    fn set(uid: &str, number: &str, replicas: u32) -> Value {
        let annotations = json!({REVISION: number, STAMP: "3.1.0.0"});
        json!({"metadata": {"uid": uid, "annotations": annotations}, "spec": {"replicas": replicas}})
    }

    fn pod(name: &str, set: &str, minute: u32, ready: bool) -> Value {
        let owner = json!({"uid": set, "controller": true});
        let status = if ready { "True" } else { "False" };
        json!({
            "metadata": {"name": name, "ownerReferences": [owner]},
            "status": {
                "startTime": format!("2026-10-01T12:{minute:02}:00Z"),
                "conditions": [{"type": "Ready", "status": status}],
            },
        })
    }

    #[test]
    fn at_most_so_many_serve_less_and_the_newest_revision_goes_first() {
        let sets = [set("old", "1", 3), set("new", "2", 2)];
        let pods = [
            pod("a", "old", 1, true),
            pod("b", "old", 0, true),
            pod("c", "old", 9, true),
            pod("d", "new", 2, true),
            pod("e", "new", 9, true),
        ];
        let before = "2026-10-01T12:05:00Z".parse().unwrap();
        let names = |pods: &[Value], at_most| {
            let chosen = next(&sets, pods, before, at_most);
            chosen
                .into_iter()
                .map(|pod| name_of(pod).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&pods, 1), ["d"]);
        assert_eq!(names(&pods, 2), ["d", "b"]);
        assert_eq!(names(&pods, 0), [""; 0]);
        // One is down already: only it may go.
        let mut broken = pods;
        broken[0] = pod("a", "old", 1, false);
        assert_eq!(names(&broken, 1), ["a"]);
    }

    #[test]
    fn a_driver_that_was_replaced_restarts_nothing() {
        let sets = [set("old", "1", 3)];
        for (stamp, taken) in [("3.0.0.0", true), ("4.0.0.0", true), ("2.9.0.0", false)] {
            assert_eq!(
                refuse_older(&sets, stamp.parse().unwrap()).is_ok(),
                taken,
                "{stamp}"
            );
        }
    }
}
