"""The contact sheet of pairs: which ones it shows, and what stays of their text."""

from __future__ import annotations

import pandas as pd
from PIL import ImageFont

from pipeline.audit.sheet import MAX_PAIRS_SHOWN, _shortened, choose_pairs


def pairs_of(n: int, conflicts: set[int], across: set[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": ["phash"] * n,
            "dataset": ["a"] * n,
            "other_dataset": ["b" if i in across else "a" for i in range(n)],
            "conflict": [i in conflicts for i in range(n)],
        }
    )


def test_rare_pairs_are_shown_among_many() -> None:
    chosen = choose_pairs(pairs_of(1000, {3, 501}, {777}))
    assert len(set(chosen)) == MAX_PAIRS_SHOWN
    assert {0, 3, 501, 777, 999} <= set(chosen.tolist())


def test_a_pair_across_datasets_is_shown_among_many_that_contradict() -> None:
    assert 777 in choose_pairs(pairs_of(1000, set(range(700)), {777}))


def test_pairs_that_contradict_are_at_most_half_where_there_are_others() -> None:
    chosen = choose_pairs(pairs_of(1000, set(range(500)), set()))
    assert len(set(chosen)) == MAX_PAIRS_SHOWN
    assert sum(i >= 500 for i in chosen.tolist()) >= MAX_PAIRS_SHOWN // 4


def test_few_pairs_are_all_shown() -> None:
    assert choose_pairs(pairs_of(5, {0, 1, 2, 3}, {4})).tolist() == [0, 1, 2, 3, 4]
    assert choose_pairs(pairs_of(0, set(), set())).tolist() == []


def test_the_label_and_the_end_of_a_name_stay() -> None:
    font = ImageFont.load_default(11)
    shown = _shortened("neutral muxspace train " + "a_very_long_name_" * 20 + "0001.jpg", font, 200)
    assert shown.startswith("neutral ...")
    assert shown.endswith("0001.jpg")
    assert font.getlength(shown) <= 200
    assert _shortened("neutral a train 1", font, 500) == "neutral a train 1"
