//! Prints what a crate shows to those who use it, one line for each thing: `public_api FILE.json`.
//!
//! It exits with 3 where the file was written by a toolchain whose format it does not read.

use std::process::ExitCode;

use public_api::Builder;

fn main() -> ExitCode {
    let path = std::env::args()
        .nth(1)
        .expect("the path of a file that rustdoc wrote");
    let builder = Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true);
    match builder.build() {
        Ok(api) => {
            print!("{api}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}
