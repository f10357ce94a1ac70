"""Puts frames on a device as they are: inject.py DEVICE replay FILE
                                        inject.py DEVICE spi SPI MAC SOURCE DESTINATION COUNT
                                        inject.py DEVICE random SEED MAC COUNT
                                        inject.py DEVICE flood MAC SOURCE DESTINATION SECONDS
                                        inject.py DEVICE too_big MAC ROUTER US PEER SPI MTU
                                        inject.py DEVICE pieces FILE OVERLAP

replay: those of a capture. spi: ESP packets of random content with this SPI. random: noise, and
headers that are nearly right in front of noise. flood: UDP packets as fast as Python can.
too_big: a router's complaint about an ESP packet of 1500 bytes. pieces: the packets of a capture
in fragments, of which each begins OVERLAP bytes, a multiple of 8, before the one ahead ends.
"""

import random
import socket
import sys
import time

from scapy.layers.inet import ICMP, IP, UDP, IPOption_Router_Alert
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap


def opened(device):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    packets.bind((device, 0))
    return packets


def replay(file):
    return (bytes(frame) for frame in rdpcap(file))


def spi(number, mac, source, destination, count):
    dice = random.Random(number)
    outer = Ether(dst=mac) / IP(src=source, dst=destination)
    for sequence in range(1, int(count) + 1):
        content = dice.randbytes(4 * dice.randrange(10, 350))  # aligned, or that is refused first
        yield bytes(outer / ESP(spi=int(number), seq=sequence, data=content))


def noise(seed, mac, count):
    dice = random.Random(seed)
    address = lambda net: f"{net}.{dice.randrange(256)}"
    nets = ["10.1.0", "10.2.0", "203.0.113", "127.0.0", "224.0.0", "8.8.8"]
    ends = {"src": "203.0.113.2", "dst": "203.0.113.1"}
    for number in range(int(count)):
        rest = dice.randbytes(dice.choice([0, 1, 3, 8, 20, 60, dice.randrange(1400)]))
        if number % 4 == 0:
            yield dice.randbytes(dice.randrange(14, 1500))
            continue
        if number % 4 == 1:
            yield bytes(Ether(dst=mac, type=0x0800)) + bytes([0x45]) + rest
            continue
        ways = [ends, {"src": address("10.1.0"), "dst": address("10.2.0")}]
        ways.append({"src": address(dice.choice(nets)), "dst": address(dice.choice(nets))})
        ip = IP(
            **dice.choice(ways),
            proto=dice.choice([1, 4, 6, 17, 47, 50, 51, 89, dice.randrange(256)]),
            ttl=dice.randrange(256),
            tos=dice.randrange(256),
            flags=dice.choice(["", "", "", "DF", "MF"]),
            frag=dice.choice([0, 0, 0, dice.randrange(2**13)]),
        )
        if dice.random() < 0.2:
            ip.options = [IPOption_Router_Alert()]
        packet = bytearray(bytes(ip / rest))
        if number % 4 == 2:
            packet[dice.randrange(20)] ^= 1 << dice.randrange(8)
        yield bytes(Ether(dst=mac, type=0x0800)) + bytes(packet)


def flood(mac, source, destination, seconds):
    udp = UDP(sport=50000, dport=50001)
    frame = bytes(Ether(dst=mac) / IP(src=source, dst=destination) / udp / bytes(200))
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        yield frame


def too_big(mac, router, source, destination, number, mtu):
    sent = IP(src=source, dst=destination, flags="DF", len=1500) / ESP(spi=int(number), seq=9)
    complaint = ICMP(type=3, code=4, nexthopmtu=int(mtu)) / bytes(sent)[:28]
    yield bytes(Ether(dst=mac) / IP(src=router, dst=source) / complaint)


def pieces(file, overlap):
    size, overlap = 400, int(overlap)
    for frame in rdpcap(file):
        payload = bytes(frame[IP].payload)
        for start in range(0, len(payload), size):
            start -= min(start, overlap)
            end = start + size + overlap
            ip = IP(bytes(frame[IP])[:20])
            del ip.len, ip.chksum
            ip.flags = "MF" if end < len(payload) else 0
            ip.frag = start // 8
            link = Ether(src=frame.src, dst=frame.dst)
            yield bytes(link / ip / payload[start:end])


def main(device, what, *words):
    kinds = {
        "replay": replay,
        "spi": spi,
        "random": noise,
        "flood": flood,
        "too_big": too_big,
        "pieces": pieces,
    }
    frames = kinds[what](*words)
    packets = opened(device)
    count = 0
    for frame in frames:
        packets.send(frame)
        count += 1
    print(count)


main(*sys.argv[1:])
