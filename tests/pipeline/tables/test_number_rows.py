"""A column of some numbers a row: what pandas, Parquet and the tables do with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.tables.number_rows import NumberRows, TupleRows

BOXES = [(1, 2, 3, 4), None, (5, 6, 7, 8)]
TYPE = pa.list_(pa.int32())


def column(values: list[object]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, TYPE)])


def rows() -> TupleRows:
    found = TupleRows.of_arrow(column([*BOXES]), 4)
    assert found is not None
    return found


def test_elements_are_tuples_of_python_numbers_or_none() -> None:
    series = pd.Series(rows())
    assert series.tolist() == BOXES
    assert [type(number) for number in series[0]] == [int] * 4
    assert list(series.array) == BOXES
    assert np.asarray(series).tolist() == BOXES
    assert series.isna().tolist() == [False, True, False]


def test_elements_of_number_rows_are_arrays() -> None:
    found = NumberRows.of_arrow(column([*BOXES]))
    assert found is not None
    np.testing.assert_array_equal(found[2], [5, 6, 7, 8])
    assert found[1] is None


def test_what_tables_do_with_a_column_keeps_its_rows() -> None:
    frame = pd.DataFrame({"id": ["a", "b", "c"], "box": rows()})
    assert frame[frame["id"] != "b"]["box"].tolist() == [BOXES[0], BOXES[2]]
    assert frame.head(2).reset_index(drop=True)["box"].tolist() == BOXES[:2]
    assert frame["box"].iloc[[2, 0]].tolist() == [BOXES[2], BOXES[0]]
    assert frame["box"].array[1:].tolist() == BOXES[1:]
    assert pd.concat([frame, frame], ignore_index=True)["box"].tolist() == BOXES * 2
    assert rows().take([2, -1], allow_fill=True).tolist() == [BOXES[2], None]
    assert isinstance(pd.concat([frame, frame])["box"].array, TupleRows)
    copied = frame.copy()
    copied.loc[1, "id"] = "d"
    pd.testing.assert_series_equal(copied["box"], frame["box"])


def test_the_file_is_that_of_python_lists(tmp_path: Path) -> None:
    ours, lists = pa.array(rows(), type=TYPE), pa.array(BOXES, TYPE)
    assert ours.equals(lists)
    for name, values in (("ours", ours), ("lists", lists)):
        pq.write_table(pa.table({"box": values}), tmp_path / name)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "lists").read_bytes()


@pytest.mark.parametrize(
    "values", [[[1, 2, 3]], [[1, 2, 3, 4], [1]], [[1, None, 3, 4]], [[]]], ids=["short", "ragged", "null", "empty"]
)
def test_lists_of_another_length_or_with_a_null_are_no_such_column(values: list[object]) -> None:
    assert TupleRows.of_arrow(column(values), 4) is None


def test_without_a_width_it_is_that_of_the_first_list() -> None:
    found = TupleRows.of_arrow(column([None, [1, 2], [3, 4]]))
    assert found is not None
    assert found.tolist() == [None, (1, 2), (3, 4)]
    assert TupleRows.of_arrow(column([None, None])) is None
    assert TupleRows.of_arrow(column([[1, 2], [3]])) is None


def test_a_column_of_no_rows_or_of_none_with_numbers_is_one() -> None:
    for values in ([], [None, None]):
        found = TupleRows.of_arrow(column([*values]), 4)
        assert found is not None
        assert found.tolist() == values


def test_a_row_takes_its_numbers_and_a_byte() -> None:
    assert rows().nbytes == 3 * (4 * 4 + 1)
