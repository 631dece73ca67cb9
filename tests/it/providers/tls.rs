//! Certificates: verified by name and by who vouches for them, unless the manifest waives it.

use std::sync::Arc;

use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::Outcome;
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use gradatim_http::HttpClient;
use gradatim_prometheus::{Config, Prometheus};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::{ask, keys};

/// A server with a certificate for a name, and the certificate.
async fn server(name: &str) -> (u16, reqwest::Certificate) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let root = reqwest::Certificate::from_der(&certificate).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
            let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, root)
}

async fn measure(
    port: u16,
    root: Option<reqwest::Certificate>,
    insecure: bool,
) -> Result<Outcome, PortError> {
    let builder = HttpClient::builder(keys());
    let builder = match root {
        Some(root) => builder.root(root),
        None => builder,
    };
    let provider = Prometheus::with_client(Config::default(), builder.build().unwrap());
    let address = format!("https://localhost:{port}");
    let query = json!({"address": address, "query": "up", "insecure": insecure, "timeout": 10});
    provider.measure(&ask(query, Timestamp::ZERO)).await
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_a_stranger_is_refused() {
    let (port, root) = server("localhost").await;
    measure(port, Some(root), false).await.unwrap();
    let stranger = measure(port, None, false).await.unwrap_err();
    assert_eq!(stranger.kind, FaultKind::Unreachable, "{stranger}");
    assert!(stranger.text.contains("certificate"), "{stranger}");

    let (port, root) = server("prometheus.example").await;
    let other = measure(port, Some(root), false).await.unwrap_err();
    assert_eq!(other.kind, FaultKind::Unreachable, "{other}");
    assert!(other.text.contains("certificate"), "{other}");
}

#[tokio::test]
async fn what_a_manifest_calls_insecure_takes_any_certificate() {
    let (port, _) = server("prometheus.example").await;
    measure(port, None, true).await.unwrap();
}
