#!/bin/bash
# tests/fuzz/run.sh [SECONDS]: runs every fuzz target for that long, 20 s if not said; a crash ends
# it and leaves its input in artifacts/. What is found on the way is forgotten: a seed worth keeping
# is added to seeds/ by hand.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-20}
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
for target in $(cargo fuzz list --fuzz-dir .); do
	echo "fuzz target $target, $seconds s"
	mkdir "$corpus/$target"
	seeds=("seeds/$target")
	[ "$target" = config ] && seeds+=(../../configs)
	# Without a sanitizer the stable compiler is enough; overflow checks and panics still count.
	cargo fuzz run --fuzz-dir . --sanitizer none "$target" "$corpus/$target" "${seeds[@]}" -- \
		-max_total_time="$seconds" -max_len=6000 -print_final_stats=1
done
