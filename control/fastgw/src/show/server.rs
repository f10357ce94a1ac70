//! The control socket, driven by the control loop: it answers without ever waiting.
//!
//! Whoever may open the socket may be slow, silent, or send anything. So everything is bounded:
//! clients, the length of a request, one request at a time for each client and one for each event,
//! and the time that a client may take for one.

use std::{
    io::{self, Read, Write},
    path::Path,
    time::{Duration, Instant},
};

use mio::{Interest, Registry, Token, net::UnixStream};
use serde_json::json;

use super::{
    bind::Bound,
    protocol::{REQUEST_LEN_MAX, Request, Response},
};

/// Clients at a time; one more is told so and sent away.
pub const CLIENTS_MAX: usize = 16;

/// How long a client may take to send a request and to read the reply.
const PATIENCE: Duration = Duration::from_secs(10);

const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The control socket and its clients. Dropped, it removes the socket.
pub struct Server {
    bound: Bound,
    listener_token: Token,
    first_client_token: usize,
    clients: [Option<Client>; CLIENTS_MAX],
}

impl Server {
    /// Listens at `path` with mode 0600; makes the folder, with mode 0755, if it is missing. A
    /// socket that nobody answers at is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when another gateway answers there, with its process id in the text; and
    /// whatever the system refuses.
    pub fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self {
            bound: Bound::new(path)?,
            listener_token: Token(0),
            first_client_token: 0,
            clients: std::array::from_fn(|_| None),
        })
    }

    /// Wakes a poll for this server: with `listener_token`, and with [`CLIENTS_MAX`] tokens from
    /// `first_client_token` on.
    ///
    /// # Errors
    /// The socket cannot be registered.
    pub fn register(
        &mut self,
        registry: &Registry,
        listener_token: Token,
        first_client_token: usize,
    ) -> io::Result<()> {
        self.listener_token = listener_token;
        self.first_client_token = first_client_token;
        registry.register(&mut self.bound.listener, listener_token, Interest::READABLE)
    }

    /// Does what an event asks for; events with tokens of others are passed over. `answer` is
    /// called for each whole request, at most once.
    pub fn on_event(
        &mut self,
        token: Token,
        registry: &Registry,
        answer: &mut dyn FnMut(&Request) -> Response,
    ) {
        let slot = token.0.checked_sub(self.first_client_token).filter(|at| *at < CLIENTS_MAX);
        if token == self.listener_token {
            self.accept(registry);
        } else if let Some(slot) = slot {
            self.serve(slot, registry, answer);
            // Somebody may have been waiting for a file descriptor.
            self.accept(registry);
        }
    }

    /// When [`Server::on_timeout`] is due; `None` while there are no clients.
    pub fn deadline(&self) -> Option<Instant> {
        self.clients.iter().flatten().map(|client| client.deadline).min()
    }

    /// Closes the clients whose time is up.
    pub fn on_timeout(&mut self, now: Instant) {
        for slot in &mut self.clients {
            if slot.as_ref().is_some_and(|client| client.deadline <= now) {
                *slot = None;
            }
        }
    }

    fn accept(&mut self, registry: &Registry) {
        // Those whose time is up make room, also when nobody calls `on_timeout`.
        self.on_timeout(Instant::now());
        // Any error ends it: nobody is left, the client has gone again, or descriptors are short.
        while let Ok((stream, _)) = self.bound.listener.accept() {
            let Some(slot) = self.clients.iter().position(Option::is_none) else {
                send_away(stream);
                continue;
            };
            let mut client = Client::new(stream);
            let token = Token(self.first_client_token + slot);
            if registry.register(&mut client.stream, token, INTEREST).is_ok() {
                self.clients[slot] = Some(client);
            }
        }
    }

    fn serve(
        &mut self,
        slot: usize,
        registry: &Registry,
        answer: &mut dyn FnMut(&Request) -> Response,
    ) {
        let Some(client) = &mut self.clients[slot] else { return };
        let keep = match client.turn(answer) {
            Ok(Turn::Waits) => true,
            // Events come once for each change; registering again asks for one about the rest.
            Ok(Turn::HasMore) => {
                let token = Token(self.first_client_token + slot);
                registry.reregister(&mut client.stream, token, INTEREST).is_ok()
            }
            Ok(Turn::Done) | Err(_) => false,
        };
        if !keep {
            self.clients[slot] = None;
        }
    }
}

