"""A repository behind HTTP, in this process: what restic's REST backend asks for, and no more."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER = "releve:behind-http"


class Handler(BaseHTTPRequestHandler):
    """Files by path in a dictionary; a path with a slash at its end is a folder."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def _answer(self, code: int, body: bytes = b"", length: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _allowed(self) -> bool:
        wanted = f"Basic {base64.b64encode(USER.encode()).decode()}"
        if self.headers.get("Authorization") == wanted:
            return True
        self._answer(401)
        return False

    def _found(self) -> bytes | None:
        if not self._allowed():
            return None
        found = self.files.get(self.path)
        if found is None:
            self._answer(404)
        return found

    def do_HEAD(self) -> None:
        found = self._found()
        if found is not None:
            self._answer(200, length=len(found))

    def do_GET(self) -> None:
        if self.path.endswith("/"):
            if self._allowed():
                names = [path.rpartition("/")[2] for path in self.files if self._within(path)]
                self._answer(200, json.dumps(names).encode())
            return
        found = self._found()
        if found is None:
            return
        asked = self.headers.get("Range")
        if asked is None:
            self._answer(200, found)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        self._answer(206, found[int(first) : int(last) + 1 if last else None])

    def _within(self, path: str) -> bool:
        return path.rpartition("/")[0] + "/" == self.path

    def do_POST(self) -> None:
        body = self._body()
        if self._allowed():
            if not self.path.endswith("?create=true"):
                self.files[self.path] = body
            self._answer(200)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def do_DELETE(self) -> None:
        if self._found() is not None:
            del self.files[self.path]
            self._answer(200)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def rest_server() -> Iterator[str]:
    """Its address for restic, user and password included."""
    handler = type("Mine", (Handler,), {"files": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"rest:http://{USER}@127.0.0.1:{server.server_port}/eloquence/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
