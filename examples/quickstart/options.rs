//! The command line.

use crate::kind::Kind;

pub(crate) const HELP: &str = "\
A release from start to end on this machine: a service in two versions, a proxy that shares
requests out, users who send them, and gradatim, which moves the traffic and judges.

Usage: quickstart [--release KIND] [--seconds N] [--plain]

  --release KIND   good   promoted, 10 → 25 → 50 → 100 %
                   bad    half of its answers fail: taken back
                   slow   two seconds for an answer: taken back
                   flaky  good, while metrics fail now and then and a pod restarts: promoted
                   Without it a good release is followed by a bad one.
  --seconds N      how long it takes, about, 5 to 3600. The manifest's waits are that much
                   shorter or longer; requests stay real. By default a minute of the manifest
                   takes two seconds: 20 s for a good release and a bad one.
  --plain          lines instead of the live view; also with NO_COLOR, TERM=dumb or a pipe
  --help           this text

Keys of the live view: p promote, a abort, q leave. Ctrl-C takes the traffic back first.

Exit code: 0 each release got what it deserves, 1 one did not, 2 wrong arguments,
3 it was left or could not be run, 130 Ctrl-C.";

/// How many times as fast as written the manifest's time passes, unless somebody says otherwise.
const SPEED: f64 = 30.0;

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// What is released, one after the other.
    pub releases: Vec<Kind>,
    /// How long all of it takes, about; by default what it takes at the usual speed.
    pub seconds: Option<u32>,
    /// Whether lines are wanted where there could be a live view.
    pub plain: bool,
}

impl Options {
    /// Reads arguments; nothing when only the help is wanted.
    pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self {
            releases: vec![Kind::Good, Kind::Bad],
            seconds: None,
            plain: false,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            let mut value = |what| {
                let value = inline.clone().or_else(|| args.next());
                value.ok_or_else(|| format!("{name} needs {what}"))
            };
            match name {
                "--help" | "-h" => return Ok(None),
                "--plain" if inline.is_none() => options.plain = true,
                "--release" => options.releases = vec![value("a kind")?.parse()?],
                "--seconds" => options.seconds = Some(seconds(&value("a number")?)?),
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        Ok(Some(options))
    }

    /// How many times as fast as written the manifest's time passes.
    pub(crate) fn speed(&self) -> f64 {
        let planned: f64 = self
            .releases
            .iter()
            .map(|it| it.planned().as_secs_f64())
            .sum();
        self.seconds
            .map_or(SPEED, |seconds| planned / f64::from(seconds))
    }
}

fn seconds(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|it| (5..=3600).contains(it));
    number.ok_or_else(|| format!("--seconds is a whole number from 5 to 3600, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &str) -> Result<Option<Options>, String> {
        Options::read(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_arguments_a_good_release_is_followed_by_a_bad_one() {
        let options = read("").unwrap().unwrap();
        assert_eq!(options.releases, [Kind::Good, Kind::Bad]);
        assert_eq!(options.speed(), SPEED);
    }

    #[test]
    fn a_value_stands_after_a_space_or_an_equals_sign() {
        let options = read("--release=slow --seconds 18").unwrap().unwrap();
        assert_eq!(options.releases, [Kind::Slow]);
        assert_eq!(options.speed(), 10.0);
        assert_eq!(read("--release slow --seconds=18"), Ok(Some(options)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (args, part) in [
            ("--release", "needs a kind"),
            ("--release fine", "\"fine\" is not good"),
            ("--seconds 4", "5 to 3600"),
            ("--seconds 1e9", "5 to 3600"),
            ("--seconds -7", "5 to 3600"),
            ("--speed 3", "unknown argument \"--speed\""),
            ("--plain=yes", "unknown argument"),
            ("good", "unknown argument \"good\""),
        ] {
            let error = read(args).unwrap_err();
            assert!(error.contains(part), "{args}: {error}");
        }
        assert_eq!(read("--release good --help"), Ok(None));
    }
}
