//! Keys in files of their own, and files that are open to others.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use config::{Config, Report, Severity, load, parse};
use tempfile::TempDir;

const KEY: &str = "0102030405060708090a0b0c0d0e0f1011121314";

#[test]
fn a_key_is_read_from_a_file_beside_the_configuration() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("keys")).unwrap();
    write(&dir.path().join("keys/a"), &format!("0x{KEY}\n"), 0o600);
    let path = dir.path().join("gateway.toml");
    write(&path, &text("file:keys/a"), 0o644);
    let config = load(&path).unwrap_or_else(|report| panic!("{report}"));
    let sa = config.tunnels[0].protection.manual().unwrap();
    assert_eq!(sa.outbound.encryption.expose()[..3], [1, 2, 3]);
    assert_eq!(sa.outbound.encryption.len(), 20);
}

#[test]
fn an_absolute_path_and_a_link_are_followed() {
    let dir = TempDir::new().unwrap();
    write(&dir.path().join("a"), KEY, 0o400);
    symlink("a", dir.path().join("b")).unwrap();
    let absolute = format!("file:{}", dir.path().join("b").display());
    parse("t.toml", &text(&absolute), "/nonexistent").unwrap_or_else(|report| panic!("{report}"));
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    for mode in [0o604, 0o640, 0o644, 0o620, 0o601] {
        let dir = TempDir::new().unwrap();
        write(&dir.path().join("a b"), KEY, mode);
        let message = refused(&dir, "file:a b");
        assert_eq!(
            message,
            format!(
                "error: key file `a b` is open to others\n  \
                   --> t.toml:22:18\n   \
                    |\n\
                 22 | encryption_key = \"file:a b\"\n   \
                    |                  ^^^^^^^^^^ its mode is {mode:04o}\n   \
                    |\n\
                 help: take it away from them: chmod 600 'DIR/a b'"
            )
        );
    }
}

#[test]
fn a_key_file_that_holds_no_key_is_refused() {
    let dir = TempDir::new().unwrap();
    let cases: [(&[u8], &str, &str); 5] = [
        (b"", "`encryption_key` is too short", "aes128gcm16 wants 20 bytes, this has 0"),
        (b"0x01020\n", "odd number of hexadecimal digits", "5 digits: one is missing or too many"),
        (b"01 02", "`encryption_key` is not hexadecimal", "digit 3 is not one of 0-9 a-f"),
        (b"\xff\xfe", "key file `a` is not text", "it holds bytes that are not UTF-8"),
        (&[b'0'; 5000], "key file `a` is too large", "it has 5000 bytes"),
    ];
    for (content, title, label) in cases {
        fs::write(dir.path().join("a"), content).unwrap();
        fs::set_permissions(dir.path().join("a"), fs::Permissions::from_mode(0o600)).unwrap();
        let message = refused(&dir, "file:a");
        assert!(message.contains(title), "{message}");
        assert!(message.contains(label), "{message}");
    }
}

#[test]
fn what_is_not_a_regular_file_is_refused_without_waiting_for_it() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    assert!(refused(&dir, "file:a").contains("key file `a` is not a file"));
    assert!(refused(&dir, "file:/dev/zero").contains("key file `/dev/zero` is not a file"));
    assert!(refused(&dir, "file:").contains("is not a file"));
    assert!(refused(&dir, "file:gone").contains("No such file or directory"));
}

#[test]
fn a_configuration_with_keys_that_others_can_read_is_a_warning() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.toml");
    let inline = text("0xa102030405060708090a0b0c0d0e0f1011121314");
    write(&path, &inline, 0o640);
    let config = load(&path).unwrap_or_else(|report| panic!("{report}"));
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert_eq!(warning.severity(), Severity::Warning);
    assert_eq!(warning.position(), Some((22, 18)));
    assert!(warning.to_string().contains("the mode of this file is 0640"), "{warning}");
    write(&path, &inline, 0o600);
    assert!(load(&path).unwrap_or_else(|report| panic!("{report}")).warnings.is_empty());
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let dir = TempDir::new().unwrap();
    let report = load(dir.path().join("gone.toml")).unwrap_err();
    let message = report.to_string().replace(&dir.path().display().to_string(), "DIR");
    assert_eq!(
        message,
        "error: cannot read the configuration: No such file or directory (os error 2)\n\
         --> DIR/gone.toml\n \
          |\n\
         help: name an existing file: fastgw --config FILE"
    );
    assert_eq!(report.diagnostics()[0].position(), None);
    let message = load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("it is not a file"), "{message}");
}

#[test]
fn bytes_that_are_not_utf_8_are_located() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.toml");
    fs::write(&path, b"[gateway]\nname = \"\xff\"\n").unwrap();
    let report = load(&path).unwrap_err();
    assert_eq!(report.diagnostics()[0].position(), Some((2, 9)), "{report}");
    assert!(report.to_string().contains("not UTF-8"), "{report}");
}

fn text(outbound_key: &str) -> String {
    format!(
        r#"[[port]]
name = "lan"
device = "lan0"
role = "inside"

[[port]]
name = "wan"
device = "wan0"
role = "outside"

[[tunnel]]
name = "to-b"
kind = "esp"
local = "203.0.113.1"
remote = "203.0.113.2"
local_subnets = ["10.1.0.0/24"]
remote_subnets = ["10.2.0.0/24"]
[tunnel.sa]
suite = "aes128gcm16"
[tunnel.sa.out]
spi = 0x1001
encryption_key = "{outbound_key}"
[tunnel.sa.in]
spi = 0x1002
encryption_key = "0xff02030405060708090a0b0c0d0e0f1011121314"
"#
    )
}

/// The message about a configuration whose outbound key is refused, with the folder's name hidden.
fn refused(dir: &TempDir, outbound_key: &str) -> String {
    let result: Result<Config, Report> = parse("t.toml", &text(outbound_key), dir.path());
    let report = result.unwrap_err();
    assert_eq!(report.errors(), 1, "{report}");
    report.to_string().replace(&dir.path().display().to_string(), "DIR")
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
