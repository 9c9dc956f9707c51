#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzzers: valid packets and valid generations, from which mutations start. Run by hand when a format changes."""
import os
import socket
import struct

here = os.path.dirname(os.path.abspath(__file__))


def put(kind, name, data):
    with open(os.path.join(here, "corpus", kind, name), "wb") as f:
        f.write(data)


def ip(proto, src, dst, body, frag=0x4000):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, frag, 64, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head + body


def frame(packet, ethertype=0x0800):
    return bytes(6) + b"\x02\x0c\x00\x00\x00\x01" + struct.pack("!H", ethertype) + packet


def record(how, data):
    return bytes([how]) + struct.pack("!H", len(data)) + data


def tcp(sport, dport, flags, data=b""):
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 2, 0x50, flags, 500, 0, 0) + data


def udp(sport, dport, data=b"x"):
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


client, vip, lip, rs = "198.51.100.10", "198.51.100.80", "10.1.0.200", "10.1.0.11"
syn = frame(ip(6, client, vip, tcp(40000, 80, 2)))
put("path", "connection", b"".join(record(3, frame(ip(6, client, vip, tcp(40000, 80, f)))) for f in (2, 16, 24, 17, 4)))
put("path", "datagrams", b"".join(record(3, frame(ip(17, client, vip, udp(40000 + i, 80)))) for i in range(4)))
put("path", "server", b"".join(record(2, frame(ip(6, rs, lip, tcp(8080, p, 18)))) for p in (1025, 6880, 20000)))
quoted = ip(6, lip, rs, tcp(6880, 8080, 2))[:28]
put("path", "unreachable", record(2, frame(ip(1, "10.1.0.99", lip, struct.pack("!BBHI", 3, 4, 0, 1280) + quoted))))
put("path", "echo", record(3, frame(ip(1, client, vip, struct.pack("!BBHI", 8, 0, 0, 1) + b"payload!"))))
put("path", "fragment", record(3, frame(ip(6, client, vip, tcp(40000, 80, 2), 0x2000))))
put("path", "arp", record(1, frame(struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + bytes(20), 0x0806)))
put("path", "late", record(7, syn) + record(7, syn))


def ip6(proto, src, dst, body, hop=64):
    head = struct.pack("!IHBB16s16s", 6 << 28, len(body), proto, hop,
                       socket.inet_pton(socket.AF_INET6, src), socket.inet_pton(socket.AF_INET6, dst))
    return head + body


def six(packet):
    return frame(packet, 0x86DD)


client6, rs6, lip6 = "2001:db8:1::10", "fd00:1::11", "fd00:1::200"
for last in range(80, 86):
    vip4, vip6 = f"198.51.100.{last}", f"2001:db8:1::{last}"
    put("modes", f"connection4-{last}", b"".join(
        record(3, frame(ip(6, client, vip4, tcp(40000, 80, f)))) for f in (2, 16, 24, 17, 4)))
    put("modes", f"connection6-{last}", b"".join(
        record(3, six(ip6(6, client6, vip6, tcp(40000, 80, f)))) for f in (2, 16, 24, 17, 4)))
    put("modes", f"datagram-{last}", record(3, frame(ip(17, client, vip4, udp(40000, 53)))) +
        record(3, six(ip6(17, client6, vip6, udp(40000, 53)))))
for port in range(1025, 1041):
    put("modes", f"server-{port}", record(2, frame(ip(6, rs, lip, tcp(8080, port, 18)))) +
        record(2, six(ip6(6, rs6, lip6, tcp(8080, port, 18)))))
    quoted = ip(6, lip, rs, tcp(port, 8080, 2))[:28]
    put("modes", f"unreachable4-{port}", record(2, frame(
        ip(1, "10.1.0.99", lip, struct.pack("!BBHI", 3, 4, 0, 1280) + quoted))))
    quoted = ip6(6, lip6, rs6, tcp(port, 8080, 2))
    for kind in (1, 2, 3, 4):
        put("modes", f"unreachable6-{port}-{kind}", record(2, six(
            ip6(58, "fd00:1::99", lip6, struct.pack("!BBHI", kind, 0, 0, 1280) + quoted))))
put("modes", "solicit", record(3, six(ip6(58, client6, "2001:db8:1::2", struct.pack("!BBHI", 135, 0, 0, 0) +
                                              socket.inet_pton(socket.AF_INET6, "2001:db8:1::2") +
                                              b"\x01\x01\x02\x0c\x00\x00\x00\x01", 255))))
