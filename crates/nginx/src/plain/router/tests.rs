use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use gradatim_conformance::router::{Bench, all};
use gradatim_core::fault::Retry;
use gradatim_core::route::{HeaderMatch, HeaderRoute, MirrorRoute, Stamped, StringMatch};
use gradatim_core::stamp::Stamp;
use tempfile::TempDir;

use super::super::config::Sticky;
use super::*;

/// A command that counts its reloads, refuses where a file `refuse` is, and where a file `down`
/// is says what NGINX says when it does not run, and where `hangs` is does not end.
const FAKE: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
"-t -q")
    [ ! -e hangs ] || exec sleep 60
    [ ! -e refuse ] || { echo "2026/11/25 nginx: [emerg] unknown directive \"x\" in a.conf:3" >&2; exit 1; } ;;
"-s reload")
    [ ! -e down ] || { echo 'nginx: [error] open() "/run/nginx.pid" failed' >&2; exit 1; }
    echo >> reloads ;;
*) exit 64 ;;
esac
"#;

struct World {
    dir: TempDir,
    now: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("nginx");
        // A write that another thread's fork still holds open would make it busy: it is copied in.
        fs::write(dir.path().join("source"), FAKE).unwrap();
        let copied = std::process::Command::new("cp")
            .arg(dir.path().join("source"))
            .arg(&program)
            .status();
        assert!(copied.unwrap().success());
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let now = Arc::new(AtomicI64::new(1_000_000));
        let world = Self { dir, now };
        assert!(world.router().write_first(&"v1".into()).unwrap());
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> Config {
        Config::new("shop", self.path("shop.conf"))
            .servers("v1", ["10.0.0.1:80", "10.0.0.2:80"])
            .servers("v2", ["10.0.0.3:80"])
            .program(self.path("nginx"))
    }

    fn router(&self) -> PlainNginx {
        let now = Arc::clone(&self.now);
        let clock = move || Timestamp::from_millis(now.load(Ordering::Relaxed));
        PlainNginx::with_clock(self.config(), clock).unwrap()
    }

    fn file(&self) -> String {
        fs::read_to_string(self.path("shop.conf")).unwrap()
    }

    fn edit(&self, from: &str, to: &str) {
        let text = self.file();
        assert!(text.contains(from), "{text}");
        fs::write(self.path("shop.conf"), text.replace(from, to)).unwrap();
    }

    fn reloads(&self) -> u64 {
        let text = fs::read_to_string(self.path("reloads")).unwrap_or_default();
        text.lines().count() as u64
    }
}

fn route(canary: u32, sequence: u64) -> Route {
    let stamp = Stamp {
        epoch: 1,
        sequence,
        ..Stamp::default()
    };
    let bind = Bindings::from([(Slot::Stable, "v1".into()), (Slot::Canary, "v2".into())]);
    Route {
        bind: Stamped::new(bind, stamp),
        split: Stamped::new(Split::canary(canary, 100), stamp),
        headers: Stamped::new(Vec::new(), stamp),
        mirrors: Stamped::new(Vec::new(), stamp),
    }
}

fn share(seen: &RouteSeen) -> Option<u32> {
    let split = seen.split.as_ref().unwrap().value()?;
    Some(split.part(Slot::Canary))
}

struct FakeNginx;

impl Bench for FakeNginx {
    type World = World;

    async fn world(&self) -> World {
        World::new()
    }

    async fn router(&self, world: &World) -> Arc<dyn TrafficRouter> {
        Arc::new(world.router())
    }

    async fn pass(&self, world: &World, time: Duration) -> bool {
        let millis = i64::try_from(time.as_millis()).unwrap();
        world.now.fetch_add(millis, Ordering::Relaxed);
        true
    }

    async fn meddle(&self, world: &World, split: &Split) -> bool {
        let theirs = encode::split("shop", split).unwrap();
        let text = world.file();
        let from = text.find("split_clients").unwrap();
        let to = from + text[from..].find('}').unwrap() + 2;
        fs::write(
            world.path("shop.conf"),
            [&text[..from], &theirs, &text[to..]].concat(),
        )
        .unwrap();
        true
    }

    async fn writes(&self, world: &World) -> Option<u64> {
        Some(world.reloads())
    }

    async fn others(&self, world: &World) -> Option<String> {
        fs::read_to_string(world.path("source")).ok()
    }

