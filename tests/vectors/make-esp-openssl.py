#!/usr/bin/python3
"""Writes esp-openssl.txt: ESP packets composed in Python over OpenSSL (python3-cryptography),
for the suites that scapy does not know. Run it in its folder; the seed is fixed."""
import hashlib
import hmac
import random
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

HASHES = {"md5": ("md5", 16, 12), "sha1": ("sha1", 20, 12), "sha256": ("sha256", 32, 16),
          "sha384": ("sha384", 48, 24), "sha512": ("sha512", 64, 32)}


def aead(suite, key, nonce, aad, text):
    if suite == "chacha20poly1305":
        return ChaCha20Poly1305(key).encrypt(nonce, text, aad)
    icv_len = int(suite.split("gcm")[1])
    sealed = AESGCM(key).encrypt(nonce, text, aad)
    return sealed[:len(text) + icv_len]


def packet(suite, key, auth, spi, seq, esn, iv, payload):
    align = 16 if suite.startswith("aes") and "-" in suite else 4
    pad = -(len(payload) + 2) % align
    text = payload + bytes(range(1, pad + 1)) + bytes([pad, 4])
    high = struct.pack(">I", seq >> 32) if esn else b""
    spi, low = struct.pack(">I", spi), struct.pack(">I", seq & 0xFFFFFFFF)
    if suite.endswith("gmac"):
        covered = spi + high + low + iv + text
        return spi + low + iv + text + AESGCM(key[:-4]).encrypt(key[-4:] + iv, b"", covered)
    if "-" not in suite:
        return spi + low + iv + aead(suite, key[:-4], key[-4:] + iv, spi + high + low, text)
    if suite.startswith("aes"):
        cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        text = cipher.update(text) + cipher.finalize()
    name, _, icv_len = HASHES[suite.split("-")[1]]
    covered = spi + low + iv + text
    return covered + hmac.new(auth, covered + high, getattr(hashlib, name)).digest()[:icv_len]


def main():
    rng = random.Random(7)
    suites = ["aes192gcm16", "chacha20poly1305"]
    suites += [f"aes{bits}gcm{icv}" for bits in (128, 192, 256) for icv in (12, 8)]
    suites += [f"aes{bits}gmac" for bits in (128, 192, 256)]
    suites += [f"aes{bits}-{name}" for bits in (128, 192, 256) for name in HASHES]
    suites += [f"null-{name}" for name in HASHES]
    out = ["# ESP packets that make-esp-openssl.py composed over OpenSSL, next header 4.\n"]
    for suite in suites:
        bits = int(suite[3:6]) if suite.startswith("aes") else 256
        combined = "-" not in suite
        key_len = bits // 8 + 4 if combined else bits // 8 if suite.startswith("aes") else 0
        auth_len = 0 if combined else HASHES[suite.split("-")[1]][1]
        iv_len = 8 if combined else 16 if suite.startswith("aes") else 0
        for esn in ("no", "yes"):
            for payload_len in (13, 64):
                key, auth = rng.randbytes(key_len), rng.randbytes(auth_len)
                spi = rng.randrange(256, 1 << 32)
                seq = rng.randrange(1, 1 << 32) + (rng.randrange(1, 9) << 32 if esn == "yes" else 0)
                iv, payload = rng.randbytes(iv_len), rng.randbytes(payload_len)
                sealed = packet(suite, key, auth, spi, seq, esn == "yes", iv, payload)
                out.append(f"suite = {suite}\nencryption_key = {key.hex()}\n"
                           f"authentication_key = {auth.hex()}\nspi = {spi:08x}\nesn = {esn}\n"
                           f"seq = {seq:016x}\niv = {iv.hex()}\npayload = {payload.hex()}\n"
                           f"packet = {sealed.hex()}\n")
    with open("esp-openssl.txt", "w") as file:
        file.write("\n".join(out))


main()
