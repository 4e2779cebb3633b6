"""A small http server for tests of downloads."""

from __future__ import annotations

import contextlib
import http.server
import threading
import urllib.parse

__all__ = ["Server"]


class Server:
    """An http server on the loopback, with a list of what it was asked.

    Attributes:
        url: Its address.
        asked: Paths, in order.
        headers: Those of each request.
    """

    def __init__(self):
        self.files = {}
        self.asked = []
        self.headers = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                outer.headers.append(self.headers)
                entry = outer.files.get(urllib.parse.unquote(self.path))
                if entry is None:
                    self.send_error(404)
                    return
                contents, length, kind, code = entry
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", contents.decode())
                self.send_header("Content-Type", kind)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(contents)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def put(self, path, contents, *, length=-1, kind="text/html", code=200):
        """Serve a file, perhaps with a false length or none; a target for code 302."""
        length = len(contents) if length == -1 else length
        self.files[path] = (contents, length, kind, code)
        return self.url + path

    def close(self):
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
