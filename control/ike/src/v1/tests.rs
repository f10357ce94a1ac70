//! Two engines in virtual time.
