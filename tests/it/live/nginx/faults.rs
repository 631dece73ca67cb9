//! What goes wrong with a real NGINX: traffic to stable is never worse than before the call.

use std::io::{Read, Write};

use gradatim_core::fault::FaultKind;
use gradatim_core::port::TrafficRouter;
use gradatim_core::route::{HeaderMatch, HeaderRoute, StringMatch};
use gradatim_nginx::plain::{PlainNginx, Sticky};

use super::{Front, route};
use crate::live::clients::{Client, send};

async fn share(front: &Front) -> u64 {
    let mut clients = vec![Client::new(front.port)];
    send(&mut clients, 200).await.canary
}

/// The test of the configuration passes, the reload fails, and nobody says so but the error log.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_fails_in_silence_is_seen_and_the_old_file_is_back() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    front.set(0, 1).await;
    let before = std::fs::read_to_string(front.path("shop.conf")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    front.configure(&format!("server {{ listen {address}; }}"));
    let error = front.router.apply(&route(100, 2)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Timeout);
    assert!(
        error.text.contains("has not loaded the file"),
        "{}",
        error.text
    );
    assert_eq!(
        std::fs::read_to_string(front.path("shop.conf")).unwrap(),
        before
    );
    assert_eq!(share(&front).await, 0);

    front.configure("");
    front.set(100, 3).await;
    assert_eq!(share(&front).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_does_not_parse_leaves_traffic_as_it_was() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    front.set(0, 1).await;
    front.configure("no_such_directive on;");
    let error = front.router.apply(&route(100, 2)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Invalid);
    assert!(
        error
            .text
            .contains("unknown directive \"no_such_directive\""),
        "{}",
        error.text
    );
    let missing = front.another().probe().await.unwrap();
    assert!(missing[0].what.contains("no_such_directive"), "{missing:?}");
    assert_eq!(share(&front).await, 0);
    front.configure("");
    assert!(front.another().probe().await.unwrap().is_empty());
}

/// What an operator forgets first: each is named before anything moves, with what to type.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_includes_a_server_that_is_off_and_a_taken_address_are_told_apart() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let missing = async || {
        let mut all = front.another().probe().await.unwrap();
        let one = all.pop().unwrap();
        assert!(all.is_empty(), "{all:?}");
        (one.what, one.help)
    };
    let (main, file) = (front.path("nginx.conf"), front.path("shop.conf"));
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(&main, "events { }\nhttp { }\n").unwrap();
    let (what, help) = missing().await;
    let wanted = format!("does not include {}", file.display());
    assert!(what.contains(&wanted), "{what}");
    let line = format!("include {};", file.display());
    assert!(help.contains(&line) && help.contains("-s reload"), "{help}");

    std::fs::write(&main, text).unwrap();
    assert!(front.another().probe().await.unwrap().is_empty());
    let strange = front.config().probe(somebody_else());
    let missing_there = PlainNginx::new(strange).unwrap().probe().await.unwrap();
    assert!(
        missing_there[0].what.contains("is not NGINX with the file"),
        "{missing_there:?}"
    );
    assert!(
        missing_there[0].help.contains("give a free one"),
        "{missing_there:?}"
    );

    front.signal("stop");
    until(async || front.another().probe().await.unwrap().len() == 1).await;
    let (what, help) = missing().await;
    assert!(
        what.contains("does not answer at http://127.0.0.1:"),
        "{what}"
    );
    let start = format!("nginx -c {}", main.display());
    assert!(help.contains(&start), "{help}");
}

/// An address at which another program answers.
fn somebody_else() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut asked in listener.incoming().flatten() {
            let _ = asked.read(&mut [0; 1024]);
            let _ = asked.write_all(b"HTTP/1.0 404 Not Found\r\n\r\nnothing here");
        }
    });
    address
}

