#!/usr/bin/env bash
# huggingface_hub 2.4.0: a file in the cache is named by its sha256, which nothing compares with its bytes.
#
# The hub sends the sha256 of a large file as its ETag, and the client stores the file as blobs/<sha256>. Over plain HTTP
# (mirrors, proxies) it compares the size alone: a file with one other byte, of the right length, is stored under the
# right digest, is returned, and is returned from the cache ever after; so is a file that is damaged on the disk later.
# `hf cache verify OWNER/NAME` compares, when it is called and with a network.
# A caller whose results depend on the weights has to hash the file and compare it with the name of the blob, which is
# the target of ONE readlink: with Xet that blob may itself be a link to a store with names of another hash.
#
# Exits 0 while that is so, 1 if it has changed. Seen on 2026-11-28, Python 3.11:
#   on its way: returned without an error, named by the digest of other bytes: True
#   second call: the same file, without a download: True
#   on the disk: returned without an error, named by the digest of other bytes: True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet huggingface_hub==2.4.0
cat > "$work/check.py" <<'PY'
import hashlib, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

right = os.urandom(1 << 20)
sent = right[:1000] + bytes([right[1000] ^ 1]) + right[1001:]
digest = hashlib.sha256(right).hexdigest()
downloads = []


class Hub(BaseHTTPRequestHandler):
    def log_message(self, *args): pass

    def do_HEAD(self):
        if "/resolve/" not in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in {"X-Repo-Commit": "0" * 40, "ETag": f'"{digest}"', "Content-Length": len(right)}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        if "/resolve/" in self.path:
            downloads.append(self.path)
            self.wfile.write(sent)


server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {
    "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}", "HF_HOME": sys.argv[1], "NO_PROXY": "127.0.0.1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
from huggingface_hub import hf_hub_download


def wrong(path):
    """Whether the blob is named by a sha256 that its bytes do not have."""
    return Path(os.readlink(path)).name == digest != hashlib.sha256(Path(path).read_bytes()).hexdigest()


first = hf_hub_download("owner/clip", "weights.bin")
seen = [wrong(first)]
second = hf_hub_download("owner/clip", "weights.bin")
seen.append(second == first and len(downloads) == 1)
Path(first).write_bytes(right)
assert not wrong(first)
with open(first, "r+b") as file:
    file.write(b"damaged")
seen.append(wrong(hf_hub_download("owner/clip", "weights.bin")))
print("on its way: returned without an error, named by the digest of other bytes:", seen[0])
print("second call: the same file, without a download:", seen[1])
print("on the disk: returned without an error, named by the digest of other bytes:", seen[2])
sys.exit(not all(seen))
PY
"$work/venv/bin/python" "$work/check.py" "$work/home"
