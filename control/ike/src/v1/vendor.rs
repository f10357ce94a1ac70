//! Vendor IDs: what a peer can do beyond RFC 2409.

use alloc::vec::Vec;

use super::nat::Dialect;

/// Dead peer detection (RFC 3706 section 5.1); its last two bytes are the version.
const DPD: [u8; 16] = *b"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00";
/// RFC 3947 section 3.1: the MD5 of "RFC 3947".
const NAT_T: [u8; 16] = *b"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f";
/// The MD5 of "draft-ietf-ipsec-nat-t-ike-02", without and with the line feed that slipped into it.
const NAT_T_DRAFT_02: [u8; 16] =
    *b"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48";
const NAT_T_DRAFT_02_LF: [u8; 16] =
    *b"\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f";
/// The MD5 of "draft-ietf-ipsec-nat-t-ike-03".
const NAT_T_DRAFT_03: [u8; 16] =
    *b"\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56";
/// Drafts whose numbers we know.
const NAT_T_DRAFTS: [[u8; 16]; 3] = [NAT_T_DRAFT_03, NAT_T_DRAFT_02_LF, NAT_T_DRAFT_02];

/// What a peer has said it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vendors {
    /// Dead peer detection.
    pub dpd: bool,
    /// NAT traversal: the RFC's where it offers that, a draft's otherwise.
    pub nat: Option<Dialect>,
    /// The first of its drafts that we know.
    draft: Option<[u8; 16]>,
}

impl Vendors {
    /// One more vendor ID of the peer's.
    pub fn learn(&mut self, id: &[u8]) {
        if id.starts_with(&DPD[..14]) {
            self.dpd = true;
        } else if id == NAT_T {
            self.nat = Some(Dialect::Rfc);
        } else if let Some(draft) = NAT_T_DRAFTS.into_iter().find(|known| id == known) {
            self.nat = self.nat.or(Some(Dialect::Draft));
            self.draft = self.draft.or(Some(draft));
        }
    }
}

/// The vendor IDs of an initiator.
pub(super) fn offered() -> Vec<Vec<u8>> {
    [DPD, NAT_T].into_iter().chain(NAT_T_DRAFTS).map(|id| id.to_vec()).collect()
}

/// The vendor IDs of a responder: for NAT traversal only the one that both shall follow (RFC 3947
/// section 3.1).
pub(super) fn answered(peer: Vendors) -> Vec<Vec<u8>> {
    let nat = match peer.nat {
        Some(Dialect::Rfc) => Some(NAT_T),
        Some(Dialect::Draft) => peer.draft,
        None => None,
    };
    [DPD].into_iter().chain(nat).map(|id| id.to_vec()).collect()
}
