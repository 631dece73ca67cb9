//! Every provider keeps the rules of its port.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::provider::{self, Answer, Bench, Recorded};
use gradatim_core::port::MetricProvider;
use gradatim_loki::Loki;
use gradatim_prometheus::Prometheus;
use gradatim_web::{Commands, Web};
use serde_json::{Value, json};

use super::world::{Dialect, World};
use super::{ask, keys};

struct PrometheusBench;

impl Bench for PrometheusBench {
    type World = World;

    async fn world(&self) -> World {
        World::new(Dialect::Prometheus).await
    }

    async fn provider(&self, world: &World) -> Arc<dyn MetricProvider> {
        let config = gradatim_prometheus::Config::with_address(&world.stub.address);
        Arc::new(Prometheus::new(config, keys()).unwrap())
    }

    async fn query(&self, world: &World, answer: &Answer) -> Option<Value> {
        match answer {
            Answer::Deed | Answer::Endless => None,
            answer => Some(json!({"query": query(world, answer)})),
        }
    }

    async fn shown(&self, world: &World) -> Option<String> {
        let config = gradatim_prometheus::Config::with_address(&world.stub.address);
        Some(format!("{:?}", Prometheus::new(config, keys()).unwrap()))
    }
}

/// A question, with the secret in it where the answer is about one.
fn query(world: &World, answer: &Answer) -> String {
    let question = world.question(answer);
    match answer {
        Answer::Secret { .. } => format!("{question}{{token=\"{{{{secret:vault:key}}}}\"}}"),
        _ => question,
    }
}

/// What a Prometheus has answered, played again without one.
struct RecordedBench;

struct Studio {
    world: World,
    recorded: Recorded,
}

impl Bench for RecordedBench {
    type World = Studio;

    async fn world(&self) -> Studio {
        Studio {
            world: PrometheusBench.world().await,
            recorded: Recorded::new(true),
        }
    }

    async fn provider(&self, studio: &Studio) -> Arc<dyn MetricProvider> {
        Arc::new(studio.recorded.clone())
    }

    async fn query(&self, studio: &Studio, answer: &Answer) -> Option<Value> {
        let query = PrometheusBench.query(&studio.world, answer).await?;
        let prometheus = PrometheusBench.provider(&studio.world).await;
        let hour = Duration::from_secs(3600);
        for at in [self.at() - hour, self.at()] {
            let ask = ask(query.clone(), at);
            studio.recorded.record(prometheus.as_ref(), &ask).await;
        }
        Some(query)
    }

    async fn shown(&self, studio: &Studio) -> Option<String> {
        Some(format!("{:?}", studio.recorded))
    }
}

struct LokiBench;

impl Bench for LokiBench {
    type World = World;

    async fn world(&self) -> World {
        World::new(Dialect::Loki).await
    }

    async fn provider(&self, world: &World) -> Arc<dyn MetricProvider> {
        let config = gradatim_loki::Config::with_address(&world.stub.address);
        Arc::new(Loki::new(config, keys()).unwrap())
    }

    async fn query(&self, world: &World, answer: &Answer) -> Option<Value> {
        match answer {
            Answer::Deed | Answer::Endless => None,
            answer => Some(json!({"query": format!("sum({})", query(world, answer))})),
        }
    }
}

struct WebBench;

impl Bench for WebBench {
    type World = World;

    async fn world(&self) -> World {
        World::new(Dialect::Web).await
    }

    async fn provider(&self, _: &World) -> Arc<dyn MetricProvider> {
        Arc::new(Web::new(keys()).unwrap())
    }

    async fn query(&self, world: &World, answer: &Answer) -> Option<Value> {
        let url = |question: String| format!("{}/{question}", world.stub.address);
        match answer {
            // JSON holds neither NaN nor labels, and a word in it is a word.
            Answer::Number(number) if !number.get().is_finite() => None,
            Answer::Series(_) | Answer::Word | Answer::Turning { .. } | Answer::Endless => None,
            Answer::Secret { .. } => Some(json!({
                "url": url(world.question(answer)),
                "headers": [{"key": "X-Token", "value": "{{secret:vault:key}}"}],
            })),
            Answer::Deed => Some(json!({
                "url": url(world.question(answer)), "method": "POST", "jsonBody": {"start": true},
            })),
            answer => Some(json!({"url": url(world.question(answer))})),
        }
    }

    async fn deeds(&self, world: &World) -> u64 {
        world.deeds()
    }
}

struct CommandBench;

impl Bench for CommandBench {
    type World = tempfile::TempDir;

    async fn world(&self) -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    async fn provider(&self, _: &tempfile::TempDir) -> Arc<dyn MetricProvider> {
        Arc::new(Commands::new(keys()))
    }

    async fn query(&self, world: &tempfile::TempDir, answer: &Answer) -> Option<Value> {
        let dir = world.path().display();
        let (script, json) = match answer {
            Answer::Number(number) if number.get().is_finite() => (format!("echo {number}"), true),
            Answer::Nothing => ("echo null".to_owned(), true),
            Answer::Garbage => ("echo '{'".to_owned(), true),
            Answer::Secret { fails: false } => ("echo $TOKEN".to_owned(), false),
            Answer::Secret { fails: true } => ("echo $TOKEN >&2; kill -9 $$".to_owned(), false),
            Answer::Deed => (format!("echo done >> {dir}/deeds"), false),
            Answer::Endless => (
                format!("echo $$ > {dir}/running; trap 'rm {dir}/running' EXIT; sleep 300 & wait"),
                false,
            ),
            _ => return None,
        };
        Some(json!({
            "command": ["sh", "-c", script],
            "result": if json { "json" } else { "exitCode" },
            "env": [{"name": "TOKEN", "value": "{{secret:vault:key}}"}],
        }))
    }

    async fn deeds(&self, world: &tempfile::TempDir) -> u64 {
        let deeds = std::fs::read_to_string(world.path().join("deeds"));
        deeds.unwrap_or_default().lines().count() as u64
    }

    async fn running(&self, world: &tempfile::TempDir) -> u64 {
        let Ok(pid) = std::fs::read_to_string(world.path().join("running")) else {
            return 0;
        };
        // One that was killed could not take its note away; the system reaps it in its own time.
        for _ in 0..100 {
            if !is_alive(pid.trim()) {
                return 0;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        1
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default().chars().next();
    state.is_some_and(|state| state != 'Z')
}

#[tokio::test]
async fn prometheus_keeps_the_rules_of_a_provider() {
    provider::all(&PrometheusBench).await.assert_clean();
}

#[tokio::test]
async fn what_a_provider_has_answered_keeps_the_rules_when_it_is_played_again() {
    provider::all(&RecordedBench).await.assert_clean();
}

#[tokio::test]
async fn loki_keeps_the_rules_of_a_provider() {
    provider::all(&LokiBench).await.assert_clean();
}

#[tokio::test]
async fn web_keeps_the_rules_of_a_provider() {
    provider::all(&WebBench).await.assert_clean();
}

#[tokio::test]
async fn commands_keep_the_rules_of_a_provider() {
    provider::all(&CommandBench).await.assert_clean();
}
