//! The labels and annotations of Argo Rollouts, so that its tools find what is ours, and ours.

use crate::hash::fnv32a;

/// What an object's name may be long.
const LONGEST: usize = 253;

/// The label of a revision's pods, and in the selector of a Service that is bound to it.
pub const POD_TEMPLATE_HASH: &str = "rollouts-pod-template-hash";
/// On a Service, a VirtualService or a DestinationRule: the rollout that changes it.
pub const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";
/// On a ReplicaSet: the revision's number.
pub const REVISION: &str = "rollout.argoproj.io/revision";
/// On a ReplicaSet: how many pods the whole rollout shall have.
pub const DESIRED_REPLICAS: &str = "rollout.argoproj.io/desired-replicas";
/// The stamp of what an object says, where it says one thing only.
pub const STAMP: &str = "gradatim.dev/stamp";
/// On a ReplicaSet: the digest of the template as its user has written it.
pub const TEMPLATE: &str = "gradatim.dev/template";
/// On a Deployment of a pair and on its pods: which of the two it is, `a` or `b`.
pub const SIDE: &str = "gradatim.dev/side";
/// On a Deployment of a pair: when it took the revision that it has.
pub const TAKEN: &str = "gradatim.dev/taken";

/// The name of an object of ours: the rollout's with an end, no longer than a name may be.
pub(crate) fn of_object(rollout: &str, end: &str) -> String {
    fitting(rollout, end, LONGEST)
}

/// The same of an object whose controller makes others that bear its name with a hash behind it.
pub(crate) fn of_parent(rollout: &str, end: &str) -> String {
    const HASH: usize = "-0123456789".len();
    fitting(rollout, end, LONGEST - HASH)
}

fn fitting(rollout: &str, end: &str, longest: usize) -> String {
    let whole = format!("{rollout}{end}");
    if whole.len() <= longest {
        return whole;
    }
    let hash = format!("-{:08x}", fnv32a(rollout.as_bytes()));
    let mut cut = rollout.to_owned();
    while cut.len() + hash.len() + end.len() > longest || cut.ends_with(['.', '-']) {
        cut.pop();
    }
    cut + &hash + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_rollout_has_objects_of_its_own_with_a_name_that_fits() {
        assert_eq!(of_object("shop", "-x"), "shop-x");
        let long = ["a", "b"].map(|last| "r.".repeat(126) + last);
        let names = long.map(|name| of_object(&name, "-gradatim-orders"));
        assert_ne!(names[0], names[1]);
        for name in names {
            assert!(name.len() <= 253 && !name.contains(".-"), "{name}");
        }
        assert_eq!(of_parent(&"r".repeat(253), "-a").len(), 242);
    }
}
