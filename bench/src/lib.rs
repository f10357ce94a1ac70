//! Measurements of the datapath.
