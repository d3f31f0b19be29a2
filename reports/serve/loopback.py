"""The server: on this machine's own address only, for browsers that asked for it by that name, and for reading only."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reports.serve.answering import Response, Site

ADDRESS = "127.0.0.1"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def hosts(port: int) -> frozenset[str]:
    """What a browser that was sent to us may call us. Another name that leads here is another site's (DNS rebinding)."""
    return frozenset(f"{name}:{port}" for name in (ADDRESS, "localhost")) | ({ADDRESS, "localhost"} if port == 80 else frozenset())


class Loopback(ThreadingHTTPServer):
    """Serves a ``Site``; port 0 takes any that is free."""

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.site = site
        self.port: int = self.server_address[1]
        self.hosts = hosts(self.port)
        self.turn = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away meanwhile is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: Loopback
    timeout = 20
    server_version = "sftgate"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        named = [each.lower() for each in self.headers.get_all("Host", [])]
        if len(named) != 1 or named[0] not in self.server.hosts:
            self._send(Response(status=421, content=b"This is not the address of this server.\n", kind="text/plain"), body=body)
            return
        if self.headers.get("Sec-Fetch-Site", "none") == "cross-site" and self.headers.get("Sec-Fetch-Mode") != "navigate":
            self._send(Response(status=403, content=b"Other sites may not read from here.\n", kind="text/plain"), body=body)
            return
        with self.server.turn:  # one page at a time: a large one takes memory
            response = self.server.site.answer(self.path)
        self._send(response, body=body)

    def _send(self, response: Response, *, body: bool) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.kind)
        self.send_header("Content-Length", str(len(response.content)))
        self.send_header("Content-Security-Policy", response.policy)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(response.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: what was asked for is model text in part, and nobody reads it."""
