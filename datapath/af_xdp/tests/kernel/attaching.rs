//! A program on an interface: in which mode, and for how long.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use af_xdp::{AllMulticast, Attached, Classifier, Socket, XdpMode, ifindex};

use crate::namespace::Namespace;
use crate::testbed::{BIND, LAYOUT, SIZES, Steering, Testbed, wait_until};

const CLASSIFIER: Classifier = Classifier { tunnels: true, prefixes: true };

#[test]
fn native_mode_comes_first_and_the_program_leaves_with_its_value() {
    let testbed = Testbed::new(1);
    let steering = Steering::new(CLASSIFIER, &[]);
    let attached =
        testbed.gateway.run(|| Attached::attach(&steering.program, ifindex("d0").unwrap()));
    let attached = attached.unwrap();
    assert_eq!(attached.mode(), XdpMode::Native);
    assert!(attached.native_refusal().is_none());
    assert!(has_program(&testbed.gateway, "d0"));
    drop(attached);
    assert!(!has_program(&testbed.gateway, "d0"));
}

#[test]
fn generic_mode_is_used_where_the_driver_refuses_and_the_reason_is_kept() {
    let testbed = Testbed::new(1);
    // veth refuses native mode when the peer sends on more queues than it receives on.
    let queues = "numrxqueues 1 numtxqueues 1";
    let more = "numrxqueues 4 numtxqueues 4";
    testbed.gateway.ip(&format!("link add q0 {queues} type veth peer name q1 {more}"));
    testbed.gateway.ip("link set q0 up");
    testbed.gateway.ip("link set q1 up");
    let steering = Steering::new(CLASSIFIER, &[]);
    let attached =
        testbed.gateway.run(|| Attached::attach(&steering.program, ifindex("q0").unwrap()));
    let attached = attached.unwrap();
    assert_eq!(attached.mode(), XdpMode::Generic);
    assert_eq!(attached.native_refusal().unwrap().raw_os_error(), Some(libc::ENOSPC));
    assert!(has_program(&testbed.gateway, "q0"));
}

#[test]
fn second_program_on_an_interface_is_refused_with_the_reason() {
    let testbed = Testbed::new(1);
    let steering = Steering::new(CLASSIFIER, &[]).attached(XdpMode::Native, &testbed);
    let error = testbed
        .gateway
        .run(|| Attached::attach(&steering.program, ifindex("d0").unwrap()))
        .unwrap_err();
    assert!(error.to_string().contains("another XDP program is attached"), "{error}");
}

#[test]
fn missing_interface_is_refused() {
    let testbed = Testbed::new(1);
    let steering = Steering::new(CLASSIFIER, &[]);
    let error = testbed.gateway.run(|| Attached::attach(&steering.program, 12345)).unwrap_err();
    assert!(error.to_string().contains("interface 12345"), "{error}");
}

#[test]
fn every_multicast_frame_comes_in_for_as_long_as_it_is_asked_for() {
    let testbed = Testbed::new(1);
    let (first, second) = testbed.gateway.run(|| {
        let device = ifindex("d0").unwrap();
        (AllMulticast::join(device).unwrap(), AllMulticast::join(device).unwrap())
    });
    let wanted = || testbed.gateway.ip("-d link show d0").contains("allmulti 1");
    let wanted_by_two = || testbed.gateway.ip("-d link show d0").contains("allmulti 2");
    assert!(wanted_by_two());
    drop(first);
    assert!(wanted());
    drop(second);
    assert!(!wanted() && !wanted_by_two());
    assert!(testbed.gateway.run(|| AllMulticast::join(12345)).is_err(), "no such interface");
}

/// This test is two processes: it starts itself again to hold the link, and kills that one.
#[test]
fn killed_process_leaves_no_program_and_no_socket() {
    if env::var_os(HOLD).is_some() {
        return hold_port_until_killed();
    }
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let testbed = Testbed::new(1);
        let mut child = testbed.gateway.run(|| {
            let own_name = "attaching::killed_process_leaves_no_program_and_no_socket";
            Command::new(env::current_exe().unwrap())
                .args([own_name, "--exact", "--nocapture"])
                .env(HOLD, mode.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        });
        let output = BufReader::new(child.stdout.take().unwrap());
        let ready = output.lines().any(|line| line.unwrap().contains(READY));
        assert!(ready, "the child did not get as far as holding the port");
        assert!(has_program(&testbed.gateway, "d0"));
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the program is gone", || !has_program(&testbed.gateway, "d0"));
        let (_, socket) = testbed.open_first("d0", 16);
        let _steering = Steering::new(CLASSIFIER, &[&socket]).attached(mode, &testbed);
    }
}

/// In the environment of the child: the mode to attach in.
const HOLD: &str = "AF_XDP_TEST_HOLD";
const READY: &str = "the port is held";

fn hold_port_until_killed() {
    let native = env::var(HOLD).unwrap() == XdpMode::Native.to_string();
    let mode = if native { XdpMode::Native } else { XdpMode::Generic };
    let area = af_xdp::Area::mapped(16 * LAYOUT.chunk_size as usize).unwrap();
    let device = ifindex("d0").unwrap();
    let socket = Socket::open(area, LAYOUT, device, 0, SIZES, BIND, None).unwrap();
    let steering = Steering::new(CLASSIFIER, &[&socket]);
    let _attached = Attached::attach_in(mode, &steering.program, device).unwrap();
    println!("{READY}");
    // Ends by itself only when the parent is gone.
    let _ = std::io::stdin().read(&mut [0]);
}

fn has_program(namespace: &Namespace, device: &str) -> bool {
    namespace.ip(&format!("-d link show {device}")).contains("prog/xdp")
}
