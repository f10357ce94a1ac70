//! Every kernel against vectors that others published, against implementations that others wrote,
//! and against the end of memory.
//!
//! A CPU without a kernel passes by having no keys for it, which each test says.

mod generator;
mod guard;
mod oracle;
mod random;
mod tampering;
mod vectors;

/// Whether to go on; says so if not.
fn has(kernel: bool) -> bool {
    if !kernel {
        eprintln!("not tested: this CPU lacks the kernel");
    }
    kernel
}
