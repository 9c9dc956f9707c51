"""Ends IPv4-in-IPv4 tunnels in user space, where the kernel has no ipip device: decapsulate.py TUN-DEVICE."""
import fcntl
import os
import socket
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
IPIP = 4

name = sys.argv[1]
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
subprocess.run(["ip", "link", "set", name, "up"], check=True)
outer = socket.socket(socket.AF_INET, socket.SOCK_RAW, IPIP)
print("ready", flush=True)
while True:
    packet = outer.recv(65536)
    os.write(tun, packet[(packet[0] & 15) * 4 :])
