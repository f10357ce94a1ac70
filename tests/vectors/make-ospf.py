#!/usr/bin/python3
"""Writes ospf-scapy.txt: OSPF packets that scapy composes, with its checksums; digests are by
Python's hashlib and hmac. Run it in its folder."""
import hashlib
import hmac
import struct

from scapy.contrib.ospf import (
    OSPF_AS_Scope_Opaque_LSA, OSPF_DBDesc, OSPF_External_LSA, OSPF_Hdr, OSPF_Hello, OSPF_LLS_Hdr,
    OSPF_LSA_Hdr, OSPF_LSAck, OSPF_LSReq, OSPF_LSReq_Item, OSPF_LSUpd, OSPF_Link,
    OSPF_Network_LSA, OSPF_NSSA_External_LSA, OSPF_Router_LSA, OSPF_SummaryASBR_LSA,
    OSPF_SummaryIP_LSA)

APAD = bytes.fromhex("878fe1f3")
HEADER = {"src": "10.0.0.1", "area": "0.0.0.1"}

LSAS = [
    OSPF_Router_LSA(age=1, options=0x22, id="10.0.0.1", adrouter="10.0.0.1", seq=0x80000005,
                    flags=3, linklist=[
                        OSPF_Link(type=1, id="10.0.0.2", data="172.16.0.1", metric=10),
                        OSPF_Link(type=2, id="192.168.1.2", data="192.168.1.1", metric=1),
                        OSPF_Link(type=3, id="172.16.0.0", data="255.255.255.0", metric=65535)]),
    OSPF_Network_LSA(age=3599, options=2, id="192.168.1.2", adrouter="10.0.0.2", seq=0x7fffffff,
                     mask="255.255.255.0", routerlist=["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    OSPF_SummaryIP_LSA(age=900, options=2, id="10.9.0.0", adrouter="10.0.0.3", seq=0x80000001,
                       mask="255.255.0.0", metric=16777215),
    OSPF_SummaryASBR_LSA(age=0, options=2, id="10.0.0.9", adrouter="10.0.0.3", seq=1,
                         mask="0.0.0.0", metric=12),
    OSPF_External_LSA(age=3600, options=0x42, id="0.0.0.0", adrouter="10.0.0.9", seq=0x80000100,
                      mask="0.0.0.0", ebit=1, metric=20, fwdaddr="0.0.0.0", tag=0xfeedf00d),
    OSPF_External_LSA(age=7, options=2, id="203.0.113.128", adrouter="10.0.0.9", seq=0x80000002,
                      mask="255.255.255.128", ebit=0, metric=100, fwdaddr="192.168.1.77", tag=0),
    OSPF_NSSA_External_LSA(age=8, options=8, id="198.51.100.1", adrouter="10.0.0.8",
                           seq=0x80000003, mask="255.255.255.255", ebit=1, metric=1,
                           fwdaddr="192.168.1.8", tag=5),
    OSPF_AS_Scope_Opaque_LSA(age=9, options=0x40, id="4.0.0.0", adrouter="10.0.0.8",
                             seq=0x80000004, data=bytes(range(1, 13))),
]


def headers():
    built = [bytes(lsa)[:20] for lsa in LSAS]
    return [OSPF_LSA_Hdr(header) for header in built]


HELLO = OSPF_Hello(mask="255.255.255.0", hellointerval=10, options=2, prio=1, deadinterval=40,
                   router="192.168.1.2", backup="192.168.1.1",
                   neighbors=["10.0.0.2", "10.0.0.3"])
LINK_LOCAL = OSPF_Hello(mask="255.255.255.0", hellointerval=0, options=0x12, prio=0,
                        deadinterval=1, router="0.0.0.0", backup="0.0.0.0", neighbors=[])

PACKETS = [
    ("hello", OSPF_Hdr(**HEADER) / HELLO),
    ("hello with a password", OSPF_Hdr(authtype=1, authdata=int.from_bytes(b"secret\0\0", "big"),
                                       **HEADER) / HELLO),
    # scapy would count the block in the length of the packet.
    ("hello with link-local signaling",
     bytes(OSPF_Hdr(**HEADER) / LINK_LOCAL) + bytes(OSPF_LLS_Hdr())),
    ("first description", OSPF_Hdr(**HEADER) / OSPF_DBDesc(mtu=1400, options=0x42, dbdescr=7,
                                                           ddseq=0xfffffffe)),
    ("description", OSPF_Hdr(**HEADER) / OSPF_DBDesc(mtu=1400, options=0x42, dbdescr=1,
                                                     ddseq=0xffffffff, lsaheaders=headers())),
    ("request", OSPF_Hdr(**HEADER) / OSPF_LSReq(requests=[
        OSPF_LSReq_Item(type=lsa.type, id=lsa.id, adrouter=lsa.adrouter) for lsa in LSAS])),
    ("update", OSPF_Hdr(**HEADER) / OSPF_LSUpd(lsalist=LSAS)),
    ("acknowledgment", OSPF_Hdr(**HEADER) / OSPF_LSAck(lsaheaders=headers())),
]


def with_digest(key_id, name, key, sequence, body):
    """RFC 2328 appendix D.4.3, and RFC 5709 section 3.3 step by step."""
    kind = hashlib.new(name)
    length = kind.digest_size
    header = struct.pack(">BBH4s4sHHHBBI", 2, 1, 24 + len(body), bytes([10, 0, 0, 1]),
                         bytes([0, 0, 0, 1]), 0, 2, 0, key_id, length, sequence)
    packet = header + body
    if name == "md5":
        return packet + hashlib.md5(packet + key[:16].ljust(16, b"\0")).digest()
    if len(key) > length:
        key = hashlib.new(name, key).digest()
    text = packet + APAD * (length // 4)
    return packet + hmac.new(key.ljust(length, b"\0"), text, name).digest()


def main():
    lines = ["# Written by make-ospf.py.", ""]
    for name, packet in PACKETS:
        lines += [f"packet = {name}", f"bytes = {bytes(packet).hex()}", ""]
    body = bytes(HELLO)
    keys = [b"cisco123", b"0123456789abcdef", b"a key between SHA-1 and SHA-512 in length",
            bytes(range(1, 101))]
    for name in ["md5", "sha1", "sha256", "sha384", "sha512"]:
        for number, key in enumerate(keys):
            packet = with_digest(200 + number, name, key, 0x5a83413f + number, body)
            lines += [f"digest = {name}", f"key = {key.hex()}", f"bytes = {packet.hex()}", ""]
    with open("ospf-scapy.txt", "w", encoding="ascii") as file:
        file.write("\n".join(lines[:-1]) + "\n")


main()
