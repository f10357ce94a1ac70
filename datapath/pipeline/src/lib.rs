//! The worker: what happens to a packet between its receive ring and its transmit ring.
