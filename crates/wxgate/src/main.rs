//! See `wxgate --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    wxgate::cli::main()
}
