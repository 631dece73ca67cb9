//! A real NGINX in front of two HTTP servers: what is written is counted in requests.

mod faults;
mod judged;
mod keys;
mod rules;
mod running;
mod traffic;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gradatim_core::port::TrafficRouter;
use gradatim_core::route::{Confidence, Route, Slot, Split};
use gradatim_nginx::plain::{Config, PlainNginx, Sticky};

use super::server::{Server, find, free_port};
use super::upstream::Version;

/// NGINX in a folder of its own, with a server of each version behind it.
struct Front {
    port: u16,
    probe: u16,
    program: PathBuf,
    router: Arc<PlainNginx>,
    versions: [Version; 2],
    server: Server,
    dir: tempfile::TempDir,
}

impl Front {
    async fn start(sticky: Sticky) -> Option<Self> {
        let program = find("nginx")?;
        let dir = tempfile::tempdir().unwrap();
        let (port, probe) = (free_port(), free_port());
        let versions = [Version::start("v1").await, Version::start("v2").await];
        let config = config(dir.path(), &versions, &sticky, probe);
        let router = PlainNginx::new(config).unwrap();
        assert!(router.write_first(&"v1".into()).unwrap());
        // The workers of a root's NGINX are nobody.
        let folder: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), folder).unwrap();
        std::fs::write(
            dir.path().join("nginx.conf"),
            main_file(dir.path(), port, &sticky, ""),
        )
        .unwrap();
        let arguments = [
            "-c".to_owned(),
            dir.path().join("nginx.conf").display().to_string(),
        ];
        let mut server = Server::start(&program, &arguments, dir.path());
        server.ready(&format!("http://127.0.0.1:{port}/")).await;
        Some(Self {
            port,
            probe,
            program,
            router: Arc::new(router),
            versions,
            server,
            dir,
        })
    }

    /// Another router on the same file, as another process has it.
    fn another(&self) -> PlainNginx {
        PlainNginx::new(self.config()).unwrap()
    }

    fn config(&self) -> Config {
        config(
            self.dir.path(),
            &self.versions,
            &Sticky::Request,
            self.probe,
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the main file with something more within `http`.
    fn configure(&self, more: &str) {
        let text = main_file(self.dir.path(), self.port, &Sticky::Request, more);
        std::fs::write(self.path("nginx.conf"), text).unwrap();
    }

    fn signal(&self, signal: &str) {
        let file = self.path("nginx.conf");
        let mut command = Command::new(&self.program);
        let command = command.arg("-c").arg(file).args(["-s", signal]);
        let _ = command.stderr(std::process::Stdio::null()).status();
    }

    /// Applies a split and sees it confirmed by NGINX.
    async fn set(&self, canary: u32, sequence: u64) {
        self.router.apply(&route(canary, sequence)).await.unwrap();
        let seen = self.router.observe().await.unwrap().split.unwrap();
        assert_eq!(seen.value(), Some(&Split::canary(canary, 100)));
        assert_eq!(seen.confidence, Confidence::Proxy);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // A killed master would leave its workers behind, and `-s stop` wants a whole file.
        let pid = std::fs::read_to_string(self.path("nginx.pid")).unwrap_or_default();
        let _ = Command::new("kill").args(["-TERM", pid.trim()]).status();
        // It takes the file along when it is gone.
        for _ in 0..200 {
            if !self.path("nginx.pid").exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.server.kill();
    }
}

fn config(dir: &Path, versions: &[Version; 2], sticky: &Sticky, probe: u16) -> Config {
    let [v1, v2] = versions
        .each_ref()
        .map(|it| [format!("127.0.0.1:{}", it.port)]);
    Config::new("shop", dir.join("shop.conf"))
        .main_file(dir.join("nginx.conf"))
        .servers("v1", v1)
        .servers("v2", v2)
        .sticky(sticky.clone())
        .keepalive(16)
        .probe(([127, 0, 0, 1], probe))
}

fn main_file(dir: &Path, port: u16, sticky: &Sticky, more: &str) -> String {
    let dir = dir.display();
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("{it}_temp_path {dir}/{it};\n"))
        .concat();
    let cookie = match sticky {
        Sticky::Cookie(_) => "add_header Set-Cookie $shop_cookie;",
        _ => "",
    };
    format!(
        "daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 2;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n{places}access_log off; keepalive_requests 1000000;\n\
         include {dir}/shop.conf;\n{more}\n\
         server {{ listen 127.0.0.1:{port}; location / {{\n\
         proxy_pass http://$shop_upstream; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; {cookie} }} }}\n}}\n"
    )
}

fn route(canary: u32, sequence: u64) -> Route {
    let bind = [(Slot::Stable, "v1"), (Slot::Canary, "v2")];
    super::route(sequence, bind, Split::canary(canary, 100))
}
