"""What is dealt before anything is drawn."""

from collections import Counter, defaultdict

import pytest

from pipeline.datasets.drawn import STYLES, sample_specs
from pipeline.datasets.drawn.anatomy import ActionUnits
from pipeline.errors import ConfigError
from pipeline.tables.labels import expressions
from pipeline.tables.samples import SPLITS


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("n", [60, 400])
def test_every_split_shows_every_expression(style, n):
    seen = {(spec.split, spec.label) for spec in sample_specs(style, n)}
    assert seen == {(split, label) for split in SPLITS for label in expressions(7)}


@pytest.mark.parametrize("style", STYLES)
def test_a_subject_is_in_one_split_only(style):
    splits = defaultdict(set)
    for spec in sample_specs(style):
        splits[spec.subject].add(spec.split)
    assert all(len(where) == 1 for where in splits.values())


def test_a_subject_keeps_its_face_and_changes_its_expression():
    people = defaultdict(list)
    for spec in sample_specs("sample-d"):
        people[spec.subject].append(spec)
    assert all(len({spec.person for spec in specs}) == 1 for specs in people.values())
    assert len({specs[0].person for specs in people.values()}) == len(people)
    assert any(len({spec.label for spec in specs}) > 1 for specs in people.values())


def test_counts_are_as_uneven_as_in_the_field_and_the_same_for_every_seed():
    """Decks of 40 cards, 10 of them in 400 images: 12, 10, 6, 5, 3, 2, 2 cards times 10."""
    expected = {"happiness": 120, "neutral": 100, "sadness": 60, "surprise": 50, "anger": 30, "disgust": 20, "fear": 20}
    for seed in (0, 7):
        specs = sample_specs("sample-a", 400, seed)
        assert Counter(spec.label for spec in specs) == expected
        assert Counter(spec.split for spec in specs) == {"train": 280, "val": 40, "test": 80}


def test_an_image_does_not_depend_on_how_many_are_asked_for():
    assert sample_specs("sample-c", 400)[:37] == sample_specs("sample-c", 37)


def test_styles_and_seeds_have_people_of_their_own():
    first = [sample_specs(style, 1)[0].person for style in STYLES] + [sample_specs("sample-a", 1, seed=1)[0].person]
    assert len(set(first)) == len(first)


def test_the_first_specs_are_the_same_on_every_machine():
    """Literals of version 1: if they move, raise GENERATOR_VERSION."""
    found = [(spec.id, spec.label, spec.split, spec.subject, spec.occlusion) for spec in sample_specs("sample-a", 2)]
    assert found == [
        ("a00000", "anger", "train", "a-0000", "none"),
        ("a00001", "surprise", "train", "a-0000", "none"),
    ]


@pytest.mark.parametrize("style", STYLES)
def test_neutral_is_near_rest_and_all_others_are_not(style):
    for spec in sample_specs(style):
        if spec.label == "neutral":
            assert spec.intensity <= 0.1
            assert max(vars(spec.units).values()) <= 0.2
        else:
            assert 0.35 <= spec.intensity <= 1
            assert max(vars(spec.units).values()) > 0.2
        assert all(0 <= value <= 1 for value in vars(spec.units).values())


def test_scaling_units_stays_in_range():
    assert ActionUnits(au1=0.9, au4=0.2).scaled(1.25) == ActionUnits(au1=1.0, au4=0.25)


def test_an_unknown_style_is_an_error_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"expected one of sample-a, .*found 'sample-z'"):
        sample_specs("sample-z")


def test_no_images_is_an_error():
    with pytest.raises(ConfigError, match="at least one image of sample-a, found 0"):
        sample_specs("sample-a", 0)
