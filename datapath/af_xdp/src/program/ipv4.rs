//! The classifier over IPv4.

use super::destination::Destination;
use super::{ETHERNET_LEN, FRAME, FRAME_END, Label, TUNNEL_PROTOCOLS, network_half};
use crate::assembler::Reg::{R0, R2, R3};
use crate::assembler::{Assembler, Op, Reg, When, Width};
use crate::maps::Endpoints;

/// The first byte after the IPv4 header and its options.
pub(super) const PAYLOAD: Reg = Reg::R9;

// Offsets from the frame's first byte.
const VERSION_IHL: i16 = 14;
const TOTAL_LEN: i16 = 16;
pub(super) const FRAGMENT: i16 = 20;
pub(super) const PROTOCOL: i16 = 23;
const HEADER_LEN_MIN: i32 = 20;

/// The destination.
pub(super) const DESTINATION: Destination = Destination { at: 30, words: 1 };

// Offsets from the first byte of a UDP header.
pub(super) const UDP_DESTINATION_PORT: i16 = 2;
const UDP_LEN: i16 = 4;
const UDP_PAYLOAD: i16 = 8;
pub(super) const UDP_HEADER_LEN: i32 = 8;

pub(super) const PROTOCOL_UDP: i32 = 17;

/// Leaves the IPv4 payload in its register, or passes.
pub(super) fn check(program: &mut Assembler<Label>) {
    program
        .apply(Op::Move, R2, FRAME)
        .apply_value(Op::Add, R2, ETHERNET_LEN + HEADER_LEN_MIN)
        .jump_if(R2, When::Greater, FRAME_END, Label::Pass)
        .load(Width::Byte, R2, FRAME, VERSION_IHL)
        .apply(Op::Move, R3, R2)
        .apply_value(Op::ShiftRight, R3, 4)
        .jump_if_value(R3, When::NotEqual, 4, Label::Pass)
        // The header length counts 4-byte words.
        .apply_value(Op::And, R2, 0x0f)
        .apply_value(Op::ShiftLeft, R2, 2)
        .jump_if_value(R2, When::Less, HEADER_LEN_MIN, Label::Pass)
        // A packet that is shorter than its header, or longer than the frame, is the kernel's to
        // count. A shorter one is followed by Ethernet padding, which is no part of it.
        .load(Width::Half, R3, FRAME, TOTAL_LEN)
        .swap_network_half(R3)
        .jump_if(R2, When::Greater, R3, Label::Pass)
        .apply(Op::Add, R3, FRAME)
        .apply_value(Op::Add, R3, ETHERNET_LEN)
        .jump_if(R3, When::Greater, FRAME_END, Label::Pass)
        .apply(Op::Move, PAYLOAD, FRAME)
        .apply(Op::Add, PAYLOAD, R2)
        .apply_value(Op::Add, PAYLOAD, ETHERNET_LEN);
}

/// Takes tunnel packets to an endpoint, passes their fragments, and leaves the rest to the
/// prefixes: a packet may be a tunnel packet between two strangers.
pub(super) fn take_tunnel_packets(program: &mut Assembler<Label>, endpoints: &Endpoints) {
    program.load(Width::Byte, R2, FRAME, PROTOCOL);
    for protocol in TUNNEL_PROTOCOLS {
        program.jump_if_value(R2, When::Equal, protocol, Label::ToIpv4Endpoint);
    }
    program.jump_if_value(R2, When::Equal, PROTOCOL_UDP, Label::Udp).jump(Label::Ipv4Prefixes);
    select_udp(program);
    program.place(Label::ToIpv4Endpoint);
    DESTINATION.look_up(program, endpoints.ipv4());
    program
        .jump_if_value(R0, When::Equal, 0, Label::Ipv4Prefixes)
        // The kernel puts the fragments of a tunnel packet together, and gives the whole to the
        // control side: more fragments to come, or an offset.
        .load(Width::Half, R2, FRAME, FRAGMENT)
        .jump_if_value(R2, When::AnyBitOf, network_half(0x3fff), Label::Pass)
        .jump(Label::Take);
}

/// Goes on to the endpoints with ESP in UDP and L2TP data, and with fragments, whose ports cannot
/// be trusted to be there. Lengths are those of the UDP header: behind it may lie padding.
fn select_udp(program: &mut Assembler<Label>) {
    program
        .place(Label::Udp)
        .load(Width::Half, R2, FRAME, FRAGMENT)
        .jump_if_value(R2, When::AnyBitOf, network_half(0x3fff), Label::ToIpv4Endpoint)
        .apply(Op::Move, R2, PAYLOAD)
        .apply_value(Op::Add, R2, UDP_HEADER_LEN + 4)
        .jump_if(R2, When::Greater, FRAME_END, Label::Ipv4Prefixes)
        .load(Width::Half, R3, PAYLOAD, UDP_LEN)
        .swap_network_half(R3)
        .load(Width::Half, R2, PAYLOAD, UDP_DESTINATION_PORT)
        .jump_if_value(R2, When::Equal, network_half(4500), Label::EspInUdp)
        .jump_if_value(R2, When::Equal, network_half(1701), Label::L2tp)
        .jump(Label::Ipv4Prefixes);
    program
        .place(Label::EspInUdp)
        // RFC 3948 section 2.3: a keepalive is one byte.
        .jump_if_value(R3, When::Less, UDP_HEADER_LEN + 4, Label::Ipv4Prefixes)
        .load(Width::Word, R2, PAYLOAD, UDP_PAYLOAD)
        // RFC 3948 section 2.2: an SPI is not zero, four zero bytes mark IKE.
        .jump_if_value(R2, When::NotEqual, 0, Label::ToIpv4Endpoint)
        .jump(Label::Ipv4Prefixes);
    program
        .place(Label::L2tp)
        .jump_if_value(R3, When::Less, UDP_HEADER_LEN + 2, Label::Ipv4Prefixes)
        .load(Width::Byte, R2, PAYLOAD, UDP_PAYLOAD)
        // RFC 2661 section 3.1: the first bit is set in control messages.
        .jump_if_value(R2, When::AnyBitOf, 0x80, Label::Ipv4Prefixes);
}