/// Tells a client that there are too many. It is gone after that, whether it could be told or not.
fn send_away(mut stream: UnixStream) {
    let refusal = Response::error("org.fastgw.TooManyClients", &json!({ "max": CLIENTS_MAX }));
    let _ = stream.write_all(&refusal.into_frame());
}

/// What a client does after its turn.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It waits until the socket is readable or writable again.
    Waits,
    /// It may have another request at hand.
    HasMore,
    /// It goes.
    Done,
}

struct Client {
    stream: UnixStream,
    /// What came and has not been answered.
    input: Vec<u8>,
    /// The reply that is being sent; empty when there is none.
    output: Vec<u8>,
    /// How much of `output` has been sent.
    sent: usize,
    /// Nothing more is read: what came is not to be understood.
    last: bool,
    deadline: Instant,
}

impl Client {
    fn new(stream: UnixStream) -> Self {
        let deadline = Instant::now() + PATIENCE;
        Self { stream, input: Vec::new(), output: Vec::new(), sent: 0, last: false, deadline }
    }

    /// Sends what is left of the last reply, then answers at most one request.
    fn turn(&mut self, answer: &mut dyn FnMut(&Request) -> Response) -> io::Result<Turn> {
        if !self.send()? {
            return Ok(Turn::Waits);
        }
        if self.last {
            return Ok(Turn::Done);
        }
        let frame = match self.receive()? {
            Received::Frame(frame) => frame,
            Received::Part => return Ok(Turn::Waits),
            Received::End => return Ok(Turn::Done),
            Received::TooLong => {
                return self.refuse(&format!("a request has at most {REQUEST_LEN_MAX} bytes"));
            }
        };
        match serde_json::from_slice::<Request>(&frame) {
            Ok(request) if request.oneway => {
                let _ = answer(&request);
                self.deadline = Instant::now() + PATIENCE;
                Ok(Turn::HasMore)
            }
            Ok(request) => {
                self.output = answer(&request).into_frame();
                Ok(if self.send()? { Turn::HasMore } else { Turn::Waits })
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    /// Whether all of the reply is sent.
    fn send(&mut self) -> io::Result<bool> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent > 0 {
            self.output = Vec::new();
            self.sent = 0;
            self.deadline = Instant::now() + PATIENCE;
        }
        Ok(true)
    }

    fn receive(&mut self) -> io::Result<Received> {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == 0) {
                let rest = self.input.split_off(end + 1);
                let mut frame = std::mem::replace(&mut self.input, rest);
                frame.truncate(end);
                return Ok(Received::Frame(frame));
            }
            if self.input.len() > REQUEST_LEN_MAX {
                return Ok(Received::TooLong);
            }
            let mut part = [0; 4096];
            match self.stream.read(&mut part) {
                Ok(0) => return Ok(Received::End),
                Ok(len) => self.input.extend_from_slice(&part[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::Part);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says what is wrong with the request; the client goes once it has been told.
    fn refuse(&mut self, why: &str) -> io::Result<Turn> {
        self.last = true;
        self.output = Response::error("org.fastgw.BadRequest", &json!({ "why": why })).into_frame();
        Ok(if self.send()? { Turn::Done } else { Turn::Waits })
    }
}

enum Received {
    /// A request, without its zero byte.
    Frame(Vec<u8>),
    /// Not all of it yet.
    Part,
    /// The client sends no more.
    End,
    /// More than a request may have.
    TooLong,
}

#[cfg(test)]
mod tests;
