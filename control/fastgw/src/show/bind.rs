//! Takes the path of the control socket: private from its first moment, and nobody else's.
//!
//! 1. Make a folder next to the path that only we may enter, and lock it.
//! 2. Refuse if somebody answers at the path, or if what is there is no socket.
//! 3. Bind a socket in the folder, make it private, and move it to the path; a socket that a
//!    killed gateway left there is replaced by that.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use mio::net::{UnixListener, UnixStream};

use super::client;

/// Only the user who started the gateway may ask it.
const SOCKET_MODE: u32 = 0o600;
/// Anybody may see that there is a gateway.
const PARENT_MODE: u32 = 0o755;
const WORKSHOP_MODE: u32 = 0o700;
/// How long a running gateway has to tell its process id for an error message.
const PID_PATIENCE: Duration = Duration::from_secs(1);

/// A socket that listens at a path, and removes the path with it.
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode, to tell our socket from a successor's.
    identity: (u64, u64),
}

impl Bound {
    /// Listens at `path`; the folder that it is in is made if it is missing.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let explain = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => error,
            kind => io::Error::new(kind, format!("control socket {}: {error}", path.display())),
        };
        Self::bind(path).map_err(explain)
    }

    fn bind(path: &Path) -> io::Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let name = path.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
        DirBuilder::new().recursive(true).mode(PARENT_MODE).create(parent)?;
        let workshop = Workshop::enter(parent, name)?;
        refuse_if_taken(path)?;
        let made = workshop.socket();
        let listener = UnixListener::bind(&made)?;
        fs::set_permissions(&made, Permissions::from_mode(SOCKET_MODE))?;
        fs::rename(&made, path)?;
        let identity = identity_of(path)?;
        Ok(Self { listener, path: path.to_owned(), identity })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if identity_of(&self.path).is_ok_and(|found| found == self.identity) {
            // A path that cannot be removed is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A private folder in which a socket is made. While it is there and locked, nobody else makes one
/// for the same path.
struct Workshop {
    folder: PathBuf,
    _lock: File,
}

impl Workshop {
    fn enter(parent: &Path, name: &std::ffi::OsStr) -> io::Result<Self> {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        let folder = parent.join(hidden);
        if !Self::make(&folder)? {
            // Somebody is in it, or died in it.
            let _lock = Self::lock(&folder)?;
            remove(&folder)?;
            if !Self::make(&folder)? {
                return Err(busy());
            }
        }
        let lock = Self::lock(&folder)?;
        Ok(Self { folder, _lock: lock })
    }

    /// Whether the folder was not there before.
    fn make(folder: &Path) -> io::Result<bool> {
        match DirBuilder::new().mode(WORKSHOP_MODE).create(folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lock(folder: &Path) -> io::Result<File> {
        // What is there may be anything: a pipe would wait, a link would lead elsewhere.
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(busy()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn socket(&self) -> PathBuf {
        socket_in(&self.folder)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What is left of it is cleared away at the next start.
        let _ = remove(&self.folder);
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("s")
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_file(socket_in(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::remove_dir(folder)
}

fn busy() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another fastgw is starting with this control socket")
}

/// An error if a gateway answers at `path`, or if replacing what is there would lose something.
fn refuse_if_taken(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::other("what is there is no socket, so it is left alone"));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(taken(path)),
        // Its queue of connections is full, so somebody has one.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(taken(path)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // It has just been removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn taken(path: &Path) -> io::Error {
    let who = match client::pid_of(path, PID_PATIENCE) {
        Some(pid) => format!("pid {pid} answers"),
        None => "somebody answers".to_owned(),
    };
    let text = format!(
        "another fastgw is running: {who} at {}; stop it, or give this one another \
         `control_socket`",
        path.display()
    );
    io::Error::new(io::ErrorKind::AddrInUse, text)
}
