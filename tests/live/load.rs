//! UDP load by iperf3, which counts what is lost.

use std::process::Command;

use serde_json::Value;
use tests::{
    iperf::Way,
    netns::Netns,
    process::{output, said},
};

use crate::status::number;

/// A load of datagrams.
#[derive(Clone, Copy)]
pub struct Load {
    pub way: Way,
    pub seconds: u32,
    /// Flows at once.
    pub flows: u32,
    /// Bits per second of each flow, such as `1M`; `0` is as fast as iperf3 can.
    pub rate: &'static str,
    /// Bytes of data in each datagram.
    pub length: u32,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    pub sent: u64,
    pub lost: u64,
}

impl Load {
    /// The client's command.
    pub fn command(&self, client: &Netns, server: &str) -> Command {
        let mut command = client.command("iperf3");
        command.args(["-J", "-u", "-c", server, "-b", self.rate]);
        command.args(["-t", &self.seconds.to_string(), "-P", &self.flows.to_string()]);
        command.args(["-l", &self.length.to_string()]);
        if self.way == Way::Down {
            command.arg("-R");
        }
        command
    }

    /// Runs it against a server that is there. Panics with what iperf3 said against it.
    pub fn run(&self, client: &Netns, server: &str) -> Outcome {
        let output = output(&mut self.command(client, server));
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("iperf3: {error}: {}", said(&output)));
        let sum = &report["end"]["sum"];
        assert!(report["error"].is_null(), "iperf3: {}", report["error"]);
        Outcome { sent: number(&sum["packets"]), lost: number(&sum["lost_packets"]) }
    }
}
