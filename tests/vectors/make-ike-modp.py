#!/usr/bin/env python3
"""Computes ike-modp.txt with Python's integers: primes from pi, as RFC 2409 and RFC 3526 define
them, powers by pow()."""

import random

# Bits, what is added to pi's digits (RFC 2409 section 6.2, RFC 3526), bytes of an exponent.
GROUPS = [
    (1024, 129093, 32),
    (1536, 741804, 32),
    (2048, 124476, 32),
    (3072, 1690314, 36),
    (4096, 240904, 42),
]


def pi(bits):
    """Pi times 2 to the `bits`, cut to an integer (Machin's formula)."""

    def arctan_of_inverse(x):
        term = (1 << (bits + 64)) // x
        total, divisor, sign = term, 3, -1
        while term:
            term //= x * x
            total += sign * (term // divisor)
            divisor, sign = divisor + 2, -sign
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> 64


def main():
    print("# Diffie-Hellman in the MODP groups, computed by make-ike-modp.py.\n")
    draw = random.Random("MODP")
    for bits, addend, length in GROUPS:
        prime = 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (pi(bits - 130) + addend)
        exponents = [0, 1, 2 ** (8 * length) - 1, draw.getrandbits(8 * length)]
        for ours in exponents:
            theirs = draw.getrandbits(bits - 1)
            peer = pow(2, theirs, prime)
            print("group =", f"modp{bits}")
            print("prime =", f"{prime:x}")
            print("private =", f"{ours:0{2 * length}x}")
            print("public =", f"{pow(2, ours, prime):0{bits // 4}x}")
            print("peer =", f"{peer:0{bits // 4}x}")
            print("shared =", f"{pow(peer, ours, prime):0{bits // 4}x}\n")


main()
