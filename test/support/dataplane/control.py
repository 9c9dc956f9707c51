"""Control traffic beside a flood: each part prints a line a packet.

control.py flood ADDRESS PPS SECONDS    UDP to a port nobody listens on; says how many it sent
control.py adverts INTERFACE EVERY_MS COUNT   VRRP adverts to 224.0.0.18, numbered
control.py hear INTERFACE               the numbers of the adverts that arrive
control.py serve ADDRESS PORT           echoes every line of every TCP connection
control.py talk ADDRESS PORT EVERY_MS COUNT   one connection: a line, its echo, the milliseconds between
control.py crowd ADDRESS PORT EVERY_MS COUNT CONNECTIONS   as talk, many at once; says how far each is
"""
import socket
import struct
import sys
import threading
import time

VRRP, GROUP = 112, "224.0.0.18"


def say(text):
    print(text, flush=True)


def flood(address, pps, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, 9))
    begin, sent = time.monotonic(), 0
    while (passed := time.monotonic() - begin) < seconds:
        while sent < passed * pps:
            try:
                s.send(b"x" * 18)
            except OSError:  # port unreachable, or a full queue
                pass
            sent += 1
        time.sleep(0.001)
    say(f"sent {sent}")


def adverts(interface, every_ms, count):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP)
    index = socket.if_nametoindex(interface)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", bytes(4), bytes(4), index))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    for i in range(count):
        s.sendto(struct.pack("!I", i), (GROUP, 0))
        time.sleep(every_ms / 1000)
    say("done")


def hear(interface):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP)
    index = socket.if_nametoindex(interface)
    member = struct.pack("@4s4si", socket.inet_aton(GROUP), bytes(4), index)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    say("ready")
    while True:
        say(struct.unpack("!I", s.recv(2000)[20:24])[0])


def serve(address, port):
    def echo(c):
        while data := c.recv(2000):
            c.sendall(data)

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.create_server((address, port), family=family, backlog=200)
    say("ready")
    while True:
        threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()


def talk(address, port, every_ms, count):
    s = socket.create_connection((address, port), 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(10)
    for i in range(count):
        begin = time.monotonic()
        line = b"%d\n" % i
        s.sendall(line)
        got = b""
        while len(got) < len(line):
            got += s.recv(len(line) - len(got))
        assert got == line
        say(f"{(time.monotonic() - begin) * 1000:.1f}")
        time.sleep(every_ms / 1000)
    say("done")


def crowd(address, port, every_ms, count, connections):
    rounds = [0] * connections
    lines = [socket.create_connection((address, port), 10) for _ in rounds]
    say("ready")

    def go(i, s):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.settimeout(30)
        while rounds[i] < count:
            line = b"%d %d\n" % (i, rounds[i])
            s.sendall(line)
            got = b""
            while len(got) < len(line):
                part = s.recv(len(line) - len(got))
                assert part
                got += part
            assert got == line
            rounds[i] += 1
            time.sleep(every_ms / 1000)

    for i, s in enumerate(lines):
        threading.Thread(target=go, args=(i, s), daemon=True).start()
    while min(rounds) < count:
        time.sleep(0.1)
        say("progress " + " ".join(map(str, rounds)))
    say("done")


part, *args = sys.argv[1:]
number = {"flood": (1, 2), "adverts": (1, 2), "hear": (), "serve": (1,), "talk": (1, 2, 3), "crowd": (1, 2, 3, 4)}[part]
globals()[part](*[int(a) if i in number else a for i, a in enumerate(args)])
