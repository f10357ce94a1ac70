//! A restart that OSPF's neighbours do not follow: what one process leaves for the next (RFC 3623).

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use engine::UnixTime;
use ospf::Restart;
use serde::{Deserialize, Serialize};

use super::Router;
use crate::gateway::Gateway;
use crate::show::{OspfAction, OspfCommand};

/// Longest grace that may be asked for (RFC 3623 section 2.1).
pub const GRACE_MAX: Duration = Duration::from_secs(1800);

const NO_OSPF: &str = "OSPF is not configured: see [ospf]";

/// What the next process must know.
#[derive(Serialize, Deserialize)]
struct Left {
    router_id: Ipv4Addr,
    /// When the neighbours stop waiting, in seconds since 1970.
    until: u64,
}

impl Gateway {
    /// Does what `fastgw ospf` asks for.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub fn obey_ospf(&mut self, command: OspfCommand) -> Result<(), String> {
        match command.action {
            OspfAction::PrepareRestart => self.prepare_restart(Duration::from_secs(command.within)),
            OspfAction::CancelRestart => self.cancel_restart(),
        }
    }

    fn cancel_restart(&mut self) -> Result<(), String> {
        let file = self.restart_file();
        let router = self.router.as_mut().ok_or(NO_OSPF)?;
        router.cancel_restart();
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", file.display()))
            }
            _ => Ok(()),
        }
    }

    /// Asks the neighbours of OSPF to wait for the next process as long as `within`.
    fn prepare_restart(&mut self, within: Duration) -> Result<(), String> {
        if within.is_zero() || within > GRACE_MAX {
            return Err(format!("a restart takes 1 to {} seconds", GRACE_MAX.as_secs()));
        }
        let file = self.restart_file();
        let router = self.router.as_mut().ok_or(NO_OSPF)?;
        let left = Left {
            router_id: router.engine().settings().router_id,
            until: crate::ike::wall().0 + within.as_secs(),
        };
        let text = serde_json::to_string(&left).map_err(|error| error.to_string())?;
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        router.announce_restart(within);
        tracing::info!("OSPF's neighbours are asked to wait {} s for a restart", within.as_secs());
        Ok(())
    }

    /// Has a new router take up what the process before has left.
    pub(super) fn take_up_restart(&self, router: &mut Router) {
        let file = self.restart_file();
        match taken(&file, router.engine().settings().router_id, crate::ike::wall()) {
            Ok(Some(left)) => {
                tracing::info!("OSPF restarts; its neighbours wait {} s more", left.as_secs());
                router.resume(left);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("{}: {error}", file.display()),
        }
    }

    /// Whether OSPF is to go without a word.
    pub(super) fn is_waited_for(&self) -> bool {
        let router = self.router.as_ref();
        router.is_some_and(|router| router.engine().restart() == Restart::Announced)
    }

    fn restart_file(&self) -> PathBuf {
        self.config.gateway.control_socket.with_extension("restart")
    }
}

/// How long the neighbours of this router still wait, by the file, which is used up.
fn taken(file: &Path, router_id: Ipv4Addr, now: UnixTime) -> io::Result<Option<Duration>> {
    let text = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    fs::remove_file(file)?;
    let left: Left = serde_json::from_slice(&text)?;
    let still = left.until.saturating_sub(now.0).min(GRACE_MAX.as_secs());
    Ok((left.router_id == router_id && still > 0).then(|| Duration::from_secs(still)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_taken_once_by_the_same_router_and_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.restart");
        let (id, other) = (Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(2, 2, 2, 2));
        let leave = || fs::write(&file, r#"{"router_id":"1.1.1.1","until":1000}"#).unwrap();
        assert_eq!(taken(&file, id, UnixTime(0)).unwrap(), None);
        leave();
        assert_eq!(taken(&file, id, UnixTime(940)).unwrap(), Some(Duration::from_secs(60)));
        assert_eq!(taken(&file, id, UnixTime(940)).unwrap(), None);
        leave();
        assert_eq!(taken(&file, other, UnixTime(940)).unwrap(), None);
        leave();
        assert_eq!(taken(&file, id, UnixTime(1000)).unwrap(), None);
        fs::write(&file, "{").unwrap();
        taken(&file, id, UnixTime(0)).unwrap_err();
        assert!(!file.exists());
    }
}
