#!/bin/bash
# tests/setup.sh demo|test|bench: install what `make demo`, `make test` or `make bench` needs on
# Debian 12 beyond Rust. Asks the network for nothing that is here already.
set -euo pipefail

build=(gcc g++ make)
network=(ethtool iperf3 iproute2 iputils-ping tcpdump tshark)
peers=(e2fsprogs git ike-scan nftables openssl python3 python3-cryptography python3-scapy
	qemu-system-x86 strace util-linux)
rivals=(dpdk dpdk-dev librte-net-af-xdp23)

main() {
	case ${1:-} in
	demo) install_packages "${build[@]}" "${network[@]}" ;;
	bench)
		install_packages "${build[@]}" e2fsprogs ethtool iproute2 python3 "${rivals[@]}"
		"$(dirname "$0")/peer-lab/peer-lab" build
		"$(dirname "$0")/peer-lab/peer-lab" load-tester > /dev/null
		;;
	test)
		install_packages "${build[@]}" "${network[@]}" "${peers[@]}"
		command -v cargo-fuzz > /dev/null || cargo install cargo-fuzz --locked
		"$(dirname "$0")/peer-lab/peer-lab" build
		# 3: the archive does not have it, and the rows with it will not be tried, and say so.
		"$(dirname "$0")/peer-lab/peer-lab" strongswan-6 > /dev/null || [ $? -eq 3 ]
		;;
	*)
		echo "usage: $0 demo|test|bench" >&2
		exit 2
		;;
	esac
}

install_packages() {
	local package missing=()
	for package; do
		# "installed" as a word of its own: "not-installed" and "deinstall" are not it.
		dpkg-query -W -f '${Status}\n' "$package" 2> /dev/null | grep -q ' installed$' ||
			missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return
	if [ "$(id -u)" -ne 0 ]; then
		echo "$0: as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	echo "installing ${missing[*]}"
	# tshark and iperf3 would ask questions; their defaults are fine.
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update
	apt-get -q -y install --no-install-recommends "${missing[@]}"
}

main "$@"
