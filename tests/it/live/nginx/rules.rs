//! The rules of the port on a real NGINX.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gradatim_conformance::router::{Bench, all};
use gradatim_core::port::TrafficRouter;
use gradatim_core::route::{Slot, Split};
use gradatim_core::time::Timestamp;
use gradatim_nginx::plain::{PlainNginx, Sticky};

use super::Front;

struct RealNginx;

struct World {
    front: Front,
    now: Arc<AtomicI64>,
}

impl Bench for RealNginx {
    type World = World;

    async fn world(&self) -> World {
        let front = Front::start(Sticky::Request).await.unwrap();
        let now = Arc::new(AtomicI64::new(1_800_000_000_000));
        World { front, now }
    }

    async fn router(&self, world: &World) -> Arc<dyn TrafficRouter> {
        let now = Arc::clone(&world.now);
        let clock = move || Timestamp::from_millis(now.load(Ordering::Relaxed));
        Arc::new(PlainNginx::with_clock(world.front.config(), clock).unwrap())
    }

    async fn pass(&self, world: &World, time: Duration) -> bool {
        let millis = i64::try_from(time.as_millis()).unwrap();
        world.now.fetch_add(millis, Ordering::Relaxed);
        true
    }

    async fn meddle(&self, world: &World, split: &Split) -> bool {
        let file = world.front.path("shop.conf");
        let text = std::fs::read_to_string(&file).unwrap();
        let from = text.find("split_clients").unwrap();
        let open = from + text[from..].find('{').unwrap() + 1;
        let to = from + text[from..].find('}').unwrap();
        let theirs = match split.part(Slot::Canary) {
            all if all == split.total() => "* canary;".to_owned(),
            part => format!("{part}% canary; * stable;"),
        };
        std::fs::write(&file, [&text[..open], &theirs, &text[to..]].concat()).unwrap();
        world.front.signal("reload");
        true
    }

    async fn others(&self, world: &World) -> Option<String> {
        std::fs::read_to_string(world.front.path("nginx.conf")).ok()
    }

    async fn remove(&self, world: &World) -> bool {
        std::fs::remove_file(world.front.path("shop.conf")).is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_of_the_port_is_kept_on_a_real_nginx() {
    if super::find("nginx").is_none() {
        return;
    }
    let report = all(&RealNginx).await;
    report.assert_clean();
    let text = report.to_string();
    for kept in [1, 3, 4, 5, 6, 7, 9, 10] {
        assert!(text.contains(&format!("rule {kept} kept")), "{text}");
    }
}