    async fn remove(&self, world: &World) -> bool {
        fs::remove_file(world.path("shop.conf")).is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_of_the_port_is_kept() {
    let report = all(&FakeNginx).await;
    report.assert_clean();
    let text = report.to_string();
    for kept in [1, 2, 3, 4, 5, 6, 7, 9, 10] {
        assert!(text.contains(&format!("rule {kept} kept")), "{text}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_refused_leaves_the_old_file_and_the_error_has_nginxs_words() {
    let world = World::new();
    let router = world.router();
    router.apply(&route(20, 1)).await.unwrap();
    let (before, reloads) = (world.file(), world.reloads());
    fs::write(world.path("refuse"), "").unwrap();
    let error = router.apply(&route(40, 2)).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (FaultKind::Invalid, Retry::Soon));
    let told = error.text.contains("shop.conf is as it was before")
        && error
            .text
            .ends_with("[emerg] unknown directive \"x\" in a.conf:3");
    assert!(told, "{}", error.text);
    assert_eq!((world.file(), world.reloads()), (before, reloads));
    assert_eq!(share(&router.observe().await.unwrap()), Some(20));
    let missing = router.probe().await.unwrap();
    assert!(
        missing[0].what.contains("refuses its configuration"),
        "{missing:?}"
    );

    fs::remove_file(world.path("refuse")).unwrap();
    router.apply(&route(40, 2)).await.unwrap();
    assert_eq!(share(&router.observe().await.unwrap()), Some(40));
}

#[tokio::test]
async fn an_nginx_that_does_not_run_leaves_the_old_file() {
    let world = World::new();
    let router = world.router();
    let before = world.file();
    fs::write(world.path("down"), "").unwrap();
    let error = router.apply(&route(20, 1)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Unreachable);
    assert!(
        error.text.contains("is it running?") && error.text.contains("nginx.pid"),
        "{}",
        error.text
    );
    assert_eq!(world.file(), before);
}

#[tokio::test]
async fn a_probe_that_nobody_answers_is_no_success_and_the_old_file_is_back() {
    let world = World::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = world
        .config()
        .probe(free)
        .patience(Duration::from_millis(50));
    let (router, before) = (PlainNginx::new(config).unwrap(), world.file());
    let error = router.apply(&route(20, 1)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Timeout);
    assert!(
        error.text.contains("its error log says why"),
        "{}",
        error.text
    );
    // The second reload brings back what was there.
    assert_eq!((world.file(), world.reloads()), (before, 2));
    let error = router.observe().await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Unreachable);
    let missing = router.probe().await.unwrap();
    assert!(missing[0].what.contains("is it running"), "{missing:?}");
}

#[tokio::test]
async fn a_program_that_hangs_is_given_up() {
    let world = World::new();
    fs::write(world.path("hangs"), "").unwrap();
    let config = world.config().patience(Duration::from_millis(50));
    let (router, before) = (PlainNginx::new(config).unwrap(), world.file());
    let error = router.apply(&route(20, 1)).await.unwrap_err();
    assert!(error.text.contains("no end within 50ms"), "{}", error.text);
    assert_eq!(world.file(), before);
}

#[tokio::test]
async fn what_cannot_be_written_is_named_and_nothing_is_reloaded() {
    let world = World::new();
    let router = world.router();
    let (before, reloads) = (world.file(), world.reloads());
    let mode = |mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(world.path("shop.conf"), mode).unwrap();
    };
    mode(0o444);
    let error = router.apply(&route(20, 1)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Forbidden);
    assert!(
        error.text.contains("shop.conf is read-only"),
        "{}",
        error.text
    );
    mode(0o644);

    fs::create_dir(world.path(".shop.conf.new")).unwrap();
    let error = router.apply(&route(20, 1)).await.unwrap_err();
    assert!(
        error.text.starts_with("cannot write") && error.text.contains("shop.conf"),
        "{}",
        error.text
    );
    assert_eq!((world.file(), world.reloads()), (before, reloads));

    let mut config = world.config();
    config.file = world.path("no/folder/shop.conf");
    let error = PlainNginx::new(config)
        .unwrap()
        .apply(&route(20, 1))
        .await
        .unwrap_err();
    assert_eq!(error.kind, FaultKind::NotFound);
    assert!(error.text.ends_with("make its folder"), "{}", error.text);
}

#[tokio::test]
async fn on_a_full_disk_the_old_file_stays_and_the_error_says_to_make_room() {
    let world = World::new();
    let router = world.router();
    router.apply(&route(20, 1)).await.unwrap();
    let (before, reloads) = (world.file(), world.reloads());
    let aside = world.path(".shop.conf.new");
    std::os::unix::fs::symlink("/dev/full", &aside).unwrap();
    let error = router.apply(&route(40, 2)).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (FaultKind::Other, Retry::Soon));
    let told = error.text.contains("shop.conf: No space left on device")
        && error.text.ends_with("; make room");
    assert!(told, "{}", error.text);
    assert_eq!((world.file(), world.reloads()), (before, reloads));
    // There is room again.
    router.apply(&route(40, 2)).await.unwrap();
    assert_eq!(share(&router.observe().await.unwrap()), Some(40));
}

