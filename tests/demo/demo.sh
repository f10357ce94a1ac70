#!/bin/bash
# tests/demo/demo.sh: two sites, two gateways and the tunnel between them, on one machine.
#
# Everything is in network namespaces of its own and gone at the end, also after Ctrl-C. Needs
# root. Exits with 0 if the sites reached each other.
set -euo pipefail
cd "$(dirname "$0")/../.."

fastgw=${CARGO_TARGET_DIR:-target}/release/fastgw
run=fgwdemo-$$
places=(host-a gw-a wire gw-b host-b)
scratch=$(mktemp -d)
site_a=$scratch/site-a.toml
site_b=$scratch/site-b.toml
pids=()
failed=0
bold='' dim='' red='' plain=''
[ -t 1 ] && bold=$'\e[1m' dim=$'\e[36m' red=$'\e[1;31m' plain=$'\e[0m'

main() {
	[ "$(id -u)" -eq 0 ] || die "makes network namespaces: run it as root"
	[ -x "$fastgw" ] || die "no $fastgw: run \`make demo\`"

	heading "Two sites, and a network that nobody should trust between their gateways"
	cat <<-'EOF'
		  host-a ------- lan0 gw-a wan0 ------ wire ------ wan0 gw-b lan0 ------- host-b
		 10.1.0.2    10.1.0.1   203.0.113.1          203.0.113.2   10.2.0.1    10.2.0.2
	EOF
	make_network

	heading "A gateway for each site"
	write_config site-a ospf.toml
	write_config site-b ospf-peer.toml
	start_gateway gw-a "$site_a"
	start_gateway gw-b "$site_b"
	await_keys

	heading "What they have negotiated"
	show gw-a fastgw show ike --config "$site_a"

	heading "What they have learned of each other through the tunnel"
	await_routes
	show gw-a fastgw show ospf neighbor --config "$site_a"
	show gw-a fastgw show ospf route --config "$site_a"
	show gw-b fastgw show ospf route --config "$site_b"

	heading "Ping from site a to site b"
	record host-a eth0 icmp
	record wire to-a esp
	try host-a ping -n -c 3 -i 0.2 -W 2 10.2.0.2
	stop_recording

	heading "The first packet as host-a sends it"
	decode host-a icmp -O ip,icmp
	heading "The same packet on the wire"
	ping=$(first_ping)
	decode wire "frame.number == $ping" -O ip,esp
	heading "What is in it, for those who have the keys that gateway a has negotiated"
	# tshark cannot check an ICV over an extended sequence number.
	decode wire "frame.number == $ping" -O esp,icmp "${keys[@]}"

	heading "iperf3 from site a to site b, and what both gateways count meanwhile"
	load
	sleep 1.5
	show gw-a fastgw show --config "$site_a"
	show gw-b fastgw show --config "$site_b"
	heading "New keys in the midst of it"
	show gw-a fastgw ike rekey site-b --config "$site_a"
	sleep 0.5
	show gw-a fastgw show sa --config "$site_a"
	finish_load

	heading "iperf3 from site b to site a"
	load -R
	finish_load

	heading "Counters for programs"
	show gw-a fastgw show tunnels --json --config "$site_a"

	if [ $failed -ne 0 ]; then
		heading "${red}The sites did NOT reach each other as they should"
		exit 1
	fi
	heading "The sites talk through the tunnel"
}

heading() {
	printf '\n%s== %s ==%s\n' "$bold" "$*" "$plain"
}

die() {
	echo "demo: $*" >&2
	exit 1
}

# show PLACE COMMAND...: print a command as a user would type it, and run it there.
show() {
	printf '%s%s# %s%s\n' "$dim" "$1" "${*:2}" "$plain"
	inside "$@"
}

# try PLACE COMMAND...: show it, and remember if it fails.
try() {
	show "$@" || failed=1
}

# inside PLACE COMMAND...: run a command in one of the demo's namespaces.
inside() {
	local place=$1 command=$2
	shift 2
	[ "$command" = fastgw ] && command=$fastgw
	ip netns exec "$run-$place" "$command" "$@"
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
	cable host-a eth0 gw-a lan0
	cable gw-a wan0 wire to-a
	cable gw-b wan0 wire to-b
	cable host-b eth0 gw-b lan0
	ip -n "$run-wire" link add bridge type bridge forward_delay 0 mcast_snooping 0
	ip -n "$run-wire" link set bridge up
	ip -n "$run-wire" link set to-a master bridge
	ip -n "$run-wire" link set to-b master bridge
	ip -n "$run-host-a" addr add 10.1.0.2/24 dev eth0
	ip -n "$run-gw-a" addr add 10.1.0.1/24 dev lan0
	ip -n "$run-gw-a" addr add 203.0.113.1/24 dev wan0
	ip -n "$run-gw-b" addr add 203.0.113.2/24 dev wan0
	ip -n "$run-gw-b" addr add 10.2.0.1/24 dev lan0
	ip -n "$run-host-b" addr add 10.2.0.2/24 dev eth0
	ip -n "$run-host-a" route add default via 10.1.0.1
	ip -n "$run-host-b" route add default via 10.2.0.1
}

