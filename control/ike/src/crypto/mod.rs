//! What IKE computes with: key exchanges, PRFs, ciphers and signatures.
