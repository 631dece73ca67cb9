//! Plain NGINX: a split, header routes and the servers of each version in one included file.
//!
//! The file stands in the `http` context and brings its own upstreams and variables, so that the
//! user's configuration has two lines to add:
//!
//! ```nginx
//! http {
//!     include /etc/nginx/gradatim/shop.conf;
//!     server {
//!         listen 80;
//!         location / { proxy_pass http://$shop_upstream; }
//!     }
//! }
//! ```
//!
//! `$shop_slot` (`stable`, `canary`) and `$shop_revision` say which version answers: write them
//! into the access log, and metrics of each version can be read from it.
//!
//! # A write
//!
//! Under a lock, the new file is written aside, flushed and renamed into place; `nginx -t` reads
//! it; `nginx -s reload` loads it; and a [probe](Config::probe) waits until the new workers answer
//! and no old one accepts connections any more. When any of this fails the old file is put back
//! and the error says which file, and NGINX's own words. A process that is killed in the middle
//! leaves a file that is not loaded: that is read as two splits which differ, and the next write
//! loads it.
//!
//! # What a reload costs
//!
//! NGINX closes idle kept-alive connections when it reloads. A client that sends just then sees
//! its connection cut; most clients send an idempotent request again by themselves, some do not.
//! Requests under way are answered to their end by the old workers, under the old split.
//!
//! # What it cannot do
//!
//! Mirrors: NGINX wants them in a `location`, which is the user's. The capabilities say so, and a
//! plan with a mirror step is refused before anything runs.

mod config;
mod decode;
mod disk;
mod encode;
mod part;
mod program;
mod record;
mod router;
mod running;
mod servers;
mod syntax;

pub use self::config::{Config, ConfigError, Sticky};
pub use self::part::{NAME, register};
pub use self::program::find;
pub use self::router::PlainNginx;
pub use self::servers::Servers;
