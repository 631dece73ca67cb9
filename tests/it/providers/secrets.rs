//! A secret goes through every way that one can go, and back through every way that a server can
//! send it back; nobody is shown it.

mod logs;
mod whole;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Measurement, Outcome};
use gradatim_core::port::{MetricProvider, Notifier, PortError, Secret, Secrets};
use gradatim_core::time::Timestamp;
use gradatim_loki::Loki;
use gradatim_prometheus::Prometheus;
use gradatim_web::{Commands, JSON, Web, Webhook, WebhookNotifier};
use serde_json::{Value, json};

use self::logs::Logs;
use super::ask;
use crate::stub::{Reply, Stub};

/// What every form of the secret holds, however it is encoded for an address or JSON.
pub(super) const CORE: &str = "S3same0pens";
/// The secret, with signs that addresses and JSON have other ways to write.
pub(super) const SECRET: &str = "a/&\"S3same0pens\\ b";
/// What an OAuth endpoint gives for it, secret as well.
const TOKEN: &str = "t0ken-S3same0pens";
const PLACEHOLDER: &str = "{{secret:vault:key}}";

struct Keys;

#[async_trait]
impl Secrets for Keys {
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
        match (name, key) {
            ("vault", "key") => Ok(Secret::new(SECRET)),
            _ => Err(PortError::new(FaultKind::NotFound, "no such secret")),
        }
    }
}

fn keys() -> Arc<dyn Secrets> {
    Arc::new(Keys)
}

/// Texts that somebody may read, and where they stood.
#[derive(Default)]
struct Shown(Vec<(String, String)>);

impl Shown {
    fn add(&mut self, place: &str, text: impl Into<String>) {
        self.0.push((place.to_owned(), text.into()));
    }

    fn error(&mut self, place: &str, error: &PortError) {
        self.add(place, format!("{error} {error:?} {:?}", error.to_fault()));
        let mut cause = error.source();
        while let Some(source) = cause {
            self.add(place, format!("{source} {source:?}"));
            cause = source.source();
        }
    }

    fn outcome(&mut self, place: &str, answer: &Result<Outcome, PortError>) {
        match answer {
            Ok(outcome) => {
                let measurement = Measurement {
                    id: ask(json!({}), Timestamp::ZERO).id,
                    outcome: outcome.clone(),
                    at: Timestamp::ZERO,
                };
                let data = serde_json::to_string(&measurement).unwrap();
                self.add(place, format!("{outcome:?} {data}"));
            }
            Err(error) => self.error(place, error),
        }
    }

    /// Neither the secret nor anything that it was sent as stands anywhere.
    fn hold_nothing_of(&self, sent: &[String]) {
        for (place, text) in &self.0 {
            for secret in [CORE].into_iter().chain(sent.iter().map(String::as_str)) {
                let hidden = !text.to_lowercase().contains(&secret.to_lowercase());
                assert!(hidden, "{place} shows {secret}:\n{text}");
            }
        }
    }
}

/// Every way to send it.
fn ways(tokens: &str) -> Vec<(&'static str, Value)> {
    let grant = json!({
        "tokenUrl": format!("{tokens}/token"), "clientId": "shop", "clientSecret": PLACEHOLDER,
    });
    let basic = json!({"username": "shop", "password": PLACEHOLDER});
    vec![
        ("basic", json!({"authentication": {"basicAuth": basic}})),
        (
            "bearer",
            json!({"authentication": {"bearer": {"token": PLACEHOLDER}}}),
        ),
        ("oauth2", json!({"authentication": {"oauth2": grant}})),
        (
            "header",
            json!({"headers": [{"key": "X-Token", "value": PLACEHOLDER}]}),
        ),
    ]
}

/// A server that tells in some way what it was asked.
type Teller = fn(&str) -> Reply;

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// What a rude server says: the request as it came, and the secrets in it in plain.
fn all(request: &str) -> String {
    let token = if request.contains(TOKEN) { TOKEN } else { "" };
    format!("{SECRET} {token} {request}")
}

fn frame(kind: &str, result: &str, request: &str) -> Reply {
    let warning = quoted(&all(request));
    Reply::json(format!(
        r#"{{"status":"success","warnings":[{warning}],"data":{{"resultType":"{kind}","result":{result}}}}}"#
    ))
}

