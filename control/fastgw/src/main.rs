//! fastgw: a VPN gateway for Linux on AF_XDP.
#![deny(unsafe_code)]

mod bfd;
mod check;
mod cli;
mod explain;
mod gateway;
mod ike;
mod kernel;
mod kernel_underlay;
mod latency_report;
mod log;
#[cfg(test)]
mod namespace;
mod offline;
mod ospf;
mod outer;
mod output;
mod ports;
mod run;
mod sampling;
mod show;
mod tunnel_io;
mod worker_thread;

use std::{error::Error, path::Path, process::ExitCode};

use config::Config;

use self::cli::{Action, Cli};

fn main() -> ExitCode {
    let cli = Cli::from_arguments();
    log::init(cli.log);
    output::finish(act(cli.action))
}

fn act(action: Action) -> Result<ExitCode, Box<dyn Error>> {
    match action {
        Action::Check { file, json } => return check::check(&file, json),
        Action::Explain { config, json } => {
            output::print_summary(&explain::explain(&accepted(&config)?)?, json)?;
        }
        Action::Show(question) => show::client::show(&question)?,
        Action::Ike(order) => show::client::order(&order)?,
        Action::Ospf(order) => show::client::order_ospf(&order)?,
        Action::Run { config, latency_report } => {
            run::run(&config, accepted(&config)?, latency_report.as_deref())?;
        }
        Action::Offline(replay) => {
            let config = accepted(&replay.config)?;
            let summary = offline::offline(config, &replay.inputs, &replay.outputs)?;
            output::print_summary(&summary, replay.json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration in a file, its warnings told.
fn accepted(file: &Path) -> Result<Config, Box<dyn Error>> {
    let config = config::load(file)?;
    output::warn(&config);
    Ok(config)
}
