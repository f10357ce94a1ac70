//! Identities as users and peers write them.
