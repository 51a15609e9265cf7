//! `proximityctl`: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(proximityctl::run(std::env::args_os()))
}
