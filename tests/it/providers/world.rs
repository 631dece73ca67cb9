//! A scripted server: what it answers to which question.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use gradatim_conformance::provider::Answer;
use gradatim_core::measurement::Series;
use gradatim_core::time::Timestamp;
use serde_json::{Value, json};

use crate::stub::{Reply, Stub};

/// Who speaks.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Dialect {
    Prometheus,
    Loki,
    Web,
}

/// A server that answers the question `q0` with the first answer of its script, and so on.
pub(super) struct World {
    pub(super) stub: Stub,
    script: Arc<Mutex<Vec<Answer>>>,
    deeds: Arc<Mutex<BTreeSet<String>>>,
}

impl World {
    pub(super) async fn new(dialect: Dialect) -> Self {
        let script: Arc<Mutex<Vec<Answer>>> = Arc::default();
        let deeds: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let (answers, done) = (Arc::clone(&script), Arc::clone(&deeds));
        let stub = Stub::new(move |request| {
            let number = asked(request);
            let answer = answers.lock().unwrap().get(number).cloned();
            reply(
                dialect,
                request,
                &answer.expect("a scripted question"),
                &done,
            )
        });
        Self {
            stub: stub.await,
            script,
            deeds,
        }
    }

    /// A fresh question that gets this answer.
    pub(super) fn question(&self, answer: &Answer) -> String {
        let mut script = self.script.lock().unwrap();
        script.push(answer.clone());
        format!("q{}", script.len() - 1)
    }

    pub(super) fn deeds(&self) -> u64 {
        self.deeds.lock().unwrap().len() as u64
    }
}

/// Which question a request asks.
fn asked(request: &str) -> usize {
    let digits = |text: &str| -> String { text.chars().take_while(char::is_ascii_digit).collect() };
    let mut places = request
        .match_indices('q')
        .map(|(at, _)| digits(&request[at + 1..]));
    let number = places.find(|digits| !digits.is_empty());
    number
        .and_then(|digits| digits.parse().ok())
        .expect("a question")
}

fn header<'r>(request: &'r str, wanted: &str) -> Option<&'r str> {
    request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// The instant that a query names.
fn instant(dialect: Dialect, request: &str) -> Timestamp {
    let time = request.split("time=").nth(1).unwrap_or_default();
    let number: f64 = time
        .split(['&', ' '])
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap();
    match dialect {
        Dialect::Loki => Timestamp::from_millis((number / 1e6) as i64),
        _ => Timestamp::from_millis((number * 1e3) as i64),
    }
}

fn reply(
    dialect: Dialect,
    request: &str,
    answer: &Answer,
    deeds: &Mutex<BTreeSet<String>>,
) -> Reply {
    let value = |number: &str| match dialect {
        Dialect::Web => Reply::json(number),
        _ => vector(&json!([{"metric": {}, "value": [1_800_000_000, number]}])),
    };
    match answer {
        Answer::Number(number) => value(&number.to_string()),
        Answer::Turning { at, before, after } => {
            let now = instant(dialect, request);
            value(&(if now < *at { before } else { after }).to_string())
        }
        Answer::Nothing if dialect == Dialect::Web => Reply::json("null"),
        Answer::Nothing => vector(&json!([])),
        Answer::Series(series) => vector(&series.iter().map(one).collect()),
        Answer::Garbage => Reply::json("{\"status\":\"succ"),
        Answer::Word => vector(&json!([{"metric": {}, "value": [1, "many"]}])),
        Answer::WrongQuery if dialect == Dialect::Prometheus => Reply::Whole(
            400,
            "application/json",
            json!({"status": "error", "errorType": "bad_data", "error": "parse error"})
                .to_string()
                .into_bytes(),
        ),
        Answer::WrongQuery => Reply::text(400, "parse error at line 0, col 32"),
        Answer::Secret { fails: true } => Reply::text(500, format!("cannot do {request}")),
        Answer::Secret { fails: false } => value("1"),
        Answer::Deed => {
            let key = header(request, "Idempotency-Key")
                .unwrap_or("no key")
                .to_owned();
            let mut deeds = deeds.lock().unwrap();
            // A server that is told twice without a key does it twice.
            let key = if key == "no key" {
                format!("no key {}", deeds.len())
            } else {
                key
            };
            deeds.insert(key);
            value("1")
        }
        other => panic!("{other:?} is not scripted"),
    }
}

fn vector(result: &Value) -> Reply {
    let data = json!({"resultType": "vector", "result": result});
    Reply::json(json!({"status": "success", "data": data}).to_string())
}

fn one(series: &Series) -> Value {
    let sample = series.samples.last().expect("a sample");
    let seconds = sample.at.as_secs_f64();
    json!({"metric": series.labels, "value": [seconds, sample.value.to_string()]})
}
