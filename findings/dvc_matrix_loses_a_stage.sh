#!/bin/bash
# DVC names a stage of a `matrix` by its values joined with "-". Where two combinations give one name, one of them is
# dropped without a word: no warning at `dvc stage list`, `dvc repro` or `dvc status`, and its output is never made.
# Encoders and datasets have such names often ("clip", "clip-b" x "b-faces", "faces").
#
# Consequence: compare the joined names before DVC sees them, or leave "-" out of all names of one axis.
# Source: pip package dvc 3.67.1, dvc/parsing/__init__.py, MatrixDefinition.normalized_iterable (`ret[key] = d`).
# Seen on Linux x86_64, Python 3.11, 2026-11-28.
#
# Output seen:
#   stages of 2 x 2 combinations: 3
#   made: clip+faces clip-b+b-faces clip-b+faces
#   never made: clip+b-faces; dvc status: Data and pipelines are up to date.
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv; venv/bin/pip -q install dvc==3.67.1
export DVC_NO_ANALYTICS=1 PATH="$W/venv/bin:$PATH"
mkdir project; cd project
cat > dvc.yaml <<'Y'
stages:
  extract:
    matrix:
      encoder: [clip, clip-b]
      dataset: [b-faces, faces]
    cmd: touch ${item.encoder}+${item.dataset}
    outs:
      - ${item.encoder}+${item.dataset}
Y
dvc init --no-scm -q; dvc config core.analytics false
n=$(dvc stage list --name-only | wc -l); echo "stages of 2 x 2 combinations: $n"
dvc repro -q; made=$(ls | grep + | tr '\n' ' '); echo "made: $made"
status=$(dvc status); echo "never made: clip+b-faces; dvc status: $status"
[ "$n" = 3 ] && [ ! -e clip+b-faces ] && grep -q "up to date" <<<"$status" && echo "as described"
