//! A canary on Istio: what a Rollout in a cluster wants, delivered by its VirtualService.
//!
//! ```text
//! kubectl apply -n shop -f shop.yaml
//! cargo run --example canary_istio --features kubernetes -- shop.yaml --namespace shop
//! ```
//!
//! It takes the place of Argo's controller, and needs its resource definitions only: the Rollout
//! says what runs, its ReplicaSets are made here, and the driver's state is kept in a ConfigMap. The
//! account needs the Roles that stand beside the backends (`ROLE` in each module).

use std::process::ExitCode;
use std::sync::Arc;

use gradatim::driver::secrets::FirstOf;
use gradatim::istio;
use gradatim::kubernetes::Client;
use gradatim::kubernetes::client::{Pace, client, connect};
use gradatim::kubernetes::replica_sets::ReplicaSets;
use gradatim::kubernetes::services;
use gradatim::kubernetes::store::KubeStore;
use gradatim::port::Secrets;
use gradatim::prometheus;
use gradatim::registry::Registry;
use gradatim::{Driver, Ports, compile};
use gradatim_examples::on_cluster::{self, Asked, Delivery, Started, WrongInput};

const HELP: &str = "\
A canary on Istio: what a Rollout in a cluster wants, delivered by its VirtualService.

Usage: canary_istio FILE [--namespace NAME] [--istiod URL]...

FILE holds the Rollout, as it stands in the cluster, and its AnalysisTemplates. The cluster is the
one of KUBECONFIG. With the debug port of each istiod (http://127.0.0.1:15014 behind
`kubectl port-forward`) a weight counts as soon as the proxies have acknowledged it, and not after
a while. While it runs, it takes `promote` and `abort` on standard input.

Exit code: 0 promoted, 1 taken back, 2 wrong input, 3 undecided or an error, 130 Ctrl-C: then
everything stays as it is, and the next start goes on.";

#[tokio::main]
async fn main() -> ExitCode {
    on_cluster::run(HELP, |asked| Box::pin(start(asked))).await
}

async fn start(asked: Asked) -> Started {
    let (rollout, namespace) = (&asked.manifests.rollouts[0], asked.namespace.as_str());
    let api = connect(Pace::default()).await?;
    let istiod: Result<Vec<Client>, _> = asked.istiod.iter().map(|url| debug_port(url)).collect();

    // The backends that the manifest names.
    let registry = services::register(Registry::new(), api.clone(), namespace);
    let registry = prometheus::register(registry, prometheus::Config::default());
    let registry = istio::register_confirmed(registry, api.clone(), namespace, "v1", istiod?);
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

fn debug_port(url: &str) -> Result<Client, Box<dyn std::error::Error>> {
    let address = url
        .parse()
        .map_err(|error| WrongInput(format!("--istiod {url}: {error}")))?;
    Ok(client(kube::Config::new(address), Pace::default())?)
}
