//! Where the compiler's word is not enough: three crates, and nowhere else.

use crate::{
    nobody_breaks,
    repository::{files, text},
    rust_file::RustFile,
};

/// The crates that share memory with the kernel, and the one that is made of CPU instructions.
const UNSAFE_CRATES: [&str; 3] = ["datapath/af_xdp/", "datapath/port/", "datapath/simd/"];

#[test]
fn unsafe_code_is_only_where_memory_is_shared_or_registers_are_wide() {
    let mut offenders = Vec::new();
    for file in RustFile::all() {
        if UNSAFE_CRATES.iter().any(|allowed| file.path.starts_with(allowed)) {
            continue;
        }
        offenders.extend(file.unsafe_lines.iter().map(|line| format!("{}:{line}", file.path)));
    }
    nobody_breaks(&format!("`unsafe` is only in {UNSAFE_CRATES:?}"), &offenders);
}

#[test]
fn every_other_crate_has_the_compiler_refuse_it() {
    let mut offenders = Vec::new();
    for manifest in files().iter().filter(|path| path.ends_with("/Cargo.toml")) {
        let folder = manifest.trim_end_matches("Cargo.toml");
        // cargo-fuzz's targets expand to unsafe code.
        if UNSAFE_CRATES.contains(&folder) || folder == "tests/fuzz/" {
            continue;
        }
        let is_root = |path: &&String| {
            let file = path.strip_prefix(folder).unwrap_or("");
            matches!(file, "src/lib.rs" | "src/main.rs")
        };
        for root in files().iter().filter(is_root) {
            let text = text(root).unwrap_or_default();
            if !text.contains("#![forbid(unsafe_code)]") && !text.contains("#![deny(unsafe_code)]")
            {
                offenders.push(root.clone());
            }
        }
    }
    nobody_breaks("a crate's root denies or forbids unsafe_code", &offenders);
}
