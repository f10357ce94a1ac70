//! Packet headers as types over bytes: parse once, then infallible.
