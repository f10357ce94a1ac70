//! Frames in, frames out: AF_XDP, in-process memory and capture files behind one trait.
