"""Writes a capture of what a host behind a gateway may send: lan.py FILE SOURCE DESTINATION."""

import random
import sys

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

LARGEST = 1400  # fits every tunnel in one piece
TO_GATEWAY = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")


def payload(dice, most):
    return dice.randbytes(dice.randint(0, most))


def transports(dice):
    """Endless: UDP, TCP, ICMP and protocols that no gateway knows."""
    port = lambda: dice.randrange(50000, 60000)  # nobody's, so that no dissector expects anything
    while True:
        yield UDP(sport=port(), dport=port())
        yield TCP(sport=port(), dport=port(), flags="PA", seq=dice.randrange(2**32))
        yield ICMP(type=8, id=dice.randrange(65536), seq=dice.randrange(65536))
        yield None


def main(file, source, destination):
    dice = random.Random("lan")
    frames = []
    for number, transport in zip(range(120), transports(dice)):
        ip = IP(
            src=source,
            dst=destination,
            id=dice.randrange(65536),
            ttl=dice.randint(3, 255),
            tos=dice.randrange(256),
            flags=dice.choice(["", "DF"]),
        )
        if number % 17 == 0:
            ip.options = [IPOption_Router_Alert()]
        if transport is None:
            ip.proto = dice.choice([50, 99, 253, 254])
            packet = ip / payload(dice, LARGEST - 24)
        else:
            packet = ip / transport / payload(dice, LARGEST - 44)
        frames.append(TO_GATEWAY / packet)
    # One that has been cut into pieces on its way to the gateway.
    for offset, more in [(0, "MF"), (60, "MF"), (120, "")]:
        piece = IP(src=source, dst=destination, id=7, proto=17, frag=offset, flags=more)
        frames.append(TO_GATEWAY / piece / dice.randbytes(480))
    for number, frame in enumerate(frames):
        frame.time = 1_700_000_000 + number / 1000
    wrpcap(file, frames)


main(*sys.argv[1:])
