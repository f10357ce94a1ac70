#!/bin/bash
# tests/fuzz.sh SECONDS: run every fuzz target for that long; a crash ends it with its input.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
for target in $(cargo fuzz list --fuzz-dir tests/fuzz); do
	echo "fuzz target $target, $seconds s"
	# Without a sanitizer the stable compiler is enough; overflow checks and panics still count.
	cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$target" -- \
		-max_total_time="$seconds" -print_final_stats=1
done
