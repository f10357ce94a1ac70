//! Builds the programs under test.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::run;

/// Compiles a program of the workspace in the profile and folder of the running test, and gives
/// its path.
pub fn build(package: &str, program: &str) -> PathBuf {
    // <target>/<profile>/deps/<test>-<hash>
    let test = env::current_exe().expect("the running test");
    let profile = test.parent().and_then(Path::parent).expect("cargo's folders");
    let target = profile.parent().expect("cargo's folders");
    let name = profile.file_name().and_then(|name| name.to_str()).expect("cargo's folders");
    let name = if name == "debug" { "dev" } else { name };
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(["build", "--quiet", "-p", package, "--bin", program, "--profile", name]);
    // What cargo told the test of its package would be news to build scripts, and ring and all that
    // stands on it would be built anew, here and by the next cargo.
    for (name, _) in env::vars().filter(|(name, _)| is_of_a_package(name)) {
        build.env_remove(name);
    }
    run(build.arg("--target-dir").arg(target));
    profile.join(program)
}

/// Whether an environment variable speaks of the package that is being built.
fn is_of_a_package(name: &str) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|prefix| name.starts_with(prefix))
}
