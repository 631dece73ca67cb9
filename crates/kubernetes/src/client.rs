//! How the API server is reached: a client that spares it and that does not try again by itself.
//!
//! A client that kube makes with its defaults sends as fast as it is asked, and sends what was
//! answered with 429, 503 or 504 again, up to fifteen times. Here one client, with all its clones,
//! keeps to a [pace](Pace), and an overloaded server is an error with the time after which to come
//! back: whether and when to try again is the driver's decision.

mod manners;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use kube::client::ClientBuilder;
use kube::{Client, Config};

use self::manners::Manners;

/// How fast one client with all its clones may send requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests for each second, in the long run; at least 1. Default 50.
    pub per_second: u32,
    /// So many may be sent at once after a rest; at least 1. Default 100.
    pub burst: u32,
}

impl Default for Pace {
    /// A whole round of one rollout is about ten requests.
    fn default() -> Self {
        Self {
            per_second: 50,
            burst: 100,
        }
    }
}

/// A client for the API server that the environment names: a kubeconfig, or the service account
/// of the pod.
///
/// # Errors
/// When there is neither, or they do not make a client.
pub async fn connect(pace: Pace) -> Result<Client, PortError> {
    let config = Config::infer().await.map_err(|error| {
        let text = "no API server is named; give a kubeconfig, or run in a pod of the cluster";
        PortError::new(FaultKind::Invalid, text).caused_by(error)
    })?;
    client(config, pace)
}

/// A client for the API server of a configuration.
///
/// # Errors
/// When the configuration does not make a client.
pub fn client(mut config: Config, pace: Pace) -> Result<Client, PortError> {
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).map_err(|error| {
        let text = "the configuration makes no client of the API server";
        PortError::new(FaultKind::Invalid, text).caused_by(error)
    })?;
    Ok(builder.with_layer(&Manners::new(pace)).build())
}
