#!/bin/bash
# bench/rivals/ospf.sh: what the same area and the same external routes cost fastgw's control thread
# and FRR's ospfd, one after the other behind the same veth pair: processor time of the thread, from
# the first packet until all is acknowledged, computed and handed on (to the workers' table, to
# zebra), without what it spends when nothing happens. ROUTERS (1000 and 10000) and EXTERNALS
# (10000) may be others.
#
# FRR runs from the guests' image of tests/peer-lab, in network namespaces that are gone at the end,
# also after Ctrl-C. Needs root, and fastgw and fastgw-bench in target/release.
set -euo pipefail
cd "$(dirname "$0")/../.."

routers=${ROUTERS:-1000 10000}
externals=${EXTERNALS:-10000}
bin=${CARGO_TARGET_DIR:-target}/${PROFILE:-release}
run=fgospf-$$
scratch=$(mktemp -d)
router=

main() {
	[ "$(id -u)" -eq 0 ] || die "makes network namespaces: run it as root"
	root=$(tests/peer-lab/peer-lab root | tail -n 1)
	trap clean_up EXIT
	trap 'exit 130' INT TERM
	echo "OSPF, ms of one core ($externals external routes)"
	printf '%-16s%10s%12s%12s%14s\n' router routers "area ms" "change ms" "externals ms"
	local count
	for count in $routers; do
		measure fastgw "$count"
		measure ospfd "$count"
	done
}

die() {
	echo "ospf: $*" >&2
	exit 1
}

# measure WHO ROUTERS: one line of the table.
measure() {
	make_network
	"begin_$1"
	ip netns exec "$run-front" "$bin/fastgw-bench" ospf feed --name "$1" --device wan \
		--address 10.9.0.2/30 --pid "$router" --routers "$2" --externals "$externals" ||
		{ tail -n 20 "$scratch/$1.log" >&2; die "$1 was not measured"; }
	end
}

make_network() {
	local place
	for place in front router; do
		ip netns add "$run-$place"
		ip -n "$run-$place" link set lo up
	done
	ip -n "$run-front" link add wan type veth peer name wan netns "$run-router"
	ip -n "$run-front" addr add 10.9.0.2/30 dev wan
	ip -n "$run-router" addr add 10.9.0.1/30 dev wan
	for place in front router; do
		ip -n "$run-$place" link set wan up
	done
	ip -n "$run-router" link add lan type veth peer name far
	ip -n "$run-router" addr add 10.8.0.1/24 dev lan
	ip -n "$run-router" link set far up
	ip -n "$run-router" link set lan up
}

begin_fastgw() {
	cat > "$scratch/fastgw.toml" <<-EOF
		[gateway]
		name = "rival"
		control_socket = "$scratch/fastgw.sock"
		[[port]]
		name = "wan"
		device = "wan"
		role = "inside"
		[ospf]
		router_id = "10.9.0.1"
		[[ospf.interface]]
		name = "wan"
		network = "point-to-point"
	EOF
	ip netns exec "$run-router" "$bin/fastgw" --config "$scratch/fastgw.toml" \
		> "$scratch/fastgw.log" 2>&1 < /dev/null &
	router=$!
}

begin_ospfd() {
	local files=$scratch/files
	rm -rf "$files" "$scratch/place"
	mkdir -p "$files/etc/frr" "$scratch/place"
	printf 'root:x:0:0::/:/bin/bash\nfrr:x:104:104::/nonexistent:/bin/false\n' > "$files/etc/passwd"
	printf 'root:x:0:\nfrr:x:104:\nfrrvty:x:105:frr\n' > "$files/etc/group"
	cat > "$files/etc/frr/all.conf" <<-EOF
		log stdout
		interface wan
		ip ospf area 0
		ip ospf network point-to-point
		router ospf
		ospf router-id 10.9.0.1
	EOF
	ip netns exec "$run-router" tests/peer-lab/enter "$root" "$files" "$scratch/place" /bin/sh -c '
		mkdir -p /run/frr /var/tmp/frr
		chown frr:frr /run/frr /var/tmp/frr
		/usr/lib/frr/zebra -d -f /etc/frr/all.conf
		exec /usr/lib/frr/ospfd -f /etc/frr/all.conf' > "$scratch/ospfd.log" 2>&1 < /dev/null &
	router=$!
}

end() {
	local place pid
	for place in front router; do
		for pid in $(ip netns pids "$run-$place" 2> /dev/null); do
			kill -KILL "$pid" 2> /dev/null || true
		done
	done
	[ -z "$router" ] || wait "$router" 2> /dev/null || true
	router=
	for place in front router; do
		ip netns del "$run-$place" 2> /dev/null || true
	done
}

clean_up() {
	trap '' INT TERM
	end
	rm -rf "$scratch"
}

main
