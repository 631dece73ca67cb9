//! How long a vector of 10,000 series takes to decode, beside serde_json's typed parse of the same
//! bytes.
//!
//! ```text
//! cargo bench -p gradatim-http --bench decode
//! ```

// What criterion's macros write has no documentation.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradatim_http::frame::Frame;
use serde::Deserialize;

const SERIES: usize = 10_000;

/// What serde makes of the frame without us: numbers stay texts, nothing is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Typed {
    status: String,
    data: TypedData,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct TypedData {
    result_type: String,
    result: Vec<TypedSeries>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct TypedSeries {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// As Prometheus writes it.
fn vector() -> Vec<u8> {
    let mut text = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    for series in 0..SERIES {
        let comma = if series == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}{{\"metric\":{{\"__name__\":\"http_requests_total\",\"app\":\"shop\",\
             \"code\":\"200\",\"instance\":\"10.1.{}.{}:8080\",\"pod\":\"shop-7f3a-{series}\"}},\
             \"value\":[1795203364.496,\"{}.25\"]}}",
            series / 250,
            series % 250,
            series * 7
        );
    }
    text.push_str("]}}");
    text.into_bytes()
}

fn decode(criterion: &mut Criterion) {
    let bytes = vector();
    let mut group = criterion.benchmark_group("a vector of 10,000 series");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("serde_json, typed", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Typed>(black_box(&bytes)).map(|it| it.status));
    });
    group.bench_function("ours", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Frame>(black_box(&bytes)).map(|it| it.status));
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
