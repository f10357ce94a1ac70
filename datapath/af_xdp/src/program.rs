//! The classifier: which received frames are the gateway's, as an XDP program.
//!
//! For every frame, in this order:
//! 1. What is neither IPv4 nor IPv6 right behind the Ethernet header, or not whole, passes to the
//!    kernel.
//! 2. With `tunnels`: a tunnel packet to one of the [`Endpoints`] is taken, a fragment passes.
//! 3. With `prefixes`: what the [`OwnedPrefixes`] say about the destination is done.
//! 4. Everything else passes.
//!
//! A multicast destination is a destination like any other: taken where a prefix says so. The
//! kernel keeps neighbour discovery and all other ICMPv6 of its own, because link-local and
//! solicited-node addresses are neither endpoints nor in a routed prefix.
//!
//! A VLAN tag is seen here only while it stands in the frame: a card that strips tags must be told
//! not to, or tagged packets look like untagged ones.

mod destination;
mod ipv4;
mod ipv6;
mod take;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::assembler::{Assembler, Insn, Op, Reg, When, Width};
use crate::bpf::{self, LoadError};
use crate::maps::{Endpoints, OwnedPrefixes, SocketMap};

pub use take::Take;

/// What the gateway takes from an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classifier {
    /// Tunnel packets to an endpoint: ESP, GRE, IPv4 or IPv6 in IP, and over IPv4 also ESP in UDP
    /// (port 4500 without the non-ESP marker, RFC 3948 section 2.2) and L2TP data (port 1701, T bit
    /// clear, RFC 2661 section 3.1).
    pub tunnels: bool,
    /// Packets, and fragments, to a prefix that the gateway routes.
    pub prefixes: bool,
}

/// The maps that a program reads.
#[derive(Clone, Copy, Debug)]
pub struct Maps<'a> {
    /// The sockets of the interface.
    pub sockets: &'a SocketMap,
    /// The local addresses of tunnels; usually one set for all interfaces.
    pub endpoints: &'a Endpoints,
    /// The routed destinations; usually one table for all interfaces.
    pub prefixes: &'a OwnedPrefixes,
}

/// What an XDP program returns (`enum xdp_action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// The frame is dropped and an error traced.
    Aborted = 0,
    /// The frame is dropped.
    Drop = 1,
    /// The frame goes on to the kernel's stack.
    Pass = 2,
    /// The frame leaves where it came in.
    Transmit = 3,
    /// The frame goes to a socket, or another device.
    Redirect = 4,
}

impl Classifier {
    /// The program for one interface. `miss` is the verdict on frames that are the gateway's but
    /// arrive on a queue without a socket: [`Verdict::Pass`], unless a test wants to tell them
    /// from those that are not.
    pub fn assemble(&self, maps: &Maps<'_>, miss: Verdict) -> Vec<Insn> {
        let mut program = Assembler::new();
        tell_families_apart(&mut program);
        ipv4::check(&mut program);
        if self.tunnels {
            ipv4::take_tunnel_packets(&mut program, maps.endpoints);
        }
        program.place(Label::Ipv4Prefixes);
        if self.prefixes {
            ipv4::DESTINATION.take_owned_prefixes(&mut program, maps.prefixes.ipv4());
        }
        program.jump(Label::Pass).place(Label::Ipv6);
        ipv6::check(&mut program);
        if self.tunnels {
            ipv6::take_tunnel_packets(&mut program, maps.endpoints);
        }
        program.place(Label::Ipv6Prefixes);
        if self.prefixes {
            ipv6::DESTINATION.take_owned_prefixes(&mut program, maps.prefixes.ipv6());
        }
        program.place(Label::Pass).apply_value(Op::Move, R0, Verdict::Pass as i32).exit();
        if self.tunnels || self.prefixes {
            redirect_to_socket(&mut program, maps.sockets, miss);
        }
        program.finish()
    }
}

/// A program that the kernel has verified and holds ready.
#[derive(Debug)]
pub struct Program(OwnedFd);

impl Program {
    /// Loads the classifier over these maps. What it takes on a queue without a socket passes.
    pub fn load(classifier: &Classifier, maps: &Maps<'_>) -> Result<Self, LoadError> {
        Self::load_instructions(&classifier.assemble(maps, Verdict::Pass))
    }

