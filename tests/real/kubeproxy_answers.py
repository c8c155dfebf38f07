"""A process that answers on kube-proxy's two ports with the texts of a JSON file."""

import http.server
import json
import sys
import threading
from pathlib import Path

ANSWERS = json.loads(Path(sys.argv[1]).read_text())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ANSWERS.get(f"{self.server.server_address[1]}{self.path}")
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write((body or "404 page not found\n").encode())

    def log_message(self, *_):
        pass


servers = [http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) for port in (10249, 10256)]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
sys.stdout.write("listening\n")
sys.stdout.flush()
