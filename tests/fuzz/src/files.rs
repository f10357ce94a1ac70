//! Files that somebody else wrote: configurations and captures.

use config::Severity;
use port::capture_file::CaptureReader;

/// Reads the input as a configuration. One that is refused says why, and the reason can be shown.
pub fn config(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match config::parse("fuzz.toml", text, "no-such-folder") {
        Ok(config) => assert!(!config.explain().is_empty()),
        Err(report) => {
            let errors = report.diagnostics().iter().filter(|d| d.severity() == Severity::Error);
            assert!(errors.count() > 0, "refused for no reason");
            assert!(!report.render(true).is_empty() && !report.render(false).is_empty());
            assert!(!report.to_json().is_null());
        }
    }
}

/// Reads the input as a capture, to its end or to an error that ends it.
pub fn capture(input: &[u8]) {
    // Every record has a header of at least this many bytes.
    let most_packets = input.len() / 8 + 1;
    let Ok(mut reader) = CaptureReader::new("fuzz", input) else { return };
    for number in 1.. {
        assert!(number <= most_packets + 1, "more packets than the file has room for");
        match reader.next_frame() {
            Ok(None) => break,
            Ok(Some(captured)) => {
                assert_eq!(captured.number, number as u64);
                // At most an Ethernet header is added.
                assert!(captured.frame.len() <= input.len() + 14);
            }
            Err(error) if error.problem.concerns_one_packet() => {}
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(matches!(reader.next_frame(), Ok(None)), "nothing follows the end");
                break;
            }
        }
    }
}
