"""Long-lived TCP connections that echo a line every 0.2 s.

connections.py serve PORT                  echoes lines, prints `ready`
connections.py hold ADDRESS PORT COUNT     holds COUNT connections; one JSON line for each that is lost:
                                           {"at": ms, "lost": reason}, and {"at": ms, "alive": n} every 0.2 s, where
                                           alive counts those that were answered within the last second.
A lost connection is opened again after 0.5 s.
"""
import asyncio
import json
import sys
import time


def now():
    return time.time() * 1000


async def echo(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def serve(port):
    server = await asyncio.start_server(echo, "0.0.0.0", port, backlog=512)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


answered = {}


def tell(**what):
    print(json.dumps({"at": now(), **what}), flush=True)


async def speak(writer, name):
    number = 0
    while True:
        number += 1
        writer.write(b"%d-%d\n" % (name, number))
        await asyncio.sleep(0.2)


async def hold(name, address, port):
    while True:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 2)
        except (OSError, asyncio.TimeoutError):
            await asyncio.sleep(0.5)
            continue
        speaker = asyncio.ensure_future(speak(writer, name))
        reason = "closed"
        try:
            while line := await reader.readline():
                if not line.startswith(b"%d-" % name):
                    tell(wrong=line.decode(errors="replace"))
                answered[name] = now()
        except OSError as error:
            reason = type(error).__name__
        tell(lost=reason)
        answered.pop(name, None)
        speaker.cancel()
        writer.close()
        await asyncio.sleep(0.5)


async def watch():
    while True:
        await asyncio.sleep(0.2)
        tell(alive=sum(1 for at in answered.values() if now() - at < 1000))


async def main():
    if sys.argv[1] == "serve":
        await serve(int(sys.argv[2]))
    else:
        address, port, count = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
        await asyncio.gather(watch(), *(hold(i, address, port) for i in range(count)))


asyncio.run(main())
