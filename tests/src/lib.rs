//! The proofs: fastgw against kernels, tools and captures that others wrote.
