//! What must be known of an interface before a socket can be bound to it.

use std::ffi::CString;
use std::fs;
use std::io;

/// How many queues an interface has in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueCount {
    /// Queues that receive.
    pub rx: u32,
    /// Queues that send.
    pub tx: u32,
}

impl QueueCount {
    /// Queues that do both, numbered from 0. Frames that arrive on a receiving queue without a
    /// socket pass to the kernel, so each of those should have one, also where it cannot send.
    pub fn both(&self) -> u32 {
        self.rx.min(self.tx)
    }
}

/// The index of an interface, by its name.
pub fn ifindex(name: &str) -> io::Result<u32> {
    let c_name = CString::new(name)?;
    // SAFETY: the name ends with a zero byte and lives over the call.
    match unsafe { libc::if_nametoindex(c_name.as_ptr()) } {
        0 => {
            let error = io::Error::last_os_error();
            Err(io::Error::new(error.kind(), format!("interface {name:?}: {error}")))
        }
        index => Ok(index),
    }
}

/// The queues of an interface, as listed in `/sys/class/net/NAME/queues`.
pub fn queue_count(name: &str) -> io::Result<QueueCount> {
    let refuse = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_string());
    // The name becomes a part of a path.
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(refuse("not the name of an interface"));
    }
    let path = format!("/sys/class/net/{name}/queues");
    let entries = fs::read_dir(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    let mut count = QueueCount { rx: 0, tx: 0 };
    for entry in entries {
        let entry = entry?.file_name();
        let entry = entry.to_string_lossy();
        count.rx += u32::from(entry.starts_with("rx-"));
        count.tx += u32::from(entry.starts_with("tx-"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_an_index_and_queues() {
        assert_eq!(ifindex("lo").unwrap(), 1);
        let count = queue_count("lo").unwrap();
        assert!(count.rx >= 1 && count.tx >= 1);
        assert_eq!(QueueCount { rx: 4, tx: 2 }.both(), 2);
    }

    #[test]
    fn missing_interface_is_named_in_the_error() {
        assert!(ifindex("nosuchif0").unwrap_err().to_string().contains("nosuchif0"));
        assert!(queue_count("nosuchif0").unwrap_err().to_string().contains("nosuchif0"));
        assert!(ifindex("a\0b").is_err());
        assert!(queue_count("../lo").is_err());
    }
}
