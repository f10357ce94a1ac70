//! Packets on their way in: whether they are meant and made for us (RFC 2328 section 8.2).

use core::net::Ipv4Addr;

use crate::instance::Ospf;
use crate::interface::{ALL_D_ROUTERS, ALL_SPF_ROUTERS, InterfaceState};
use crate::msg::auth::{self, AuthError};
use crate::msg::{Body, Fault, Header, Malformed};
use crate::neighbor::{NeighborId, NeighborState};
use crate::refusal::Refusal;
use crate::settings::{InterfaceId, NetworkType};

impl Ospf {
    pub(crate) fn receive(
        &mut self,
        id: InterfaceId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        packet: &[u8],
    ) -> Result<(), Refusal> {
        let interface = self.interfaces.get(&id).ok_or(Refusal::NotHeard)?;
        let settings = &interface.settings;
        if interface.state == InterfaceState::Down || settings.is_passive {
            return Err(Refusal::NotHeard);
        }
        let is_for_us = destination == ALL_SPF_ROUTERS
            || destination == ALL_D_ROUTERS && interface.has_role()
            || destination == interface.address();
        if !is_for_us {
            return Err(Refusal::NotHeard);
        }
        let header = Header::parse(packet).map_err(refusal)?;
        let is_own = header.router_id == self.settings.router_id;
        if is_own && source == interface.address() {
            return Err(Refusal::NotHeard);
        }
        // RFC 2328 8.2 (2): but for two points, which may have numbers of different networks.
        let network = settings.network;
        if network.has_designated() && !settings.address.contains(&source) {
            return Err(Refusal::Source);
        }
        if header.area_id != settings.area {
            return Err(Refusal::Area);
        }
        let verified =
            auth::verify(&header, packet, &settings.authentication, self.wall).map_err(unproven)?;
        if is_own {
            return Err(Refusal::OwnRouterId);
        }
        let key = if network == NetworkType::PointToPoint { header.router_id } else { source };
        let neighbor = interface.neighbors.get(&key);
        let newest = neighbor.map_or(0, |neighbor| neighbor.crypto_sequence);
        let sequence = verified.sequence.unwrap_or(0);
        if verified.sequence.is_some() && sequence < newest {
            return Err(Refusal::Replay);
        }
        let body = Body::parse(&header, packet).map_err(refusal)?;
        if let Body::Hello(hello) = &body {
            return self.hello_received(id, header.router_id, source, hello, sequence);
        }
        let neighbor = NeighborId { interface: id, key };
        let known = self.neighbor_mut(neighbor).ok_or(Refusal::NoAdjacency)?;
        if known.router_id != header.router_id {
            return Err(Refusal::NoAdjacency);
        }
        known.crypto_sequence = sequence;
        if known.state < NeighborState::Init {
            return Err(Refusal::NoAdjacency);
        }
        match body {
            Body::Hello(_) => Ok(()),
            Body::DatabaseDescription(said) => self.description_received(neighbor, said),
            Body::LinkStateRequest(keys) => self.request_received(neighbor, &keys),
            Body::LinkStateUpdate(lsas) => self.update_received(neighbor, lsas),
            Body::LinkStateAcknowledgment(headers) => {
                self.acknowledgment_received(neighbor, &headers)
            }
        }
    }
}

fn refusal(malformed: Malformed) -> Refusal {
    if malformed.fault == Fault::Version { Refusal::Version } else { Refusal::Malformed }
}

fn unproven(error: AuthError) -> Refusal {
    match error {
        AuthError::Type(_) => Refusal::AuthenticationType,
        AuthError::Checksum => Refusal::Checksum,
        _ => Refusal::Authentication,
    }
}
