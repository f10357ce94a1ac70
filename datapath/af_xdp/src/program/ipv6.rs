//! The classifier over IPv6.

use super::destination::Destination;
use super::{ETHERNET_LEN, FRAME, FRAME_END, Label, TUNNEL_PROTOCOLS};
use crate::assembler::Reg::{R0, R2, R3};
use crate::assembler::{Assembler, Op, When, Width};
use crate::maps::Endpoints;

// Offsets from the frame's first byte.
const VERSION: i16 = 14;
const PAYLOAD_LEN: i16 = 18;
pub(super) const NEXT_HEADER: i16 = 20;
pub(super) const HEADER_LEN: i32 = 40;

/// The destination.
pub(super) const DESTINATION: Destination = Destination { at: 38, words: 4 };

/// Extension headers behind which, in a packet to an endpoint, only the kernel looks: hop-by-hop
/// options, routing, fragment, destination options (RFC 8200 section 4).
const EXTENSION_HEADERS: [i32; 4] = [0, 43, 44, 60];

/// Passes what is not a whole IPv6 packet.
pub(super) fn check(program: &mut Assembler<Label>) {
    program
        .apply(Op::Move, R2, FRAME)
        .apply_value(Op::Add, R2, ETHERNET_LEN + HEADER_LEN)
        .jump_if(R2, When::Greater, FRAME_END, Label::Pass)
        .load(Width::Byte, R3, FRAME, VERSION)
        .apply_value(Op::ShiftRight, R3, 4)
        .jump_if_value(R3, When::NotEqual, 6, Label::Pass)
        .load(Width::Half, R3, FRAME, PAYLOAD_LEN)
        .swap_network_half(R3)
        .apply(Op::Add, R3, R2)
        .jump_if(R3, When::Greater, FRAME_END, Label::Pass);
}

/// Takes tunnel packets to an endpoint, passes those whose tunnel header lies behind an extension
/// header, fragments among them, and leaves the rest to the prefixes. UDP is part of the rest: no
/// tunnel runs over it here.
pub(super) fn take_tunnel_packets(program: &mut Assembler<Label>, endpoints: &Endpoints) {
    program.load(Width::Byte, R2, FRAME, NEXT_HEADER);
    for protocol in TUNNEL_PROTOCOLS.into_iter().chain(EXTENSION_HEADERS) {
        program.jump_if_value(R2, When::Equal, protocol, Label::ToIpv6Endpoint);
    }
    program.jump(Label::Ipv6Prefixes).place(Label::ToIpv6Endpoint);
    DESTINATION.look_up(program, endpoints.ipv6());
    program.jump_if_value(R0, When::Equal, 0, Label::Ipv6Prefixes).load(
        Width::Byte,
        R2,
        FRAME,
        NEXT_HEADER,
    );
    for protocol in TUNNEL_PROTOCOLS {
        program.jump_if_value(R2, When::Equal, protocol, Label::Take);
    }
    program.jump(Label::Pass);
}
