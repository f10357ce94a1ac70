//! The classifier: which received frames are the gateway's, as an XDP program.
//!
//! For every frame, in this order:
//! 1. What is not IPv4 right behind the Ethernet header, or not whole, passes to the kernel.
//! 2. With `tunnels`: a tunnel packet to one of the [`Endpoints`] is taken, a fragment passes.
//! 3. With `prefixes`: what the [`OwnedPrefixes`] say about the destination is done.
//! 4. Everything else passes.
//!
//! A VLAN tag is seen here only while it stands in the frame: a card that strips tags must be told
//! not to, or tagged packets look like untagged ones.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::assembler::{Assembler, Insn, Op, Reg, When, Width};
use crate::bpf::{self, LoadError};
use crate::maps::{Endpoints, OwnedPrefixes, SocketMap};

/// What the gateway takes from an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classifier {
    /// Tunnel packets to an endpoint: ESP, GRE, IPIP, ESP in UDP (port 4500 without the non-ESP
    /// marker, RFC 3948 section 2.2) and L2TP data (port 1701, T bit clear, RFC 2661 section 3.1).
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
        check_ipv4(&mut program);
        if self.tunnels {
            take_tunnel_packets(&mut program, maps.endpoints);
        }
        program.place(Label::Prefixes);
        if self.prefixes {
            take_owned_prefixes(&mut program, maps.prefixes);
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
    ToEndpoint,
    Prefixes,
    Pass,
    Take,
}

use Reg::{R0, R1, R2, R3, R10};

/// The `xdp_md` that the program is called with.
const CONTEXT: Reg = Reg::R6;
/// The frame's first byte.
const FRAME: Reg = Reg::R7;
/// The byte after the frame's last.
const FRAME_END: Reg = Reg::R8;
/// The first byte after the IPv4 header and its options.
const PAYLOAD: Reg = Reg::R9;

// Offsets in `struct xdp_md`.
const CONTEXT_DATA: i16 = 0;
const CONTEXT_DATA_END: i16 = 4;
const CONTEXT_RX_QUEUE: i16 = 16;

// Offsets from the frame's first byte.
const ETHERNET_TYPE: i16 = 12;
const ETHERNET_LEN: i32 = 14;
const IPV4_VERSION_IHL: i16 = 14;
const IPV4_TOTAL_LEN: i16 = 16;
const IPV4_FRAGMENT: i16 = 20;
const IPV4_PROTOCOL: i16 = 23;
const IPV4_DESTINATION: i16 = 30;
const IPV4_LEN_MIN: i32 = 20;

// Offsets from the first byte of a UDP header.
const UDP_DESTINATION_PORT: i16 = 2;
const UDP_LEN: i16 = 4;
const UDP_PAYLOAD: i16 = 8;
const UDP_HEADER_LEN: i32 = 8;

// Helpers (`enum bpf_func_id`).
const HELPER_MAP_LOOKUP: i32 = 1;
const HELPER_REDIRECT_MAP: i32 = 51;

const PROTOCOL_IPIP: i32 = 4;
const PROTOCOL_UDP: i32 = 17;
const PROTOCOL_GRE: i32 = 47;
const PROTOCOL_ESP: i32 = 50;

/// A 16-bit number as a load from the network gives it on this machine.
const fn network_half(number: u16) -> i32 {
    number.to_be() as i32
}

