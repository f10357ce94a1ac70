//! Packets on their way out.

use core::net::Ipv4Addr;

use crate::instance::Ospf;
use crate::interface::InterfaceState;
use crate::msg::{Body, Packet, Room};
use crate::output::Output;
use crate::settings::InterfaceId;

impl Ospf {
    /// Sends a packet, unless the interface is not to be heard.
    pub(crate) fn transmit(&mut self, id: InterfaceId, destination: Ipv4Addr, body: Body) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        if interface.settings.is_passive || interface.state == InterfaceState::Down {
            return;
        }
        let packet =
            Packet { router_id: self.settings.router_id, area_id: interface.settings.area, body };
        // RFC 2328 D.3: never less than before, also after a restart. The date is that.
        let sequence = u32::try_from(self.wall.0).unwrap_or(u32::MAX);
        let packet = packet.encode(&interface.settings.authentication, sequence, self.wall);
        self.outputs.push_back(Output::Transmit { interface: id, destination, packet });
    }

    /// What fits a packet there.
    pub(crate) fn room(&self, id: InterfaceId) -> Option<Room> {
        let settings = &self.interfaces.get(&id)?.settings;
        Some(Room::new(settings.mtu, &settings.authentication, self.wall))
    }
}