#[tokio::test]
async fn an_edit_is_told_until_it_was_observed() {
    let world = World::new();
    let router = world.router();
    router.apply(&route(20, 1)).await.unwrap();
    router.observe().await.unwrap();
    let wait = || tokio::time::timeout(Duration::from_millis(600), router.changed());
    assert!(wait().await.is_err(), "nobody has edited it");
    world.edit("20% canary", "30% canary");
    for _ in 0..2 {
        wait().await.unwrap();
    }
    assert_eq!(share(&router.observe().await.unwrap()), Some(30));
    assert!(wait().await.is_err(), "it is told once it was observed");
    fs::remove_file(world.path("shop.conf")).unwrap();
    wait().await.unwrap();
}

#[tokio::test]
async fn killed_between_write_and_reload_it_reads_as_two_splits_and_the_next_write_loads_it() {
    let world = World::new();
    let router = world.router();
    router.apply(&route(20, 1)).await.unwrap();
    let inner = &router.inner;
    let record = Record::of(&route(40, 2), None, Timestamp::ZERO);
    inner
        .disk
        .replace(&encode::text(&inner.config, &record).unwrap())
        .unwrap();
    let reloads = world.reloads();

    let seen = world.router().observe().await.unwrap();
    let split = seen.split.unwrap();
    assert_eq!(
        split.values,
        [Split::canary(40, 100), Split::canary(20, 100)]
    );
    assert_eq!(split.stamp.unwrap().sequence, 1);

    world.router().apply(&route(40, 2)).await.unwrap();
    assert_eq!(share(&router.observe().await.unwrap()), Some(40));
    assert_eq!(world.reloads(), reloads + 1);
}

#[tokio::test]
async fn killed_after_a_write_that_nginx_refuses_the_loaded_file_comes_back() {
    let world = World::new();
    let router = world.router();
    router.apply(&route(20, 1)).await.unwrap();
    let loaded = world.file();
    let inner = &router.inner;
    let record = Record::of(&route(40, 2), None, Timestamp::ZERO);
    inner
        .disk
        .replace(&encode::text(&inner.config, &record).unwrap())
        .unwrap();
    fs::write(world.path("refuse"), "").unwrap();
    assert!(world.router().apply(&route(40, 2)).await.is_err());
    assert_eq!(world.file(), loaded);
}

#[tokio::test]
async fn a_strangers_edit_is_read_as_data() {
    let world = World::new();
    let router = world.router();
    router.apply(&route(20, 1)).await.unwrap();
    world.edit("20% canary", "12.34% canary");
    let seen = router.observe().await.unwrap().split.unwrap();
    assert_eq!(seen.value(), Some(&Split::canary(1234, 10_000)));
    assert_eq!(
        (seen.confidence, seen.stamp.unwrap().sequence),
        (Confidence::Config, 1)
    );

    router.apply(&route(20, 2)).await.unwrap();
    world.edit("    server 10.0.0.3:80;", "    server 10.0.0.9:80;");
    let seen = router.observe().await.unwrap();
    assert_eq!(
        seen.bind.as_ref().unwrap().value().unwrap()[&Slot::Canary].revision,
        None
    );
    assert_eq!(share(&seen), Some(20));

    router.apply(&route(20, 3)).await.unwrap();
    world.edit(
        "    server 10.0.0.3:80;",
        "    server 10.0.0.1:80;\n    server 10.0.0.2:80;",
    );
    let seen = router.observe().await.unwrap().bind.unwrap();
    assert_eq!(
        seen.value().unwrap()[&Slot::Canary].revision,
        Some("v1".into())
    );
}

