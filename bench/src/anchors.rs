//! What other gateways took on this kind of machine, in cycles per packet.
//!
//! 2 vCPUs of AMD Zen 3 (VAES, VPCLMULQDQ, SHA-NI, AVX2; no AVX-512), Linux 6.18; one forwarding
//! thread, one SA, 512 inner flows, the best of several windows, 64, 512 and 1400 byte inner IPv4
//! packets. FD.io VPP 26.06 with its best crypto engine for each row, its VAES variant switched
//! on, without its packet generator. DPDK 22.11's ipsec-secgw with its best crypto device,
//! with its source and sink, about 80, 165 and 270 cycles. Both ran with replay checks off.

/// The inner packets that the figures are of, bytes.
pub const SIZES: [usize; 3] = [64, 512, 1400];

/// Others' figures for one pipeline.
#[derive(Debug)]
pub struct Anchor {
    pipeline: &'static str,
    suite: &'static str,
    /// VPP's cycles at [`SIZES`].
    pub vpp: [f64; 3],
    /// ipsec-secgw's.
    pub secgw: Option<[f64; 3]>,
}

const fn anchor(
    pipeline: &'static str,
    suite: &'static str,
    vpp: [f64; 3],
    secgw: Option<[f64; 3]>,
) -> Anchor {
    Anchor { pipeline, suite, vpp, secgw }
}

static ANCHORS: [Anchor; 11] = [
    anchor("forward", "none", [85.0, 86.0, 88.0], None),
    anchor("gre-encap", "none", [170.0, 167.0, 179.0], None),
    anchor("gre-decap", "none", [195.0, 201.0, 205.0], None),
    anchor("ipip-encap", "none", [131.0, 134.0, 142.0], None),
    anchor("ipip-decap", "none", [297.0, 310.0, 319.0], None),
    anchor("esp-tunnel-encap", "aes128gcm16", [357.0, 572.0, 937.0], Some([615.0, 1100.0, 1784.0])),
    anchor("esp-tunnel-decap", "aes128gcm16", [379.0, 599.0, 970.0], Some([622.0, 1047.0, 1827.0])),
    anchor(
        "esp-tunnel-encap",
        "aes128-sha1",
        [679.0, 1390.0, 2684.0],
        Some([1164.0, 2299.0, 4194.0]),
    ),
    anchor(
        "esp-tunnel-decap",
        "aes128-sha1",
        [672.0, 1274.0, 2438.0],
        Some([1221.0, 2234.0, 4096.0]),
    ),
    anchor(
        "esp-tunnel-encap",
        "null-sha1",
        [551.0, 1063.0, 1766.0],
        Some([1182.0, 1965.0, 2380.0]),
    ),
    anchor("esp-tunnel-decap", "null-sha1", [627.0, 1127.0, 1958.0], Some([873.0, 1606.0, 3734.0])),
];

impl Anchor {
    /// The figures for this pipeline under this suite, if anybody has any.
    #[must_use]
    pub fn of(pipeline: &str, suite: &str) -> Option<&'static Self> {
        ANCHORS.iter().find(|anchor| anchor.pipeline == pipeline && anchor.suite == suite)
    }

    /// The share of VPP's cycles that we set out to stay within, at [`SIZES`].
    #[must_use]
    pub fn targets(&self) -> [f64; 3] {
        match self.suite {
            // The cipher itself is nearly all of it.
            "aes128gcm16" => [0.8, 0.8, 0.9],
            "none" => [0.8; 3],
            // Several packets side by side make it possible.
            _ => [0.6; 3],
        }
    }
}