const TELLERS: [(&str, Teller); 15] = [
    ("500 with the request", |it| Reply::text(500, all(it))),
    ("401 with the request", |it| Reply::text(401, all(it))),
    ("a long 400", |it| Reply::text(400, all(it).repeat(300))),
    ("a page", |it| {
        Reply::Whole(502, "text/html", all(it).into_bytes())
    }),
    ("a text", |it| Reply::text(200, all(it))),
    ("JSON", |it| {
        let text = quoted(&all(it));
        Reply::json(format!("{{{text}: [{text}], \"value\": {text}}}"))
    }),
    ("JSON that is cut short", |it| {
        let text = quoted(&all(it));
        Reply::json(format!("{{\"status\": {}", &text[..text.len() - 1]))
    }),
    ("a refusal", |it| {
        let text = quoted(&all(it));
        let body = format!(r#"{{"status":"error","errorType":"bad_data","error":{text}}}"#);
        Reply::Whole(400, "application/json", body.into_bytes())
    }),
    ("labels", |it| {
        let text = quoted(&all(it));
        let result = format!(r#"[{{"metric":{{"who":{text}}},"value":[1,"1"]}}]"#);
        frame("vector", &result, it)
    }),
    ("a value that is none", |it| {
        let result = format!(r#"[{{"metric":{{}},"value":[1,{}]}}]"#, quoted(&all(it)));
        frame("vector", &result, it)
    }),
    ("a string", |it| {
        frame("string", &format!("[1,{}]", quoted(&all(it))), it)
    }),
    ("lines", |it| {
        let text = quoted(&all(it));
        let result = format!(r#"[{{"stream":{{"who":{text}}},"values":[["1",{text}]]}}]"#);
        frame("streams", &result, it)
    }),
    ("a redirect to itself", |_| {
        redirect("/again?t=a%2F%26%22S3same0pens%5C%20b")
    }),
    ("a redirect to elsewhere", |it| {
        let host = if it.contains(TOKEN) {
            TOKEN
        } else {
            "elsewhere"
        };
        redirect(&format!(
            "http://{host}.invalid/?t=a%2F%26%22S3same0pens%5C%20b"
        ))
    }),
    ("half an answer", |_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-Echo";
        Reply::Raw(format!("{head}: {SECRET}\r\n\r\n{{\"status\":\"{SECRET}").into_bytes())
    }),
];

fn redirect(to: &str) -> Reply {
    let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ";
    Reply::Raw(format!("{head}{to}\r\n\r\n").into_bytes())
}

/// The providers, each with a part that names the address.
fn providers(address: &str) -> Vec<(&'static str, Arc<dyn MetricProvider>, Value)> {
    let (prometheus, loki) = (Default::default(), Default::default());
    vec![
        (
            "prometheus",
            Arc::new(Prometheus::new(prometheus, keys()).unwrap()),
            json!({"address": address, "query": "up", "timeout": 5}),
        ),
        (
            "loki",
            Arc::new(Loki::new(loki, keys()).unwrap()),
            json!({"address": address, "query": "{app=\"x\"}", "timeout": 5}),
        ),
        (
            "web",
            Arc::new(Web::new(keys()).unwrap()),
            json!({"url": format!("{address}/"), "timeoutSeconds": 5}),
        ),
        (
            "webhook",
            Arc::new(Webhook::new(keys()).unwrap()),
            json!({"url": format!("{address}/"), "timeoutSeconds": 5}),
        ),
    ]
}

/// Asks for everything that a provider can be asked for.
async fn ask_all(shown: &mut Shown, place: &str, provider: &dyn MetricProvider, query: Value) {
    let at = Timestamp::from_secs(1_800_000_000);
    let asked = ask(query.clone(), at);
    shown.outcome(place, &provider.measure(&asked).await);
    let window = Duration::from_secs(60);
    match provider.evidence(&query, at, window, 5).await {
        Ok(lines) => shown.add(place, lines.join("\n")),
        Err(error) => shown.error(place, &error),
    }
    match provider.probe(&query).await {
        Ok(missing) => shown.add(place, format!("{missing:?}")),
        Err(error) => shown.error(place, &error),
    }
}

/// What stands in the requests' `Authorization`, which a server may send back as it is.
fn authorizations(stubs: &[&Stub]) -> Vec<String> {
    let requests = stubs.iter().flat_map(|stub| stub.requests());
    let found = requests.filter_map(|request| {
        let mut lines = request.lines();
        let line = lines.find(|line| line.to_lowercase().starts_with("authorization:"))?;
        Some(line.split(' ').nth(2)?.to_owned())
    });
    found.filter(|value| value.len() > 8).collect()
}

/// A token endpoint that gives a token, which is a secret, too.
async fn tokens() -> Stub {
    Stub::new(|_| Reply::json(format!(r#"{{"access_token":"{TOKEN}"}}"#))).await
}

#[tokio::test]
async fn no_server_can_make_a_provider_show_a_secret() {
    let logs = Logs::listen();
    let mut shown = Shown::default();
    let mut sent = Vec::new();
    for (teller, tell) in TELLERS {
        let (stub, tokens) = (Stub::new(tell).await, tokens().await);
        for (way, more) in ways(&tokens.address) {
            for (name, provider, mut query) in providers(&stub.address) {
                let place = format!("{name} with {way}, told {teller},");
                let fields = more.as_object().unwrap().clone();
                query.as_object_mut().unwrap().extend(fields);
                ask_all(&mut shown, &place, provider.as_ref(), query).await;
            }
        }
        let carried = stub.requests().iter().filter(|it| carries(it)).count();
        assert!(carried >= 16, "{teller}: it was sent {carried} times");
        sent.extend(authorizations(&[&stub, &tokens]));
    }
    shown.add("a log", logs.taken());
    assert!(sent.len() > 50, "{} were sent as another text", sent.len());
    shown.hold_nothing_of(&sent);
}

fn carries(request: &str) -> bool {
    request.contains(CORE) || request.to_lowercase().contains("authorization: basic")
}

#[tokio::test]
async fn a_token_endpoint_that_fails_tells_nothing() {
    let mut shown = Shown::default();
    let mut sent = Vec::new();
    let logs = Logs::listen();
    for (teller, tell) in TELLERS {
        let (stub, tokens) = (Stub::new(tell).await, Stub::new(tell).await);
        let (_, more) = ways(&tokens.address).remove(2);
        for (name, provider, mut query) in providers(&stub.address) {
            let fields = more.as_object().unwrap().clone();
            query.as_object_mut().unwrap().extend(fields);
            let place = format!("{name}, its token endpoint told {teller},");
            ask_all(&mut shown, &place, provider.as_ref(), query).await;
        }
        assert!(!tokens.requests().is_empty(), "{teller}");
        sent.extend(authorizations(&[&stub, &tokens]));
    }
    shown.add("a log", logs.taken());
    shown.hold_nothing_of(&sent);
}

#[tokio::test]
async fn addresses_bodies_and_queries_carry_a_secret_and_show_none() {
    let logs = Logs::listen();
    let mut shown = Shown::default();
    for (teller, tell) in TELLERS {
        let stub = Stub::new(tell).await;
        let address = &stub.address;
        let asked = [
            (
                "prometheus",
                json!({"query": format!("up{{t=\"{PLACEHOLDER}\"}}")}),
            ),
            (
                "loki",
                json!({"query": format!("{{t=\"{PLACEHOLDER}\"}}"), "tenant": PLACEHOLDER}),
            ),
            (
                "web",
                json!({"url": format!("{address}/?token={PLACEHOLDER}")}),
            ),
            ("web", json!({"method": "POST", "body": PLACEHOLDER})),
            (
                "web",
                json!({"method": "POST", "jsonBody": {"t": [PLACEHOLDER]}, "jsonPath": "{$.value}"}),
            ),
            (
                "webhook",
                json!({"url": format!("{address}/{PLACEHOLDER}")}),
            ),
            ("webhook", json!({"metadata": {"token": PLACEHOLDER}})),
        ];
        for (name, more) in asked {
            let (_, provider, mut query) = providers(address)
                .into_iter()
                .find(|(known, ..)| *known == name)
                .unwrap();
            let fields = more.as_object().unwrap().clone();
            query.as_object_mut().unwrap().extend(fields);
            let place = format!("{name} asked {more}, told {teller},");
            ask_all(&mut shown, &place, provider.as_ref(), query).await;
        }
        assert!(
            stub.requests().iter().any(|it| it.contains(CORE)),
            "{teller}"
        );
    }
    shown.add("a log", logs.taken());
    shown.hold_nothing_of(&[]);
}

#[tokio::test]
async fn a_notifier_shows_no_secret() {
    let mut shown = Shown::default();
    let logs = Logs::listen();
    for (teller, tell) in TELLERS {
        let stub = Stub::new(tell).await;
        let url = format!("{}/{PLACEHOLDER}", stub.address);
        let notifier = WebhookNotifier::new(url, JSON, keys()).unwrap();
        let notifier = notifier.header("Authorization", format!("Bearer {PLACEHOLDER}"));
        let event = Event {
            id: EventId {
                incarnation: 1,
                number: 1,
            },
            at: Timestamp::ZERO,
            kind: EventKind::RolloutAborted,
            text: "aborted".to_owned(),
            evidence: Vec::new(),
        };
        let place = format!("a notifier, told {teller},");
        if let Err(error) = notifier.tell(&"shop".into(), &event).await {
            shown.error(&place, &error);
        }
        assert!(stub.requests()[0].contains(CORE), "{teller}");
    }
    shown.add("a log", logs.taken());
    shown.hold_nothing_of(&[]);
}

#[tokio::test]
async fn a_command_shows_no_secret_however_it_ends() {
    let mut shown = Shown::default();
    let logs = Logs::listen();
    for (script, result) in [
        ("echo \"$TOKEN\"", "exitCode"),
        ("echo \"$TOKEN\" >&2; exit 3", "exitCode"),
        ("printf '\"%s\"' S3; env >&2; exit 1", "exitCode"),
        ("echo \"$TOKEN\"", "json"),
        // As a program writes it in JSON, and cut.
        (
            "echo \"[\\\"$(echo \"$TOKEN\" | sed 's/[\\\\\"]/\\\\&/g')\\\"]\"",
            "json",
        ),
        ("echo \"{\\\"a\\\": $TOKEN\"", "json"),
        ("kill -9 $$", "exitCode"),
    ] {
        let commands = Commands::new(keys());
        let query = json!({
            "command": ["sh", "-c", script], "result": result,
            "env": [{"name": "TOKEN", "value": PLACEHOLDER}],
        });
        ask_all(&mut shown, script, &commands, query).await;
        shown.add(script, format!("{commands:?}"));
    }
    let commands = Commands::new(keys());
    let env = json!([{"name": "TOKEN", "value": PLACEHOLDER}]);
    let absent = json!({"command": ["/no/such/program"], "env": env});
    ask_all(&mut shown, "no program", &commands, absent).await;
    shown.add("a log", logs.taken());
    shown.hold_nothing_of(&[]);
}

#[tokio::test]
async fn what_holds_a_secret_shows_none_of_it() {
    let mut shown = Shown::default();
    let secret = Secret::new(SECRET);
    shown.add("a secret", format!("{secret:?} {secret:#?}"));
    let tokens = tokens().await;
    for (name, provider, mut query) in providers(&tokens.address) {
        // Once asked, a client may keep a token.
        let (_, more) = ways(&tokens.address).remove(2);
        query
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let _ = provider.measure(&ask(query, Timestamp::ZERO)).await;
        shown.add(name, "asked");
    }
    let client = gradatim_http::HttpClient::new(keys()).unwrap();
    let mut request = gradatim_http::Request::get(format!("{}/x", tokens.address));
    request = request.header("X-Token", PLACEHOLDER);
    let answer = client.send(&request).await.unwrap();
    shown.add("client", format!("{client:?} {request:?} {answer:?}"));
    let web = Web::with_client(client.clone());
    let prometheus = Prometheus::with_client(Default::default(), client.clone());
    let loki = Loki::with_client(Default::default(), client.clone());
    let webhook = Webhook::with_client(client);
    shown.add(
        "providers",
        format!("{web:?} {prometheus:?} {loki:?} {webhook:?}"),
    );
    shown.hold_nothing_of(&[]);
}
