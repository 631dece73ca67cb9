//! The command line of gradatim.

use std::process::ExitCode;

fn main() -> ExitCode {
    gradatim::cli::main()
}
