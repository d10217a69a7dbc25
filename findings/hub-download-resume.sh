#!/usr/bin/env bash
# huggingface_hub 2.4.0: which broken downloads are resumed.
#
# A download of 25 MiB over plain HTTP (mirrors, proxies, files without Xet) breaks after 22 MiB in three ways:
#   ended    the server closes the connection properly: resumed with a Range request from the last 10 MiB step
#   reset    the connection is reset (flaky line, restarted proxy): ReadError, nothing is resumed, what came is deleted
#   killed   the process is killed and the command is run again: begins at byte 0, while the .incomplete file of the
#            first try stays in the cache for good
# Why: file_download.http_get retries ConnectError, TimeoutException and RemoteProtocolError, but not ReadError; and since
# the temporary file has a random name (blobs/ETAG.RANDOM.incomplete) no other process can resume it.
# A caller with large weights has to retry, and whoever cleans a cache has to look for *.incomplete.
#
# Exits 0 while that is so, 1 if it has changed. Seen on 2026-11-28, Python 3.11:
#   ended: ok, requests begin at 0, 20971520
#   reset: ReadError, requests begin at 0
#   killed: ok, requests begin at 0, 0; left in the cache: 1 .incomplete of more than 0 bytes
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet huggingface_hub==2.4.0
cat > "$work/client.py" <<'PY'
from huggingface_hub import hf_hub_download
try:
    hf_hub_download("owner/clip", "weights.bin")
    print("ok")
except Exception as error:
    print(type(error).__name__)
PY
cat > "$work/check.py" <<'PY'
import hashlib, os, socket, struct, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

work, MIB = Path(sys.argv[1]), 1 << 20
data = bytes(range(256)) * (25 * MIB // 256)
etag, starts, state = hashlib.sha256(data).hexdigest(), [], {}


class Hub(BaseHTTPRequestHandler):
    def log_message(self, *args): pass

    def head(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        headers = {"X-Repo-Commit": "0" * 40, "ETag": f'"{etag}"', "X-Linked-Size": len(data)}
        headers |= {"Content-Length": len(data) - start}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        return start

    def do_HEAD(self):
        if "/resolve/" not in self.path:
            self.send_error(404)
            return
        self.head()

    def do_GET(self):
        if "/resolve/" not in self.path:
            self.send_error(404)
            return
        start = self.head()
        starts.append(start)
        breaks = state.pop("breaks", "")
        self.wfile.write(data[start : 22 * MIB if breaks else None])
        if breaks == "reset":
            time.sleep(0.5)  # until all has been sent
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if breaks == "killed":
            state["halfway"].set()
            time.sleep(3)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def shutdown_request(self, request):  # closed at once, without the end that would come before a reset
        self.close_request(request)


server = Server(("localhost", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()


def client(home):
    environment = os.environ | {
        "HF_ENDPOINT": f"http://localhost:{server.server_address[1]}", "HF_HOME": str(home), "NO_PROXY": "localhost",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    command = [sys.executable, str(work / "client.py")]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


seen = []
for breaks in ("ended", "reset"):
    starts.clear()
    state["breaks"] = breaks
    answer = client(work / breaks).communicate(timeout=60)[0].strip()
    seen.append(f"{breaks}: {answer}, requests begin at {', '.join(map(str, starts))}")
starts.clear()
state.update(breaks="killed", halfway=threading.Event())
first = client(work / "killed")
state["halfway"].wait(60)
time.sleep(1)
first.kill()
first.wait()
answer = client(work / "killed").communicate(timeout=60)[0].strip()
left = [path for path in (work / "killed").rglob("*.incomplete") if path.stat().st_size]
seen.append(f"killed: {answer}, requests begin at {', '.join(map(str, starts))}; left in the cache: {len(left)} .incomplete of more than 0 bytes")
expected = [
    "ended: ok, requests begin at 0, 20971520",
    "reset: ReadError, requests begin at 0",
    "killed: ok, requests begin at 0, 0; left in the cache: 1 .incomplete of more than 0 bytes",
]
print("\n".join(seen))
sys.exit(seen != expected)
PY
"$work/venv/bin/python" "$work/check.py" "$work"
