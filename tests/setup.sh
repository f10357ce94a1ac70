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
		build_load_tester
		;;
	test)
		install_packages "${build[@]}" "${network[@]}" "${peers[@]}"
		command -v cargo-fuzz > /dev/null || cargo install cargo-fuzz --locked
		"$(dirname "$0")/peer-lab/peer-lab" build
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

# strongSwan's load-tester, which Debian leaves out of its packages, from Debian's source.
build_load_tester() {
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/fastgw-load-tester
	local plugin=$cache/libstrongswan-load-tester.so source from=()
	[ ! -e "$plugin" ] || return 0
	echo "building strongSwan's load-tester"
	rm -rf "$cache"
	mkdir -p "$cache/lists/partial" "$cache/parts"
	# Lists of its own: the machine's sources may be without source packages.
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null |
		sed -n 's/^deb \(.* bookworm\(-[a-z]*\)\? main\)/deb-src \1/p' > "$cache/parts/list.list"
	grep -l debian-archive-keyring /etc/apt/sources.list.d/*.sources 2> /dev/null |
		xargs -r sed 's/^Types:.*/Types: deb-src/' > "$cache/parts/list.sources"
	from=(-q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$cache/parts"
		-o "Dir::State::Lists=$cache/lists" -o "Dir::Cache=$cache" -o APT::Sandbox::User=root)
	apt-get "${from[@]}" update > /dev/null
	(cd "$cache" && apt-get "${from[@]}" --download-only --tar-only source strongswan > /dev/null)
	tar -C "$cache" -xf "$cache"/strongswan_*.orig.tar.*2
	source=$(echo "$cache"/strongswan-*/src)
	# What its configure script would find out here.
	cat > "$cache/config.h" <<-'EOF'
		#define CONFIG_H_INCLUDED
		#define _GNU_SOURCE
		#define HAVE_SIGWAITINFO
		#define HAVE_EXPLICIT_BZERO
		#define IPSEC_PIDDIR "/var/run"
	EOF
	rm "$source/libcharon/plugins/load_tester/load_tester.c"
	gcc -shared -fPIC -O2 -w -include "$cache/config.h" -include stdbool.h \
		-I "$source/libstrongswan" -I "$source/libcharon" -I "$source/include" \
		-o "$plugin" "$source"/libcharon/plugins/load_tester/*.c
}

main "$@"
