#!/bin/bash
# bench/rivals/ike.sh: what a handshake costs strongSwan's charon, as its load-tester has it: one
# charon calls another through a veth pair, COUNT (300) times for each key exchange, and the
# processor time of the one that answers is read from /proc. Neither installs an SA anywhere
# (`fake_kernel`), as fastgw-bench does not.
#
# charon runs from the guests' image of tests/peer-lab, in network namespaces of its own that are
# gone at the end, also after Ctrl-C. Needs root. load-tester is built from Debian's source: Debian
# does not package it.
set -euo pipefail
cd "$(dirname "$0")/../.."

count=${COUNT:-300}
run=fgwike-$$
scratch=$(mktemp -d)
declare -A pid=()
groups=(x25519 ecp256 modp2048)

main() {
	[ "$(id -u)" -eq 0 ] || die "makes network namespaces: run it as root"
	load_tester=$(tests/peer-lab/peer-lab load-tester | tail -n 1)
	root=$(tests/peer-lab/peer-lab root | tail -n 1)
	make_network
	printf '%-34s%12s%16s%16s\n' "charon 5.9.8, PSK, IKE and child SA" handshakes \
		"responder ms" "initiator ms"
	local group
	for group in "${groups[@]}"; do
		measure "aes128gcm16-prfsha256-$group"
	done
}

die() {
	echo "ike: $*" >&2
	exit 1
}

make_network() {
	local place
	for place in calls answers; do
		ip netns add "$run-$place"
		ip -n "$run-$place" link set lo up
	done
	ip -n "$run-calls" link add wan type veth peer name wan netns "$run-answers"
	ip -n "$run-calls" addr add 203.0.113.1/24 dev wan
	ip -n "$run-answers" addr add 203.0.113.2/24 dev wan
	for place in calls answers; do
		ip -n "$run-$place" link set wan up
	done
}

# measure PROPOSAL: one line of the table.
measure() {
	local before after established deadline=$((SECONDS + 120))
	begin answers "$1" ""
	wait_for_log answers "spawning"
	before=$(cpu answers)
	begin calls "$1" "initiators = 4
			iterations = $((count / 4))"
	until established=$(grep -c 'IKE_SA load-test.* established between' "$scratch/answers.log") &&
		[ "$established" -ge "$count" ]; do
		[ $SECONDS -lt $deadline ] ||
			{ tail -n 5 "$scratch"/*.log >&2; die "$established of $count handshakes"; }
		sleep 0.2
	done
	after=$(cpu answers)
	awk -v name="$1" -v count="$established" -v answers=$((after - before)) \
		-v calls="$(cpu calls)" -v hz="$(getconf CLK_TCK)" 'BEGIN {
			printf "%-34s%12d%16.2f%16.2f\n", name, count, 1000 * answers / hz / count,
				1000 * calls / hz / count }'
	end
}

# begin PLACE PROPOSAL SETTINGS: run charon on a copy of the image in memory.
begin() {
	local place=$1 files=$scratch/$1-files
	mkdir -p "$scratch/$place" "$files/etc" "$files/usr/lib/ipsec/plugins"
	cp "$load_tester" "$files/usr/lib/ipsec/plugins/"
	cat > "$files/etc/strongswan.conf" <<-EOF
		charon {
			load = random nonce openssl aes sha1 sha2 hmac kdf gmp curve25519 gcm pem pkcs1 \
				x509 pubkey load-tester kernel-netlink socket-default
			install_routes = no
			dos_protection = no
			init_limit_half_open = 0
			half_open_timeout = 120
			retransmit_tries = 3
			filelog {
				stderr {
					default = -1
					dmn = 1
					ike = 0
					job = 1
				}
			}
			plugins {
				load-tester {
					enable = yes
					fake_kernel = yes
					version = 2
					responder = 203.0.113.2
					request_virtual_ip = no
					initiator_auth = psk
					responder_auth = psk
					proposal = $2
					esp = aes128gcm16
					$3
				}
			}
		}
	EOF
	ip netns exec "$run-$place" tests/peer-lab/enter "$root" "$files" "$scratch/$place" \
		/usr/lib/ipsec/charon > "$scratch/$place.log" 2>&1 < /dev/null &
	pid[$place]=$!
}

wait_for_log() {
	local deadline=$((SECONDS + 20))
	until grep -q "$2" "$scratch/$1.log"; do
		[ $SECONDS -lt $deadline ] || { cat "$scratch/$1.log" >&2; die "charon did not start"; }
		sleep 0.1
	done
}

# cpu PLACE: its processor time so far, in ticks.
cpu() {
	awk '{ print $14 + $15 }' "/proc/${pid[$1]}/stat"
}

end() {
	local place
	for place in "${!pid[@]}"; do
		kill -KILL "${pid[$place]}" 2> /dev/null || true
		wait "${pid[$place]}" 2> /dev/null || true
	done
	pid=()
}

clean_up() {
	local place
	trap '' INT TERM
	end
	for place in calls answers; do
		[ ! -e "/run/netns/$run-$place" ] || ip netns del "$run-$place"
	done
	rm -rf "$scratch"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
main
