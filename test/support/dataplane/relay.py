"""A SEQPACKET listener for tests, because Node has none: messages of the one client go to stdout, what comes by stdin goes to the client.

Each piece is a kind (one byte), a length (u32, little-endian) and so many bytes.
  to us    'm' message   'f' message with a memory file that holds what 'c' said last   'c' contents   'x' close the client   'p' do not read
           'r' read again
  from us  'l' listening   'a' client is there   'm' message   'e' client is gone
"""
import os
import select
import socket
import struct
import sys

LARGEST = 65536


def read_exactly(n):
    data = b""
    while len(data) < n:
        more = os.read(0, n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def tell(kind, data=b""):
    data = kind + struct.pack("<I", len(data)) + data
    while data:
        data = data[os.write(1, data):]


def main(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # It listens before it has its name: whoever finds the name is not refused.
    listener.bind(path + ".new")
    listener.listen(1)
    os.rename(path + ".new", path)
    tell(b"l")
    try:
        serve(listener)
    except EOFError:
        # First the listener: whoever sees the connection end must not find another.
        listener.close()


def serve(listener):
    client, contents, reading = None, b"", True
    while True:
        other = listener if client is None else client
        ready, _, _ = select.select([0, other] if reading else [0], [], [])
        if 0 in ready:
            kind, size = struct.unpack("<cI", read_exactly(5))
            data = read_exactly(size)
            if kind == b"c":
                contents = data
            elif kind in (b"p", b"r"):
                reading = kind == b"r"
            elif client is not None and kind == b"x":
                client.close()
                client = None
            elif client is not None:
                fds = []
                if kind == b"f":
                    fds = [os.memfd_create("counters")]
                    os.write(fds[0], contents)
                try:
                    socket.send_fds(client, [data], fds)
                except OSError:
                    pass
                for fd in fds:
                    os.close(fd)
        elif listener in ready:
            client, _ = listener.accept()
            tell(b"a")
        elif client is not None and client in ready:
            try:
                data = client.recv(LARGEST)
            except OSError:
                data = b""
            if data:
                tell(b"m", data)
            else:
                client.close()
                client = None
                tell(b"e")


main(sys.argv[1])
