//! Programs that take without asking who owns what: for a sink of test traffic, and for the bare
//! loop that forwarding is measured by.

use super::ipv4::{self, PAYLOAD, PROTOCOL_UDP, UDP_DESTINATION_PORT, UDP_HEADER_LEN};
use super::{
    ETHERNET_LEN, FRAME, FRAME_END, Label, ipv6, network_half, redirect_to_socket,
    tell_families_apart,
};
use crate::assembler::Reg::{R0, R2};
use crate::assembler::{Assembler, Insn, Op, When, Width};
use crate::maps::SocketMap;

use super::Verdict;

/// What is taken from an interface; everything else, ARP for one, passes to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Every IPv4 and IPv6 packet.
    Ip,
    /// UDP datagrams to this port, over IPv4 or right behind an IPv6 header; no fragments.
    UdpTo(u16),
}

impl Take {
    /// The program. `miss` is the verdict on what is taken on a queue without a socket; see
    /// [`super::Classifier::assemble`].
    pub fn assemble(self, sockets: &SocketMap, miss: Verdict) -> Vec<Insn> {
        let mut program = Assembler::new();
        tell_families_apart(&mut program);
        ipv4::check(&mut program);
        if let Self::UdpTo(_) = self {
            program
                .load(Width::Byte, R2, FRAME, ipv4::PROTOCOL)
                .jump_if_value(R2, When::NotEqual, PROTOCOL_UDP, Label::Pass)
                .load(Width::Half, R2, FRAME, ipv4::FRAGMENT)
                .jump_if_value(R2, When::AnyBitOf, network_half(0x3fff), Label::Pass)
                .jump(Label::Udp);
        } else {
            program.jump(Label::Take);
        }
        program.place(Label::Ipv6);
        ipv6::check(&mut program);
        if let Self::UdpTo(port) = self {
            program
                .load(Width::Byte, R2, FRAME, ipv6::NEXT_HEADER)
                .jump_if_value(R2, When::NotEqual, PROTOCOL_UDP, Label::Pass)
                .apply(Op::Move, PAYLOAD, FRAME)
                .apply_value(Op::Add, PAYLOAD, ETHERNET_LEN + ipv6::HEADER_LEN);
            to_port(&mut program, port);
        } else {
            program.jump(Label::Take);
        }
        program.place(Label::Pass).apply_value(Op::Move, R0, Verdict::Pass as i32).exit();
        redirect_to_socket(&mut program, sockets, miss);
        program.finish()
    }
}

/// Takes a datagram to `port`; where it begins is in its register.
fn to_port(program: &mut Assembler<Label>, port: u16) {
    program
        .place(Label::Udp)
        .apply(Op::Move, R2, PAYLOAD)
        .apply_value(Op::Add, R2, UDP_HEADER_LEN)
        .jump_if(R2, When::Greater, FRAME_END, Label::Pass)
        .load(Width::Half, R2, PAYLOAD, UDP_DESTINATION_PORT)
        .jump_if_value(R2, When::Equal, network_half(port), Label::Take);
}
