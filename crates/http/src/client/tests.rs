use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;

use super::*;
use crate::authentication::OAuth2;
use crate::testing::{reply, serve};

struct Keys;

#[async_trait]
impl Secrets for Keys {
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
        match (name, key) {
            ("prom", "token") => Ok(Secret::new("s3same")),
            _ => Err(PortError::new(
                FaultKind::NotFound,
                format!("no secret {name}/{key}"),
            )),
        }
    }
}

fn client() -> HttpClient {
    HttpClient::new(Arc::new(Keys)).unwrap()
}

#[tokio::test]
async fn secrets_are_filled_in_on_the_way_and_struck_out_of_what_comes_back() {
    let echo = |request: &str| reply("400 Bad Request\r\nContent-Type: text/plain", request);
    let (address, mut requests) = serve(echo).await;
    let mut request = Request::get(format!("{address}/q"))
        .query("query", "up{token=\"{{secret:prom:token}}\"}")
        .header("X-Token", "{{secret:prom:token}}");
    request.authentication = Authentication::Bearer {
        token: "{{secret:prom:token}}".to_owned(),
    };
    let answer = client().send(&request).await.unwrap();
    let sent = requests.recv().await.unwrap();
    assert_eq!(sent.matches("s3same").count(), 3, "{sent}");
    let error = answer.clone().ok().unwrap_err();
    for text in [
        answer.text(),
        error.text.clone(),
        format!("{answer:?} {error:?}"),
    ] {
        assert!(!text.contains("s3same"), "{text}");
    }
    assert!(answer.text().contains("[secret]"));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_and_nothing_is_sent() {
    let (address, mut requests) = serve(|_| reply("200 OK", "")).await;
    let request = Request::get(address).header("X-Token", "{{secret:prom:nope}}");
    let error = client().send(&request).await.unwrap_err();
    assert_eq!(
        (error.kind, error.text.as_str()),
        (FaultKind::NotFound, "no secret prom/nope")
    );
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let (elsewhere, mut stolen) = serve(|_| reply("200 OK", "gotcha")).await;
    let to = format!("302 Found\r\nLocation: {elsewhere}/steal");
    let (address, _requests) = serve(move |_| reply(&to, "")).await;
    let error = client().send(&Request::get(address)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Invalid);
    assert!(
        error.text.contains("which is not followed"),
        "{}",
        error.text
    );
    assert!(stolen.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_but_not_for_ever() {
    let here = |request: &str| match request.starts_with("GET /new") {
        true => reply("200 OK", "here"),
        false => reply("302 Found\r\nLocation: /new", ""),
    };
    let (address, _requests) = serve(here).await;
    let answer = client().send(&Request::get(&address)).await.unwrap();
    assert_eq!(answer.ok().unwrap().text(), "here");

    let (address, _requests) = serve(|_| reply("302 Found\r\nLocation: /again", "")).await;
    let error = client().send(&Request::get(&address)).await.unwrap_err();
    assert!(error.text.contains("too many redirects"), "{}", error.text);
}

#[tokio::test]
async fn a_server_that_hangs_is_left_at_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = Request::get(format!("http://{}", listener.local_addr().unwrap()));
    request.timeout = Duration::from_millis(200);
    let error = client().send(&request).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Timeout, "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client().send(&Request::get(address)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Unreachable, "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_cut_short_is_an_error() {
    let (address, _requests) = serve(|_| reply("200 OK", &"x".repeat(2000))).await;
    let mut request = Request::get(address);
    request.most = 1000;
    let error = client().send(&request).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Invalid, "{error}");

    let endless = |_: &str| [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 2000]].concat();
    let (address, _requests) = serve(endless).await;
    let mut request = Request::get(address);
    request.most = 1000;
    let error = client().send(&request).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Invalid, "{error}");

    let cut = |_: &str| b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf".to_vec();
    let (address, _requests) = serve(cut).await;
    let error = client().send(&Request::get(address)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Unreachable, "{error}");
    assert!(error.text.contains("broke off"), "{error}");
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_is_refused() {
    let (tokens, mut fetched) =
        serve(|_| reply("200 OK", r#"{"access_token":"t0ken","expires_in":3600}"#)).await;
    let (address, mut requests) = serve(|_| reply("401 Unauthorized", "who is t0ken?")).await;
    let mut request = Request::get(address);
    request.authentication = Authentication::OAuth2(OAuth2 {
        token_url: format!("{tokens}/token"),
        client_id: "shop".to_owned(),
        client_secret: "{{secret:prom:token}}".to_owned(),
        scopes: vec!["read".to_owned(), "write".to_owned()],
    });
    let client = client();
    for _ in 0..2 {
        let error = client.send(&request).await.unwrap().ok().unwrap_err();
        assert_eq!(error.kind, FaultKind::Forbidden);
        assert!(error.text.ends_with("who is [secret]?"), "{error}");
        let grant = fetched.recv().await.unwrap();
        assert!(
            grant.contains("grant_type=client_credentials&scope=read+write"),
            "{grant}"
        );
        let sent = requests.recv().await.unwrap();
        assert!(
            sent.to_lowercase().contains("authorization: bearer t0ken"),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn what_is_no_address_header_or_method_is_refused_before_it_is_sent() {
    for request in [
        Request::get("prometheus:9090"),
        Request::get("ftp://x/"),
        Request::get("http://127.0.0.1:1/").header("a b", "c"),
        Request::get("http://127.0.0.1:1/").header("a", "c\nd"),
        Request::new("G T", "http://127.0.0.1:1/"),
    ] {
        let error = client().send(&request).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Invalid, "{request:?}: {error}");
    }
}
