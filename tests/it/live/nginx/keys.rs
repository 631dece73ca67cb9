//! Keys on a real terminal: what they order, what they leave, and that the terminal is given back
//! on every way out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use gradatim_nginx::plain::Sticky;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::Front;
use super::running::{LONGEST, elsewhere, prepare, serves};
use crate::signal::signal;

const KEYS: &str = "p promote   a abort   q leave it as it is";

/// A terminal of its own, and the one command in it.
struct Terminal {
    keyboard: File,
    /// The command's side, to see how it is left.
    line: OwnedFd,
    child: Child,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(front: &Front, command: &[&str]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let line = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let line = OwnedFd::from(line);
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&line, size).unwrap();
        let side = || Stdio::from(line.try_clone().unwrap());
        let child = Command::new("setsid")
            .arg("--ctty")
            .args(command)
            .current_dir(front.dir.path())
            .env("TERM", "xterm")
            .env("USER", "ann")
            .env("NO_COLOR", "1")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let keyboard = File::from(keyboard);
        let (screen, mut shown) = (
            Arc::<Mutex<String>>::default(),
            keyboard.try_clone().unwrap(),
        );
        let written = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(many @ 1..) = shown.read(&mut bytes) {
                *written.lock().unwrap() += &String::from_utf8_lossy(&bytes[..many]);
            }
        });
        Self {
            keyboard,
            line,
            child,
            screen,
        }
    }

    fn run(front: &Front, more: &[&str]) -> Self {
        prepare(front);
        let command = [PROGRAM, "run", "shop.yaml", "--servers", "servers.yaml"];
        Self::start(front, &[&command[..], more].concat())
    }

    fn types(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).unwrap();
    }

    async fn until(&self, text: &str) {
        let began = Instant::now();
        while !self.screen().contains(text) {
            assert!(
                began.elapsed() < LONGEST,
                "no {text:?} in\n{}",
                self.screen()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Whether a person types lines and sees them.
    fn is_by_line(&self) -> bool {
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Its exit code, and everything that it has shown; the terminal must be as it was.
    async fn ended(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(began.elapsed() < LONGEST, "no end:\n{}", self.screen()),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        // The thread that reads may be a line behind.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(
            self.is_by_line(),
            "the terminal was not given back:\n{}",
            self.screen()
        );
        (status.code(), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_gradatim-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn p_promotes_and_a_takes_the_traffic_back_without_asking() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let mut run = Terminal::run(&front, &[]);
    run.until("Paused         20 %").await;
    run.until(KEYS).await;
    assert!(!run.is_by_line());
    // An arrow, something pasted, and keys that mean nothing.
    for bytes in [&b"\x1b[A"[..], b"please abort", b"x", b"\r", b"A"] {
        run.types(bytes);
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    run.types(b"p");
    run.until("done: promote").await;
    run.until("Paused         60 %").await;
    serves(&front, 60).await;
    run.types(b"a");
    let (code, screen) = run.ended().await;
    assert_eq!(code, Some(1), "{screen}");
    for told in [
        "promote by ann",
        "abort by ann: all traffic goes back to v1",
        "done: abort",
        "v1 serves everyone again",
    ] {
        assert_eq!(screen.matches(told).count(), 1, "{told}: {screen}");
    }
    serves(&front, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_leaves_it_as_it_is_even_where_ctrl_c_would_take_it_back() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    for more in [&[][..], &["--abort-on-exit"]] {
        let mut run = Terminal::run(&front, more);
        run.until("Paused         20 %").await;
        run.until(KEYS).await;
        run.types(b"q");
        let (code, screen) = run.ended().await;
        assert_eq!(code, Some(3), "{screen}");
        for told in [
            "left: v2 keeps its 20 %",
            "the same command goes on from here",
        ] {
            assert!(screen.contains(told), "{told}: {screen}");
        }
        serves(&front, 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_it_is_ended_the_terminal_is_given_back() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    // Ctrl-C and Ctrl-\ as the terminal makes signals of them, and whoever supervises it.
    for ending in [Some(b"\x03"), Some(b"\x1c"), None] {
        let mut run = Terminal::run(&front, &[]);
        run.until(KEYS).await;
        match ending {
            Some(byte) => run.types(byte),
            None => signal(&run.child, "TERM"),
        }
        let (code, screen) = run.ended().await;
        assert_eq!(code, Some(3), "{screen}");
    }
    serves(&front, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_can_steer_and_stop_watching() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Terminal::run(&front, &[]);
    run.until("Paused         20 %").await;
    let mut watch = Terminal::start(&front, &[PROGRAM, "watch", "shop"]);
    watch.until(KEYS).await;
    watch.types(b"q");
    assert_eq!(watch.ended().await.0, Some(3));
    for ending in [b"\x03", b"q"] {
        let mut all = Terminal::start(&front, &[PROGRAM, "watch"]);
        all.until("q stop watching").await;
        all.types(b"ap");
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        all.types(ending);
        assert_eq!(all.ended().await.0, Some(0));
    }
    serves(&front, 20).await;

    let mut watch = Terminal::start(&front, &[PROGRAM, "watch", "shop"]);
    watch.until(KEYS).await;
    watch.types(b"a");
    let (code, screen) = watch.ended().await;
    assert_eq!(code, Some(1), "{screen}");
    assert!(
        screen.contains("abort by ann: all traffic goes back to v1"),
        "{screen}"
    );
    assert_eq!(run.ended().await.0, Some(1));
    serves(&front, 0).await;

    // A store that goes is an error, and gives the terminal back as well.
    let watch = Terminal::start(&front, &[PROGRAM, "watch"]);
    watch.until("q stop watching").await;
    std::fs::remove_dir_all(front.path("releases")).unwrap();
    let (code, screen) = watch.ended().await;
    assert!(code == Some(3) && screen.contains("error:"), "{screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_background_the_keys_are_the_shells_and_nothing_stops() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    prepare(&front);
    let line = format!("{PROGRAM} run shop.yaml --servers servers.yaml & wait");
    let mut shell = Terminal::start(&front, &["sh", "-mc", &line]);
    shell.until("Paused         20 %").await;
    assert!(shell.is_by_line() && !shell.screen().contains(KEYS));
    shell.types(b"a\n");
    shell
        .until("elsewhere: gradatim promote|pause|abort shop")
        .await;
    serves(&front, 20).await;
    let (code, text) = elsewhere(&front, &["abort", "shop"]);
    assert_eq!(code, Some(0), "{text}");
    shell.until("v1 serves everyone again").await;
    shell.ended().await;
}