/// Waits until something is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it never is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_a_read_only_file_leave_traffic_as_it_was() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    front.set(0, 1).await;
    let file = front.path("shop.conf");
    let before = std::fs::read_to_string(&file).unwrap();
    // Whoever writes to it is told that no space is left.
    std::os::unix::fs::symlink("/dev/full", front.path(".shop.conf.new")).unwrap();
    let error = front.router.apply(&route(100, 2)).await.unwrap_err();
    assert!(
        error.text.contains("shop.conf") && error.text.ends_with("make room"),
        "{}",
        error.text
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert_eq!(share(&front).await, 0);

    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&file, mode).unwrap();
    };
    mode(0o444);
    let error = front.router.apply(&route(100, 3)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Forbidden);
    assert!(
        error.text.contains("shop.conf is read-only") && error.text.contains("chmod u+w"),
        "{}",
        error.text
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert_eq!(share(&front).await, 0);

    mode(0o644);
    front.set(100, 4).await;
    assert_eq!(share(&front).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nginx_that_is_gone_is_told_and_loads_the_old_split_when_it_is_back() {
    let Some(mut front) = Front::start(Sticky::Request).await else {
        return;
    };
    front.set(20, 1).await;
    let before = std::fs::read_to_string(front.path("shop.conf")).unwrap();
    front.signal("stop");
    // Killed sooner, the master would leave its workers behind.
    until(async || front.router.observe().await.is_err()).await;
    front.server.kill();
    let error = front.router.apply(&route(50, 2)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Unreachable);
    assert!(error.text.contains("is it running?"), "{}", error.text);
    assert_eq!(
        front.router.observe().await.unwrap_err().kind,
        FaultKind::Unreachable
    );
    assert_eq!(
        std::fs::read_to_string(front.path("shop.conf")).unwrap(),
        before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_write_and_reload_it_is_seen_and_the_next_write_loads_it() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    front.set(0, 1).await;
    let loaded = std::fs::read(front.path("shop.conf")).unwrap();
    front.set(100, 2).await;
    let newer = std::fs::read(front.path("shop.conf")).unwrap();
    // As it would be: the old file is loaded, the new one is written.
    std::fs::write(front.path("shop.conf"), &loaded).unwrap();
    front.signal("reload");
    wait_for(&front, |splits| splits == 1).await;
    std::fs::write(front.path("shop.conf"), &newer).unwrap();
    wait_for(&front, |splits| splits == 2).await;
    assert_eq!(share(&front).await, 0);
    front.another().apply(&route(100, 2)).await.unwrap();
    assert_eq!(share(&front).await, 200);
    wait_for(&front, |splits| splits == 1).await;
}

async fn wait_for(front: &Front, wanted: impl Fn(usize) -> bool) {
    for _ in 0..500 {
        let seen = front.router.observe().await.unwrap().split.unwrap();
        if wanted(seen.values.len()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never showed");
}

#[tokio::test(flavor = "multi_thread")]
async fn header_routes_send_those_and_nobody_else_to_the_canary() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let one = |name: &str, header_value| HeaderMatch {
        header_name: name.to_owned(),
        header_value,
    };
    let mut wanted = route(0, 1);
    wanted.headers.value = vec![
        HeaderRoute {
            name: "testers".to_owned(),
            matches: vec![
                one("X-Tester", StringMatch::Exact("a.b\"{$c}'\\;#".to_owned())),
                one("X-Where", StringMatch::Prefix("eu-".to_owned())),
            ],
        },
        HeaderRoute {
            name: "build".to_owned(),
            matches: vec![one("X-Build", StringMatch::Regex("^[0-9]{3}$".to_owned()))],
        },
    ];
    front.router.apply(&wanted).await.unwrap();
    let seen = front.router.observe().await.unwrap().headers.unwrap();
    assert_eq!(seen.value(), Some(&wanted.headers.value));
    let mut client = Client::new(front.port);
    let tester = "X-Tester: a.b\"{$c}'\\;#\r\n";
    for (headers, version) in [
        (format!("{tester}X-Where: eu-west\r\n"), "v2"),
        (tester.to_owned(), "v2"),
        ("X-Where: eu-west\r\n".to_owned(), "v2"),
        (tester.replace("a.b", "axb"), "v1"),
        (tester.replace("a.b", "A.b"), "v1"),
        ("X-Where: us-eu-\r\n".to_owned(), "v1"),
        ("X-Build: 123\r\n".to_owned(), "v2"),
        ("X-Build: 1234\r\n".to_owned(), "v1"),
        (String::new(), "v1"),
    ] {
        assert_eq!(client.ask(&headers).await.body, version, "{headers}");
    }
}
