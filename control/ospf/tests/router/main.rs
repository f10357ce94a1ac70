//! Routers among each other, in virtual time.

mod adjacency;
mod convergence;
mod grace;
mod hostile;
mod sim;
mod watching;
mod way_through;
