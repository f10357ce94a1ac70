//! The binary as an operator meets it: what it prints, where, and how it ends.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

fn fastgw(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastgw"));
    command.args(arguments).env_remove("FASTGW_LOG");
    command
}

fn output(arguments: &[&str]) -> Output {
    fastgw(arguments).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

fn configs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect()
}

/// A folder with a configuration in it.
fn folder_with(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("core.toml");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

/// Two ports on interfaces that no machine has.
const PORTS: &str = r#"
[[port]]
name = "lan"
device = "fastgw-none0"
role = "inside"
addresses = ["10.1.0.1/24"]
[[port]]
name = "wan"
device = "fastgw-none1"
role = "outside"
addresses = ["203.0.113.1/24"]
"#;

#[test]
fn check_accepts_and_explains_every_configuration_we_ship() {
    assert!(!configs().is_empty());
    for path in configs() {
        let checked = output(&["check", path.to_str().unwrap()]);
        assert_eq!(checked.status.code(), Some(0), "{}: {}", path.display(), stderr(&checked));
        assert!(stdout(&checked).starts_with("gateway "), "{}", stdout(&checked));
        assert!(!stderr(&checked).contains("error"), "{}", stderr(&checked));
    }
}

/// Per tunnel: name, headers, overhead, inner MTU, extra over ESP tunnel mode.
type Explained = (String, Vec<String>, u64, u64, Option<u64>);

fn explained(name: &str) -> Vec<Explained> {
    let path = configs().into_iter().find(|path| path.ends_with(name)).expect("an example");
    let said = output(&["explain", "--config", path.to_str().unwrap(), "--json"]);
    assert_eq!(said.status.code(), Some(0), "{name}: {}", stderr(&said));
    let all: Value = serde_json::from_str(stdout(&said)).unwrap();
    let one = |entry: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = |key: &str| entry[key].as_u64().unwrap_or_else(|| panic!("{key}: {entry}"));
        let stack = entry["stack"].as_array().unwrap().iter().map(text).collect();
        let extra = entry.get("extra_over_esp_tunnel").map(|extra| extra.as_u64().unwrap());
        (text(&entry["tunnel"]), stack, number("overhead"), number("inner_mtu"), extra)
    };
    all.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn explain_prints_what_each_tunnel_of_every_example_costs() {
    for path in configs() {
        assert!(!explained(path.file_name().unwrap().to_str().unwrap()).is_empty());
    }
    let one = |name: &str| explained(name).remove(0);
    let stack = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let tunnel = "to-b".to_owned();
    let expected = (tunnel.clone(), stack("ipv4 esp udp l2tp ppp"), 72, 1429, Some(16));
    assert_eq!(one("l2tp-ipsec.toml"), expected);
    let expected = (tunnel.clone(), stack("ipv4 esp ipv4 gre"), 96, 1414, Some(32));
    assert_eq!(one("gre-ipsec-tunnel.toml"), expected);
    assert_eq!(one("gre-full.toml"), (tunnel.clone(), stack("ipv4 gre"), 36, 1464, None));
    let expected = (tunnel, stack("ipv4 udp esp"), 64, 1438, Some(8));
    assert_eq!(one("nat-t.toml"), expected);
    let spokes = explained("dmvpn-hub.toml");
    assert_eq!(spokes.len(), 2, "one for each peer");
    assert_eq!((spokes[1].0.as_str(), spokes[1].4), ("spoke-3", Some(8)));
}

#[test]
fn check_shows_errors_with_their_line_on_standard_error() {
    let wrong = PORTS.replace("role = \"inside\"", "rolle = \"inside\"").replace("/24", "/64");
    let (_folder, file) = folder_with(&wrong);
    let checked = output(&["check", &file]);
    assert_eq!(checked.status.code(), Some(1));
    assert_eq!(stdout(&checked), "");
    let text = stderr(&checked);
    assert!(text.contains("error: ") && text.contains(&format!("{file}:5:1")), "{text}");
    assert!(text.contains("rolle = \"inside\"") && text.contains("help: "), "{text}");
    assert!(text.ends_with(&format!("fastgw: 3 errors in {file}\n")), "{text}");
    assert!(!text.contains('\x1b'), "no colours into a pipe");
}

#[test]
fn check_as_json_is_on_standard_output_whatever_the_result() {
    let (_folder, file) = folder_with(PORTS);
    let checked = output(&["check", "--json", &file]);
    let report: Value = serde_json::from_str(stdout(&checked)).unwrap();
    assert_eq!((checked.status.code(), &report["valid"]), (Some(0), &Value::Bool(true)));
    assert!(report["explanation"].as_str().unwrap().starts_with("gateway core"));

    let (_folder, file) = folder_with("[gateway]\nworkers = 0\n");
    let checked = output(&["check", &file, "--json"]);
    let report: Value = serde_json::from_str(stdout(&checked)).unwrap();
    assert_eq!((checked.status.code(), &report["valid"]), (Some(1), &Value::Bool(false)));
    assert_eq!(stderr(&checked), "");
    let diagnostics = report["diagnostics"].as_array().unwrap();
    assert_eq!(report["errors"], diagnostics.len());
    assert!(diagnostics.iter().any(|found| found["line"] == 2 && found["severity"] == "error"));
    assert_eq!(report["explanation"], Value::Null);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for words in [&["check", "none.toml"][..], &["--config", "none.toml"]] {
        let checked = output(words);
        assert_eq!(checked.status.code(), Some(1));
        let text = stderr(&checked);
        assert!(text.contains("none.toml") && text.contains("No such file"), "{text}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let senseless: [&[&str]; 7] = [
        &[],
        &["--confgi", "a.toml"],
        &["check"],
        &["show", "everything"],
        &["show", "--watch", "0"],
        &["--config", "a.toml", "check", "b.toml"],
        &["--log", "loud", "check", "a.toml"],
    ];
    for words in senseless {
        let result = output(words);
        assert_eq!(result.status.code(), Some(2), "{words:?}");
        assert!(stdout(&result).is_empty() && !stderr(&result).is_empty(), "{words:?}");
    }
}

#[test]
fn help_teaches_and_version_tells() {
    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["fastgw check core.toml", "Keys:", "openssl rand", "Exit codes:", "/run/fastgw"] {
        assert!(stdout(&help).contains(word), "{word}");
    }
    for command in ["check", "show", "offline"] {
        let help = output(&[command, "--help"]);
        assert!(stdout(&help).contains("Examples:"), "{command}");
    }
    let version = output(&["--version"]);
    assert_eq!(stdout(&version), format!("fastgw {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_missing_interface_is_reported_at_its_line_and_leaves_nothing_behind() {
    let (folder, file) = folder_with(PORTS);
    let socket = folder.path().join("run/x.sock");
    let gateway = format!("[gateway]\ncontrol_socket = \"{}\"\n", socket.display());
    fs::write(&file, gateway + PORTS).unwrap();
    let result = output(&["--config", &file]);
    assert_eq!(result.status.code(), Some(1));
    let text = stderr(&result);
    assert!(text.contains("device = \"fastgw-none0\"") && text.contains("core.toml:6:"), "{text}");
    assert!(!socket.exists());
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let (_folder, file) = folder_with(PORTS);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let result = fastgw(&["check", &file]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let result = result.wait_with_output().unwrap();
    assert_eq!(result.status.code(), Some(0));
    assert!(!stderr(&result).contains("panicked"), "{}", stderr(&result));

    // Not even one who reads the errors.
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let status = fastgw(&["check", "none.toml"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn show_without_a_gateway_says_how_to_start_one() {
    let (folder, file) = folder_with(PORTS);
    let socket = folder.path().join("x.sock");
    fs::write(&file, format!("[gateway]\ncontrol_socket = \"{}\"\n{PORTS}", socket.display()))
        .unwrap();
    for words in [["--socket", socket.to_str().unwrap()], ["--config", &file]] {
        let result = output(&["show", words[0], words[1]]);
        assert_eq!(result.status.code(), Some(1));
        let text = stderr(&result);
        assert!(text.contains(&format!("no gateway answers at {}", socket.display())), "{text}");
        assert!(text.contains("is it running? start it with `fastgw --config FILE`"), "{text}");
    }
}

/// Answers everybody on a socket with the same status, as a gateway would.
fn gateway_at(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let reply = concat!(
        r#"{"parameters":{"name":"site-a","version":"9.9.9","pid":7,"uptime_s":60,"#,
        r#""drops":[{"reason":"no_route","count":2,"help":"No route."}],"new":{"x":1}}}"#,
        "\0"
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            BufReader::new(&stream).read_until(0, &mut request).unwrap();
            assert_eq!(request.last(), Some(&0));
            // A client that was killed does not mind.
            let _ = stream.write_all(reply.as_bytes());
        }
    });
}

#[test]
fn show_prints_tables_or_the_whole_reply_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("x.sock");
    gateway_at(&socket);
    let socket = socket.to_str().unwrap();
    let shown = output(&["show", "drops", "--socket", socket]);
    let expected = "\
site-a: fastgw 9.9.9, pid 7, up 1 min 0 s

DROPS     PACKETS  WHY
no_route        2  No route.
";
    assert_eq!((shown.status.code(), stdout(&shown)), (Some(0), expected));
    let shown = output(&["show", "--json", "--socket", socket]);
    let json: Value = serde_json::from_str(stdout(&shown)).unwrap();
    assert_eq!((&json["pid"], &json["new"]["x"]), (&Value::from(7), &Value::from(1)));
}

#[test]
fn watched_json_is_one_object_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("x.sock");
    gateway_at(&socket);
    let words = ["show", "--json", "--watch", "0.1", "--socket", socket.to_str().unwrap()];
    let mut watching = fastgw(&words).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let line = lines.next().unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["name"], "site-a");
    }
    // The reader goes: the watcher ends by itself, in peace.
    drop(lines);
    assert_eq!(watching.wait().unwrap().code(), Some(0));
}

#[test]
fn offline_names_the_ports_that_there_are() {
    let (_folder, file) = folder_with(PORTS);
    let result = output(&["offline", "--config", &file, "--in", "dmz=a.pcap"]);
    assert_eq!(result.status.code(), Some(1));
    let text = stderr(&result);
    assert!(text.contains("\"dmz\"") && text.contains("lan, wan"), "{text}");
}
