//! The server, driven by a loop in a thread or step by step.

use std::{
    fs,
    io::BufRead,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream as Plain},
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use mio::{Events, Poll};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::show::{
    protocol::{SHOW, answer},
    text::tests::status,
};

const LISTENER: Token = Token(7);
const FIRST_CLIENT: usize = 100;

/// A server in a thread of its own, as the control loop would drive it.
struct Running {
    folder: TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::bind(&folder.path().join("x.sock")).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut poll = Poll::new().unwrap();
            server.register(poll.registry(), LISTENER, FIRST_CLIENT).unwrap();
            let mut events = Events::with_capacity(8);
            while !stopped.load(Ordering::Relaxed) {
                poll.poll(&mut events, Some(Duration::from_millis(5))).unwrap();
                for event in &events {
                    let mut reply = |request: &Request| answer(request, |_| status());
                    server.on_event(event.token(), poll.registry(), &mut reply);
                }
            }
        });
        Self { folder, stop, thread: Some(thread) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("x.sock")
    }

    fn connect(&self) -> Plain {
        let stream = Plain::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn request(section: &str) -> Vec<u8> {
    let mut bytes = json!({ "method": SHOW, "parameters": { "section": section } }).to_string();
    bytes.push('\0');
    bytes.into_bytes()
}

/// The next reply; `None` when the server has hung up.
fn reply(stream: &Plain) -> Option<Value> {
    let mut bytes = Vec::new();
    let _ = io::BufReader::with_capacity(1, stream).read_until(0, &mut bytes);
    (bytes.pop() == Some(0)).then(|| serde_json::from_slice(&bytes).unwrap())
}

#[test]
fn several_requests_on_one_connection_are_answered_in_turn() {
    let server = Running::start();
    let mut stream = server.connect();
    let mut both = request("ports");
    both.extend(request("nonsense"));
    stream.write_all(&both).unwrap();
    assert_eq!(reply(&stream).unwrap()["parameters"]["name"], "site-a");
    let refusal = reply(&stream).unwrap();
    assert_eq!(refusal["error"], "org.varlink.service.InvalidParameter");
    stream.write_all(b"{\"method\":\"org.example.None\"}\0").unwrap();
    let refusal = reply(&stream).unwrap();
    assert_eq!(refusal["error"], "org.varlink.service.MethodNotFound");
    assert_eq!(refusal["parameters"]["method"], "org.example.None");
}

#[test]
fn a_request_may_come_byte_by_byte_and_the_client_may_stop_sending_after_it() {
    let server = Running::start();
    let mut stream = server.connect();
    for byte in request("summary") {
        stream.write_all(&[byte]).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(reply(&stream).unwrap()["parameters"]["pid"], 1234);
    assert_eq!(reply(&stream), None);
}

#[test]
fn a_call_that_wants_no_reply_gets_none() {
    let server = Running::start();
    let mut stream = server.connect();
    let silent = json!({ "method": "org.example.None", "oneway": true }).to_string();
    stream.write_all(silent.as_bytes()).unwrap();
    stream.write_all(b"\0").unwrap();
    stream.write_all(&request("ports")).unwrap();
    assert!(reply(&stream).unwrap()["error"].is_null());
}

#[test]
fn hostile_bytes_are_refused_and_the_next_client_is_served() {
    let server = Running::start();
    let deep = "[".repeat(60_000);
    let hostile: [&[u8]; 8] = [
        b"\0",
        b"\xff\xfe\0",
        b"null\0",
        b"[]\0",
        b"{\"method\":7}\0",
        b"{\"method\":\"a\",\"parameters\":[]}\0",
        b"{\"method\":\"a\"}garbage\0",
        deep.as_bytes(),
    ];
    for bytes in hostile {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        if bytes.ends_with(b"\0") {
            let refusal = reply(&stream).unwrap();
            assert_eq!(refusal["error"], "org.fastgw.BadRequest", "{bytes:?}");
        }
        stream.write_all(b"\0").ok();
        while reply(&stream).is_some() {}
    }
    let mut stream = server.connect();
    stream.write_all(&request("summary")).unwrap();
    assert_eq!(reply(&stream).unwrap()["parameters"]["name"], "site-a");
}

#[test]
fn a_request_longer_than_64_kib_is_refused() {
    let server = Running::start();
    let mut stream = server.connect();
    // The server may hang up before all of it is written.
    let _ = stream.write_all(&vec![b' '; REQUEST_LEN_MAX + 4096]);
    let refusal = reply(&stream).unwrap();
    assert_eq!(refusal["parameters"]["why"], "a request has at most 65536 bytes");
    assert_eq!(reply(&stream), None);
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = Running::start();
    let mut clients: Vec<Plain> = (0..CLIENTS_MAX).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(&request("ports")).unwrap();
        assert!(reply(client).is_some());
    }
    let refusal = reply(&server.connect()).unwrap();
    assert_eq!(refusal["error"], "org.fastgw.TooManyClients");
    clients.pop();
    // The server sees the end of that one in a turn of its own.
    let served = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(10));
        let mut client = server.connect();
        client.write_all(&request("ports")).is_ok()
            && reply(&client).is_some_and(|reply| reply["error"].is_null())
    });
    assert!(served);
}

