"""Ends tunnels in user space, where the kernel has no device for them: decapsulate.py TUN-DEVICE [KIND] [FAMILY].

KIND: ip (IPv4 or IPv6 within, the default), gre, gre-csum, or gue:PORT; FAMILY of the outer header: 4 (the default) or 6. What is not of
that kind, or whose GRE checksum is wrong, is told and not passed on; UDP checksums are the kernel's to judge.
"""
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
IPIP, IPV6_IN_IP, GRE = 4, 41, 47
ETHERTYPES = {4: 0x0800, 6: 0x86DD}
PROTOCOLS = {4: IPIP, 6: IPV6_IN_IP}

name = sys.argv[1]
kind, _, port = (sys.argv[2] if len(sys.argv) > 2 else "ip").partition(":")
family = int(sys.argv[3]) if len(sys.argv) > 3 else 4
af = {4: socket.AF_INET, 6: socket.AF_INET6}[family]


class Wrong(Exception):
    pass


def ones_sum(data):
    words = struct.unpack(f"!{len(data) // 2 + len(data) % 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def version(inner):
    if not inner:
        raise Wrong("nothing within")
    return inner[0] >> 4


def of_gre(payload):
    """RFC 2784: flags, protocol, and with C checksum and a reserved word."""
    flags, ethertype = struct.unpack("!HH", payload[:4])
    if flags != (0x8000 if kind == "gre-csum" else 0):
        raise Wrong(f"GRE flags {flags:#x}")
    if flags and ones_sum(payload) != 0xFFFF:
        raise Wrong("GRE checksum")
    inner = payload[8 if flags else 4 :]
    if ETHERTYPES.get(version(inner)) != ethertype:
        raise Wrong(f"GRE protocol {ethertype:#x}")
    return inner


def of_gue(payload):
    """Version 0 without options: four bytes, of which the second is the protocol."""
    first, protocol, flags = struct.unpack("!BBH", payload[:4])
    if first != 0 or flags != 0 or PROTOCOLS.get(version(payload[4:])) != protocol:
        raise Wrong(f"GUE {first:#x} {protocol} {flags:#x}")
    return payload[4:]


def sockets():
    if kind == "gue":
        s = socket.socket(af, socket.SOCK_DGRAM)
        s.bind(("", int(port)))
        return [s]
    protocols = [GRE] if kind.startswith("gre") else [IPIP, IPV6_IN_IP]
    return [socket.socket(af, socket.SOCK_RAW, p) for p in protocols]


def inner_of(packet):
    if kind == "gue":
        return of_gue(packet)
    payload = packet[(packet[0] & 15) * 4 :] if family == 4 else packet  # raw IPv6 sockets give no header
    return of_gre(payload) if kind.startswith("gre") else payload


tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
subprocess.run(["ip", "link", "set", name, "up"], check=True)
ends = sockets()
print("ready", flush=True)
while True:
    for end in select.select(ends, [], [])[0]:
        try:
            os.write(tun, inner_of(end.recv(65536)))
        except (Wrong, struct.error) as e:
            print(f"wrong: {e}", flush=True)
