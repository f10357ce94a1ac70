//! `fastgw show`: asks a running gateway and prints what it says.

use std::{
    error::Error,
    fs,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    ospf::{ANNOUNCED, OspfStatus},
    protocol::{IkeCommand, OspfAction, OspfCommand, Request, Section},
    status::Status,
    text::text,
};
use crate::{
    cli::{Order, OspfOrder, Question},
    output,
};

/// Where gateways have their sockets by default.
const SOCKET_DIR: &str = "/run/fastgw";

/// How long a gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long OSPF's neighbours may take to acknowledge something.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(15);
/// How often a gateway is asked whether they have.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// Longest reply, bytes: a hundred thousand of everything have a tenth of it.
const REPLY_LEN_MAX: u64 = 1 << 30;

/// Rows of a list in a summary; who wants them all asks for the list.
const SUMMARY_ROWS_MAX: usize = 20;

/// From the top left corner, on a cleared screen.
const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J\x1b[3J";

/// Asks and prints, once or again and again.
///
/// # Errors
/// There is no gateway to ask, it does not answer, or nobody reads what is printed.
pub fn show(question: &Question) -> Result<(), Box<dyn Error>> {
    let socket = socket_of(question.socket.as_deref(), question.config.as_deref())?;
    let ask = || ask(&socket, question.section, PATIENCE);
    let Some(interval) = question.watch else {
        return output::print(&shown(ask()?, question, Layout::Once)?);
    };
    let layout = if io::stdout().is_terminal() { Layout::Screen } else { Layout::Stream };
    loop {
        output::print(&shown(ask()?, question, layout)?)?;
        thread::sleep(interval);
    }
}

/// Has the gateway's IKE do something.
///
/// # Errors
/// There is no gateway to ask, or it refuses.
pub fn order(order: &Order) -> Result<(), Box<dyn Error>> {
    let socket = socket_of(order.socket.as_deref(), order.config.as_deref())?;
    let Order { action, peer, ike, .. } = order;
    let command = IkeCommand { action: *action, peer: peer.clone(), ike: *ike };
    call(&socket, &Request::ike(&command), PATIENCE).map(|_| ())
}

/// Has the gateway's OSPF do something, and waits until its neighbours know.
///
/// # Errors
/// There is no gateway to ask, it refuses, or a neighbour has not acknowledged in time.
pub fn order_ospf(order: &OspfOrder) -> Result<(), Box<dyn Error>> {
    let socket = socket_of(order.socket.as_deref(), order.config.as_deref())?;
    let command = OspfCommand { action: order.action, within: order.within };
    call(&socket, &Request::ospf(&command), PATIENCE)?;
    let began = Instant::now();
    loop {
        let status = Status::deserialize(ask(&socket, Section::Summary, PATIENCE)?)?;
        let ospf = status.ospf.ok_or("OSPF is not configured any more")?;
        let is_done = order.action == OspfAction::CancelRestart;
        if is_done || ospf.restart.as_deref() == Some(ANNOUNCED) {
            return Ok(());
        }
        if began.elapsed() > ACKNOWLEDGED_WITHIN {
            let neighbors = ospf.neighbors.iter().flatten();
            let missing: Vec<String> = neighbors
                .filter(|neighbor| neighbor.unacknowledged > 0)
                .map(|neighbor| format!("{} on {}", neighbor.router_id, neighbor.interface))
                .collect();
            let command = OspfCommand { action: OspfAction::CancelRestart, ..command };
            call(&socket, &Request::ospf(&command), PATIENCE)?;
            return Err(format!(
                "not acknowledged by {}: neighbours that have acknowledged it wait no longer",
                missing.join(", ")
            )
            .into());
        }
        thread::sleep(ASKED_EVERY);
    }
}

/// The process id of the gateway at `socket`, if it tells.
pub(super) fn pid_of(socket: &Path, patience: Duration) -> Option<u32> {
    let reply = ask(socket, Section::Drops, patience).ok()?;
    Status::deserialize(reply).ok().map(|status| status.pid)
}

/// How one answer follows another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// There is one only.
    Once,
    /// Each takes the place of the last one.
    Screen,
    /// Each is appended.
    Stream,
}

