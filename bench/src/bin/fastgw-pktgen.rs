//! `fastgw-pktgen`: traffic through a gateway, every packet accounted for.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    bench::pktgen::main()
}
