//! How much what an engine says matters.

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the curious.
    Debug,
    /// What an operator wants to see.
    Info,
    /// What an operator should look into.
    Warning,
    /// What does not work.
    Error,
}
