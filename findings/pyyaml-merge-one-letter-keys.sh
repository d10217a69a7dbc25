#!/bin/bash
# PyYAML 6.0.4 merges (`<<`) other values than 6.0.3 and than ruamel.yaml, which DVC reads params.yaml with: where a
# merged mapping has a merge of its own that it overrides, the override is lost, but only of keys of one letter. A face
# box {x, y, w, h} keeps the x of the mapping at the bottom of the chain, while a key `left` beside it is right.
#
# Why: the new flatten_mapping() drops repeated keys by the identity of their text, `id(key.value)`, and keeps the first
# pair, which is the merged one. CPython has one object for each text of one character, so only those are "repeated".
# Consequence: do not rely on chains of merges, or merge by the text of keys; `dvc status` and the program that reads the
# same file with PyYAML see different values.
# Source: pip package PyYAML 6.0.4, yaml/constructor.py, SafeConstructor.flatten_mapping (merge_key_ids).
# Seen on Linux x86_64, Python 3.11, 2026-11-28; safe_load and the C loader alike.
#
# Output seen:
#   PyYAML 6.0.3: {'x': 20, 'left': 20, 'w': 64}
#   PyYAML 6.0.4: {'x': 10, 'left': 20, 'w': 64}
#   ruamel.yaml 0.19.1: {'x': 20, 'left': 20, 'w': 64}
#   as described
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
cat > boxes.yaml <<'Y'
base: &base {x: 10, left: 10}
moved: &moved {<<: *base, x: 20, left: 20}
sized: {<<: *moved, w: 64}
Y
cat > read.py <<'P'
import sys
from importlib.metadata import version

name = sys.argv[1]
with open("boxes.yaml") as file:
    if name == "PyYAML":
        import yaml

        data = yaml.safe_load(file)
    else:
        from ruamel.yaml import YAML

        data = YAML(typ="safe").load(file)
print(f"{name} {version(name)}: {dict(sorted(data['sized'].items(), key=lambda item: ['x', 'left', 'w'].index(item[0])))}")
P
python3 -m venv venv
venv/bin/pip -q install PyYAML==6.0.3 ruamel.yaml==0.19.1; venv/bin/python read.py PyYAML | tee found
venv/bin/pip -q install PyYAML==6.0.4; venv/bin/python read.py PyYAML | tee -a found; venv/bin/python read.py ruamel.yaml | tee -a found
cat > expected <<'T'
PyYAML 6.0.3: {'x': 20, 'left': 20, 'w': 64}
PyYAML 6.0.4: {'x': 10, 'left': 20, 'w': 64}
ruamel.yaml 0.19.1: {'x': 20, 'left': 20, 'w': 64}
T
cmp found expected && echo "as described"
