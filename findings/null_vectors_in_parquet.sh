#!/bin/bash
# A vector that is missing (null) in a Parquet column of vectors, as every table of embeddings has for bad images:
#
# 1. pyarrow 21.0.0 cannot write a null in a fixed-size list column at all, and cannot read one that a newer pyarrow
#    wrote (26.0.1 does both), though its own FixedSizeListArray.from_arrays takes a mask. A plain list works in all.
# 2. DuckDB 2.0.1 computes list_cosine_similarity over rows from VALUES with a NULL among them, but refuses the same
#    rows from a Parquet file ("left argument can not contain NULL values"), also where the query leaves the null rows
#    out by WHERE. array_cosine_similarity over the same file works, and ranks the null last.
# 3. With NaN in place of the null it answers, and ranks the missing vector as the nearest one.
#
# Consequence: write a missing vector as null in a plain list, and search with array_ functions, or leave the row out.
# Source: pip packages pyarrow 21.0.0 and 26.0.1, duckdb 2.0.1; seen on Linux x86_64, Python 3.11, 2026-11-28.
#
# Output seen:
#   pyarrow 21.0.0 writes a null in a fixed-size list: ArrowNotImplementedError: Lists with non-zero length null components are not supported
#   pyarrow 21.0.0 reads one: ArrowInvalid: Expected all lists to be of size=2 but index 3 had size=0
#   pyarrow 21.0.0 reads a null in a plain list: [[0.0, 1.0], [2.0, 3.0], None, [6.0, 7.0]]
#   list_ of VALUES: [(1.0,), (None,)]
#   list_ of Parquet: Invalid Input Error: list_cosine_similarity: left argument can not contain NULL values
#   list_ of Parquet, where v is not null: Invalid Input Error: list_cosine_similarity: left argument can not contain NULL values
#   array_ of Parquet: ['1', '3', '0', '2']
#   list_ of Parquet with NaN: ['2', '1', '3', '0']
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
for v in 21.0.0 26.0.1; do python3 -m venv "venv-$v"; "venv-$v/bin/pip" -q install "pyarrow==$v" numpy==2.2.6; done
venv-26.0.1/bin/pip -q install duckdb==2.0.1

cat > vectors.py <<'P'
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def rows(missing):
    values = pa.array([0.0, 1.0, 2.0, 3.0, float("nan"), float("nan"), 6.0, 7.0], pa.float32())
    mask = pa.array([False, False, True, False]) if missing == "null" else None
    return pa.FixedSizeListArray.from_arrays(values, 2, mask=mask)


def write(path, missing, plain):
    vectors = rows(missing).cast(pa.list_(pa.float32())) if plain else rows(missing)
    pq.write_table(pa.table({"id": ["0", "1", "2", "3"], "v": vectors}), path)


def refusal(work):
    try:
        return work()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
P
venv-26.0.1/bin/python - <<'P'
from vectors import write
write("fixed.parquet", "null", False)
write("plain.parquet", "null", True)
write("nan.parquet", "nan", True)
P
venv-21.0.0/bin/python - <<'P'
import pyarrow.parquet as pq
from vectors import refusal, write
w = refusal(lambda: write("x.parquet", "null", False)); print("pyarrow 21.0.0 writes a null in a fixed-size list:", w)
f = refusal(lambda: pq.read_table("fixed.parquet")["v"].to_pylist()); print("pyarrow 21.0.0 reads one:", f)
p = refusal(lambda: pq.read_table("plain.parquet")["v"].to_pylist()); print("pyarrow 21.0.0 reads a null in a plain list:", p)
assert "null components are not supported" in w and "Expected all lists to be of size=2" in f and p[2] is None
P
venv-26.0.1/bin/python - <<'P'
import duckdb
import pyarrow.parquet as pq
from vectors import refusal
assert pq.read_table("fixed.parquet")["v"].to_pylist()[2] is None
ask = lambda text: refusal(lambda: duckdb.sql(text).fetchall())
near = lambda f, source, where="": ask(f"select id from '{source}' {where} order by {f} desc nulls last")
LIST, ARRAY = "list_cosine_similarity(v, [1, 2]::float[])", "array_cosine_similarity(v::float[2], [1, 2]::float[2])"
a = ask("select list_cosine_similarity(v, [1, 2]::float[]) from (values ([1, 2]::float[]), (null)) t(v)"); print("list_ of VALUES:", a)
b = near(LIST, "plain.parquet"); print("list_ of Parquet:", b)
c = near(LIST, "plain.parquet", "where v is not null"); print("list_ of Parquet, where v is not null:", c)
d = [i for (i,) in near(ARRAY, "plain.parquet")]; print("array_ of Parquet:", d)
e = [i for (i,) in near(LIST, "nan.parquet")]; print("list_ of Parquet with NaN:", e)
assert a[1] == (None,) and "can not contain NULL" in b and "can not contain NULL" in c and d[-1] == "2" and e[0] == "2"
P
echo "as described"