#[tokio::test]
async fn an_edit_that_cannot_be_read_is_an_error_and_the_next_write_replaces_it() {
    let world = World::new();
    let router = world.router();
    for (from, to) in [
        ("default $shop_share", "default canary"),
        ("stable shop_stable;", "stable shop_canary;"),
        ("20% canary;", "120% canary;"),
        ("20% canary;", "0% canary;"),
        ("    * stable;", ""),
        ("* stable;", "* stable"),
        ("split_clients", "geo"),
    ] {
        let sequence = world.reloads() + 1;
        router.apply(&route(20, sequence)).await.unwrap();
        world.edit(from, to);
        let error = router.observe().await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Malformed, "{to}");
        assert!(error.text.contains("shop.conf"), "{}", error.text);
        router.apply(&route(0, sequence)).await.unwrap();
        assert_eq!(share(&router.observe().await.unwrap()), Some(0), "{to}");
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_alone() {
    let world = World::new();
    fs::write(world.path("shop.conf"), "server { listen 80; }\n").unwrap();
    let router = world.router();
    for error in [
        router.observe().await.unwrap_err(),
        router.apply(&route(0, 1)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, FaultKind::Forbidden);
        assert!(
            error.text.contains("not written by gradatim"),
            "{}",
            error.text
        );
    }
    assert!(!router.write_first(&"v1".into()).unwrap());
    assert_eq!(world.file(), "server { listen 80; }\n");
}

#[tokio::test]
async fn header_routes_of_every_kind_are_read_back_as_they_were_and_as_edited() {
    let world = World::new();
    let router = world.router();
    let one = |name: &str, value| HeaderMatch {
        header_name: name.to_owned(),
        header_value: value,
    };
    let mut wanted = route(5, 1);
    wanted.headers.value = vec![
        HeaderRoute {
            name: "testers".to_owned(),
            matches: vec![
                one("X-Tester", StringMatch::Exact("a.b\"$c\\ 'd'".to_owned())),
                one(
                    "x-agent",
                    StringMatch::Prefix("Mozilla/5.0 (X11; {".to_owned()),
                ),
            ],
        },
        HeaderRoute {
            name: "region".to_owned(),
            matches: vec![one(
                "x-region",
                StringMatch::Regex("^eu-[0-9]+$".to_owned()),
            )],
        },
    ];
    router.apply(&wanted).await.unwrap();
    let headers = || async { router.observe().await.unwrap().headers.unwrap().values };
    assert_eq!(headers().await, std::slice::from_ref(&wanted.headers.value));
    world.edit("~^Mozilla\\\\/5", "~^Safari\\\\/5");
    let mut edited = wanted.headers.value.clone();
    edited[0].matches[1].header_value = StringMatch::Prefix("Safari/5.0 (X11; {".to_owned());
    assert_eq!(headers().await, [edited]);
}

#[tokio::test]
async fn what_the_file_cannot_say_is_refused_with_what_to_do() {
    let world = World::new();
    let router = world.router();
    let mut wrong = Vec::new();
    let mut unknown = route(20, 1);
    unknown.bind.value.insert(Slot::Canary, "v3".into());
    wrong.push((unknown, "no servers are known for version v3: name them"));
    let mut unbound = route(20, 1);
    unbound.bind.value.remove(&Slot::Canary);
    wrong.push((unbound, "the canary slot gets traffic"));
    let mut mirrored = route(20, 1);
    mirrored.mirrors.value = vec![MirrorRoute {
        name: "m".to_owned(),
        matches: Vec::new(),
        percentage: 5,
    }];
    wrong.push((mirrored, "cannot mirror"));
    let header = |name: &str, value: &str| {
        let mut route = route(20, 1);
        let matches = vec![HeaderMatch {
            header_name: name.to_owned(),
            header_value: StringMatch::Exact(value.to_owned()),
        }];
        let name = "h".to_owned();
        route.headers.value = vec![HeaderRoute { name, matches }];
        route
    };
    wrong.push((header("x;y", "1"), "no variable for the header"));
    let long = "x".repeat(5_000);
    wrong.push((header("x", &long), "longer than NGINX can read"));
    for (route, words) in wrong {
        let error = router.apply(&route).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Invalid);
        assert!(error.text.contains(words), "{}", error.text);
    }
    assert_eq!(world.reloads(), 0);
}

#[test]
fn a_cookie_has_a_fallback_and_keeps_a_client_that_had_none() {
    let world = World::new();
    let config = world.config().sticky(Sticky::Cookie("shopper".to_owned()));
    let text = encode::text(&config, &Record::of(&route(20, 1), None, Timestamp::ZERO)).unwrap();
    for line in [
        "map $cookie_shopper $shop_key { \"\" $request_id; default $cookie_shopper; }",
        "$shop_cookie { \"\" \"shopper=$request_id; Path=/; HttpOnly; SameSite=Lax\"; default \"\"; }",
    ] {
        assert!(text.contains(line), "{text}");
    }
}
