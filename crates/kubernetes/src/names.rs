//! The labels and annotations of Argo Rollouts, so that its tools find what is ours, and ours.

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
