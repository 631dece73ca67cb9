//! Fails when a WebAssembly module asks anything of its host: `imports FILE.wasm`.

use std::process::ExitCode;
use std::{env, fs};

/// Sections by their number.
const IMPORTS: u8 = 2;
const CODE: u8 = 10;
/// With less code than this the library was not linked in, and nothing would be shown.
const LEAST_CODE: usize = 100_000;

fn main() -> ExitCode {
    match look() {
        Ok(bytes) => {
            println!("{bytes} bytes of code, no imports");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn look() -> Result<usize, String> {
    let path = env::args().nth(1).ok_or("usage: imports FILE.wasm")?;
    let module = fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    let mut rest = Bytes(&module);
    if rest.take(8) != Some(b"\0asm\x01\0\0\0") {
        return Err(format!("{path}: not a WebAssembly module"));
    }
    let mut code = 0;
    while let Some(section) = rest.byte() {
        let body = rest.sized().ok_or("a section is cut short")?;
        match section {
            IMPORTS => nothing_asked(Bytes(body))?,
            CODE => code = body.len(),
            _ => {}
        }
    }
    match code {
        LEAST_CODE.. => Ok(code),
        _ => Err(format!(
            "{path}: {code} bytes of code: the core is not in it"
        )),
    }
}

fn nothing_asked(mut imports: Bytes<'_>) -> Result<(), String> {
    let count = imports.number().ok_or("the imports are cut short")?;
    let mut text = || imports.sized().map(String::from_utf8_lossy);
    match (count, text(), text()) {
        (0, ..) => Ok(()),
        (_, Some(module), Some(name)) => {
            Err(format!("{count} imports, the first is {module}.{name}"))
        }
        _ => Err("the imports are cut short".to_owned()),
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A number in LEB128.
    fn number(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Bytes that stand behind their count.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(count)
    }
}
