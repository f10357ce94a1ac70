//! The traffic generator against networks whose behaviour is known: links that lose nothing, a box
//! between them that drops, repeats, swaps and damages packets by count, and gateways.

#![forbid(unsafe_code)]

mod accounting;
mod gateways;
mod generator;
mod kernel;
mod refusals;
