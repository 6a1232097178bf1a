"""A stand-in for the Hugging Face Hub on this machine, which takes files of the upload mode `regular`."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = re.compile(r"/api/(model|dataset|space)s/([\w.-]+/[\w.-]+)(?:/(preupload|commit)/main)?")


class Host:
    """The repositories of the Hub, how it misbehaves, and what it was asked for."""

    def __init__(self):
        # By (type, name): the request that created it, and the files by path.
        self.created: dict[tuple[str, str], dict] = {}
        self.files: dict[tuple[str, str], dict[str, bytes]] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        # By the last part of the path: the status of each answer, with a text.
        self.faults: dict[str, tuple[int, str]] = {}
        self.warnings: list[str] = []
        self.address = ""

    def answer(self, path: str, content: bytes) -> tuple[int, dict]:
        """Return the status and the answer to a request."""
        for part, (status, text) in self.faults.items():
            if f"/{part}" in path:
                return status, {"error": text}
        if path == "/api/repos/create":
            asked = json.loads(content)
            key = (asked.get("type") or "model", f"{asked['organization']}/{asked['name']}")
            if key in self.created:
                return 409, {"error": "You already created this repository", "url": "x"}
            self.created[key], self.files[key] = asked, {".gitattributes": b""}
            return 200, {"url": f"{self.address}/{key[1]}"}
        if path == "/api/validate-yaml":
            return 200, {"warnings": [{"message": text} for text in self.warnings], "errors": []}
        kind, name, action = API.fullmatch(path).groups()
        if (kind, name) not in self.created:
            return 404, {"error": "Repository not found"}
        files = self.files[kind, name]
        if action == "preupload":
            asked = json.loads(content)["files"]
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]
            return 200, {"files": modes}
        if action == "commit":
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    assert line["value"]["encoding"] == "base64"
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return 200, {"commitUrl": f"{self.address}/{name}/commit/{'a' * 40}", "commitOid": "a" * 40}
        private = self.created[kind, name].get("visibility") == "private"
        siblings = [{"rfilename": path} for path in files]
        return 200, {"id": name, "sha": "a" * 40, "private": private, "siblings": siblings, "tags": []}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, host, *arguments):
        self.host = host
        super().__init__(*arguments)

    def do_POST(self):
        path = self.path.partition("?")[0]
        self.host.requests.append((self.command, path, self.headers["Authorization"]))
        content = self.rfile.read(int(self.headers["Content-Length"] or 0))
        status, answer = self.host.answer(path, content)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST

    def log_message(self, *arguments):
        pass


@contextmanager
def serving():
    """Yield a host while it serves in a thread."""
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, host))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        host.address = f"http://127.0.0.1:{server.server_port}"
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
