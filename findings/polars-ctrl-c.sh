#!/usr/bin/env bash
# polars 2.1.0: after `import polars`, Ctrl-C no longer ends a wait for a lock that has no time limit.
#
# polars registers a handler of SIGINT of its own, which calls Python's; but it has the system restart what the signal
# interrupted. CPython counts on the wait being broken off: without that, KeyboardInterrupt comes only when the lock is
# given. That hits whoever waits for a thread: future.result(), queue.get(), Event.wait(), a loader that reads ahead. A
# wait with a limit, such as wait((future,), timeout=0.2) in a loop, is not affected.
#
# Source: pip package polars 2.1.0. Exits 0 while that is so, 1 if it has changed.
# Seen on Linux x86_64, Python 3.11, 2026-11-28:
#   without polars, no limit: KeyboardInterrupt while waiting
#   with polars, no limit: KeyboardInterrupt after the wait
#   with polars, in steps: KeyboardInterrupt while waiting
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv; venv/bin/pip -q install polars==2.1.0
cat > wait.py <<'P'
import signal, sys, threading, time

if "polars" in sys.argv:
    import polars
released, main = threading.Event(), threading.main_thread().ident


def work():
    time.sleep(0.5)
    signal.pthread_kill(main, signal.SIGINT)
    time.sleep(2)
    released.set()


threading.Thread(target=work, daemon=True).start()
try:
    if "steps" in sys.argv:
        while not released.wait(0.2):
            pass
    else:
        released.wait()
except KeyboardInterrupt:
    print("KeyboardInterrupt", "after the wait" if released.is_set() else "while waiting")
P
a=$(venv/bin/python wait.py); echo "without polars, no limit: $a"
b=$(venv/bin/python wait.py polars); echo "with polars, no limit: $b"
c=$(venv/bin/python wait.py polars steps); echo "with polars, in steps: $c"
[ "$a" = "KeyboardInterrupt while waiting" ] && [ "$b" = "KeyboardInterrupt after the wait" ] && [ "$c" = "$a" ]
