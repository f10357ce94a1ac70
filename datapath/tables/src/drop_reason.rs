//! Every way a packet can end here, in one list: name, counter, explanation.

/// Declares the enum, its order, its counter names and its help texts from one list, so that
/// statistics, documentation and tests cannot disagree.
macro_rules! drop_reasons {
    ($($(#[doc = $help:literal])+ $name:ident => $counter:literal,)+) => {
        /// Why a packet went no further.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum DropReason {
            $($(#[doc = $help])+ $name,)+
        }

        impl DropReason {
            /// Every reason, in the order of a packet's way.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name of its counter.
            #[must_use]
            pub fn counter(self) -> &'static str {
                match self { $(Self::$name => $counter,)+ }
            }

            /// What happened, in a sentence.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => concat!($($help),+).trim_ascii(),)+ }
            }
        }
    };
}

drop_reasons! {
    /// The frame is shorter than an Ethernet header.
    FrameTruncated => "frame_truncated",
    /// The frame's destination MAC is not this port's.
    FrameNotOurs => "frame_not_ours",
    /// The frame carries neither IPv4 nor IPv6.
    FrameNotIp => "frame_not_ip",
    /// The packet is shorter than an IPv4 header.
    Ipv4Truncated => "ipv4_truncated",
    /// The IP version is not 4.
    Ipv4Version => "ipv4_version",
    /// The header length is below 20 bytes or beyond the packet.
    Ipv4HeaderLength => "ipv4_header_length",
    /// The total length is below the header length or beyond the frame.
    Ipv4TotalLength => "ipv4_total_length",
    /// The header checksum is wrong.
    Ipv4Checksum => "ipv4_checksum",
    /// The source address cannot be one host's: multicast, loopback, broadcast or unspecified
    /// (RFC 1812 5.3.7).
    Ipv4Martian => "ipv4_martian",
    /// The packet asks for source routing, which is refused (RFC 7126 4.3, 4.4).
    Ipv4SourceRoute => "ipv4_source_route",
    /// The packet is shorter than an IPv6 header.
    Ipv6Truncated => "ipv6_truncated",
    /// The IP version is not 6.
    Ipv6Version => "ipv6_version",
    /// The payload length is beyond the frame.
    Ipv6PayloadLength => "ipv6_payload_length",
    /// The source address cannot be one host's: multicast, loopback or unspecified (RFC 4291 2.5).
    Ipv6Martian => "ipv6_martian",
    /// The packet asks for source routing, which is refused (RFC 5095), or its extension headers
    /// cannot be followed.
    Ipv6SourceRoute => "ipv6_source_route",
    /// A link-local address: such packets stay on their link (RFC 3927 7, RFC 4291 2.5.6).
    LinkLocal => "link_local",
    /// Clear traffic on an outside port is the kernel's, not the gateway's.
    ClearFromOutside => "clear_from_outside",
    /// Addressed to the gateway, but neither a tunnel's packet nor an echo request.
    NotServed => "not_served",
    /// A protocol packet for control, which has no buffer for it: too many wait, or it is longer
    /// than any buffer.
    PuntFull => "punt_full",
    /// A protocol packet for control in fragments, which nobody puts together.
    PuntFragment => "punt_fragment",
    /// A BFD packet for control that has passed a router, so that no neighbour sent it: its TTL is
    /// not 255 (RFC 5881 5).
    BfdTtl => "bfd_ttl",
    /// A fragment of a tunnel's outer packet; the kernel reassembles those.
    OuterFragment => "outer_fragment",
    /// A tunnel's outer packet carries IP options, which no gateway sends, or extension headers,
    /// which the kernel takes out.
    OuterOptions => "outer_options",
    /// One packet wrapped in more tunnels than can be meant.
    NestedTooDeep => "nested_too_deep",
    /// The packet ends before its ESP header or ICV.
    EspTruncated => "esp_truncated",
    /// No inbound SA has this SPI.
    EspNoSa => "esp_no_sa",
    /// The outer addresses or UDP ports are not those of the SA.
    EspWrongPeer => "esp_wrong_peer",
    /// The inbound SA has reached its hard limit (RFC 4301 4.4.2.1).
    EspExpired => "esp_expired",
    /// The ciphertext is not a multiple of the cipher's block.
    EspAlignment => "esp_alignment",
    /// The sequence number was seen before (RFC 4303 3.4.3).
    EspReplayed => "esp_replayed",
    /// The sequence number is left of the anti-replay window (RFC 4303 3.4.3).
    EspTooOld => "esp_too_old",
    /// The integrity check failed: damaged, forged, or another key.
    EspIntegrity => "esp_integrity",
    /// The decrypted pad is longer than the payload or not 1, 2, 3, … (RFC 4303 2.4).
    EspPadding => "esp_padding",
    /// A dummy packet that hides how much is sent (RFC 4303 2.6).
    EspDummy => "esp_dummy",
    /// The decrypted payload is not what the tunnel carries.
    EspNextHeader => "esp_next_header",
    /// The decrypted packet is not between the ends of the tunnel that ESP protects.
    EspEndpoints => "esp_endpoints",
    /// The decrypted packet's addresses, protocol or ports are outside the tunnel's selectors
    /// (RFC 4301 5.2).
    EspSelectors => "esp_selectors",
    /// The outer header is marked "congestion experienced" and the inner sender does not
    /// understand marks, so the packet itself must go (RFC 6040 4.2).
    EcnNotCapable => "ecn_not_capable",
    /// The packet ends inside its GRE header.
    GreTruncated => "gre_truncated",
    /// A GRE version other than 0.
    GreVersion => "gre_version",
    /// GRE flags that this tunnel has not agreed to.
    GreFlags => "gre_flags",
    /// No GRE tunnel has these endpoints.
    GreNoTunnel => "gre_no_tunnel",
    /// The GRE checksum is wrong (RFC 2784 2.5).
    GreChecksum => "gre_checksum",
    /// The GRE sequence number is older than one already seen (RFC 2890 2.2).
    GreSequence => "gre_sequence",
    /// No IPIP tunnel has these endpoints.
    IpipNoTunnel => "ipip_no_tunnel",
    /// The GRE payload is neither IPv4 nor IPv6.
    GreProtocol => "gre_protocol",
    /// A tunnel's UDP header is not whole, or its checksum is wrong.
    UdpMalformed => "udp_malformed",
    /// The L2TP header is not whole, of another version, or contradicts the packet.
    L2tpMalformed => "l2tp_malformed",
    /// No L2TP session has these numbers and endpoints.
    L2tpNoSession => "l2tp_no_session",
    /// The L2TP sequence number is older than one already seen, or missing (RFC 2661 5.4).
    L2tpSequence => "l2tp_sequence",
    /// The PPP payload is neither IPv4 nor IPv6.
    PppProtocol => "ppp_protocol",
    /// The TTL ran out here; the sender was told.
    TtlExpired => "ttl_expired",
    /// No route covers the destination.
    NoRoute => "no_route",
    /// A route says to discard it.
    Blackhole => "blackhole",
    /// Larger than the next link and DF is set; the sender was told the size that fits.
    TooBig => "too_big",
    /// Larger than the next link and cannot be fragmented: the link is below the IP version's
    /// minimum, or the header carries options.
    CannotFragment => "cannot_fragment",
    /// No security policy covers the packet (RFC 4301 5.1).
    NoPolicy => "no_policy",
    /// A security policy says to discard it.
    PolicyDiscard => "policy_discard",
    /// No peer of the multipoint tunnel has the next hop's address.
    NbmaUnknown => "nbma_unknown",
    /// The tunnel has no outbound SA; nothing leaves in clear.
    TunnelNoSa => "tunnel_no_sa",
    /// The peer has agreed to protect less than leads into the tunnel, and not this packet
    /// (RFC 4301 5.1).
    TunnelSelectors => "tunnel_selectors",
    /// There is no route to the tunnel's remote endpoint.
    TunnelNoPath => "tunnel_no_path",
    /// Control sent it into a tunnel that is not there any more.
    TunnelGone => "tunnel_gone",
    /// A multicast packet's route leads back into the tunnel that it came from.
    MulticastLoop => "multicast_loop",
    /// The outbound SA has reached its hard limit (RFC 4301 4.4.2.1).
    SaExpired => "sa_expired",
    /// The SA's sequence numbers are used up (RFC 4303 3.3.3).
    SequenceExhausted => "sequence_exhausted",
    /// The chunk has no room for the headers, the padding or the ICV.
    NoRoom => "no_room",
    /// Every chunk is in use.
    NoChunk => "no_chunk",
    /// Too many packets wait for next hops whose MAC is not known yet.
    NeighbourQueueFull => "neighbour_queue_full",
    /// The next hop does not answer.
    NeighbourFailed => "neighbour_failed",
    /// The port's link is down.
    PortDown => "port_down",
    /// The transmit ring is full.
    TxFull => "tx_full",
}

impl DropReason {
    /// Number of reasons.
    pub const COUNT: usize = Self::ALL.len();
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn counters_are_distinct_and_explained() {
        let names: HashSet<_> = DropReason::ALL.iter().map(|reason| reason.counter()).collect();
        assert_eq!(names.len(), DropReason::COUNT);
        for reason in DropReason::ALL {
            assert!(reason.help().ends_with('.') && !reason.help().contains("  "), "{reason:?}");
        }
    }
}
