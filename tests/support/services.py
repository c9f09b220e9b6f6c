"""Services that frontends ask: discovery services, coordinators, other frontends."""

import http.server
import json
import ssl
import threading
import urllib.parse

from support.ports import free_port


class Service:
    """An HTTP service on loopback that answers what ``answers`` says: path -> (status, body).

    A callable body is called for it; with status 0 it is given the handler and writes the whole
    answer itself.
    """

    def __init__(self, answers=None, port=0, certificate=""):
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                service.asked.append(
                    (path, dict(urllib.parse.parse_qsl(query)), dict(self.headers.items()))
                )
                status, body = service.answers.get(path, (404, b'{"detail":"Not Found"}'))
                if not status:
                    try:
                        return body(self)
                    except OSError:
                        return
                if callable(body):
                    body = body()
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.answers = answers or {}
        self.asked = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port or free_port()), Handler)
        self.port = self.server.server_address[1]
        self.url = "%s://127.0.0.1:%d" % ("https" if certificate else "http", self.port)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
