//! What is impossible is refused with a reason, before anything is sent.

use std::{fs, process::Command};

use tests::process::{output, said};

use crate::generator::binary;

fn refusal(words: &[&str]) -> String {
    let done = output(Command::new(binary()).args(words));
    assert!(!done.status.success(), "{words:?} was accepted");
    said(&done)
}

fn refused_load(more: &[&str]) -> String {
    let common = "run --tx nosuchif0 --via 02:00:00:00:00:01 --from 10.1.0.2 --to 10.2.0.2";
    let words: Vec<_> = common.split(' ').chain(more.iter().copied()).collect();
    refusal(&words)
}

#[test]
fn sizes_and_rates_that_cannot_be_are_refused_with_the_limit() {
    for (words, why) in [
        (&["--rate", "1kpps", "--size", "63"][..], "take 64"),
        (&["--rate", "1kpps", "--size", "9000"], "at most 3500"),
        (&["--rate", "1kpps", "--size", "large"], "64,594,1518"),
        (&["--rate", "5Gpps"], "less than 1 ns apart"),
        (&["--rate", "0pps"], "above zero"),
        (&["--rate", "quick"], "1.5Mpps"),
        (&["--rate", "1kpps", "--duration", "0"], "above 0"),
        (&["--rate", "1kpps", "--flows", "100000"], "64512"),
        (&["--rate", "1kpps", "--cores", "999"], "no core 999"),
        (&["--rate", "1kpps"], "nosuchif0"),
    ] {
        let said = refused_load(words);
        assert!(said.contains(why), "{words:?}: {said}");
    }
    let ipv6 = "run --tx nosuchif0 --via 02:00:00:00:00:01 --from fd01::2 --to fd02::2";
    let words: Vec<_> = ipv6.split(' ').chain(["--rate", "1kpps", "--size", "64"]).collect();
    assert!(refusal(&words).contains("take 84"));
}

#[test]
fn a_broken_profile_is_refused_at_its_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("profile.toml");
    let text = "[devices]\ntx = \"a\"\ngateway = \"10.1.0.1\"\n[traffic]\nfrom = \"10.1.0.2\"\n\
                to = \"10.2.0.2\"\n[search]\nsizes = [64, 20]\n";
    fs::write(&file, text).expect("a writable temporary folder");
    let path = file.to_string_lossy();
    let said = refusal(&["rfc2544", "--config", &path]);
    assert!(said.contains("line 8") && said.contains("take 64"), "{said}");
    assert!(said.contains("profile.toml"), "{said}");
}

#[test]
fn help_teaches_with_examples() {
    let said = said(&output(Command::new(binary()).arg("--help")));
    for word in ["fastgw-pktgen run --tx", "--seal manual.toml", "rfc2544 --config", "open-loop"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
