//! Who is behind an address on the link: asked of the kernel, which resolves it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use wire::ethernet::Mac;

use super::device::{Device, parse_mac};
use super::flow::PORT;

/// How long a neighbour may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The link-layer address of `address` on the link of `device`.
///
/// # Errors
/// Nobody answers, or the address is IPv6, which is not asked for.
pub fn resolve(device: &Device, address: IpAddr) -> Result<Mac, String> {
    let IpAddr::V4(address) = address else {
        return Err(format!(
            "{address} cannot be resolved: give its Ethernet address, which `ip -6 neigh` shows"
        ));
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(mac) = known(device, address) {
            return Ok(mac);
        }
        if Instant::now() > deadline {
            let name = &device.name;
            return Err(format!(
                "no answer to ARP for {address} on {name}: check `ip addr` and `ip neigh`, or \
                 give its Ethernet address"
            ));
        }
        // Any packet to it makes the kernel ask; to the discard port it bothers nobody.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) {
            let _ = socket.send_to(&[], SocketAddr::from((address, PORT)));
        }
        thread::sleep(ASK_AGAIN);
    }
}

fn known(device: &Device, address: Ipv4Addr) -> Option<Mac> {
    find(&fs::read_to_string("/proc/thread-self/net/arp").ok()?, &device.name, address)
}

/// A complete entry of the kernel's ARP table.
fn find(table: &str, device: &str, address: Ipv4Addr) -> Option<Mac> {
    let address = address.to_string();
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [ip, _, flags, mac, _, on] = words[..] else { return None };
        let complete = u8::from_str_radix(flags.trim_start_matches("0x"), 16).ok()? & 2 != 0;
        (ip == address && on == device && complete).then(|| parse_mac(mac).ok()).flatten()
    };
    table.lines().find_map(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_entries_of_the_device_count() {
        let table = "\
IP address       HW type     Flags       HW address            Mask     Device
10.1.0.1         0x1         0x0         00:00:00:00:00:00     *        eth0
10.1.0.1         0x1         0x2         02:00:00:00:00:07     *        eth1
10.1.0.9         0x1         0x6         02:00:00:00:00:09     *        eth0
";
        let find = |device, last| find(table, device, Ipv4Addr::new(10, 1, 0, last));
        assert_eq!(find("eth0", 1), None);
        assert_eq!(find("eth1", 1), Some(Mac([2, 0, 0, 0, 0, 7])));
        assert_eq!(find("eth0", 9), Some(Mac([2, 0, 0, 0, 0, 9])));
        assert_eq!(find("eth0", 2), None);
    }
}
