"""scapy as the gateway at the other end of an ESP tunnel, and as the source of random packets.

Reads one JSON object per line and answers with one; packets are in hex.

    {"do": "begin", "seed", "cipher", "authentication", "seals": SA, "opens": SA, "carrier"}
        a new pair of SAs; SA is {"source", "destination", "spi", "encryption", "authentication"};
        "carrier" is what is under ESP, null for ESP tunnel mode alone, else {"kind", "between"}:
        "gre" with its fields, "ipip" or "l2tp", in ESP transport mode or, with the two addresses
        "between", in tunnel mode
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
from scapy.layers.l2 import GRE
from scapy.layers.l2tp import L2TP
from scapy.packet import Raw

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


class Carrier:
    """The headers of a tunnel under ESP, made and read by scapy."""

    def __init__(self, kind, between=None, key=None, checksum=False, sequence=False):
        self.kind, self.between = kind, between
        self.fields = {
            "chksum_present": int(checksum),
            "key_present": int(key is not None),
            "seqnum_present": int(sequence),
        }
        self.key, self.sent, self.received = key, 0, 0

    def wrap(self, inner, ends):
        """Scapy's packet to us: from the second of the two ends to the first."""
        source, destination = self.between[::-1] if self.between else (ends.dst, ends.src)
        outer = IP(src=source, dst=destination)
        if self.kind == "ipip":
            return IP(bytes(outer / inner))
        if self.kind == "l2tp":
            # No length, all that PPP may leave out, and a checksum, which we never send.
            message = struct.pack("!HHH", 2, 7, 9) + b"\xff\x03\x00\x21" + bytes(inner)
            return IP(bytes(outer / UDP(sport=1701, dport=1701) / Raw(message)))
        gre = GRE(proto=0x0800, key=self.key, seqence_number=self.sent, **self.fields)
        self.sent += 1
        return IP(bytes(outer / gre / inner))

    def unwrap(self, packet):
        packet = IP(bytes(packet))
        if self.between:
            assert [packet.src, packet.dst] == self.between, "ends of the tunnel's own header"
        payload = bytes(packet.payload)
        if self.kind == "ipip":
            assert packet.proto == 4, "protocol"
            return payload
        if self.kind == "l2tp":
            udp = UDP(payload)
            assert (packet.proto, udp.sport, udp.dport, udp.chksum) == (17, 1701, 1701, 0), "UDP"
            message = L2TP(payload[8 : udp.len])
            assert (message.tunnel_id, message.session_id) == (7, 9), "L2TP's numbers"
            assert message.len == udp.len - 8 == len(payload) - 8, "lengths"
            return message[IP].original
        gre = GRE(payload)
        assert packet.proto == 47 and gre.proto == 0x0800 and gre.key == self.key, "GRE"
        for name, present in self.fields.items():
            assert getattr(gre, name) == present, name
        if self.fields["chksum_present"]:
            again = gre.copy()
            del again.chksum
            assert GRE(bytes(again)).chksum == gre.chksum, "GRE checksum"
        if self.fields["seqnum_present"]:
            assert gre.seqence_number == self.received, "GRE sequence number"
        self.received += 1
        return bytes(gre.payload)


class Peer:
    def begin(self, seed, cipher, authentication, seals, opens, carrier):
        self.carrier = carrier and Carrier(**carrier)
        self.dice = random.Random(seed)
        self.sizes = iter(EDGES)
        self.seals = self.association(cipher, authentication, seals)
        self.opens = self.association(cipher, authentication, opens)
        self.outer_ids, self.ivs = set(), set()
        return {}

    def association(self, cipher, authentication, sa):
        transport = self.carrier is not None and self.carrier.between is None
        self.ends = IP(src=sa["source"], dst=sa["destination"])
        return SecurityAssociation(
            ESP,
            spi=sa["spi"],
            crypt_algo=cipher,
            crypt_key=bytes.fromhex(sa["encryption"]),
            auth_algo=authentication,
            auth_key=bytes.fromhex(sa["authentication"]),
            tunnel_header=None if transport else self.ends,
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
        inner = IP(bytes.fromhex(packet))
        if self.carrier:
            inner = self.carrier.wrap(inner, self.ends)
        sealed = self.seals.encrypt(inner)
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
        if self.carrier is None:
            return {"packet": inner.original.hex(), **facts}
        try:
            return {"packet": self.carrier.unwrap(inner).hex(), **facts}
        except AssertionError as error:
            return {"refused": f"under ESP: {error}"}

    def problem_outside(self, outer, data):
        """What is wrong with the outer header."""
        again = outer.copy()
        del again.chksum, again.len
        expected = IP(bytes(again))
        if (outer.chksum, outer.len) != (expected.chksum, len(data)):
            return "outer checksum or length"
        ours = self.ends
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
