//! Payloads of IKEv1 (RFC 2408 section 3, RFC 2407 section 4, RFC 3947).
