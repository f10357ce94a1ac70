#!/bin/bash
# bench/rivals/veth.sh: fastgw beside other AF_XDP forwarders, on the same veth pairs in the same
# run, with fastgw-pktgen as the load: frames of 64-byte packets as fast as it can.
#
# Everything is in network namespaces of its own and gone at the end, also after Ctrl-C. Needs
# root. ROUNDS (3) times each forwarder gets its turn for DURATION (2) seconds; the best counts,
# since what else runs on the machine only takes away. Ratios say more than packets per second:
# nearly all of a packet's cost on veth is the kernel's.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=${CARGO_TARGET_DIR:-target}/release
rounds=${ROUNDS:-3}
duration=${DURATION:-2}
run=fgwveth-$$
scratch=$(mktemp -d)
# The forwarder has a core to itself; the generator the other one.
load_core=0
core=1
pid=
declare -A best=() limit=()
names=(
	"bare l2fwd loop"
	"testpmd mac"
	"fastgw forward"
	"fastgw ESP AES-128-GCM"
)

main() {
	[ "$(id -u)" -eq 0 ] || die "makes network namespaces: run it as root"
	[ "$(nproc)" -ge 2 ] || die "wants a core for the generator and one for the forwarder"
	local binary name round
	for binary in fastgw fastgw-pktgen; do
		[ -x "$bin/$binary" ] || die "no $bin/$binary: run \`make bench\`"
	done
	make_network
	for round in $(seq "$rounds"); do
		for name in "${names[@]}"; do
			[ ! -t 2 ] || printf '\r\033[K%s of %s: %s' "$round" "$rounds" "$name" >&2
			measure "$name"
		done
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	print
}

die() {
	echo "veth: $*" >&2
	exit 1
}

inside() {
	ip netns exec "$run-$1" "${@:2}"
}

make_network() {
	local place
	for place in load dut; do
		ip netns add "$run-$place"
		inside "$place" sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward
			for scope in all default; do
				file=/proc/sys/net/ipv6/conf/$scope/disable_ipv6
				[ ! -e $file ] || echo 1 > $file
			done'
		ip -n "$run-$place" link set lo up
	done
	cable g0 lan0 02:00:00:00:00:01 02:00:00:00:00:02
	cable g1 wan0 02:00:00:00:01:01 02:00:00:00:01:02
	ip -n "$run-load" addr add 10.1.0.2/24 dev g0
	ip -n "$run-load" addr add 203.0.113.2/24 dev g1
	ip -n "$run-dut" addr add 10.1.0.1/24 dev lan0
	ip -n "$run-dut" addr add 203.0.113.1/24 dev wan0
	write_configs
}

# cable LOAD DUT MAC MAC: a link with one queue each way and room for what a tunnel adds.
cable() {
	local queues=(numrxqueues 1 numtxqueues 1) place device mac
	ip link add "$1" netns "$run-load" "${queues[@]}" type veth \
		peer name "$2" netns "$run-dut" "${queues[@]}"
	while read -r place device mac; do
		inside "$place" ethtool -K "$device" tx off rx off tso off gso off gro off > /dev/null
		ip -n "$run-$place" link set "$device" address "$mac" mtu 1600 up
	done <<< "load $1 $3"$'\n'"dut $2 $4"
}