put("modes", "echo6", record(3, six(ip6(58, client6, "2001:db8:1::80", struct.pack("!BBHI", 128, 0, 0, 1) + b"payload!"))))
put("modes", "extensions", record(3, six(ip6(0, client6, "2001:db8:1::81",
                                             b"\x3c\x00" + bytes(6) + b"\x06\x00" + bytes(6) + tcp(40001, 80, 2)))))


def chunk(kind, length=16):
    return bytes([0] * 8) + bytes([0] * 4) + bytes([kind, 0]) + length.to_bytes(2, "big") + bytes(length - 4)


def ports(a, b):
    return a.to_bytes(2, "big") + b.to_bytes(2, "big")


def echo(kind, ident):
    return bytes([kind, 0, 0, 0]) + ident.to_bytes(2, "big") + b"\0\1ping"


# associations through every mode: bit 1 repairs the CRC
for last in range(80, 86):
    vip4, vip6 = f"198.51.100.{last}", f"2001:db8:1::{last}"
    put("modes", f"sctp4-{last}", b"".join(
        record(3, frame(ip(132, client, vip4, ports(40000, 36) + chunk(k)[4:]))) for k in (1, 10, 0, 7, 14, 6)))
    put("modes", f"sctp6-{last}", b"".join(
        record(3, six(ip6(132, client6, vip6, ports(40000, 36) + chunk(k)[4:]))) for k in (1, 10, 0, 7, 14, 6)))

# errors from within tunnels: IP in IP, GRE with a checksum, GUE, and IPv6 in each
for last, between in ((84, (4, b"")), (85, (47, bytes([0x80, 0, 8, 0, 0, 0, 0, 0]))), (86, (17, ports(0xc001, 6080) + bytes(4) + bytes([0, 4, 0, 0])))):
    inner = ip(6, client, f"198.51.100.{last}", tcp(40000, 80, 16))
    outer = ip(between[0], "10.1.0.2", "10.1.0.11", between[1] + inner)
    put("modes", f"tunnel-error4-{last}", record(2, frame(ip(1, "10.1.0.99", "10.1.0.2", b"\x03\x04\0\0\0\0\x05\x00" + outer))))
for last, outer_ip, between in ((84, 6, (41, b"")), (85, 4, (41, b"")), (86, 6, (17, ports(0xc001, 6080) + bytes(4) + bytes([0, 41, 0, 0]))), (87, 4, (47, bytes([0, 0, 0x86, 0xdd])))):
    inner = ip6(6, client6, f"2001:db8:1::{last}", tcp(40000, 80, 16))
    if outer_ip == 4:
        outer = ip(between[0], "10.1.0.2", "10.1.0.11", between[1] + inner)
        put("modes", f"tunnel-error6-{last}", record(2, frame(ip(1, "10.1.0.99", "10.1.0.2", b"\x03\x04\0\0\0\0\x05\x00" + outer))))
    else:
        outer = ip6(between[0], "fd00:1::2", "fd00:1::11", between[1] + inner)
        put("modes", f"tunnel-error6-{last}", record(2, six(ip6(58, "fd00:1::99", "fd00:1::2", b"\x02\0\0\0\0\0\x05\x00" + outer))))

# what hosts inside send out, and the answers to the ports it may have got
inner, inner6 = "10.1.0.11", "fd00:1::11"
put("modes", "snat4", b"".join(record(2, frame(ip(p, inner, client, b))) for p, b in (
    (6, tcp(40000, 80, 2)), (6, tcp(40000, 80, 16)), (17, udp(40000, 53)), (1, echo(8, 77)), (1, echo(0, 77)))))
put("modes", "snat6", b"".join(record(2, six(ip6(p, inner6, client6, b))) for p, b in (
    (6, tcp(40000, 80, 2)), (6, tcp(40000, 80, 16)), (17, udp(40000, 53)), (58, echo(128, 77)), (58, echo(129, 77)))))

# a long ping: its first part names it, a later one follows
put("modes", "snat-long-ping4", b"".join(record(how, frame(ip(1, inner, client, body, off))) for how, body, off in (
    (2, echo(8, 77) + bytes(28), 0x2000), (2, bytes(40), 5), (0x82, bytes(40), 5), (2, bytes(40), 6))))
put("modes", "snat-long-ping6", b"".join(record(how, six(ip6(44, inner6, client6, bytes([58, 0]) + struct.pack("!HI", off, 9) + body))) for how, body, off in (
    (2, echo(128, 77) + bytes(28), 1), (2, bytes(40), 40), (0x82, bytes(40), 40))))
