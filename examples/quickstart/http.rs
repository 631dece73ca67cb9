//! A client, and a server's accept loop: what proxy, pods and users share.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HyperClient, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A free port of this machine that nobody else can reach.
pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A client that keeps its connections.
pub(crate) type Client = HyperClient<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    HyperClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// Sends a request and reads the whole answer.
pub(crate) async fn send(
    client: &Client,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, Error> {
    let (head, body) = client.request(request).await?.into_parts();
    // A body that breaks off is an answer that failed, whatever its head says.
    match body.collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(_) => Ok(broken_off()),
    }
}

fn broken_off() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// The status of a GET; nothing when there was no answer.
pub(crate) async fn get(client: &Client, address: SocketAddr, path: &str) -> Option<StatusCode> {
    let uri = format!("http://{address}{path}");
    let request = Request::get(uri).body(Full::default()).ok()?;
    let answer = send(client, request).await.ok()?;
    Some(answer.status())
}

/// Answers connections until it is dropped.
pub(crate) async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of sockets, most likely: some of ours will end.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, std::convert::Infallible>(answer.await) }
                });
                let mut server = http1::Builder::new();
                let server = server.timer(TokioTimer::new());
                connections.spawn(server.serve_connection(TokioIo::new(stream), service));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
