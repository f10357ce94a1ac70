//! `[gateway]`: the process as a whole.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use toml::Spanned;

use super::value::{Unique, choice, name, number, proper_name};
use crate::{
    findings::Findings,
    model::{Crypto, Gateway, Idle},
    schema,
    spelling::{count, shown},
};

/// Where control sockets live unless the file says otherwise.
const SOCKET_DIR: &str = "/run/fastgw";

/// Longest path of a Unix socket in bytes: `sun_path` (unix(7)) less its terminating zero.
const SOCKET_PATH_LEN_MAX: usize = 107;

/// More queues than this no card has.
const WORKERS_MAX: i64 = 64;

/// Highest CPU number that the kernel's affinity mask of 1024 bits can name.
const CORE_MAX: i64 = 1023;

/// The section, or the defaults if there is none. `at` is where the section stands.
pub(super) fn resolve(
    section: Option<schema::Gateway>,
    at: Range<usize>,
    path: &Path,
    found: &mut Findings,
) -> Gateway {
    let default_name = default_name(path);
    let Some(section) = section else {
        return Gateway {
            control_socket: default_socket(&default_name),
            name: default_name,
            workers: 1,
            cores: None,
            ike_keylog: None,
            idle: Idle::Sleep,
            crypto: Crypto::Fastest,
        };
    };
    let name = name(section.name.optional(), found).map(Spanned::into_inner);
    let name = name.unwrap_or(default_name);
    let workers_at = section.workers.span();
    let workers: Option<usize> =
        number(section.workers.optional(), "workers", 1..=WORKERS_MAX, "", found);
    let cores = section.cores.optional().and_then(|list| cores(list, found));
    if let (Some(workers), Some(cores)) = (workers, &cores) {
        check_one_core_each(workers, cores, workers_at.unwrap_or(at), found);
    }
    let idle = choice(
        section.idle.optional(),
        "idle",
        &[("sleep", Idle::Sleep), ("spin", Idle::Spin)],
        found,
    );
    let crypto = choice(
        section.crypto.optional(),
        "crypto",
        &[("fastest", Crypto::Fastest), ("portable", Crypto::Portable)],
        found,
    );
    let socket = section.control_socket.optional().and_then(|path| socket(path, found));
    Gateway {
        control_socket: socket.unwrap_or_else(|| default_socket(&name)),
        name,
        // Who lists cores has said how many workers there are.
        workers: workers.or(cores.as_ref().map(|cores| cores.get_ref().len())).unwrap_or(1),
        cores,
        ike_keylog: section.ike_keylog.optional().and_then(|path| key_log(path, found)),
        idle: idle.unwrap_or(Idle::Sleep),
        crypto: crypto.unwrap_or(Crypto::Fastest),
    }
}

fn key_log(path: Spanned<String>, found: &mut Findings) -> Option<PathBuf> {
    let text = path.get_ref();
    if text.starts_with('/') && !text.contains('\0') {
        return Some(PathBuf::from(path.into_inner()));
    }
    let error = found.error(path.span(), format!("{} cannot be a folder for keys", shown(text)));
    let help = "write a path such as `ike_keylog = \"/run/fastgw/keys\"`, or remove the line";
    found.push(error.label("not an absolute path").help(help));
    None
}

fn default_name(path: &Path) -> String {
    let stem = path.file_stem().and_then(|stem| proper_name(&stem.to_string_lossy()));
    stem.unwrap_or_else(|| "gateway".to_owned())
}

fn default_socket(name: &str) -> PathBuf {
    Path::new(SOCKET_DIR).join(format!("{name}.sock"))
}

fn cores(list: Spanned<Vec<Spanned<i64>>>, found: &mut Findings) -> Option<Spanned<Vec<usize>>> {
    let span = list.span();
    let mut unique = Unique::new();
    let mut cores = Vec::new();
    let wanted = list.get_ref().len();
    for core in list.into_inner() {
        let at = core.span();
        let Some(core) = number(Some(core), "cores", 0..=CORE_MAX, "", found) else { continue };
        match unique.take(core, at.clone()) {
            Ok(()) => cores.push(core),
            Err(first) => {
                let error = found.error(at, format!("core {core} is listed twice"));
                let error = error.label("a core carries one worker").also(first, "first here");
                found.push(error.help("list a different core for each worker"));
            }
        }
    }
    if wanted == 0 || wanted > WORKERS_MAX as usize {
        let error = found.error(span, format!("`cores` lists {}", count(wanted, "core")));
        let help = "list one core for each worker, or remove the line to let fastgw choose";
        found.push(error.label(format!("there are 1 to {WORKERS_MAX} workers")).help(help));
        return None;
    }
    (cores.len() == wanted).then(|| Spanned::new(span, cores))
}

fn check_one_core_each(
    workers: usize,
    cores: &Spanned<Vec<usize>>,
    workers_at: Range<usize>,
    found: &mut Findings,
) {
    let have = cores.get_ref().len();
    if workers != have {
        let workers_text = count(workers, "worker");
        let cores_text = count(have, "core");
        let error = found.error(cores.span(), format!("{workers_text} but {cores_text}"));
        let error = error.label(format!("lists {cores_text}"));
        let help = format!("write `workers = {have}`, or list {}", count(workers, "core"));
        found.push(error.also(workers_at, format!("wants {workers_text}")).help(help));
    }
}

fn socket(path: Spanned<String>, found: &mut Findings) -> Option<PathBuf> {
    let text = path.get_ref();
    let label = if !text.starts_with('/') {
        "not an absolute path"
    } else if text.ends_with('/') {
        "a directory, not a socket in it"
    } else if text.len() > SOCKET_PATH_LEN_MAX {
        "longer than the 107 bytes that a Unix socket's path may have"
    } else if text.contains('\0') {
        "a path has no zero bytes"
    } else {
        return Some(PathBuf::from(path.into_inner()));
    };
    let error = found.error(path.span(), format!("{} cannot be a socket", shown(text)));
    let help = "write a path such as `control_socket = \"/run/fastgw/site-a.sock\"`";
    found.push(error.label(label).help(help));
    None
}
