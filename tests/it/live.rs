//! Real servers, started on free loopback ports by the test that needs them and stopped by it.
//!
//! A missing server is reported by name. With `GRADATIM_LIVE=required` it fails the test.

mod aa;
mod backtest;
mod clients;
mod cluster;
mod delivery;
mod faults;
mod gate;
mod ingress;
mod istio;
mod judged;
mod kubernetes;
mod loki;
mod manifests;
mod nginx;
mod programs;
mod prometheus;
mod server;
mod service;
mod upstream;
mod virtual_server;
mod watching;

use std::sync::Arc;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::port::{PortError, Secret, Secrets};
use gradatim_core::route::{Route, Slot, Split, Stamped};
use gradatim_core::stamp::Stamp;

/// Nobody needs a secret here.
struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
        Err(PortError::new(
            FaultKind::NotFound,
            format!("no secret {name}/{key}"),
        ))
    }
}

/// A route without header routes and mirrors, all of it under one stamp of a first driver.
fn route<const N: usize>(sequence: u64, bind: [(Slot, &str); N], split: Split) -> Route {
    let stamp = Stamp {
        epoch: 1,
        sequence,
        ..Stamp::default()
    };
    let bind = bind.map(|(slot, revision)| (slot, revision.into()));
    Route {
        bind: Stamped::new(bind.into(), stamp),
        split: Stamped::new(split, stamp),
        headers: Stamped::new(Vec::new(), stamp),
        mirrors: Stamped::new(Vec::new(), stamp),
    }
}

fn no_secrets() -> Arc<dyn Secrets> {
    Arc::new(NoSecrets)
}
