//! The traffic generator: loads through a gateway, every packet accounted for.
//!
//! A load is a [`schedule`] over a [`packet::Blueprint`]; a [`sender`] makes each frame when it is
//! due and stamps it ([`stamp`]), a [`sink`] recognises it, enters it into the [`ledger`] and takes
//! its latency. The [`mirror`] is the opposite gateway in memory, for traffic that travels sealed.
//! A [`rig`] joins them to devices and threads and gives a [`trial::Trial`]; everything else is
//! what to run ([`cli`], [`setup`]) and what to tell ([`text`], [`report`], [`hdr`]).

use std::process::ExitCode;

use clap::Parser;

pub mod cli;
mod clock;
mod device;
mod flow;
mod hdr;
mod html;
mod l2fwd;
mod ledger;
mod listen;
mod machine;
mod mirror;
mod neighbour;
mod packet;
mod profile;
mod rate;
mod report;
mod rfc2544;
mod rig;
mod run;
mod schedule;
mod search;
mod sender;
mod setup;
mod sink;
mod size;
mod stamp;
mod svg;
mod text;
mod trial;

/// `fastgw-pktgen` from its arguments to its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let done = match &cli.command {
        cli::Command::Run(args) => run::run(args),
        cli::Command::Sink(args) => listen::run(args),
        cli::Command::L2fwd(args) => l2fwd::run(args),
        cli::Command::Rfc2544(args) => rfc2544::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastgw-pktgen: {error}");
            ExitCode::FAILURE
        }
    }
}
