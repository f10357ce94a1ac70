"""A stateless TRex profile: UDP of one size through a gateway, many flows, latency on the side.

    trex> start -f bench/profiles/trex-udp.py -m 100kpps --port 0 -t size=64,flows=64

Sizes count the check sequence, as in RFC 2544. Edit the addresses for other topologies; TRex
resolves the gateway itself in layer-3 mode (`l3 -p 0 --src 10.1.0.2 --dst 10.1.0.1`).
"""

import argparse

from trex_stl_lib.api import (
    IP,
    UDP,
    Ether,
    STLFlowLatencyStats,
    STLPktBuilder,
    STLScVmRaw,
    STLStream,
    STLTXCont,
    STLVmFixChecksumHw,
    STLVmFlowVar,
    STLVmWrFlowVar,
    CTRexVmInsFixHwCs,
)

SOURCE, DESTINATION, DISCARD_PORT = "10.1.0.2", "10.2.0.2", 9
CHECK_SEQUENCE = 4
# TRex measures latency on a thin stream beside the load.
LATENCY_PPS = 1000


class UdpThroughGateway:
    def get_streams(self, tunables=(), **_):
        parser = argparse.ArgumentParser()
        parser.add_argument("--size", type=int, default=64)
        parser.add_argument("--flows", type=int, default=64)
        options = parser.parse_args(tunables)
        header = Ether() / IP(src=SOURCE, dst=DESTINATION, flags="DF")
        header /= UDP(sport=1024, dport=DISCARD_PORT)
        padding = "x" * max(0, options.size - CHECK_SEQUENCE - len(header))
        ports = STLScVmRaw([
            STLVmFlowVar("port", 1024, 1023 + options.flows, size=2, op="inc"),
            STLVmWrFlowVar("port", pkt_offset="UDP.sport"),
            STLVmFixChecksumHw("IP", "UDP", CTRexVmInsFixHwCs.L4_TYPE_UDP),
        ])
        load = STLStream(packet=STLPktBuilder(header / padding, vm=ports), mode=STLTXCont())
        thin = STLStream(
            packet=STLPktBuilder(header / padding),
            mode=STLTXCont(pps=LATENCY_PPS),
            flow_stats=STLFlowLatencyStats(pg_id=1),
        )
        return [load, thin]


def register():
    return UdpThroughGateway()