for port in range(1025, 1041):
    put("modes", f"snat-back-{port}", b"".join([
        record(3, frame(ip(6, client, "198.51.100.80", tcp(80, port, 18)))),
        record(3, frame(ip(17, client, "198.51.100.80", udp(53, port)))),
        record(3, frame(ip(1, client, "198.51.100.80", echo(0, port)))),
        record(3, six(ip6(58, client6, "2001:db8:1::80", echo(129, port))))]))
    quoted = ip(1, "198.51.100.80", client, echo(8, port))
    put("modes", f"snat-error-{port}", record(3, frame(ip(1, "198.51.100.99", "198.51.100.80", b"\x0b\0\0\0\0\0\0\0" + quoted))))


# histories of wishes and packets (history_fuzz.c): steps of four bytes
ADDRESSES = [bytes([3, vip_, 3 if vip_ < 4 else 7, 0]) for vip_ in range(4)]
NEIGHBOURS = [bytes([5, n, d, 1]) for n, d in ((0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 1))]
COMMIT, LATER = bytes([8, 1, 0, 0, 15, 10, 10, 0]), bytes([15, 200, 250, 0])
for proto in range(3):
    for vip_ in range(4):
        for fwd, server in [(f, vip_ // 2 * 2) for f in range(1, 5)] + [(1, 2 - vip_ // 2 * 2)] + [(4, 0)] * (vip_ // 2):
            key_ = vip_ | proto << 2 | proto << 4
            steps = ADDRESSES + NEIGHBOURS + [
                bytes([0, key_, 1 + (vip_ + fwd) % 12, 0]),
                bytes([1, key_, server | fwd << 4 | 8, 1]), bytes([1, key_, server + 1 | fwd << 4 | 8, 2]),
                bytes([2, key_, server, 0]), COMMIT]
            steps += [bytes([10, key_ & 15, proto | n << 3, (n % 3) * 16 + (proto == 2)]) for n in range(4)]
            steps += [bytes([13, n, 4, n % 3]) for n in range(4)] + [bytes([10, key_ & 15, proto | n << 3, 1]) for n in range(4)]
            steps += [bytes([1, key_, server | fwd << 4 | 8, 0xc0]), COMMIT, bytes([10, key_ & 15, proto | 16, 0]), LATER]
            put("history", f"mode-{proto}-{vip_}-{fwd}-{server}", b"".join(steps))
for proto in range(5):
    six_ = proto == 4
    key_ = 0x80 | (2 if six_ else 0) | proto << 4
    own = 5 if six_ else 6
    steps = NEIGHBOURS + [bytes([3, own, 2, 8]), bytes([0, key_, 1, 0]), bytes([1, key_, own | 5 << 4, 1]),
                          bytes([6, key_, 8, 0]), COMMIT]
    steps += [bytes([11, 0x80 | (1 if six_ else 0), proto | n << 3, 0 if proto == 0 else 1]) for n in range(3)] + [bytes([13, n, 1, n]) for n in range(3)] + [LATER]
    put("history", f"snat-{proto}", b"".join(steps))


# As in ../ipc/ks_ipc.h; with another version the fuzzer gets no further than the check of it.
IPC_VERSION = 2


def message(kind, body, seq=2):
    data = struct.pack("<HBBIII", 0x534B, IPC_VERSION, kind, seq, len(body), 0) + body
    return struct.pack("!H", len(data)) + data


def addr(a):
    return socket.inet_aton(a) + bytes(12)


def op(kind, body):
    return struct.pack("<HH", kind, 4 + len(body)) + body


key = bytes([4, 6]) + struct.pack("!H", 80) + addr(vip)
ops = [
    op(1, b"dpdk1".ljust(16, b"\0") + struct.pack("<BBH", 4, 32, 1) + addr(vip)),
    op(7, key + bytes([1, 0, 0, 0]) + struct.pack("<III", 0, 0, 0) + bytes(4)),
    op(11, key + b"dpdk0".ljust(16, b"\0") + bytes([4, 0, 0, 0]) + addr(lip)),
    op(9, key + bytes([4, 1]) + struct.pack("!H", 8080) + addr(rs) + struct.pack("<IIII", 10, 0, 100, 50)),
    op(13, struct.pack("<III", 1, 60000, 0)),
    op(3, b"dpdk1".ljust(16, b"\0") + struct.pack("<BBHII", 4, 0, 0, 0, 0) + addr("0.0.0.0") + addr("198.51.100.1") + bytes(16)),
]
any_key = bytes([4, 6]) + struct.pack("!H", 0) + addr("0.1.2.3")
matched = [
    op(1, b"dpdk1".ljust(16, b"\0") + struct.pack("<BBH", 4, 24, 0) + addr("198.51.100.40")),
    op(7, any_key + bytes([1, 0, 0, 0]) + struct.pack("<III", 0, 0, 0) + bytes(4)),
    op(9, any_key + bytes([4, 5]) + struct.pack("!H", 0) + addr("198.51.100.40") + struct.pack("<IIII", 1, 0, 0, 0)),
    op(14, any_key + bytes([0, 0, 0, 0]) + struct.pack("<I", 3) + struct.pack("!HH", 1, 9) + bytes(16) + addr("10.0.0.0") + addr("10.0.0.255")),
    op(14, any_key + bytes([1, 0, 0, 0]) + struct.pack("<I", 3) + bytes(4) + b"dpdk1".ljust(16, b"\0") + bytes(32)),
]
put("control", "match", message(3, struct.pack("<Q", 0)) + message(4, b"".join(matched)) + message(5, struct.pack("<QQII", 1, 5, len(matched), 0)))
whole = message(3, struct.pack("<Q", 0)) + message(4, b"".join(ops)) + message(5, struct.pack("<QQII", 1, 5, len(ops), 0))
put("control", "generation", whole)


def lease(ms, addresses, count=None):
    named = b"".join(dev.ljust(16, b"\0") + bytes([af, 0, 0, 0]) + a for dev, af, a in addresses)
    return message(8, struct.pack("<II", ms, len(addresses) if count is None else count) + named)


leased = [(b"dpdk1", 4, addr(vip)), (b"dpdk0", 6, socket.inet_pton(socket.AF_INET6, "2001:db8::1"))]
put("control", "leases", whole + lease(2000, leased) + lease(0xffffffff, leased) + lease(0, leased[:1]) + lease(0, []))
put("control", "leases-malformed", lease(2000, []) + lease(2000, leased, 3) + lease(2000, leased, 0xffffffff) + message(8, b"") + lease(1, [(b"dpdk1", 9, addr(vip))]))
put("control", "requests", lease(2000, leased) + message(13, struct.pack("<II", 0, 0)) + message(14, b"") + message(10, struct.pack("<IIII", 0, 0, 64, 0))
    + message(9, b"dpdk1".ljust(16, b"\0") + bytes([4, 5, 0, 0]) + addr(vip)) + message(6, b""))
put("control", "lists", whole + b"".join(message(15, struct.pack("<IIII", kind, at, most, 0)) for kind, at, most in ((1, 0, 1), (2, 0, 0), (2, 1, 9), (3, 0, 600), (9, 0, 0))))


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def message(kind, body, flags=0):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def packed(a):
    return socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)


def netlink_address(a, plen, flags=0, kind=20):
    family = 10 if ":" in a else 2
    fixed = struct.pack("=BBBBI", family, plen, 0, 0, 1)
    return message(kind, fixed + attribute(2 if family == 2 else 1, packed(a)) + attribute(8, struct.pack("=I", flags)))


def next_hop(gateway, weight, index=1):
    rest = attribute(5, packed(gateway))
    return struct.pack("=HBBi", 8 + len(rest), 0, weight - 1, index) + rest


def netlink_route(dst, plen, rest, kind=24, flags=0):
    family = 10 if ":" in dst else 2
    fixed = struct.pack("=BBBBBBBBI", family, plen, 0, 0, 254, 4, 0, 1, 0)
    return message(kind, fixed + attribute(1, packed(dst)) + rest, flags)


one_way = attribute(5, packed("10.0.0.1")) + attribute(4, struct.pack("=i", 1)) + attribute(6, struct.pack("=I", 20))
put("mirror", "addresses", netlink_address("10.0.0.5", 24) + netlink_address("fd00::5", 64, 0x20) + netlink_address("fd00::6", 64, 0x40))
put("mirror", "gone", netlink_address("10.0.0.5", 24) + netlink_address("10.0.0.5", 24, 0, 21))
put("mirror", "route", netlink_route("192.0.2.0", 24, one_way + attribute(8, attribute(2, struct.pack("=I", 1400)))))
ways = attribute(9, next_hop("10.0.0.1", 1) + next_hop("10.0.0.2", 4, 2))
put("mirror", "ways", netlink_route("192.0.2.0", 24, ways) + netlink_route("192.0.2.0", 24, one_way, 24, 0x100))
ways6 = attribute(9, next_hop("fe80::1", 1) + next_hop("fe80::2", 2))
put("mirror", "ways6", netlink_route("2001:db8::", 32, ways6) + netlink_route("2001:db8::", 32, ways6, 25))
put("mirror", "link", message(16, struct.pack("=BBHiII", 0, 0, 1, 1, 1, 0)))
put("mirror", "neighbour", message(28, struct.pack("=BBHiHBB", 2, 0, 0, 1, 2, 0, 0) + attribute(1, packed("10.0.0.9")) + attribute(2, bytes(6))))