/// Leaves the frame, its end and the IPv4 payload in their registers, or passes.
fn check_ipv4(program: &mut Assembler<Label>) {
    program
        .apply(Op::Move, CONTEXT, R1)
        .load(Width::Word, FRAME, CONTEXT, CONTEXT_DATA)
        .load(Width::Word, FRAME_END, CONTEXT, CONTEXT_DATA_END)
        .apply(Op::Move, R2, FRAME)
        .apply_value(Op::Add, R2, ETHERNET_LEN + IPV4_LEN_MIN)
        .jump_if(R2, When::Greater, FRAME_END, Label::Pass)
        .load(Width::Half, R2, FRAME, ETHERNET_TYPE)
        .jump_if_value(R2, When::NotEqual, network_half(0x0800), Label::Pass)
        .load(Width::Byte, R2, FRAME, IPV4_VERSION_IHL)
        .apply(Op::Move, R3, R2)
        .apply_value(Op::ShiftRight, R3, 4)
        .jump_if_value(R3, When::NotEqual, 4, Label::Pass)
        // The header length counts 4-byte words.
        .apply_value(Op::And, R2, 0x0f)
        .apply_value(Op::ShiftLeft, R2, 2)
        .jump_if_value(R2, When::Less, IPV4_LEN_MIN, Label::Pass)
        // A packet that is shorter than its header, or longer than the frame, is the kernel's to
        // count. A shorter one is followed by Ethernet padding, which is no part of it.
        .load(Width::Half, R3, FRAME, IPV4_TOTAL_LEN)
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
fn take_tunnel_packets(program: &mut Assembler<Label>, endpoints: &Endpoints) {
    program
        .load(Width::Byte, R2, FRAME, IPV4_PROTOCOL)
        .jump_if_value(R2, When::Equal, PROTOCOL_ESP, Label::ToEndpoint)
        .jump_if_value(R2, When::Equal, PROTOCOL_GRE, Label::ToEndpoint)
        .jump_if_value(R2, When::Equal, PROTOCOL_IPIP, Label::ToEndpoint)
        .jump_if_value(R2, When::Equal, PROTOCOL_UDP, Label::Udp)
        .jump(Label::Prefixes);
    select_udp(program);
    program
        .place(Label::ToEndpoint)
        .load(Width::Word, R2, FRAME, IPV4_DESTINATION)
        .store(Width::Word, R10, -4, R2)
        .apply(Op::Move, R2, R10)
        .apply_value(Op::Add, R2, -4)
        .load_map(R1, endpoints.as_fd())
        .call(HELPER_MAP_LOOKUP)
        .jump_if_value(R0, When::Equal, 0, Label::Prefixes)
        // The kernel puts the fragments of a tunnel packet together, and gives the whole to the
        // control side: more fragments to come, or an offset.
        .load(Width::Half, R2, FRAME, IPV4_FRAGMENT)
        .jump_if_value(R2, When::AnyBitOf, network_half(0x3fff), Label::Pass)
        .jump(Label::Take);
}

/// Goes on to the endpoints with ESP in UDP and L2TP data, and with fragments, whose ports cannot
/// be trusted to be there. Lengths are those of the UDP header: behind it may lie padding.
fn select_udp(program: &mut Assembler<Label>) {
    program
        .place(Label::Udp)
        .load(Width::Half, R2, FRAME, IPV4_FRAGMENT)
        .jump_if_value(R2, When::AnyBitOf, network_half(0x3fff), Label::ToEndpoint)
        .apply(Op::Move, R2, PAYLOAD)
        .apply_value(Op::Add, R2, UDP_HEADER_LEN + 4)
        .jump_if(R2, When::Greater, FRAME_END, Label::Prefixes)
        .load(Width::Half, R3, PAYLOAD, UDP_LEN)
        .swap_network_half(R3)
        .load(Width::Half, R2, PAYLOAD, UDP_DESTINATION_PORT)
        .jump_if_value(R2, When::Equal, network_half(4500), Label::EspInUdp)
        .jump_if_value(R2, When::Equal, network_half(1701), Label::L2tp)
        .jump(Label::Prefixes);
    program
        .place(Label::EspInUdp)
        // RFC 3948 section 2.3: a keepalive is one byte.
        .jump_if_value(R3, When::Less, UDP_HEADER_LEN + 4, Label::Prefixes)
        .load(Width::Word, R2, PAYLOAD, UDP_PAYLOAD)
        // RFC 3948 section 2.2: an SPI is not zero, four zero bytes mark IKE.
        .jump_if_value(R2, When::NotEqual, 0, Label::ToEndpoint)
        .jump(Label::Prefixes);
    program
        .place(Label::L2tp)
        .jump_if_value(R3, When::Less, UDP_HEADER_LEN + 2, Label::Prefixes)
        .load(Width::Byte, R2, PAYLOAD, UDP_PAYLOAD)
        // RFC 2661 section 3.1: the first bit is set in control messages.
        .jump_if_value(R2, When::AnyBitOf, 0x80, Label::Prefixes);
}

/// Takes what the longest matching prefix says to take.
fn take_owned_prefixes(program: &mut Assembler<Label>, prefixes: &OwnedPrefixes) {
    program
        .store_value(Width::Word, R10, -8, 32)
        .load(Width::Word, R2, FRAME, IPV4_DESTINATION)
        .store(Width::Word, R10, -4, R2)
        .apply(Op::Move, R2, R10)
        .apply_value(Op::Add, R2, -8)
        .load_map(R1, prefixes.as_fd())
        .call(HELPER_MAP_LOOKUP)
        .jump_if_value(R0, When::Equal, 0, Label::Pass)
        .load(Width::Word, R2, R0, 0)
        .jump_if_value(R2, When::NotEqual, 0, Label::Take);
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
