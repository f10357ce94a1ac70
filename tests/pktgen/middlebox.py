"""Forwards frames from one device to another and mistreats every tenth of a generator's.

middlebox.py FROM TO HOW: HOW is `pass`, `drop`, `repeat`, `swap` (with the next one) or `damage`
(a bit of the payload). Prints `ready` when it listens; runs until it is killed.
"""

import socket
import sys

ETH_P_ALL = 3
DISCARD_PORT = 9
FIRST_BYTE_BEHIND_THE_STAMP = 14 + 20 + 8 + 18


def device(name):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    end.bind((name, ETH_P_ALL))
    return end


def is_generators(frame):
    udp = frame[12:14] == b"\x08\x00" and len(frame) > 42 and frame[23] == socket.IPPROTO_UDP
    return udp and int.from_bytes(frame[36:38], "big") == DISCARD_PORT


def main():
    source, target = device(sys.argv[1]), device(sys.argv[2])
    how = sys.argv[3]
    print("ready", flush=True)
    number, held = 0, None
    while True:
        frame, address = source.recvfrom(65536)
        if address[2] == socket.PACKET_OUTGOING or not is_generators(frame):
            continue
        number += 1
        tenth = number % 10 == 0
        if tenth and how == "drop":
            continue
        if tenth and how == "swap":
            held = frame
            continue
        if tenth and how == "damage":
            damaged = bytearray(frame)
            damaged[FIRST_BYTE_BEHIND_THE_STAMP] ^= 4
            frame = bytes(damaged)
        target.send(frame)
        if tenth and how == "repeat":
            target.send(frame)
        if held is not None:
            target.send(held)
            held = None


main()
