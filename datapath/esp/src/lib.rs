//! ESP security associations: suites, keys, sequence numbers, the anti-replay window.