/// A server without a thread, to be driven step by step.
struct Stepped {
    _folder: TempDir,
    path: std::path::PathBuf,
    poll: Poll,
    server: Server,
}

impl Stepped {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let (poll, mut server) = (Poll::new().unwrap(), Server::bind(&path).unwrap());
        server.register(poll.registry(), LISTENER, FIRST_CLIENT).unwrap();
        Self { _folder: folder, path, poll, server }
    }

    /// Handles events until there are none for a moment; gives how many requests were answered.
    fn drain(&mut self, response: &Response) -> usize {
        let mut answered = 0;
        let mut events = Events::with_capacity(8);
        loop {
            self.poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
            if events.is_empty() {
                return answered;
            }
            for event in &events {
                let mut reply = |_: &Request| {
                    answered += 1;
                    response.clone()
                };
                self.server.on_event(event.token(), self.poll.registry(), &mut reply);
            }
        }
    }
}

#[test]
fn a_slow_reader_gets_one_reply_at_a_time_and_all_of_it_in_the_end() {
    let mut stepped = Stepped::new();
    let mut stream = Plain::connect(&stepped.path).unwrap();
    let long = Response::result(&"x".repeat(4 << 20));
    stream.write_all(&request("ports")).unwrap();
    stream.write_all(&request("ports")).unwrap();
    assert_eq!(stepped.drain(&long), 1, "the second waits for the first to be read");

    let reader = thread::spawn(move || {
        let lengths = [reply(&stream).unwrap(), reply(&stream).unwrap()];
        lengths.map(|reply| reply["parameters"].as_str().unwrap().len())
    });
    let mut answered = 0;
    while !reader.is_finished() {
        answered += stepped.drain(&long);
    }
    assert_eq!(answered, 1);
    assert_eq!(reader.join().unwrap(), [4 << 20, 4 << 20]);
}

#[test]
fn many_requests_of_one_client_take_an_event_each() {
    let mut stepped = Stepped::new();
    let mut stream = Plain::connect(&stepped.path).unwrap();
    stream.write_all(&request("ports").repeat(50)).unwrap();
    let mut events = Events::with_capacity(8);
    for turn in 0..52 {
        stepped.poll.poll(&mut events, Some(Duration::from_secs(1))).unwrap();
        let mut answered = 0;
        for event in &events {
            let mut reply = |_: &Request| {
                answered += 1;
                Response::result(&1)
            };
            stepped.server.on_event(event.token(), stepped.poll.registry(), &mut reply);
        }
        assert!(answered <= 1, "{answered} in turn {turn}");
    }
    for _ in 0..50 {
        assert!(reply(&stream).is_some());
    }
}

#[test]
fn a_silent_client_is_closed_after_its_time() {
    let mut stepped = Stepped::new();
    assert_eq!(stepped.server.deadline(), None);
    let silent = Plain::connect(&stepped.path).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stepped.drain(&Response::result(&1));
    let deadline = stepped.server.deadline().unwrap();
    assert!(deadline <= Instant::now() + PATIENCE);
    stepped.server.on_timeout(deadline - Duration::from_millis(1));
    assert_eq!(stepped.server.deadline(), Some(deadline));
    stepped.server.on_timeout(deadline);
    assert_eq!(stepped.server.deadline(), None);
    assert_eq!(reply(&silent), None);
}

#[test]
fn the_socket_is_private_and_its_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/fastgw/x.sock");
    let server = Server::bind(&path).unwrap();
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let parent = path.parent().unwrap();
    let mode = fs::metadata(parent).unwrap().permissions().mode();
    assert_eq!((mode & 0o700, mode & 0o022), (0o700, 0), "others change nothing in it");
    assert_eq!(fs::read_dir(parent).unwrap().count(), 1, "nothing but the socket");
    drop(server);
    assert_eq!(fs::read_dir(parent).unwrap().count(), 0, "nothing is left");
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a listener of std leaves its socket, as a killed gateway does");
    drop(Server::bind(&path).unwrap());
    assert!(!path.exists());

    let server = Running::start();
    let error = Server::bind(&server.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(text.contains("another fastgw is running: pid 1234 answers"), "{text}");
    let mut stream = server.connect();
    stream.write_all(&request("ports")).unwrap();
    assert!(reply(&stream).is_some(), "the running one is not disturbed");
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    fs::write(&path, "precious").unwrap();
    let error = Server::bind(&path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("is no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_gateway_removes_its_own_socket_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let server = Server::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let successor = Server::bind(&path).unwrap();
    drop(server);
    assert!(path.exists());
    drop(successor);
    assert!(!path.exists());
}

#[test]
fn what_a_gateway_left_that_died_while_it_started_is_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let workshop = folder.path().join(".x.sock");
    fs::create_dir(&workshop).unwrap();
    drop(UnixListener::bind(workshop.join("s")).unwrap());
    let server = Server::bind(&path).unwrap();
    assert!(path.exists() && !workshop.exists());
    drop(server);

    fs::create_dir(&workshop).unwrap();
    let held = fs::File::open(&workshop).unwrap();
    held.lock().unwrap();
    let error = Server::bind(&path).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("is starting"), "{error}");
}
