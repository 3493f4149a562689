"""A small web shop on the loopback interface, for browsers: real pages with scripts, a bug, and a slow payment."""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>Lanterns</title><link rel="icon" href="data:,"></head>
<body style="font-family: sans-serif"><h1>{title}</h1>{body}</body></html>"""

_PAGES = {
    "/": (
        "Lanterns",
        """<p>In your cart: <b id="count">0</b></p><button id="add">Add a lantern</button>
        <script>
        document.getElementById("add").onclick = async () => {
          const answer = await fetch("/cart", {method: "POST"});
          document.getElementById("count").textContent = await answer.text();
        };
        </script>""",
    ),
    "/offer": (
        "Ten for the price of nine",
        """<p id="price">...</p>
        <script>
        fetch("/price").then(async answer => {
          document.getElementById("price").textContent = answer.ok ? await answer.text() : "price unknown";
        });
        </script>""",
    ),
    "/pay": (
        "Payment",
        """<p id="state">waiting for your bank</p>
        <script>
        fetch("/bank").then(async answer => { document.getElementById("state").textContent = await answer.text(); });
        </script>""",
    ),
    "/receipt": ("Receipt", """<p id="number">4711</p>"""),
}


class Shop:
    """The shop, while the block lasts; `url` without a slash at its end."""

    def __init__(self) -> None:
        self.mended = threading.Event()
        """Until it is set, /offer does not know the price."""
        self.paid = threading.Event()
        """Until it is set, /pay waits for the bank."""
        self.visits: list[str] = []
        """Paths of all requests, in the order of their arrival."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def visits_of(self, path: str) -> int:
        """How often the path was asked for."""
        return self.visits.count(path)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.paid.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> tuple[HTTPStatus, str]:
        self.visits.append(path)
        if path in _PAGES:
            title, body = _PAGES[path]
            return HTTPStatus.OK, _PAGE.format(title=title, body=body)
        if path == "/cart":
            return HTTPStatus.OK, str(self.visits_of("/cart"))
        if path == "/price":
            return (HTTPStatus.OK, "90.00") if self.mended.is_set() else (HTTPStatus.INTERNAL_SERVER_ERROR, "")
        if path == "/bank":
            self.paid.wait(60)
            return HTTPStatus.OK, "paid, thank you"
        return HTTPStatus.NOT_FOUND, ""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, text = answer(self.path)
                body = text.encode()
                try:
                    self.send_response(status)
                    self.send_header("content-type", "text/html; charset=utf-8")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the browser went away

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
