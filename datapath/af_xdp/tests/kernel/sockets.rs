//! Opening sockets: what the kernel grants, what it refuses, and how that is told.

use std::ptr;

use af_xdp::{Area, Bind, CopyMode, CopyPreference, OpenStep, RingSizes, Socket, queue_count};

use crate::testbed::{BIND, LAYOUT, SIZES, Testbed, shared};

#[test]
fn copy_is_used_where_the_driver_has_no_zero_copy_and_the_reason_is_kept() {
    let testbed = Testbed::new(1);
    let (area, socket) = testbed.open_first("d0", 16);
    assert_eq!(socket.mode(), CopyMode::Copy);
    assert_eq!(socket.zero_copy_refusal().unwrap().raw_os_error(), Some(libc::EOPNOTSUPP));
    let other = testbed.open(area, "d1", 0, BIND, shared(&socket)).unwrap();
    assert_eq!(other.mode(), CopyMode::Copy);
    assert!(other.zero_copy_refusal().is_none(), "a shared socket is not asked");
    drop((socket, other));
    let copy = Bind { copy: CopyPreference::Copy, need_wakeup: false };
    let socket = testbed.open(area, "d0", 0, copy, None).unwrap();
    assert_eq!(socket.mode(), CopyMode::Copy);
    assert!(socket.zero_copy_refusal().is_none());
}

#[test]
fn zero_copy_or_nothing_fails_on_veth_with_the_reason() {
    let testbed = Testbed::new(1);
    let area = Area::mapped(4096).unwrap();
    let bind = Bind { copy: CopyPreference::ZeroCopy, need_wakeup: true };
    let error = testbed.open(area, "d0", 0, bind, None).err().unwrap();
    assert_eq!(error.step, OpenStep::Bind);
    assert!(error.to_string().contains("no zero-copy mode"), "{error}");
}

#[test]
fn queue_that_does_not_exist_is_named_in_the_error() {
    let testbed = Testbed::new(1);
    let area = Area::mapped(4096).unwrap();
    let error = testbed.open(area, "d0", 7, BIND, None).err().unwrap();
    assert_eq!(error.step, OpenStep::Bind);
    assert!(error.to_string().contains("queue 7"), "{error}");
    assert!(error.to_string().contains("no such queue"), "{error}");
}

#[test]
fn queue_in_use_is_refused_and_a_queue_given_up_can_be_taken_at_once() {
    let testbed = Testbed::new(1);
    let (area, socket) = testbed.open_first("d0", 16);
    let error = testbed.open(area, "d0", 0, BIND, None).err().unwrap();
    assert!(error.to_string().contains("another socket serves this queue"), "{error}");
    let mut socket = Some(socket);
    for _ in 0..5 {
        drop(socket.take());
        socket = Some(testbed.open(area, "d0", 0, BIND, None).unwrap());
    }
}

#[test]
fn impossible_ring_sizes_are_refused_before_the_kernel_is_asked() {
    let area = Area::mapped(4096).unwrap();
    let sizes = RingSizes { tx: 100, ..SIZES };
    let error = Socket::open(area, LAYOUT, 1, 0, sizes, BIND, None).err().unwrap();
    assert_eq!(error.step, OpenStep::Check);
    assert!(error.to_string().contains("powers of two"), "{error}");
}

#[test]
fn queues_of_each_direction_are_counted() {
    let testbed = Testbed::new(1);
    testbed.gateway.ip("link add q0 numrxqueues 3 numtxqueues 2 type veth peer name q1");
    let count = testbed.gateway.run(|| {
        show_own_sysfs();
        queue_count("q0").unwrap()
    });
    assert_eq!((count.rx, count.tx, count.both()), (3, 2, 2));
}

/// Gives this thread a /sys that shows its network namespace, as `ip netns exec` does.
fn show_own_sysfs() {
    // SAFETY: plain system calls with strings that live over them.
    let done = unsafe {
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), flags, ptr::null()) == 0
            && libc::mount(c"sysfs".as_ptr(), c"/sys".as_ptr(), c"sysfs".as_ptr(), 0, ptr::null())
                == 0
    };
    assert!(done, "cannot mount sysfs: {}", std::io::Error::last_os_error());
}
