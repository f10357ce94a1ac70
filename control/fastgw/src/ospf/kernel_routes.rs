//! What OSPF has learned, for the kernel: its main table gets the routes that lead through ports.
//!
//! The kernel knows no tunnels of ours, so that a route into one is not for it; of several ways it
//! gets those through ports.

use std::net::{IpAddr, Ipv4Addr};

use bridge::Learned;
use ipnet::{IpNet, Ipv4Net};
use ospf::Restart;

use crate::gateway::Gateway;
use crate::kernel;

impl Gateway {
    /// Has the kernel's main table hold what is learned, if the configuration asks for that, and
    /// nothing of ours if it no longer does. What the kernel refused, in words.
    pub(crate) fn teach_kernel(&mut self) -> Vec<String> {
        let is_wanted = self.config.ospf.as_ref().is_some_and(|ospf| ospf.kernel_routes);
        if !is_wanted && !self.kernel.has_installed() {
            return Vec::new();
        }
        let routes = match &self.router {
            Some(router) if is_wanted => {
                let learned = router.learned().into_iter();
                learned.filter_map(|(prefix, ways)| self.for_kernel(prefix, &ways)).collect()
            }
            _ => kernel::Learned::new(),
        };
        // RFC 3623 2: who restarts forwards as before until it knows again what there is.
        let keeps_others = self.restart() == Restart::Resuming;
        self.kernel.install(routes, keeps_others)
    }

    /// Takes back what the kernel was taught, unless neighbours wait for a restart and go on
    /// sending here.
    pub(crate) fn withdraw_from_kernel(&mut self) {
        if self.kernel.has_installed() && self.restart() != Restart::Announced {
            for problem in self.kernel.install(kernel::Learned::new(), false) {
                tracing::warn!("{problem}");
            }
        }
    }

    fn restart(&self) -> Restart {
        self.router.as_ref().map_or(Restart::No, |router| router.engine().restart())
    }

    fn for_kernel(
        &self,
        prefix: IpNet,
        ways: &[Learned],
    ) -> Option<(Ipv4Net, Vec<(u32, Ipv4Addr)>)> {
        let IpNet::V4(prefix) = prefix else { return None };
        let hop = |way: &Learned| {
            let Learned::Via(port, IpAddr::V4(gateway)) = *way else { return None };
            let ifindex = self.ports.get(port.index())?.ifindex;
            // The kernel takes no route over a link that is down.
            let is_up = self.kernel.state().link(ifindex).is_some_and(|link| link.up());
            is_up.then_some((ifindex, gateway))
        };
        let hops: Vec<_> = ways.iter().filter_map(hop).collect();
        (!hops.is_empty()).then_some((prefix, hops))
    }
}