fn shown(reply: Value, question: &Question, layout: Layout) -> Result<String, Box<dyn Error>> {
    let mut reply = reply;
    if let Some(part) = question.part {
        let known = reply.get("ospf").cloned().ok_or("OSPF is not configured: see [ospf]")?;
        let mut status = OspfStatus::deserialize(known)?;
        status.only(part);
        reply["ospf"] = serde_json::to_value(status)?;
    }
    if question.json {
        // The reply itself, also what a newer gateway tells that this program does not know.
        let json = if layout == Layout::Once { format!("{reply:#}") } else { reply.to_string() };
        return Ok(json + "\n");
    }
    let status = Status::deserialize(reply)
        .map_err(|error| format!("the gateway is of another version: {error}; try --json"))?;
    let summary = question.section == Section::Summary;
    let text = text(&status, if summary { SUMMARY_ROWS_MAX } else { usize::MAX });
    Ok(match layout {
        Layout::Once => text,
        Layout::Screen => format!("{CLEAR_SCREEN}{text}"),
        Layout::Stream => text + "\n",
    })
}

/// The socket to ask.
fn socket_of(socket: Option<&Path>, config: Option<&Path>) -> Result<PathBuf, Box<dyn Error>> {
    if let Some(socket) = socket {
        return Ok(socket.to_owned());
    }
    match config {
        Some(file) => Ok(config::load(file)?.gateway.control_socket),
        None => only_socket(Path::new(SOCKET_DIR)),
    }
}

/// The one socket in a folder.
fn only_socket(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut found = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
            found.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "sock")));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("cannot look into {}: {error}", folder.display()).into()),
    }
    found.sort();
    match found.as_slice() {
        [socket] => Ok(socket.clone()),
        [] => Err(format!(
            "no gateway has a socket in {}: is it running? start it with \
             `fastgw --config FILE`, or name its socket with --socket PATH or --config FILE",
            folder.display()
        )
        .into()),
        several => {
            let list: String =
                several.iter().map(|path| format!("\n  --socket {}", path.display())).collect();
            Err(format!("several gateways have a socket; say which one to ask:{list}").into())
        }
    }
}

/// What the gateway at `socket` replies when asked for a section.
fn ask(socket: &Path, section: Section, patience: Duration) -> Result<Value, Box<dyn Error>> {
    call(socket, &Request::show(section), patience)
}

/// What the gateway at `socket` replies to a request.
fn call(socket: &Path, request: &Request, patience: Duration) -> Result<Value, Box<dyn Error>> {
    let mut stream = connect(socket).map_err(|error| no_answer(socket, &error))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut frame = serde_json::to_vec(request)?;
    frame.push(0);
    // A gateway that has sent us away has closed its end but left us a word why.
    let sent = stream.write_all(&frame);
    let mut reply = Vec::new();
    let received = BufReader::new(stream).take(REPLY_LEN_MAX).read_until(0, &mut reply);
    if reply.pop() != Some(0) {
        return Err(match sent.and(received) {
            Err(error) => no_answer(socket, &error),
            Ok(_) => format!("the gateway at {} hung up", socket.display()).into(),
        });
    }
    understood(&reply).map_err(|why| format!("{} says: {why}", socket.display()).into())
}

/// The parameters of a reply; its error, as a text, if it is one.
fn understood(reply: &[u8]) -> Result<Value, String> {
    let mut reply: Value = serde_json::from_slice(reply)
        .map_err(|error| format!("something that is no reply of a gateway ({error})"))?;
    let parameters = reply.get_mut("parameters").map(Value::take).unwrap_or_default();
    match reply.get("error").and_then(Value::as_str) {
        Some("org.fastgw.TooManyClients") => {
            Err("too many are asking at once; try again".to_owned())
        }
        Some("org.fastgw.Refused") => {
            let why = parameters.get("why").and_then(Value::as_str);
            Err(why.unwrap_or("it refuses, and does not say why").to_owned())
        }
        Some(name) => Err(format!("{name} {parameters}")),
        None => Ok(parameters),
    }
}

/// Connects without waiting: in the full queue of a gateway that hangs one could wait forever.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::from(OwnedFd::from(mio::net::UnixStream::connect(socket)?));
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn no_answer(socket: &Path, error: &io::Error) -> Box<dyn Error> {
    let start = "start it with `fastgw --config FILE`";
    let why = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no such socket: is it running? {start}"),
        io::ErrorKind::ConnectionRefused => {
            format!("the socket is left from one that is gone: {start}")
        }
        io::ErrorKind::PermissionDenied => {
            "only the user who started it may ask: try with sudo".to_owned()
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "it runs, but has not answered in time".to_owned()
        }
        _ => error.to_string(),
    };
    format!("no gateway answers at {}: {why}", socket.display()).into()
}

#[cfg(test)]
mod tests;
