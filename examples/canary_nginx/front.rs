//! NGINX in a folder of its own, and users who send requests to it.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};

use crate::access_log::FORMAT;

/// A folder that goes when it is dropped.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn new() -> std::io::Result<Self> {
        let name = format!("gradatim-canary-nginx-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is the temporary folder's to clean up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running NGINX.
pub(crate) struct Front {
    child: Child,
    program: PathBuf,
    main_file: PathBuf,
}

impl Front {
    /// Starts NGINX with the router's file included, and waits until it answers.
    pub(crate) async fn start(
        program: &Path,
        folder: &Folder,
        address: SocketAddr,
    ) -> Result<Self, Box<dyn Error>> {
        let main_file = folder.join("nginx.conf");
        fs::write(&main_file, configuration(&folder.0, address))?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&main_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let program = program.to_owned();
        let mut front = Self {
            child,
            program,
            main_file,
        };
        for _ in 0..200 {
            if get(address).await.is_some() {
                return Ok(front);
            }
            if front.child.try_wait()?.is_some() {
                break;
            }
            sleep(Duration::from_millis(25)).await;
        }
        let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
        Err(format!("NGINX does not come up: {log}").into())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.program);
        let stopped = stop.arg("-c").arg(&self.main_file).args(["-s", "stop"]);
        let _ = stopped.stderr(Stdio::null()).status();
        // It takes its workers along; killed, it would leave them behind.
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a user of NGINX has of their own: two lines of it are for the router.
fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n\
         events {{}}\nhttp {{\n{temporary}    \
         include {folder}/shop.conf;\n    {FORMAT}\n    \
         server {{\n        listen {address};\n        access_log {folder}/access.log gradatim;\n        \
         location / {{ proxy_pass http://$shop_upstream; }}\n    }}\n}}\n"
    )
}

/// An address of this machine that nobody listens on.
pub(crate) async fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").await?.local_addr()
}

/// Users who come until this is dropped.
pub(crate) struct Users(JoinHandle<()>);

impl Users {
    pub(crate) fn start(shop: SocketAddr, each_second: u32) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / each_second);
            loop {
                ticks.tick().await;
                tokio::spawn(get(shop));
            }
        }))
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn get(address: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET / HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    answer.starts_with(b"HTTP/1").then_some(())
}
