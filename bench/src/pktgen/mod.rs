//! The traffic generator.
mod flow;
mod ledger;
mod packet;
mod rate;
mod schedule;
mod size;
mod stamp;
/// x
pub fn main() -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
