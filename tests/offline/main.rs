//! `fastgw offline` needs no privileges and no network: captures that others made are opened,
//! what one site seals the other one opens, and what cannot be played is named.

#![forbid(unsafe_code)]

mod captures;
mod ike;
mod keys;
mod ospf;
mod play;
mod refusals;
mod round_trip;
