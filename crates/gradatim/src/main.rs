//! The command line of gradatim.

fn main() {}
