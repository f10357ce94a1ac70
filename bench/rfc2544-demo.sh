#!/bin/bash
# bench/rfc2544-demo.sh [PROFILE]: an RFC 2544 measurement through two gateways and the tunnel
# between them, on this machine. The report is left in target/rfc2544.
#
# Everything is in network namespaces of its own and gone at the end, also after Ctrl-C. Needs
# root. SECONDS_MAX (120) ends the measurement; what was measured until then is reported.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${CARGO_TARGET_DIR:-target}/release
profile=${1:-bench/profiles/demo.toml}
report=${REPORT:-${CARGO_TARGET_DIR:-target}/rfc2544}
seconds_max=${SECONDS_MAX:-120}
run=fgwrfc-$$
places=(tester gw-a gw-b)
scratch=$(mktemp -d)
pids=()

main() {
	[ "$(id -u)" -eq 0 ] || die "makes network namespaces: run it as root"
	local binary
	for binary in fastgw fastgw-pktgen; do
		[ -x "$bin/$binary" ] || die "no $bin/$binary: run \`make rfc2544\`"
	done
	cat <<-'EOF'
		            tester                    the generator, and both sites' hosts
		   eth-a 10.1.0.2  eth-b 10.2.0.2
		       |               |
		lan0 10.1.0.1     lan0 10.2.0.1
		     gw-a --- wan0 --- gw-b           203.0.113.1, 203.0.113.2: ESP with AES-256-GCM

	EOF
	make_network
	start_gateway gw-a configs/manual.toml
	start_gateway gw-b configs/manual-peer.toml
	inside tester timeout --foreground --signal=INT "$seconds_max" \
		"$bin/fastgw-pktgen" rfc2544 --config "$profile" --report "$report"
	echo
	echo "Drops that the gateways counted:"
	local place
	for place in gw-a gw-b; do
		"$bin/fastgw" show drops --socket "$scratch/$place.sock"
	done
}

die() {
	echo "rfc2544: $*" >&2
	exit 1
}

# inside PLACE COMMAND...: run a command in one of the namespaces.
inside() {
	ip netns exec "$run-$1" "${@:2}"
}

make_network() {
	local place
	for place in "${places[@]}"; do
		ip netns add "$run-$place"
		# The gateways' kernels forward nothing: what arrives came through fastgw.
		inside "$place" sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward
			for scope in all default; do
				file=/proc/sys/net/ipv6/conf/$scope/disable_ipv6
				[ ! -e $file ] || echo 1 > $file
			done'
		ip -n "$run-$place" link set lo up
	done
	cable tester eth-a gw-a lan0 1500
	cable tester eth-b gw-b lan0 1500
	# The largest frames of RFC 2544 are to fit with what the tunnel adds.
	cable gw-a wan0 gw-b wan0 1700
	ip -n "$run-tester" addr add 10.1.0.2/24 dev eth-a
	ip -n "$run-tester" addr add 10.2.0.2/24 dev eth-b
	ip -n "$run-gw-a" addr add 10.1.0.1/24 dev lan0
	ip -n "$run-gw-a" addr add 203.0.113.1/24 dev wan0
	ip -n "$run-gw-b" addr add 203.0.113.2/24 dev wan0
	ip -n "$run-gw-b" addr add 10.2.0.1/24 dev lan0
}

# cable PLACE DEVICE PLACE DEVICE MTU: a link between two namespaces, with one queue each way.
cable() {
	local queues=(numrxqueues 1 numtxqueues 1)
	ip link add "$2" netns "$run-$1" "${queues[@]}" type veth \
		peer name "$4" netns "$run-$3" "${queues[@]}"
	local place device
	while read -r place device; do
		# Frames as on a wire: none larger than the MTU, no checksum left for a card to compute.
		inside "$place" ethtool -K "$device" tx off rx off tso off gso off gro off > /dev/null
		ip -n "$run-$place" link set "$device" mtu "$5" up
	done <<< "$1 $2"$'\n'"$3 $4"
}

# start_gateway PLACE CONFIG: run fastgw there and wait until it answers.
start_gateway() {
	local log=$scratch/$1.log file=$scratch/$1.toml pid
	sed "s|^\[gateway\]|&\ncontrol_socket = \"$scratch/$1.sock\"|" "$2" > "$file"
	chmod 600 "$file"
	ip netns exec "$run-$1" "$bin/fastgw" --config "$file" > "$log" 2>&1 &
	pid=$!
	pids+=("$pid")
	until "$bin/fastgw" show --json --socket "$scratch/$1.sock" > /dev/null 2>&1; do
		kill -0 "$pid" 2> /dev/null || { cat "$log" >&2; die "fastgw did not start"; }
		sleep 0.1
	done
}

clean_up() {
	local place pid
	trap '' INT TERM
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2> /dev/null || true
	wait
	for place in "${places[@]}"; do
		[ -e "/run/netns/$run-$place" ] || continue
		for pid in $(ip netns pids "$run-$place"); do
			kill -KILL "$pid" 2> /dev/null || true
		done
		ip netns del "$run-$place"
	done
	rm -rf "$scratch"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
main
