//! What the client says when there is no gateway, several, or a strange one.

use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;

fn folder_with(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(folder.path().join(name), "").unwrap();
    }
    folder
}

/// What is said when a gateway replies with these bytes.
fn after_reply(bytes: &'static [u8]) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let gateway = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        BufReader::new(&stream).read_until(0, &mut request).unwrap();
        let _ = (&stream).write_all(bytes);
        request.pop();
        serde_json::from_slice::<Request>(&request).unwrap()
    });
    let result = ask(&path, Section::Sas, PATIENCE).map_err(|error| error.to_string());
    assert_eq!(gateway.join().unwrap(), Request::show(Section::Sas));
    result
}

#[test]
fn the_only_socket_is_found_and_several_are_listed() {
    let one = folder_with(&["a.sock", "a.pid", ".b.sock.tmp"]);
    assert_eq!(only_socket(one.path()).unwrap(), one.path().join("a.sock"));
    let several = folder_with(&["b.sock", "a.sock"]);
    let text = only_socket(several.path()).unwrap_err().to_string();
    let list = format!(
        "say which one to ask:\n  --socket {0}/a.sock\n  --socket {0}/b.sock",
        several.path().display()
    );
    assert!(text.ends_with(&list), "{text}");
    let none = folder_with(&[]);
    for folder in [none.path(), Path::new("/nonexistent/fastgw")] {
        let text = only_socket(folder).unwrap_err().to_string();
        assert!(text.contains("is it running? start it with `fastgw --config FILE`"), "{text}");
    }
}

#[test]
fn a_missing_and_a_stale_socket_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let text = ask(&path, Section::Summary, PATIENCE).unwrap_err().to_string();
    assert!(text.contains("no gateway answers at") && text.contains("no such socket"), "{text}");
    drop(UnixListener::bind(&path).unwrap());
    let text = ask(&path, Section::Summary, PATIENCE).unwrap_err().to_string();
    assert!(text.contains("left from one that is gone"), "{text}");
}

#[test]
fn a_gateway_that_does_not_answer_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let text = ask(&path, Section::Summary, Duration::from_millis(50)).unwrap_err().to_string();
    assert!(text.contains("it runs, but has not answered in time"), "{text}");
}

#[test]
fn replies_are_understood_or_reported() {
    assert_eq!(after_reply(b"{\"parameters\":{\"pid\":7}}\0").unwrap()["pid"], 7);
    let pairs: [(&[u8], &str); 6] = [
        (b"", "hung up"),
        (b"{\"parameters\":{}", "hung up"),
        (b"nonsense\0", "no reply of a gateway"),
        (b"{\"error\":\"org.fastgw.TooManyClients\"}\0", "too many are asking"),
        (b"{\"error\":\"a.B\",\"parameters\":{\"c\":1}}\0", "a.B {\"c\":1}"),
        (b"\xff\0", "no reply of a gateway"),
    ];
    for (bytes, expected) in pairs {
        let text = after_reply(bytes).unwrap_err();
        assert!(text.contains(expected), "{text}");
    }
    for odd in [&b"[]\0"[..], b"7\0", b"\"a\"\0"] {
        assert_eq!(after_reply(odd).unwrap(), Value::Null);
    }
}
