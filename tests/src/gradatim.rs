//! The binary `gradatim` as it is, for the tests that send it signals.

fn main() -> std::process::ExitCode {
    gradatim::cli::main()
}
