#!/bin/bash
# tests/proofs.sh: every proof of this folder. Those with the kernel of a guest (interop) take the
# longest, and mostly wait for it: the others go on beside them, one at a time, since they share the
# processors with the gateways and guests that they start.
# A process group for what runs beside, to end all of it.
set -uom pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
said=$(mktemp)
beside=

main() {
	trap clean_up EXIT
	"$cargo" test -p tests --no-run || exit 1
	prove interop > "$said" 2>&1 &
	beside=$!
	local failed=0
	# shellcheck disable=SC2046
	prove $(others) || failed=1
	"$cargo" test -p tests --lib -- --test-threads=1 || failed=1
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
	awk '/^\[\[test\]\]/ { getline; gsub(/name = |"/, ""); if ($0 != "interop") print }' \
		tests/Cargo.toml
}

clean_up() {
	[ -z "$beside" ] || kill -- "-$beside" 2> /dev/null
	rm -f "$said"
}

main
