//! `fastgw-bench`: what a packet costs.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench::cli::main()
}
