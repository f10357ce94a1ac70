//! What the kernel receives or must send for the tunnels' outer packets: fragments put together,
//! reports of path MTUs, NAT keepalives. Logic and sockets apart.

mod keepalive;
mod path_mtu;
mod sockets;

pub use self::keepalive::{KEEPALIVE, Keepalives};
pub use self::path_mtu::{PathMtus, Quoted};
pub use self::sockets::Sockets;