# Plain forwarding between two inside ports, and the tunnel of configs/manual.toml.
write_configs() {
	local socket="control_socket = \"$scratch/fastgw.sock\"\ncores = [$core]\nidle = \"spin\""
	cat > "$scratch/forward.toml" <<-EOF
		[gateway]
		name = "forward"
		$(printf '%b' "$socket")

		[[port]]
		name = "lan"
		device = "lan0"
		role = "inside"

		[[port]]
		name = "dmz"
		device = "wan0"
		role = "inside"
	EOF
	sed -e "s|^\[gateway\]|&\n$socket|" -e 's/aes256gcm16/aes128gcm16/' \
		-e 's/^\(encryption_key = "0x\)[0-9a-f]\{32\}/\1/' configs/manual.toml > "$scratch/esp.toml"
	chmod 600 "$scratch"/*.toml
}

# measure NAME: one turn of a forwarder.
measure() {
	local destination=203.0.113.2 sealed=() received
	case $1 in
	bare*)
		begin "$bin/fastgw-pktgen" l2fwd lan0 wan0 --core "$core" --idle spin \
			--first-peer 02:00:00:00:00:01 --second-peer 02:00:00:00:01:01
		;;
	testpmd*)
		command -v dpdk-testpmd > /dev/null || return 0
		begin dpdk-testpmd -l "$load_core,$core" --main-lcore "$load_core" --no-pci --no-huge \
			--no-telemetry --no-shconf -m 256 --file-prefix "$run" \
			--vdev net_af_xdp0,iface=lan0 --vdev net_af_xdp1,iface=wan0 -- \
			--forward-mode=mac --eth-peer=0,02:00:00:00:00:01 --eth-peer=1,02:00:00:00:01:01 \
			--nb-cores=1 --auto-start --stats-period=3600 --total-num-mbufs=16384
		;;
	*forward) begin_gateway "$scratch/forward.toml" ;;
	*ESP*)
		begin_gateway "$scratch/esp.toml"
		destination=10.2.0.2
		sealed=(--open "$scratch/esp.toml" --tunnel to-b)
		;;
	esac
	received=$(load "$destination" "${sealed[@]}")
	end
	[ "$received" -gt "${best[$1]:-0}" ] || return 0
	best[$1]=$received
	limit[$1]=$(awk -F '[:,]' '/"sent"/ { sent = $2 } /"received"/ && !got { got = $2 }
		END { print got > 0.99 * sent ? "the generator" : "" }' "$scratch/load.json")
}

# begin COMMAND...: run a forwarder, and give it time to attach.
begin() {
	inside dut "$@" < /dev/null > "$scratch/log" 2>&1 &
	pid=$!
	sleep 2
	kill -0 "$pid" 2> /dev/null || { tail -n 5 "$scratch/log" >&2; die "$1 did not start"; }
}

begin_gateway() {
	begin "$bin/fastgw" --config "$1"
	"$bin/fastgw" show --json --socket "$scratch/fastgw.sock" > /dev/null ||
		{ cat "$scratch/log" >&2; die "fastgw did not start"; }
}

# load DESTINATION OPTION...: print the packets per second that came back.
load() {
	inside load "$bin/fastgw-pktgen" run --tx g0 --rx g1 --via 02:00:00:00:00:02 \
		--from 10.1.0.2 --to "$1" --flows 512 --size 82 --rate max --duration "$duration" \
		--threads 1 --cores "$load_core" --json --quiet "${@:2}" > "$scratch/load.json" ||
		{ cat "$scratch/log" >&2; die "the generator failed"; }
	sed -n 's/^ *"rx_pps": \([0-9]*\).*/\1/p' "$scratch/load.json" | head -n 1
}

end() {
	local member
	for member in $(ip netns pids "$run-dut"); do
		kill -INT "$member" 2> /dev/null || true
	done
	wait "$pid" 2> /dev/null || true
	pid=
}

print() {
	local name bare=${best["bare l2fwd loop"]:-0}
	printf '%-26s%14s%14s  %s\n' "on veth, 64-byte packets" packets/s "of bare loop" "limited by"
	for name in "${names[@]}"; do
		if [ -z "${best[$name]:-}" ]; then
			printf '%-26s  %s\n' "$name" "nothing came back, or not installed (package dpdk-dev)"
		else
			awk -v name="$name" -v pps="${best[$name]}" -v bare="$bare" -v by="${limit[$name]}" \
				'BEGIN { printf "%-26s%14d%14.2f  %s\n", name, pps, bare ? pps / bare : 0, by }'
		fi
	done
}

clean_up() {
	local place member
	trap '' INT TERM
	for place in load dut; do
		[ -e "/run/netns/$run-$place" ] || continue
		for member in $(ip netns pids "$run-$place"); do
			kill -KILL "$member" 2> /dev/null || true
		done
		ip netns del "$run-$place"
	done
	rm -rf "$scratch" "/var/run/dpdk/$run"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
main
