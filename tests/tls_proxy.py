"""A proxy with TLS before a server, as its owner has one.

`python tls_proxy.py <host> <port> <to> <cert> <key>`
"""

from __future__ import annotations

import asyncio
import ssl
import sys


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(host: str, port: str, to: str, cert: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await asyncio.open_connection("127.0.0.1", int(to))
        await asyncio.gather(pour(reader, onward[1]), pour(onward[0], writer))

    async with await asyncio.start_server(serve, host, int(port), ssl=context) as server:
        print("listening", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
