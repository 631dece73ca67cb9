//! Keys that are pressed on the terminal while a picture stands there.

#[cfg(unix)]
mod terminal;

#[cfg(unix)]
pub(super) use self::terminal::Keys;

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `p`: go on.
    Promote,
    /// `a`: take the traffic back.
    Abort,
    /// `q`: leave it as it is.
    Leave,
}

impl Key {
    /// What was pressed, of what came in at once.
    ///
    /// A key that is held down comes as a run of one byte. Anything else of several bytes is an
    /// arrow, a function key or something pasted, and a letter in it was not meant for us.
    #[cfg_attr(not(unix), allow(dead_code))]
    fn of(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        if rest.iter().any(|byte| byte != first) {
            return None;
        }
        match first {
            b'p' => Some(Self::Promote),
            b'a' => Some(Self::Abort),
            b'q' => Some(Self::Leave),
            _ => None,
        }
    }
}

/// Where a terminal has no keys for us.
#[cfg(not(unix))]
pub(super) struct Keys;

#[cfg(not(unix))]
impl Keys {
    pub(super) fn listen() -> Option<Self> {
        None
    }

    pub(super) async fn pressed(&mut self) -> Key {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_letter_however_long_it_is_held() {
        assert_eq!(Key::of(b"p"), Some(Key::Promote));
        assert_eq!(Key::of(b"a"), Some(Key::Abort));
        assert_eq!(Key::of(b"q"), Some(Key::Leave));
        assert_eq!(Key::of(b"aaaa"), Some(Key::Abort));
    }

    #[test]
    fn what_is_pasted_an_arrow_and_every_other_key_mean_nothing() {
        for bytes in [
            &b""[..],
            b"A",
            b"x",
            b"\r",
            b"\x1b",
            b"\x1b[A",
            b"\x1ba",
            b"ap",
            b"abort",
            b"\xc3\xa4",
            b"\xff\x00",
        ] {
            assert_eq!(Key::of(bytes), None, "{bytes:?}");
        }
    }
}