# cable PLACE DEVICE PLACE DEVICE: a link between two namespaces.
cable() {
	ip link add "$2" netns "$run-$1" type veth peer name "$4" netns "$run-$3"
	# Frames as on a wire: none larger than the MTU, no checksum left for a card to compute.
	inside "$1" ethtool -K "$2" tx off rx off tso off gso off gro off > /dev/null
	inside "$3" ethtool -K "$4" tx off rx off tso off gso off gro off > /dev/null
	ip -n "$run-$1" link set "$2" up
	ip -n "$run-$3" link set "$4" up
}

# start_gateway PLACE CONFIG: run fastgw there and wait until it answers.
start_gateway() {
	local log=$scratch/$1.log pid
	printf '%s%s# fastgw --config %s%s\n' "$dim" "$1" "$2" "$plain"
	ip netns exec "$run-$1" "$fastgw" --config "$2" > "$log" 2>&1 &
	pid=$!
	pids+=("$pid")
	until "$fastgw" show --json --config "$2" > /dev/null 2>&1; do
		kill -0 "$pid" 2> /dev/null || { cat "$log" >&2; die "fastgw did not start"; }
		sleep 0.1
	done
	cat "$log"
}

# record PLACE DEVICE FILTER: keep what crosses a device from now on.
record() {
	local log=$scratch/$1.tcpdump pid
	ip netns exec "$run-$1" tcpdump -n -U --immediate-mode -Z root -i "$2" \
		-w "$scratch/$1.pcap" "$3" > "$log" 2>&1 &
	pid=$!
	pids+=("$pid")
	recorders+=("$pid")
	until grep -q 'listening on' "$log"; do
		kill -0 "$pid" 2> /dev/null || { cat "$log" >&2; die "tcpdump did not start"; }
		sleep 0.1
	done
}
recorders=()

stop_recording() {
	sleep 0.2
	kill "${recorders[@]}"
	wait "${recorders[@]}" || true
	recorders=()
}

# decode PLACE FILTER OPTIONS...: the first such packet recorded there, as tshark reads it.
decode() {
	local out
	out=$(tshark -n -r "$scratch/$1.pcap" -Y "$2" "${@:3}" 2> /dev/null) || failed=1
	[ -n "$out" ] || failed=1
	awk '/^Frame / && seen++ { exit } { print }' <<< "$out"
}

# first_ping: the number of the first of them on the wire, where OSPF's packets are too.
first_ping() {
	tshark -n -r "$scratch/wire.pcap" -Y icmp -T fields -e frame.number "${keys[@]}" \
		2> /dev/null | awk 'NR == 1'
}

# write_config SITE NAME: configs/NAME with a control socket of its own, a folder to log keys in,
# without which nobody can read what is on the wire, and hellos for those who cannot wait.
write_config() {
	(umask 077; {
		printf '[gateway]\nname = "%s"\nike_keylog = "%s"\n' "$1" "$scratch/keys-$1"
		sed 's/^cost = 20$/&\nhello = "1s"\ndead = "4s"/' "configs/$2"
	} > "$scratch/$1.toml")
}

# await_keys: until both gateways have ESP SAs; the keys as options of tshark.
await_keys() {
	local log=$scratch/keys-site-a/esp_sa row tries=0
	until [ -s "$log" ] && [ -s "$scratch/keys-site-b/esp_sa" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || die "the gateways have not negotiated"
		sleep 0.1
	done
	while read -r row; do keys+=(-o "uat:esp_sa:$row"); done < "$log"
}
keys=(-o esp.enable_encryption_decode:TRUE)

# await_routes: until each gateway has learned of the network behind the other.
await_routes() {
	local tries=0
	until has_learned "$site_a" 10.2.0.0/24 && has_learned "$site_b" 10.1.0.0/24; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || die "the gateways have not learned of each other's networks"
		sleep 0.1
	done
}

# has_learned CONFIG PREFIX: whether OSPF has told that gateway of it.
has_learned() {
	"$fastgw" show ospf route --config "$1" | grep -q "^N  *$2 .* via "
}

# load [-R]: TCP between the hosts for 3 s, in the background; -R is from b to a.
load() {
	ip netns exec "$run-host-b" iperf3 -s -1 --forceflush > "$scratch/server" 2>&1 &
	pids+=($!)
	until grep -qs 'Server listening' "$scratch/server"; do sleep 0.1; done
	printf '%shost-a# iperf3 -c 10.2.0.2 -t 3 %s%s\n' "$dim" "$*" "$plain"
	ip netns exec "$run-host-a" iperf3 -c 10.2.0.2 -t 3 --connect-timeout 5000 "$@" \
		> "$scratch/client" 2>&1 &
	client=$!
	pids+=("$client")
}

finish_load() {
	wait "$client" || failed=1
	cat "$scratch/client"
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
