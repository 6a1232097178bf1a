"""A host of dumps on this machine, which misbehaves as the test asks."""

import hashlib
import json
import socket
from http.server import BaseHTTPRequestHandler

DATE = "20220101"
CONTACT = "someone@example.org"


SOURCES = "wiki,date,source,file,size,checksum\n*,*,main,{base}/{wiki}/{date}/dumpstatus.json,,\n"
FILE, LONG = f"/enwiki/{DATE}/a.xml.bz2", bytes(range(256)) * 20_000


class Host:
    """What a dump host serves, by path, how it misbehaves, and what it was asked for."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.redirections: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges: list[str] = []
        self.ranges_allowed = True
        # By path: what happens at each request until there is nothing left: a status with Retry-After, or the
        # number of bytes after which the connection breaks.
        self.faults: dict[str, list[tuple[int, str] | int]] = {}

    def offer(self, contents: dict[str, bytes], part="articlesmultistreamdump", status="done", **changes):
        """Serve files and a dumpstatus.json that lists them; `changes` falsify what it says of each."""
        listed = {}
        for name, content in contents.items():
            url = f"/enwiki/{DATE}/{name}"
            self.files[url] = content
            sha1 = hashlib.sha1(content).hexdigest()
            listed[name] = {"size": len(content), "url": url, "sha1": sha1} | changes
        status_url = f"/enwiki/{DATE}/dumpstatus.json"
        self.files[status_url] = json.dumps({"jobs": {part: {"status": status, "files": listed}}}).encode()

    def offer_export(self, day: str, contents: dict[str, bytes], kind="current", finished=True):
        """Serve files as Wikimedia serves a Content File Export, with SHA256SUMS and _SUCCESS written last."""
        folder = f"/other/mediawiki_content_{kind}/enwiki/{day}/xml/bzip2/"
        self.files |= {folder + name: content for name, content in contents.items()}
        sums = "".join(
            f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items()
        )
        self.files[folder + "SHA256SUMS"] = sums.encode()
        if finished:
            self.files[folder + "_SUCCESS"] = b""
        return folder

    def offer_item(self, date: str, contents: dict[str, bytes]):
        """Serve files as archive.org serves those of an item, and its metadata."""
        files = [
            {"name": name, "size": str(len(content)), "md5": hashlib.md5(content).hexdigest()}
            for name, content in contents.items()
        ]
        self.files[f"/metadata/enwiki-{date}"] = json.dumps({"files": files}).encode()
        self.files |= {f"/download/enwiki-{date}/{name}": content for name, content in contents.items()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, host, *arguments):
        self.host = host
        super().__init__(*arguments)

    def do_GET(self):
        self.host.asked.append((self.path, self.headers["User-Agent"]))
        fault = self.host.faults.get(self.path) and self.host.faults[self.path].pop(0)
        if isinstance(fault, tuple):
            self.send_response(fault[0])
            self.send_header("Retry-After", fault[1])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.host.files.get(self.path)
        if target := self.host.redirections.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            content = b""
        elif content is None:
            if self.path.startswith("/metadata/"):
                self.send_response(200)
                content = b"{}"
            else:
                self.send_response(404)
                content = b""
        else:
            content = self.stretch(content)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if isinstance(fault, int):
            self.wfile.write(content[:fault])
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(content)

    def stretch(self, content: bytes) -> bytes:
        tag = f'"{hashlib.sha1(content).hexdigest()}"'
        wanted = self.headers["Range"]
        if wanted:
            self.host.ranges.append(wanted)
        if not wanted or not self.host.ranges_allowed or self.headers.get("If-Range", tag) != tag:
            self.send_response(200)
        else:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_response(416)
                return b""
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            content = content[start:]
        self.send_header("ETag", tag)
        return content

    def log_message(self, *arguments):
        pass


def left(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
