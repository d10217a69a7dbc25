#!/usr/bin/env bash
# onnxruntime 1.32.0 on Linux: `import onnxruntime` alone writes a device id and a queue of events into the user's cache.
#
# From 1.29 on the packages for Linux are built with telemetry that is on by default; before, it was of Windows only. The
# files come with the import, before a session exists: onnxruntime.disable_telemetry_events(), which has to be called
# after it, is too late for them. The environment variable ORT_DISABLE_TELEMETRY, set before the import, is in time. It
# hits who checks an exported head or model with onnxruntime: a file with an id of the machine appears in the home of
# everybody who runs it. A CI variable also turns it off, so that builds do not show it.
#
# Source: pip package onnxruntime 1.32.0. Exits 0 while that is so, 1 if it has changed.
# Seen on Linux x86_64, Python 3.11, 2026-11-28:
#   import: deviceid onnxruntime.db
#   import, then disable_telemetry_events(): deviceid onnxruntime.db
#   ORT_DISABLE_TELEMETRY=1: nothing
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv; venv/bin/pip -q install onnxruntime==1.32.0
left() { # the files in a new home after some Python
  rm -rf home; mkdir home
  env -u CI -u XDG_CACHE_HOME -u ORT_DISABLE_TELEMETRY HOME="$W/home" TMPDIR="$W" "${@:2}" venv/bin/python -c "$1" >log 2>&1
  find home -type f -printf '%f\n' | sort | xargs
}
a=$(left "import onnxruntime"); echo "import: ${a:-nothing}"
b=$(left "import onnxruntime; onnxruntime.disable_telemetry_events()"); echo "import, then disable_telemetry_events(): ${b:-nothing}"
c=$(left "import onnxruntime" ORT_DISABLE_TELEMETRY=1); echo "ORT_DISABLE_TELEMETRY=1: ${c:-nothing}"
[ "$a" = "deviceid onnxruntime.db" ] && [ "$b" = "$a" ] && [ -z "$c" ]
