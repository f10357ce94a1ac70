//! The window against a model that remembers everything, under threads, and in every interleaving.

#[cfg(loom)]
mod loom;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod threads;
