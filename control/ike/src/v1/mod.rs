//! IKEv1: main mode and quick mode (RFC 2407, 2408, 2409).
