"""scapy as the gateway at the other end of an ESP tunnel, and as the source of random packets.

Reads one JSON object per line and answers with one; packets are in hex.

    {"do": "begin", "seed", "cipher", "authentication", "seals": SA, "opens": SA}
        a new pair of SAs; SA is {"source", "destination", "spi", "encryption", "authentication"}
    {"do": "make", "source", "destination"}   a random packet between two /24 networks
    {"do": "seal", "packet"}                  the outer packet around an inner one
    {"do": "open", "packet"}                  the inner packet, and what matters of the outer one
    {"do": "damage", "packet"}                the packet with a bit flipped behind its IP header
"""

import json
import random
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.ipsec import (
    CRYPT_ALGOS,
    ESP,
    CryptAlgo,
    IPSecIntegrityError,
    SecurityAssociation,
    _ESPPlain,
)

SMALLEST, LARGEST = 20, 9000
# Around a block of every cipher, and what is likely to be off by one.
EDGES = [*range(SMALLEST, 56), 1499, 1500, 1501, LARGEST - 1, LARGEST]


class NullWithGmac(CryptAlgo):
    """ENCR_NULL_AUTH_AES_GMAC (RFC 4543), which scapy lacks, made of OpenSSL's AES-GCM."""

    def __init__(self):
        super().__init__(
            "AES-GMAC",
            cipher=AESGCM,
            mode=None,
            key_size=(16, 24, 32),
            salt_size=4,
            block_size=1,
            iv_size=8,
            icv_size=16,
        )

    @staticmethod
    def authenticated(esp, iv, data):
        return struct.pack("!LL", esp.spi, esp.seq) + iv + data

    def encrypt(self, sa, esp, key, *_args, **_options):
        data = esp.data_for_encryption()
        everything = self.authenticated(esp, esp.iv, data)
        icv = AESGCM(key).encrypt(sa.crypt_salt + esp.iv, b"", everything)
        return ESP(spi=esp.spi, seq=esp.seq, data=esp.iv + data + icv)

    def decrypt(self, sa, esp, key, *_args, **_options):
        iv, data, icv = esp.data[:8], esp.data[8:-16], esp.data[-16:]
        try:
            AESGCM(key).decrypt(sa.crypt_salt + iv, icv, self.authenticated(esp, iv, data))
        except InvalidTag as error:
            raise IPSecIntegrityError(error) from error
        return _ESPPlain(spi=esp.spi, seq=esp.seq, iv=iv, data=data[: -2 - data[-2]], nh=data[-1])


def add_algorithms():
    """What RFC 4106 and RFC 4543 have and scapy has not."""
    CRYPT_ALGOS["AES-GMAC"] = NullWithGmac()
    for icv_size in (8, 12):
        CRYPT_ALGOS[f"AES-GCM-{icv_size}"] = CryptAlgo(
            f"AES-GCM-{icv_size}",
            cipher=algorithms.AES,
            mode=modes.GCM,
            salt_size=4,
            block_size=1,
            iv_size=8,
            icv_size=icv_size,
            format_mode_iv=lambda sa, iv, **_: sa.crypt_salt + iv,
        )


class Peer:
    def begin(self, seed, cipher, authentication, seals, opens):
        self.dice = random.Random(seed)
        self.sizes = iter(EDGES)
        self.seals = self.association(cipher, authentication, seals)
        self.opens = self.association(cipher, authentication, opens)
        self.outer_ids, self.ivs = set(), set()
        return {}

    @staticmethod
    def association(cipher, authentication, sa):
        return SecurityAssociation(
            ESP,
            spi=sa["spi"],
            crypt_algo=cipher,
            crypt_key=bytes.fromhex(sa["encryption"]),
            auth_algo=authentication,
            auth_key=bytes.fromhex(sa["authentication"]),
            tunnel_header=IP(src=sa["source"], dst=sa["destination"]),
        )

    def make(self, source, destination):
        dice = self.dice
        # Small packets are as likely as large ones: each doubling of the size is.
        size = next(self.sizes, int(SMALLEST * (LARGEST / SMALLEST) ** dice.random()))
        ip = IP(
            src=f"{source}.{dice.randint(1, 254)}",
            dst=f"{destination}.{dice.randint(1, 254)}",
            id=dice.randrange(2**16),
            tos=dice.randrange(2**8),
            ttl=dice.randint(2, 255),
            flags=dice.choice(["", "DF"]),
            proto=dice.randrange(2**8),
        )
        if size >= 24 and dice.random() < 0.1:
            ip.options = [IPOption_Router_Alert()]
        room = size - len(ip)
        if dice.random() < 0.1:
            ip.flags, ip.frag = "MF", dice.randrange(2**12)
        else:
            transport = dice.choice(self.transports(room))
            if transport is not None:
                del ip.proto
                ip = ip / transport
        packet = ip / dice.randbytes(size - len(ip))
        return {"packet": bytes(packet).hex()}

    def transports(self, room):
        """Headers that fit; `None` is for a protocol number that says nothing."""
        dice, fitting = self.dice, [None]
        ports = {"sport": dice.randrange(2**16), "dport": dice.randrange(2**16)}
        if room >= 8:
            fitting += [UDP(**ports), ICMP(type=8, id=dice.randrange(2**16))]
        if room >= 20:
            fitting.append(TCP(**ports, seq=dice.randrange(2**32), flags="PA"))
        return fitting

    def seal(self, packet):
        sealed = self.seals.encrypt(IP(bytes.fromhex(packet)))
        return {"packet": bytes(sealed).hex()}

    def open(self, packet):
        data = bytes.fromhex(packet)
        outer = IP(data)
        problem = self.problem_outside(outer, data)
        if problem:
            return {"refused": problem}
        esp = outer[ESP]
        iv = bytes(esp.data[: self.opens.crypt_algo.iv_size])
        facts = {"tos": outer.tos, "df": bool(outer.flags.DF), "sequence": esp.seq}
        try:
            inner = self.opens.decrypt(outer)
        except IPSecIntegrityError:
            return {"refused": "integrity"}
        except TypeError as error:  # another SPI
            return {"refused": str(error)}
        if outer.id in self.outer_ids or iv in self.ivs:
            return {"refused": "an identification or an IV for the second time"}
        self.outer_ids.add(outer.id)
        if iv:
            self.ivs.add(iv)
        return {"packet": inner.original.hex(), **facts}

    def problem_outside(self, outer, data):
        """What is wrong with the outer header."""
        again = outer.copy()
        del again.chksum, again.len
        expected = IP(bytes(again))
        if (outer.chksum, outer.len) != (expected.chksum, len(data)):
            return "outer checksum or length"
        ours = self.opens.tunnel_header
        if (outer.src, outer.dst, outer.proto, outer.ihl) != (ours.src, ours.dst, 50, 5):
            return "outer addresses, protocol or options"
        return "outer fragment" if outer.flags.MF or outer.frag else None

    def damage(self, packet):
        data = bytearray.fromhex(packet)
        at = self.dice.randrange(20, len(data))
        data[at] ^= 1 << self.dice.randrange(8)
        return {"packet": data.hex()}


def main():
    add_algorithms()
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(peer, request.pop("do"))(**request)
        print(json.dumps(answer), flush=True)


main()
