# The commands of this repository. `make` alone explains them.

CARGO ?= cargo
# Seconds that each fuzz target runs for in `make test`.
FUZZ_SECONDS ?= 12

.DEFAULT_GOAL := help
.PHONY: help demo test bench rfc2544 check-format lint unit proofs fuzz
# The parts of `make test` are in an order, and each uses all processors.
.NOTPARALLEL:

help:
	@echo 'fastgw: a VPN gateway for Linux on AF_XDP'
	@echo
	@echo '  make demo    two sites, two gateways and the tunnel between them, on this machine:'
	@echo '               ping, iperf3, live counters, packets before and after (root, 1 minute)'
	@echo '  make test    everything that must hold before a change goes in (root, some minutes);'
	@echo '               FUZZ_SECONDS=$(FUZZ_SECONDS) for each fuzz target'
	@echo '  make rfc2544 throughput, latency, loss and bursts through the two gateways of the demo,'
	@echo '               with an HTML report in target/rfc2544 (root, 2 minutes)'
	@echo '  make bench   cycles per packet of each pipeline and bytes per SA in memory; handshakes of'
	@echo '               IKE, and new keys for 10,000 tunnels under traffic; OSPF beside FRR; packets on'
	@echo '               veths, beside DPDK testpmd and a bare loop (root, 10 minutes)'
	@echo
	@echo 'demo, test and bench install the Debian packages they miss. Parts of test, each on its own:'
	@echo
	@echo '  make check-format | lint | unit | proofs | fuzz'
	@echo '  cargo test -p tests --test tidy       the rules of the house, needs no root'
	@echo '  cargo test -p tests --test interop    against a Linux 6.1 kernel, needs root'

demo:
	tests/setup.sh demo
	$(CARGO) build --release -p fastgw
	tests/demo/demo.sh

test:
	tests/setup.sh test
	$(MAKE) check-format lint unit proofs fuzz

bench:
	tests/setup.sh bench
	$(CARGO) build --release -p fastgw -p bench
	$${CARGO_TARGET_DIR:-target}/release/fastgw-bench cycles
	$${CARGO_TARGET_DIR:-target}/release/fastgw-bench memory
	$${CARGO_TARGET_DIR:-target}/release/fastgw-bench handshakes
	$${CARGO_TARGET_DIR:-target}/release/fastgw-bench ospf
	$${CARGO_TARGET_DIR:-target}/release/fastgw-bench rekey
	bench/rivals/ike.sh
	bench/rivals/ospf.sh
	bench/rivals/veth.sh

rfc2544:
	tests/setup.sh demo
	$(CARGO) build --release -p fastgw -p bench --bin fastgw --bin fastgw-pktgen
	bench/rfc2544-demo.sh

check-format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit:
	$(CARGO) test --workspace --exclude tests

proofs:
	tests/proofs.sh

fuzz:
	tests/fuzz/run.sh $(FUZZ_SECONDS)
