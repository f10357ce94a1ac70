//! AF_XDP sockets, their rings, and the XDP program that feeds them, over plain libc.
