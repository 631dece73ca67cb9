//! A gate on what the logs say: passes while the new version writes few error lines.
//!
//! `cargo run --example gate_on_loki --features loki -- http://127.0.0.1:3100 '{app="shop"} |= "ERROR"'`

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use gradatim::analysis::AnalysisPhase;
use gradatim::compile_analysis;
use gradatim::driver::AnalysisRun;
use gradatim::driver::secrets::EnvSecrets;
use gradatim::loki::{Config, register};
use gradatim::registry::Registry;
use gradatim::spec::{AnalysisTemplate, MetricSpec, Provider, RolloutAnalysis};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(query)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: gate_on_loki ADDRESS QUERY");
        return Ok(ExitCode::from(2));
    };
    let registry = register(Registry::new(), Config::with_address(address));

    // Three looks, ten seconds apart. No line at all is a good sign, and says so in its condition.
    let part = json!({ "query": query, "window": "1m" });
    let metric = MetricSpec::new("error-lines", Provider::new("loki", part))
        .with_success("len(result) == 0 || result[0] <= 10")
        .with_interval("10s")
        .with_count(3);
    let template = AnalysisTemplate::new("logs", [metric]);
    let analysis = RolloutAnalysis::new(["logs"]);
    let (plan, _) = compile_analysis(&analysis, &[template], &registry)?;

    let loki = registry.build_provider("loki", Arc::new(EnvSecrets::default()))?;
    let mut run = AnalysisRun::new(plan).provider("loki", loki);
    while !run.state().phase.is_final() {
        run.step().await;
        println!("{}", run.state().metrics[0].last);
    }
    println!("{} {}", run.state().phase, run.state().message);
    Ok(match run.state().phase {
        AnalysisPhase::Successful => ExitCode::SUCCESS,
        AnalysisPhase::Failed => ExitCode::FAILURE,
        _ => ExitCode::from(3),
    })
}
