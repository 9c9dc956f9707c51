"""Who answers for an address, and who advertises: watch.py DEVICE ADDRESS EVERY_MS.

Broadcasts an ARP request for ADDRESS every EVERY_MS, each with a sender address (hardware) of its own, by which answers
are told apart however late they come. One JSON line each:
{"at": ms, "probe": n, "mac": "..."}              an answer to probe n
{"at": ms, "advert": "SOURCE", "priority": p}     a VRRP advert
"""
import json
import select
import socket
import struct
import sys
import time

device, address, every = sys.argv[1], sys.argv[2], int(sys.argv[3]) / 1000
ETH_P_ALL, ETH_P_ARP, ETH_P_IP = 0x0003, 0x0806, 0x0800
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
# An address nobody has: no neighbour table of a server or a node is disturbed.
SENDER = socket.inet_aton("198.51.100.250")

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
s.bind((device, 0))
s.setsockopt(
    SOL_PACKET,
    PACKET_ADD_MEMBERSHIP,
    struct.pack("iHH8s", socket.if_nametoindex(device), PACKET_MR_PROMISC, 0, b""),
)
target = socket.inet_aton(address)


def hardware(probe):
    return b"\x02\x77" + struct.pack("!I", probe)


def tell(**what):
    print(json.dumps({"at": time.time() * 1000, **what}), flush=True)


def read(frame):
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == ETH_P_ARP and len(frame) >= 42 and frame[20:22] == b"\x00\x02":
        if frame[28:32] == target and frame[32:34] == b"\x02\x77":
            probe = struct.unpack("!I", frame[34:38])[0]
            tell(probe=probe, mac=frame[22:28].hex(":"))
    if kind == ETH_P_IP and len(frame) >= 38 and frame[23] == 112:
        at = 14 + (frame[14] & 15) * 4
        tell(advert=socket.inet_ntoa(frame[26:30]), priority=frame[at + 2])


print("ready", flush=True)
probe, due = 0, time.monotonic()
while True:
    left = due - time.monotonic()
    if left <= 0:
        probe += 1
        mine = hardware(probe)
        arp = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1) + mine + SENDER + bytes(6) + target
        s.send(b"\xff" * 6 + mine + struct.pack("!H", ETH_P_ARP) + arp)
        due = max(due + every, time.monotonic())
        continue
    if select.select([s], [], [], left)[0]:
        read(s.recv(2048))
