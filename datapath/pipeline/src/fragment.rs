//! Cutting a packet to a link's size (RFC 791 3.2), or telling the sender (RFC 1191, 8201).

use tables::DropReason;
use wire::ipv4::Ipv4;
use zerocopy::FromBytes;

use crate::context::Context;
use crate::icmp::{Problem, report};
use crate::ip::Ip;
use crate::packet::Packet;

/// IPv4's smallest link (RFC 791): below it a link cannot carry fragments.
const MTU_MIN: usize = 68;
/// IPv6's smallest link (RFC 8200 5): no sender makes its packets smaller.
const IPV6_MTU_MIN: u16 = 1280;

/// Makes a packet that is larger than `mtu` fit: it keeps the first fragment, the others are made
/// with the same verdict.
///
/// # Errors
/// [`DropReason::TooBig`] when DF is set or it is IPv6, after the sender was told;
/// [`DropReason::CannotFragment`] when the link or the header does not allow it;
/// [`DropReason::NoChunk`].
#[cold]
pub(crate) fn fit(ctx: &mut Context<'_>, packet: &mut Packet, mtu: u16) -> Result<(), DropReason> {
    let header = match Ip::of(packet.frame.data())? {
        Ip::V6(_) if mtu < IPV6_MTU_MIN => return Err(DropReason::CannotFragment),
        Ip::V4(header) if !header.dont_fragment() => *header,
        Ip::V4(_) | Ip::V6(_) => {
            report(ctx, packet, Problem::TooBig(mtu));
            return Err(DropReason::TooBig);
        }
    };
    let mtu = usize::from(mtu);
    if mtu < MTU_MIN || usize::from(packet.header_len) != Ipv4::LEN {
        return Err(DropReason::CannotFragment);
    }
    // Offsets count in units of eight bytes.
    let step = (mtu - Ipv4::LEN) & !7;
    let mut at = step;
    while Ipv4::LEN + at < packet.frame.len() {
        cut(ctx, packet, &header, at, step)?;
        at += step;
    }
    packet.frame.truncate(Ipv4::LEN + step);
    finish(packet.frame.data_mut(), &header, 0, true);
    ctx.counters.fragments.add(1);
    Ok(())
}

/// Makes the fragment that starts `at` bytes into the payload.
fn cut(
    ctx: &mut Context<'_>,
    packet: &Packet,
    header: &Ipv4,
    at: usize,
    step: usize,
) -> Result<(), DropReason> {
    let rest = packet.frame.data().get(Ipv4::LEN + at..).unwrap_or_default();
    let part = rest.get(..step).unwrap_or(rest);
    let mut frame = ctx.pool.alloc().ok_or(DropReason::NoChunk)?;
    let Some(room) = frame.append(Ipv4::LEN + part.len()) else {
        ctx.pool.free(frame);
        return Err(DropReason::NoRoom);
    };
    if let Some(payload) = room.get_mut(Ipv4::LEN..) {
        payload.copy_from_slice(part);
    }
    finish(room, header, at, rest.len() > part.len());
    ctx.counters.fragments.add(1);
    ctx.make(packet.sibling(frame));
    Ok(())
}

/// Writes the header of a fragment of a packet that may itself be a fragment.
fn finish(fragment: &mut [u8], header: &Ipv4, at: usize, more: bool) {
    let total_len = fragment.len() as u16;
    let Ok((room, _)) = Ipv4::mut_from_prefix(fragment) else { return };
    *room = *header;
    let offset = (header.flags_offset.get() & Ipv4::OFFSET) + (at / 8) as u16;
    let more = more || header.flags_offset.get() & Ipv4::MF != 0;
    room.flags_offset.set(offset | if more { Ipv4::MF } else { 0 });
    room.total_len.set(total_len);
    room.fill_checksum();
}