    /// Loads a program that takes without maps of addresses. What it takes on a queue without a
    /// socket passes.
    pub fn load_take(take: Take, sockets: &SocketMap) -> Result<Self, LoadError> {
        Self::load_instructions(&take.assemble(sockets, Verdict::Pass))
    }

    /// Loads any XDP program.
    pub fn load_instructions(instructions: &[Insn]) -> Result<Self, LoadError> {
        bpf::load_program(instructions, c"fastgw_classify").map(Self)
    }

    /// Runs the program once over `frame`, Ethernet header included, without any interface
    /// (`BPF_PROG_TEST_RUN`). The kernel refuses frames shorter than an Ethernet header.
    pub fn test_run(&self, frame: &[u8]) -> io::Result<Verdict> {
        match bpf::test_run(self.0.as_fd(), frame)? {
            0 => Ok(Verdict::Aborted),
            1 => Ok(Verdict::Drop),
            2 => Ok(Verdict::Pass),
            3 => Ok(Verdict::Transmit),
            4 => Ok(Verdict::Redirect),
            other => Err(io::Error::other(format!("the program returned {other}"))),
        }
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Places in the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Udp,
    EspInUdp,
    L2tp,
    ToIpv4Endpoint,
    Ipv4Prefixes,
    Ipv6,
    ToIpv6Endpoint,
    Ipv6Prefixes,
    Pass,
    Take,
}

use Reg::{R0, R1, R2, R3};

/// The `xdp_md` that the program is called with.
const CONTEXT: Reg = Reg::R6;
/// The frame's first byte.
const FRAME: Reg = Reg::R7;
/// The byte after the frame's last.
const FRAME_END: Reg = Reg::R8;

// Offsets in `struct xdp_md`.
const CONTEXT_DATA: i16 = 0;
const CONTEXT_DATA_END: i16 = 4;
const CONTEXT_RX_QUEUE: i16 = 16;

// Offsets from the frame's first byte.
const ETHERNET_TYPE: i16 = 12;
const ETHERNET_LEN: i32 = 14;

// Helpers (`enum bpf_func_id`).
const HELPER_MAP_LOOKUP: i32 = 1;
const HELPER_REDIRECT_MAP: i32 = 51;

const ETHERNET_IPV4: u16 = 0x0800;
const ETHERNET_IPV6: u16 = 0x86dd;

/// What tunnel packets carry right behind an IP header of either version: IPv4, IPv6, GRE, ESP.
const TUNNEL_PROTOCOLS: [i32; 4] = [4, 41, 47, 50];

/// A 16-bit number as a load from the network gives it on this machine.
const fn network_half(number: u16) -> i32 {
    number.to_be() as i32
}

/// Leaves the frame and its end in their registers, goes on to [`Label::Ipv6`] with an IPv6 packet
/// and falls through with an IPv4 one, neither of which is checked yet.
fn tell_families_apart(program: &mut Assembler<Label>) {
    program
        .apply(Op::Move, CONTEXT, R1)
        .load(Width::Word, FRAME, CONTEXT, CONTEXT_DATA)
        .load(Width::Word, FRAME_END, CONTEXT, CONTEXT_DATA_END)
        .apply(Op::Move, R2, FRAME)
        .apply_value(Op::Add, R2, ETHERNET_LEN)
        .jump_if(R2, When::Greater, FRAME_END, Label::Pass)
        .load(Width::Half, R2, FRAME, ETHERNET_TYPE)
        .jump_if_value(R2, When::Equal, network_half(ETHERNET_IPV6), Label::Ipv6)
        .jump_if_value(R2, When::NotEqual, network_half(ETHERNET_IPV4), Label::Pass);
}

/// Gives the frame to the socket of the queue it came in on.
fn redirect_to_socket(program: &mut Assembler<Label>, sockets: &SocketMap, miss: Verdict) {
    program
        .place(Label::Take)
        .load(Width::Word, R2, CONTEXT, CONTEXT_RX_QUEUE)
        .load_map(R1, sockets.as_fd())
        .apply_value(Op::Move, R3, miss as i32)
        .call(HELPER_REDIRECT_MAP)
        .exit();
}
