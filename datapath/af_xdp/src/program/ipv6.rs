//! The classifier over IPv6.

use super::{ETHERNET_LEN, FRAME, FRAME_END, Label, TUNNEL_PROTOCOLS, look_up, take_as_found};
use crate::assembler::Reg::{R0, R2, R3, R10};
use crate::assembler::{Assembler, Op, When, Width};
use crate::maps::{Endpoints, OwnedPrefixes};

// Offsets from the frame's first byte.
const VERSION: i16 = 14;
const PAYLOAD_LEN: i16 = 18;
const NEXT_HEADER: i16 = 20;
const DESTINATION: i16 = 38;
const HEADER_LEN: i32 = 40;

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
    copy_destination(program);
    look_up(program, endpoints.ipv6(), DESTINATION_KEY);
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

/// Takes what the longest matching prefix says to take.
pub(super) fn take_owned_prefixes(program: &mut Assembler<Label>, prefixes: &OwnedPrefixes) {
    copy_destination(program);
    program.store_value(Width::Word, R10, PREFIX_KEY as i16, 128);
    look_up(program, prefixes.ipv6(), PREFIX_KEY);
    take_as_found(program);
}

/// Where the destination is copied to, and in front of it the number of its bits: offsets from the
/// frame pointer.
const DESTINATION_KEY: i32 = -16;
const PREFIX_KEY: i32 = -20;

fn copy_destination(program: &mut Assembler<Label>) {
    for word in 0..4 {
        let at = 4 * word;
        program.load(Width::Word, R2, FRAME, DESTINATION + at).store(
            Width::Word,
            R10,
            DESTINATION_KEY as i16 + at,
            R2,
        );
    }
}
