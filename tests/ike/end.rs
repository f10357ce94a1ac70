//! What a test can ask of an IKE daemon, whoever wrote it.

/// A pair of ESP SAs as its owner tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// What it receives.
    pub inbound: u32,
    /// What it sends.
    pub outbound: u32,
}

/// An IKE SA that is established, with its children that are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ike {
    /// Both SPIs, the initiator's first, in hex.
    pub spis: String,
    /// Its children.
    pub children: Vec<Child>,
}

/// An IKE daemon with the configuration of one case.
pub trait End {
    /// Starts it; returns when it answers.
    fn start(&mut self);
    /// Ends it without giving it a chance to tell its peer.
    fn kill(&mut self);
    /// Negotiates the SA; returns when that is done or has failed.
    fn initiate(&self) -> Result<(), String>;
    /// Begins to make new keys for the child, and does not wait for the end of it.
    fn rekey_child(&self) -> Result<(), String>;
    /// Begins to make new keys for the IKE SA.
    fn rekey_ike(&self) -> Result<(), String>;
    /// Begins to authenticate anew.
    fn reauthenticate(&self) -> Result<(), String>;
    /// Deletes the SA, and tells the peer.
    fn terminate(&self) -> Result<(), String>;
    /// What it has.
    fn sas(&self) -> Vec<Ike>;
    /// What it has said since its last start.
    fn log(&self) -> String;
}
