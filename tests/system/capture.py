"""A capture on an interface of the node that counts wrong checksums. Runs on the node; ends when its input does.

Frames of this machine's own stack, and of guests with offloads, carry a checksum that is not made yet; the kernel says
so of each (packet(7), PACKET_AUXDATA, TP_STATUS_CSUMNOTREADY), and nobody will ever see it. All others must be right.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys

ETH_P_IP, ETH_P_ALL = 0x0800, 0x0003
SOL_PACKET, PACKET_AUXDATA = 263, 8
CHECKSUM_NOT_READY = 1 << 3
TCP = 6


def ones_sum(data: bytes) -> int:
    """The Internet checksum's sum (RFC 1071); 0xffff over data that includes a right checksum."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def right(packet: bytes) -> bool:
    """Whether the IP header's and TCP's checksums of an IPv4 packet are right."""
    header = (packet[0] & 15) * 4
    length = int.from_bytes(packet[2:4], "big") or len(packet)
    segment = packet[header:length]
    pseudo = packet[12:20] + struct.pack("!BBH", 0, TCP, len(segment))
    return ones_sum(packet[:header]) == 0xFFFF and ones_sum(pseudo + segment) == 0xFFFF


def not_ready(ancillary: list[tuple[int, int, bytes]]) -> bool:
    return any(
        level == SOL_PACKET and kind == PACKET_AUXDATA and struct.unpack_from("=I", data)[0] & CHECKSUM_NOT_READY
        for level, kind, data in ancillary
    )


def capture(interface: str) -> dict[str, int]:
    """What was seen until standard input ended: TCP segments, those with a checksum to be, and wrong ones."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        wire.bind((interface, 0))
        seen = {"segments": 0, "to_be": 0, "wrong": 0}
        while True:
            ready, _, _ = select.select([wire, sys.stdin], [], [])
            if sys.stdin in ready:
                return seen
            frame, ancillary, _, _ = wire.recvmsg(1 << 17, 256)
            if int.from_bytes(frame[12:14], "big") != ETH_P_IP or frame[14 + 9] != TCP:
                continue
            seen["segments"] += 1
            if not_ready(ancillary):
                seen["to_be"] += 1
            elif not right(frame[14:]):
                seen["wrong"] += 1


if __name__ == "__main__":
    sys.stdout.write(json.dumps(capture(sys.argv[1])))
