//! See `wxgate --help`.

use std::process::ExitCode;

/// Gives memory back after a burst, by a thread of its own, while nothing else happens. `.cargo/config.toml` has its
/// settings.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    wxgate::cli::main()
}
