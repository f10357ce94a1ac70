#!/bin/bash
# bench/kernel-pktgen.sh: load a gateway with Linux's own packet generator, the module pktgen.
#
# It sends UDP to the discard port as fast as the kernel can, or at a rate, and says how many frames
# left. What became of them is for others to tell: `--rx DEVICE` prints what arrived at a device of
# this namespace, and `fastgw show` what the gateway did. Needs root and a kernel with
# CONFIG_NET_PKTGEN; bench/PKTGEN.md says when to use which generator.
set -euo pipefail

usage() {
	cat <<-'EOF'
		usage: bench/kernel-pktgen.sh --tx DEVICE --mac MAC --from IP --to IP [options]

		  --tx DEVICE     device to send on
		  --mac MAC       Ethernet address of the gateway's side of the link
		  --from IP       source address (IPv4)
		  --to IP         destination address (IPv4)
		  --size BYTES    of a frame with its check sequence, as in RFC 2544 [64]
		  --count N       frames to send [1000000]
		  --pps N         frames a second [as fast as the kernel can]
		  --flows N       source ports, by turns [1]
		  --rx DEVICE     also say how many packets arrived here meanwhile
	EOF
}

size=64 count=1000000 pps=0 flows=1 tx='' mac='' from='' to='' rx=''
control=/proc/net/pktgen

main() {
	while [ $# -gt 0 ]; do
		case $1 in
		--tx | --mac | --from | --to | --size | --count | --pps | --flows | --rx)
			[ $# -ge 2 ] || die "$1 wants a value"
			printf -v "${1#--}" '%s' "$2"
			shift 2
			;;
		-h | --help) usage && exit ;;
		*) usage >&2 && die "what is $1?" ;;
		esac
	done
	[ -n "$tx" ] && [ -n "$mac" ] && [ -n "$from" ] && [ -n "$to" ] ||
		die "--tx, --mac, --from and --to are needed; --help explains them"
	# Ethernet, IPv4, UDP and what pktgen itself writes behind them: 14, 20, 8 and 16 bytes.
	[ "$size" -ge 64 ] || die "frames of $size bytes are too small: 64 is Ethernet's smallest"
	[ "$flows" -ge 1 ] && [ "$flows" -le 60000 ] || die "flows are 1 to 60000"
	[ "$(id -u)" -eq 0 ] || die "run it as root"
	[ -d $control ] || modprobe pktgen 2> /dev/null || true
	[ -d $control ] || die "this kernel has no pktgen (CONFIG_NET_PKTGEN)"
	configure
	local before after
	before=$(received)
	write pgctrl start
	after=$(received)
	result
	[ -z "$rx" ] || echo "$rx: $((after - before)) packets arrived meanwhile"
	write kpktgend_0 rem_device_all
}

die() {
	echo "kernel-pktgen: $*" >&2
	exit 1
}

# write FILE COMMAND: what pktgen answers to a command is an error of the write.
write() {
	echo "$2" > "$control/$1" 2> /dev/null || die "pktgen refuses: $2"
}

configure() {
	local command
	write kpktgend_0 rem_device_all
	write kpktgend_0 "add_device $tx"
	# pktgen counts no check sequence.
	for command in "count $count" "pkt_size $((size - 4))" "clone_skb 0" "delay 0" \
		"dst_mac $mac" "src_min $from" "src_max $from" "dst $to" \
		"udp_dst_min 9" "udp_dst_max 9" \
		"udp_src_min 1024" "udp_src_max $((1024 + flows))"; do
		write "$tx" "$command"
	done
	[ "$pps" -eq 0 ] || write "$tx" "ratep $pps"
}

received() {
	[ -z "$rx" ] && return
	cat "/sys/class/net/$rx/statistics/rx_packets"
}

result() {
	local line
	grep -q '^Result: OK' "$control/$tx" || die "$(grep -A2 '^Result' "$control/$tx")"
	line=$(grep -A1 '^Result: OK' "$control/$tx" | tail -1)
	echo "$tx: $(sed -n 's/.*pkts-sofar: \([0-9]*\).*/\1/p' "$control/$tx") frames sent,${line}"
}

main "$@"
