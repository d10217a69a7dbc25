"""The one order of all label names, the sets of classes, and how names are spelled."""

from __future__ import annotations

from typing import get_args

import pytest

from pipeline.errors import ConfigError, LabelError
from pipeline.tables.labels import (
    ADJECTIVES,
    CLASS_SETS,
    CODE_MAPS,
    COMPOUND,
    COMPOUND_CODE_MAPS,
    EXPRESSIONS,
    LABELS,
    MAFW_CODE_MAPS,
    ClassSet,
    canonical,
    expressions,
    fitting_class_set,
    in_canonical_order,
    is_abbreviation,
)


def test_the_eight_expressions_come_first_with_the_codes_that_they_always_had() -> None:
    eight = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral", "contempt")
    assert LABELS[:8] == EXPRESSIONS == expressions(8) == eight
    assert expressions(7) == eight[:7]


def test_every_label_has_one_place() -> None:
    assert len(set(LABELS)) == len(LABELS) == 25


def test_a_set_of_classes_is_in_canonical_order_and_has_a_name_in_the_type() -> None:
    assert set(get_args(ClassSet)) == set(CLASS_SETS)
    assert {name: len(classes) for name, classes in CLASS_SETS.items()} == {
        7: 7,
        8: 8,
        "mafw": 11,
        "raf-compound": 11,
        "raf-ce": 14,
    }
    assert [name for name, classes in CLASS_SETS.items() if in_canonical_order(classes) != classes] == []


@pytest.mark.parametrize("name", [9, "raf", "7", True])
def test_an_unknown_set_is_refused_with_the_known_ones(name: ClassSet) -> None:
    with pytest.raises(ConfigError, match=r"expected 7, 8, mafw, raf-compound or raf-ce, found"):
        expressions(name)


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("HappilySurprised", "happily surprised"),
        ("happily_surprised", "happily surprised"),
        (" Sadly-Angry ", "sadly angry"),
        ("10_AngrilyDisgusted", "angrily disgusted"),
        ("disgustedly surprised", "disgustedly surprised"),
        ("Anxiety", "anxiety"),
        ("helpless", "helplessness"),
        ("disappointed", "disappointment"),
    ],
)
def test_spellings_of_labels_beyond_the_eight(spelling: str, label: str) -> None:
    assert canonical(spelling) == label


@pytest.mark.parametrize(
    ("code", "label"),
    [
        *(("ANG", "anger"), ("DIS", "disgust"), ("FEA", "fear"), ("HAP", "happiness"), ("NEU", "neutral")),
        *(("SAD", "sadness"), ("SUR", "surprise"), ("sur", "surprise"), ("02_Hap", "happiness")),
    ],
)
def test_codes_of_three_letters_are_spellings(code: str, label: str) -> None:
    assert canonical(code) == label


def test_a_code_begins_its_own_label_and_is_no_other_spelling() -> None:
    """So that no label of another dataset is misread. `AF` is afraid in the names of KDEF alone."""
    codes = ("su", "sur", "fe", "fea", "di", "dis", "ha", "hap", "sa", "an", "ang", "ne", "neu", "co")
    assert all(canonical(code).startswith(code) and is_abbreviation(code.upper()) for code in codes)
    assert not any(map(is_abbreviation, ("sad", "joy", "happy", "anger", "3", "AF")))
    for unknown in ("AF", "EXC", "FRU", "CON", "CAL", "OTH", "ANX"):
        with pytest.raises(LabelError):
            canonical(unknown)


def test_a_compound_label_is_not_one_of_its_parts() -> None:
    with pytest.raises(LabelError, match="Did you mean 'happily surprised'"):
        canonical("happilysurprise")
    assert canonical("happily") == "happiness"


def test_codes_of_raf_compound_count_from_one_in_the_order_of_its_set() -> None:
    assert tuple(COMPOUND_CODE_MAPS["raf-compound"].values()) == CLASS_SETS["raf-compound"]
    assert (COMPOUND_CODE_MAPS["raf-compound"][1], COMPOUND_CODE_MAPS["raf-compound"][11]) == (
        "happily surprised",
        "disgustedly surprised",
    )
    assert 0 not in COMPOUND_CODE_MAPS["raf-compound"]


def test_a_compound_label_is_made_of_two_expressions() -> None:
    assert COMPOUND["sadly fearful"] == ("sadness", "fear")
    assert all(first != second for first, second in COMPOUND.values())
    assert set(COMPOUND) == set(CLASS_SETS["raf-ce"]) > set(CLASS_SETS["raf-compound"])


def test_every_label_has_words_for_prompts() -> None:
    assert set(ADJECTIVES) == set(LABELS)
    assert (ADJECTIVES["happily surprised"], ADJECTIVES["anxiety"]) == ("happily surprised", "anxious")


@pytest.mark.parametrize(
    ("asked", "of_layout", "taken"),
    [
        (7, (7, 8), 7),
        (8, (7, 8), 8),
        ("mafw", (7, 8), 8),  # the eight are among the eleven
        ("raf-compound", (7, 8), 7),
        (7, ("raf-compound",), "raf-compound"),
        ("raf-ce", ("raf-compound",), "raf-compound"),
    ],
)
def test_a_layout_has_the_requested_classes_or_the_most_of_them_that_it_knows(
    asked: ClassSet, of_layout: tuple[ClassSet, ...], taken: ClassSet
) -> None:
    assert fitting_class_set(asked, of_layout) == taken


def test_code_maps_of_compound_labels_are_apart_from_those_of_expressions() -> None:
    """Presets that fit numbers from 1 to 7, and known orders of expressions, are looked for in `CODE_MAPS`."""
    assert {label for codes in CODE_MAPS.values() for label in codes.values()} == set(EXPRESSIONS)


def test_both_orders_of_mafw_have_all_of_its_labels() -> None:
    assert [sorted(codes.values()) for codes in MAFW_CODE_MAPS.values()] == [sorted(CLASS_SETS["mafw"])] * 2
    assert [list(codes) for codes in MAFW_CODE_MAPS.values()] == [list(range(11))] * 2
