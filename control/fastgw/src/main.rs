//! fastgw: a VPN gateway for Linux on AF_XDP.

fn main() {}
