//! What goes over the control socket: JSON objects, each ended by a zero byte.
//!
//! The framing and the shape of the objects are those of Varlink (varlink.org/Method-Call), so
//! that its tools work too: `{"method":"org.fastgw.Show","parameters":{"section":"ports"}}` is
//! answered with `{"parameters":{...}}` or `{"error":"...","parameters":{...}}`.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::status::Status;

/// The method that gives a [`Status`]. Its one parameter, `section`, is a [`Section`]; without it
/// the summary is given.
pub const SHOW: &str = "org.fastgw.Show";

/// The method that has IKE do something with the peer `peer`: `action` is an [`IkeAction`], and
/// `ike` says whether its IKE SA is meant, too.
pub const IKE: &str = "org.fastgw.Ike";

/// What IKE may be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum IkeAction {
    /// Negotiate the peer's SAs now
    Initiate,
    /// Make new keys for its SAs
    Rekey,
    /// Delete its SAs, and tell it
    Terminate,
}

/// The parameters of [`IKE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeCommand {
    /// What to do.
    pub action: IkeAction,
    /// The configured peer.
    pub peer: String,
    /// Rekey: the IKE SA, too.
    #[serde(default)]
    pub ike: bool,
}

/// The method that has OSPF do something: `action` is an [`OspfAction`], `within` its seconds.
pub const OSPF: &str = "org.fastgw.Ospf";

/// What OSPF may be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OspfAction {
    /// Ask the neighbours to keep their routes while the gateway restarts
    PrepareRestart,
    /// Take that back: they need not wait
    CancelRestart,
}

/// The parameters of [`OSPF`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfCommand {
    /// What to do.
    pub action: OspfAction,
    /// How long that takes at most, seconds.
    pub within: u64,
}

/// Longest request, bytes, without the zero byte.
pub const REQUEST_LEN_MAX: usize = 64 << 10;

/// A part of a [`Status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Everything but OSPF's database and routes
    #[default]
    Summary,
    /// Interfaces: how they are attached, their traffic
    Ports,
    /// Worker threads
    Workers,
    /// Tunnels: their state and traffic
    Tunnels,
    /// Security associations, without keys
    #[value(alias = "sa")]
    Sas,
    /// Peers of IKE, and what has been negotiated with them
    Ike,
    /// What OSPF knows: neighbours, interfaces, LSAs, routes
    Ospf,
    /// Neighbours whose paths BFD watches
    Bfd,
    /// Why packets went no further
    Drops,
    /// Where destinations go
    Routes,
    /// Next hops and their MACs
    Neighbors,
    /// How long packets take, in each stage and from end to end
    Latency,
}

/// A part of what OSPF knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OspfPart {
    /// Neighbours and how far we are with them
    #[value(alias = "neighbors")]
    Neighbor,
    /// Interfaces, and what was refused there
    #[value(alias = "interfaces")]
    Interface,
    /// The link-state database
    Database,
    /// The routes that were learned
    #[value(alias = "routes")]
    Route,
}

impl Section {
    /// Whether `part` is in this section.
    pub fn has(self, part: Self) -> bool {
        self == Self::Summary || self == part
    }
}

/// A method call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its name, interface included.
    pub method: String,
    /// Its parameters, by name.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Whether the caller wants no reply.
    #[serde(default)]
    pub oneway: bool,
}

impl Request {
    /// Has IKE do something.
    pub fn ike(command: &IkeCommand) -> Self {
        let IkeCommand { action, peer, ike } = command;
        Self::new(IKE, [("action", json!(action)), ("peer", json!(peer)), ("ike", json!(ike))])
    }

    /// Has OSPF do something.
    pub fn ospf(command: &OspfCommand) -> Self {
        let OspfCommand { action, within } = command;
        Self::new(OSPF, [("action", json!(action)), ("within", json!(within))])
    }

    fn new<const N: usize>(method: &str, parameters: [(&str, Value); N]) -> Self {
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
        Self { method: method.to_owned(), parameters: Map::from_iter(parameters), oneway: false }
    }

    /// Asks for a section.
    pub fn show(section: Section) -> Self {
        Self::new(SHOW, [("section", json!(section))])
    }
}

/// The reply to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response(Vec<u8>);

impl Response {
    /// The result of a call that went well.
    pub fn result(parameters: &impl Serialize) -> Self {
        #[derive(Serialize)]
        struct Envelope<'a, T> {
            parameters: &'a T,
        }
        match serde_json::to_vec(&Envelope { parameters }) {
            Ok(json) => Self(json),
            Err(error) => Self::error("org.fastgw.Internal", &json!({ "why": error.to_string() })),
        }
    }

    /// The name of what went wrong, and what there is to know about it.
    pub fn error(name: &str, parameters: &Value) -> Self {
        Self(json!({ "error": name, "parameters": parameters }).to_string().into_bytes())
    }

    /// The reply as it goes over the socket.
    pub(super) fn into_frame(self) -> Vec<u8> {
        let mut frame = self.0;
        frame.push(0);
        frame
    }
}

/// Answers a request of this method, to do something; `obey` gives what is wrong with it. `None`
/// for other requests.
pub fn answer_order<T: for<'a> Deserialize<'a>>(
    method: &str,
    request: &Request,
    obey: impl FnOnce(T) -> Result<(), String>,
) -> Option<Response> {
    if request.method != method {
        return None;
    }
    Some(match T::deserialize(Value::Object(request.parameters.clone())) {
        Ok(command) => match obey(command) {
            Ok(()) => Response::result(&json!({})),
            Err(why) => Response::error("org.fastgw.Refused", &json!({ "why": why })),
        },
        Err(error) => {
            let parameters = json!({ "why": error.to_string() });
            Response::error("org.varlink.service.InvalidParameter", &parameters)
        }
    })
}

/// Answers a request. `status` makes the state of the gateway, with the lists of one section.
pub fn answer(request: &Request, status: impl FnOnce(Section) -> Status) -> Response {
    if request.method != SHOW {
        let parameters = json!({ "method": request.method });
        return Response::error("org.varlink.service.MethodNotFound", &parameters);
    }
    let section = match request.parameters.get("section") {
        None | Some(Value::Null) => Ok(Section::Summary),
        Some(value) => Section::deserialize(value),
    };
    match section {
        Ok(section) => Response::result(&status(section)),
        Err(_) => {
            let parameters = json!({ "parameter": "section" });
            Response::error("org.varlink.service.InvalidParameter", &parameters)
        }
    }
}
