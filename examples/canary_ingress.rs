//! A canary on Ingress annotations: what a Rollout in a cluster wants, delivered by a canary
//! Ingress beside the stable one, as the community's NGINX controller and Argo Rollouts have it.
//!
//! ```text
//! kubectl apply -n shop -f shop.yaml
//! cargo run --example canary_ingress --features kubernetes -- shop.yaml --namespace shop
//! ```
//!
//! It takes the place of Argo's controller, and needs its resource definitions only: the Rollout
//! says what runs, its ReplicaSets are made here, and the driver's state is kept in a ConfigMap. The
//! account needs the Roles that stand beside the backends (`ROLE` in each module).

use std::process::ExitCode;
use std::sync::Arc;

use gradatim::driver::secrets::FirstOf;
use gradatim::kubernetes::client::{Pace, connect};
use gradatim::kubernetes::replica_sets::ReplicaSets;
use gradatim::kubernetes::services;
use gradatim::kubernetes::store::KubeStore;
use gradatim::nginx::ingress;
use gradatim::port::Secrets;
use gradatim::prometheus;
use gradatim::registry::Registry;
use gradatim::{Driver, Ports, compile};
use gradatim_examples::on_cluster::{self, Asked, Delivery, Started, WrongInput};

const HELP: &str = "\
A canary on Ingress annotations: what a Rollout in a cluster wants, delivered by a canary Ingress.

Usage: canary_ingress FILE [--namespace NAME]

FILE holds the Rollout, as it stands in the cluster, and its AnalysisTemplates. The cluster is the
one of KUBECONFIG. While it runs, it takes `promote` and `abort` on standard input.

Exit code: 0 promoted, 1 taken back, 2 wrong input, 3 undecided or an error, 130 Ctrl-C: then
everything stays as it is, and the next start goes on.";

#[tokio::main]
async fn main() -> ExitCode {
    on_cluster::run(HELP, |asked| Box::pin(start(asked))).await
}

async fn start(asked: Asked) -> Started {
    let (rollout, namespace) = (&asked.manifests.rollouts[0], asked.namespace.as_str());
    if !asked.istiod.is_empty() {
        return Err(WrongInput("there is no istiod here".to_owned()).into());
    }
    let api = connect(Pace::default()).await?;

    // The backends that the manifest names.
    let registry = services::register(Registry::new(), api.clone(), namespace);
    let registry = prometheus::register(registry, prometheus::Config::default());
    let registry = ingress::register(registry, api.clone(), namespace, ReplicaSets::rollout());
    let compiled = compile(rollout, &asked.manifests.templates, &registry)
        .map_err(|errors| WrongInput(errors.to_string()))?;

    // What runs, and where the state is kept: in a ConfigMap that goes with the Rollout.
    let kind = ReplicaSets::rollout();
    let workload = ReplicaSets::of(api.clone(), namespace, kind, &rollout.name).await?;
    let store = KubeStore::new(api, namespace);
    let state = store
        .rollout(&rollout.name)
        .owned_by(workload.owner().await?);

    let secrets: Arc<dyn Secrets> = Arc::new(FirstOf::new());
    let ports = Ports::new(Arc::new(workload), Arc::new(state));
    let ports = ports.backends(&compiled, &registry, &secrets)?;
    let holder = on_cluster::holder();
    let driver = Driver::builder().holder(holder.clone()).build();
    let release = driver
        .start(rollout.name.as_str(), compiled.plan, ports)
        .await?;
    Ok(Delivery {
        driver,
        release,
        store,
        holder,
    })
}
