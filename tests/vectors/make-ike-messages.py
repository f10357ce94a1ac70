#!/usr/bin/env python3
"""Composes ike-messages.txt over OpenSSL: bodies of encrypted payloads (RFC 7296 section 3.14,
RFC 5282, RFC 7634)."""

import hmac
import random

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

# Name of the hash, lengths of its output and of the ICV.
HASHES = [
    ("md5", 16, 12),
    ("sha1", 20, 12),
    ("sha256", 32, 16),
    ("sha384", 48, 24),
    ("sha512", 64, 32),
]


def show(draw, encryption, integrity, key, integrity_key, seal):
    for length in (0, 1, 15, 16, 41):
        associated, text = draw.randbytes(32), draw.randbytes(length)
        iv = draw.randbytes(16 if integrity else 8)
        print("encryption =", encryption)
        print(f"integrity = {integrity}".rstrip())
        print("encryption_key =", key.hex())
        print(f"integrity_key = {integrity_key.hex()}".rstrip())
        print("associated =", associated.hex())
        print("iv =", iv.hex())
        print(f"text = {text.hex()}".rstrip())
        print("body =", (iv + seal(associated, iv, text)).hex(), end="\n\n")


def cbc(key, integrity_key, name, icv_len):
    def seal(associated, iv, text):
        pad = -(len(text) + 1) % 16
        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        sealed = encryptor.update(text + bytes(pad) + bytes([pad])) + encryptor.finalize()
        return sealed + hmac.digest(integrity_key, associated + iv + sealed, name)[:icv_len]

    return seal


def gcm(key, icv_len):
    def seal(associated, iv, text):
        encryptor = Cipher(algorithms.AES(key[:-4]), modes.GCM(key[-4:] + iv)).encryptor()
        encryptor.authenticate_additional_data(associated)
        sealed = encryptor.update(text + b"\0") + encryptor.finalize()
        return sealed + encryptor.tag[:icv_len]

    return seal


def chacha(key):
    cipher = ChaCha20Poly1305(key[:-4])
    return lambda associated, iv, text: cipher.encrypt(key[-4:] + iv, text + b"\0", associated)


def main():
    print("# Bodies of encrypted payloads that make-ike-messages.py composed over OpenSSL.\n")
    draw = random.Random("IKE")
    for bits in (128, 192, 256):
        for name, key_len, icv_len in HASHES:
            key, integrity_key = draw.randbytes(bits // 8), draw.randbytes(key_len)
            seal = cbc(key, integrity_key, name, icv_len)
            show(draw, f"aes{bits}", name, key, integrity_key, seal)
        for icv_len in (8, 12, 16):
            key = draw.randbytes(bits // 8 + 4)
            show(draw, f"aes{bits}gcm{icv_len}", "", key, b"", gcm(key, icv_len))
    key = draw.randbytes(36)
    show(draw, "chacha20poly1305", "", key, b"", chacha(key))


main()
