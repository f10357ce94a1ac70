#!/bin/bash
# tests/proofs.sh: every proof of this folder, one at a time, since they share the processors with
# the gateways and guests that they start.
set -uo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
failed=0
"$cargo" test -p tests --lib -- --test-threads=1 || failed=1
tests=()
# All in the manifest.
for name in $(awk '/^\[\[test\]\]/ { getline; gsub(/name = |"/, ""); print }' tests/Cargo.toml); do
	tests+=(--test "$name")
done
"$cargo" test -p tests "${tests[@]}" --no-fail-fast -- --test-threads=1 --nocapture || failed=1
exit "$failed"
