//! iperf3 as a judge of whether a tunnel carries real traffic.

use std::{process::Output, thread, time::Duration};

use serde_json::Value;

use crate::{
    netns::Netns,
    process::{Background, output, said, wait_for},
};

const SERVER_ATTEMPTS: u32 = 4;

/// Which way the load goes, seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A server in a namespace, listening on all its addresses; it stops when dropped.
pub fn serve(netns: &Netns) -> Background {
    let mut server = netns.spawn("iperf3 -s --forceflush");
    wait_for("iperf3 server", Duration::from_secs(10), || {
        server.assert_runs();
        server.log().contains("Server listening").then_some(())
    });
    server
}

/// Sends TCP for `seconds`, at most `rate` (such as `2M`, bits per second; `0` for no limit), and
/// gives what arrived in bits per second, or what iperf3 said against it.
pub fn measure(
    client: &Netns,
    server: &str,
    way: Way,
    seconds: u32,
    rate: &str,
) -> Result<f64, String> {
    let mut command = client.command("iperf3");
    command.args(["-J", "-c", server, "-b", rate, "-t", &seconds.to_string()]);
    command.args(["--connect-timeout", "10000"]);
    if way == Way::Down {
        command.arg("-R");
    }
    let mut outcome = Err(String::new());
    for _ in 0..SERVER_ATTEMPTS {
        outcome = received(&output(&mut command));
        // A server takes its socket down for a moment after each client: it refuses those who come
        // then and resets those who had been waiting.
        let between_clients = ["Connection refused", "control message: Connection reset", "busy"];
        if !matches!(&outcome, Err(error) if between_clients.iter().any(|m| error.contains(m))) {
            break;
        }
        thread::sleep(Duration::from_secs(1));
    }
    outcome
}

/// Bits per second that arrived, from iperf3's report.
fn received(output: &Output) -> Result<f64, String> {
    let report: Value =
        serde_json::from_slice(&output.stdout).map_err(|_| format!("iperf3: {}", said(output)))?;
    if let Some(error) = report["error"].as_str() {
        return Err(format!("iperf3: {error}"));
    }
    let received = &report["end"]["sum_received"]["bits_per_second"];
    received.as_f64().filter(|rate| *rate > 0.0).ok_or_else(|| "iperf3: nothing arrived".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::veth;

    #[test]
    fn load_is_measured_both_ways_and_a_missing_server_is_an_error() {
        let (left, right) = (Netns::new("client"), Netns::new("server"));
        veth(left.nic("eth0"), right.nic("eth0"), 1);
        left.nic("eth0").address("10.9.0.1/24");
        right.nic("eth0").address("10.9.0.2/24");
        assert!(measure(&left, "10.9.0.2", Way::Up, 1, "2M").is_err());
        let _server = serve(&right);
        for way in [Way::Up, Way::Down] {
            let rate = measure(&left, "10.9.0.2", way, 1, "2M").expect("a load");
            assert!((1e6..4e6).contains(&rate), "{way:?}: {rate} bit/s");
        }
    }
}
