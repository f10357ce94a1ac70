#!/bin/bash
# tests/proofs.sh: every proof of this folder, one at a time, since they share the processors with
# the gateways and guests that they start; but for those with FRR, which mostly wait for intervals
# to pass, and do so beside the longest of the others.
set -uo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
said=$(mktemp)
beside=

main() {
	trap clean_up EXIT
	local failed=0
	"$cargo" test -p tests --lib -- --test-threads=1 || failed=1
	# shellcheck disable=SC2046
	prove $(others) || failed=1
	# In a process group of its own, to end all of it.
	set -m
	prove ospf > "$said" 2>&1 &
	beside=$!
	set +m
	prove interop || failed=1
	wait "$beside" || failed=1
	beside=
	cat "$said"
	exit "$failed"
}

# prove NAME...: run these tests, also after one of them has failed.
prove() {
	local name tests=()
	for name; do
		tests+=(--test "$name")
	done
	"$cargo" test -p tests "${tests[@]}" --no-fail-fast -- --test-threads=1 --nocapture
}

# The names of all others in the manifest.
others() {
	awk '/^\[\[test\]\]/ { getline; gsub(/name = |"/, ""); print }' tests/Cargo.toml |
		grep -vx -e interop -e ospf
}

clean_up() {
	[ -z "$beside" ] || kill -- "-$beside" 2> /dev/null
	rm -f "$said"
}

main
