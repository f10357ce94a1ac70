//! Who may import whom.

use std::{collections::BTreeMap, env, process::Command};

use serde_json::Value;
use tests::process::run;

use crate::{nobody_breaks, repository};

/// Each crate with those of ours that it may import. The datapath does not know the control side,
/// and nobody imports the binary, the benches or the tests.
const TABLE: [(&str, &[&str]); 16] = [
    ("wire", &[]),
    ("simd", &[]),
    ("esp", &["wire", "simd"]),
    ("af_xdp", &[]),
    ("port", &["af_xdp"]),
    ("tables", &["wire", "esp"]),
    ("pipeline", &["wire", "esp", "port", "tables"]),
    ("engine", &[]),
    ("ike", &["engine", "wire"]),
    ("ospf", &["engine", "wire"]),
    ("bfd", &["engine", "wire"]),
    ("config", &["engine", "ike", "ospf", "wire"]),
    ("bridge", &["wire", "esp", "tables", "config", "ike"]),
    (
        "fastgw",
        &[
            "wire", "simd", "esp", "af_xdp", "port", "tables", "pipeline", "engine", "ike", "ospf",
            "bfd", "config", "bridge",
        ],
    ),
    (
        "bench",
        &[
            "wire", "simd", "esp", "af_xdp", "port", "tables", "pipeline", "engine", "ike", "ospf",
            "config", "bridge",
        ],
    ),
    (
        "tests",
        &[
            "wire", "simd", "esp", "port", "tables", "pipeline", "engine", "ike", "ospf", "bfd",
            "config", "bridge",
        ],
    ),
];

#[test]
fn crates_import_only_whom_the_table_allows() {
    let mut offenders = Vec::new();
    for (name, imports) in edges() {
        match TABLE.iter().find(|(listed, _)| *listed == name) {
            None => offenders.push(format!("{name} is not in the table")),
            Some((_, allowed)) => {
                let strangers = imports.iter().filter(|import| !allowed.contains(&import.as_str()));
                offenders.extend(strangers.map(|import| format!("{name} imports {import}")));
            }
        }
    }
    nobody_breaks("crates import only whom the table in this test allows", &offenders);
}

#[test]
fn wire_knows_neither_the_operating_system_nor_a_heap() {
    let root = repository::text("datapath/wire/src/lib.rs").expect("Rust is text");
    assert!(root.contains("#![no_std]"), "wire is no_std");
    let mut offenders = Vec::new();
    for path in repository::files_ending(&[".rs"]) {
        let text = repository::text(path).unwrap_or_default();
        if path.starts_with("datapath/wire/src/") && text.contains("extern crate alloc") {
            offenders.push(path.to_owned());
        }
    }
    nobody_breaks("wire allocates nothing", &offenders);
}

/// Every crate of the workspace with those of the workspace that it depends on in any way.
fn edges() -> BTreeMap<String, Vec<String>> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.current_dir(repository::root());
    let text = run(command.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]));
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages.iter().map(|package| (name_of(package), own_dependencies(package))).collect()
}

fn own_dependencies(package: &Value) -> Vec<String> {
    let dependencies = package["dependencies"].as_array().expect("a list of dependencies");
    dependencies.iter().filter(|dependency| !dependency["path"].is_null()).map(name_of).collect()
}

fn name_of(value: &Value) -> String {
    value["name"].as_str().expect("a name").to_owned()
}
