//! Mocks of the ports, made by mockall.
//!
//! A method that a test expects nothing of panics when it is called, but for those that a port
//! gives a default which says nothing: `changed` is pending for ever, none is watched, and a
//! workload says that it is not fenced.

// What mockall writes has no documentation.
#![allow(missing_docs)]

use async_trait::async_trait;
use mockall::mock;

use super::{
    Loaded, MailboxOrder, MetricProvider, Missing, Notifier, Ownership, PortError, Secret, Secrets,
    Store, Token, TrafficRouter, Workload,
};
use crate::capability::Capabilities;
use crate::event::Event;
use crate::id::{RevisionId, RolloutId};
use crate::measurement::{Ask, MeasurementId, Outcome};
use crate::order::{Acknowledgement, Order};
use crate::route::{Route, RouteSeen};
use crate::stamp::Stamp;
use crate::state::State;
use crate::time::Timestamp;
use crate::workload::WorkloadSeen;

mock! {
    #[derive(Debug)]
    pub TrafficRouter {}

    #[async_trait]
    impl TrafficRouter for TrafficRouter {
        fn capabilities(&self) -> Capabilities;
        async fn apply(&self, route: &Route) -> Result<(), PortError>;
        async fn observe(&self) -> Result<RouteSeen, PortError>;
        async fn highest_stamp(&self) -> Result<Option<Stamp>, PortError>;
        async fn probe(&self) -> Result<Vec<Missing>, PortError>;
    }
}

mock! {
    #[derive(Debug)]
    pub MetricProvider {}

    #[async_trait]
    impl MetricProvider for MetricProvider {
        fn has_history(&self) -> bool;
        async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError>;
        async fn terminate(&self, id: &MeasurementId, handle: &str) -> Result<(), PortError>;
        async fn probe(&self, query: &serde_json::Value) -> Result<Vec<Missing>, PortError>;
    }
}

mock! {
    #[derive(Debug)]
    pub Workload {}

    #[async_trait]
    impl Workload for Workload {
        async fn observe(&self) -> Result<WorkloadSeen, PortError>;
        async fn scale(
            &self,
            revision: &RevisionId,
            replicas: u32,
            stamp: Stamp,
        ) -> Result<(), PortError>;
        async fn restart(
            &self,
            before: Timestamp,
            at_most: u32,
            stamp: Stamp,
        ) -> Result<(), PortError>;
        async fn undo(&self, to: &RevisionId, stamp: Stamp) -> Result<(), PortError>;
        async fn probe(&self) -> Result<Vec<Missing>, PortError>;
    }
}

mock! {
    #[derive(Debug)]
    pub Store {}

    #[async_trait]
    impl Store for Store {
        async fn load(&self) -> Result<Loaded, PortError>;
        async fn save(
            &self,
            state: &State,
            token: &Token,
            owner: &Ownership,
        ) -> Result<Token, PortError>;
        async fn take(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError>;
        async fn owner(&self) -> Result<Option<Ownership>, PortError>;
        async fn heartbeat(&self, holder: &str) -> Result<(), PortError>;
        async fn leave(&self, order: &MailboxOrder) -> Result<u64, PortError>;
        async fn pending(&self) -> Result<Vec<Order>, PortError>;
        async fn acknowledge(&self, done: &[Acknowledgement]) -> Result<(), PortError>;
    }
}

mock! {
    #[derive(Debug)]
    pub Notifier {}

    #[async_trait]
    impl Notifier for Notifier {
        async fn tell(&self, rollout: &RolloutId, event: &Event) -> Result<(), PortError>;
    }
}

mock! {
    #[derive(Debug)]
    pub Secrets {}

    #[async_trait]
    impl Secrets for Secrets {
        async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError>;
    }
}
