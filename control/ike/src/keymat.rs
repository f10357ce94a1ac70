//! What is derived from what (RFC 7296 section 2.14, RFC 2409 section 5).
