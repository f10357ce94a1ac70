//! A busy gateway moves many packets with each system call.

use std::{fs, thread, time::Duration};

use tests::{
    iperf::{Way, serve},
    manual_sa::Suite,
    process::{Background, wait_for},
    site::{Join, Side},
};

use crate::{lab::Lab, load::Load, status::Status};

/// Most system calls for each packet received, of the whole process.
const LIMIT: f64 = 0.5;

#[test]
fn system_calls_are_far_fewer_than_packets() {
    let lab = Lab::new();
    let (a, _b) = lab.join(Join::Esp(Suite::named("aes128gcm16")));
    let _server = serve(&lab.b.host);
    let load = Load { way: Way::Up, seconds: 6, flows: 1, rate: "0", length: 200 };
    let mut client = Background::spawn(&mut load.command(&lab.a.host, Side::B.host()));
    let received = || Status(a.show()).port("lan", "rx_packets");
    wait_for("load", Duration::from_secs(5), || (received() > 1000).then_some(()));

    // Without anybody who slows system calls down: what the gateway counts of its own.
    let own = |status: Status| {
        let calls = status.port("lan", "syscalls") + status.port("wan", "syscalls");
        (status.port("lan", "rx_packets"), calls)
    };
    let before = own(Status(a.show()));
    thread::sleep(Duration::from_secs(1));
    let after = own(Status(a.show()));
    let (packets, calls) = (after.0 - before.0, after.1 - before.1);
    println!("counted by itself: {calls} calls for {packets} packets");
    assert!(packets > 5_000, "{packets} packets are no load");
    assert!((calls as f64) < LIMIT * packets as f64);

    // By strace, which sees all threads and every call, and slows each down.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = folder.path().join("table");
    let before = received();
    let mut strace = std::process::Command::new("strace");
    strace.args(["-c", "-f", "-o"]).arg(&table).args(["-p", &a.id().to_string()]);
    let mut strace = Background::spawn(&mut strace);
    wait_for("strace at work", Duration::from_secs(5), || {
        strace.log().contains("attached").then_some(())
    });
    thread::sleep(Duration::from_secs(2));
    strace.signal("INT");
    wait_for("end of strace", Duration::from_secs(5), || strace.ended());
    let packets = received() - before;
    let table = fs::read_to_string(&table).expect("strace's table");
    let calls = total_calls(&table);
    let each = calls as f64 / packets as f64;
    println!("by strace: {calls} calls for {packets} packets, {each:.3} each\n{table}");
    assert!(packets > 5_000, "{packets} packets are no load");
    assert!(each < LIMIT, "{each} calls for each packet");
    wait_for("end of the load", Duration::from_secs(20), || client.ended());
}

/// The calls in the last line of `strace -c`.
fn total_calls(table: &str) -> u64 {
    let total = table.lines().find(|line| line.trim_end().ends_with("total")).expect("a total");
    // % time, seconds, usecs/call, calls, errors
    total.split_whitespace().nth(3).and_then(|calls| calls.parse().ok()).expect("a count")
}

#[test]
fn total_of_strace_is_read() {
    let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000500           4       123           sendto
 40.00    0.000300           6        45         3 epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.000800           4       168         3 total
";
    assert_eq!(total_calls(table), 168);
}
