"""Heads on disk: what is read, what is refused, and that the same logits come back."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from fake_encoder import FakeEncoder
from memory_source import separable_source, text_for
from run_records import calibration, export_record, run_record
from tiny_encoder import tiny_encoder

from pipeline.errors import EncoderError, InputError, MismatchError
from pipeline.images.preprocess import Preprocess
from pipeline.learning.method import TrainingInputs
from pipeline.learning.spec import HeadSpec
from pipeline.methods import config_class, load_method
from pipeline.methods.packing import build_head, pack
from pipeline.predict.head_folder import read_record
from pipeline.predict.saved import read_saved

CLASSES = ("fear", "anger", "neutral")
PREPARED = Preprocess(size=16, resize="squash", mean=(0.25, 0.5, 0.75))
FEATURES = {
    "encoder": FakeEncoder().identity,
    "preprocess": {"decoder": "pillow", **PREPARED.as_json()},
    "precision": "float32",
}


def parts(features=FEATURES):
    """A linear head without training: its weights, and its run.json."""
    head = build_head(HeadSpec("linear", CLASSES, {"pooled": (5,)}, features, "faces"))
    for values in head.parameters():
        values.data.fill_(0.5)
    state, description = pack(head)
    record = run_record(
        description,
        method="linear-probe",
        head_sha256=hashlib.sha256(state).hexdigest(),
        encoder_spec="untrained",
        encoder_named="mine",
        encoder_note="knows nothing",
        calibration=calibration(1.5),
    )
    return state, record


def as_exported(record):
    """head.json of the head of a run."""
    exported = export_record(record["head"])
    return exported | {name: record[name] for name in ("head_sha256", "encoder_spec", "encoder_note", "calibration")}


def write(folder, state, record, name="run.json"):
    folder.mkdir(exist_ok=True)
    (folder / "head.safetensors").write_bytes(state)
    (folder / name).write_text(json.dumps(record))
    return folder


@pytest.fixture
def run(tmp_path):
    return write(tmp_path / "run", *parts())


def change(folder, name="run.json", **changes):
    """Change fields of a record; None takes one away."""
    record = json.loads((folder / name).read_text()) | changes
    (folder / name).write_text(json.dumps({key: value for key, value in record.items() if value is not None}))


def test_a_head_is_read_with_all_that_prediction_needs(run):
    saved = read_saved(run)
    assert (saved.classes, saved.temperature, saved.note) == (CLASSES, 1.5, "knows nothing")
    assert saved.encoder_spec == "untrained"
    assert saved.preprocess == PREPARED
    assert saved.alignment is None
    assert saved.record == read_record(run)
    assert saved.record.as_json() == json.loads((run / "run.json").read_text())


def test_an_exported_head_is_read_as_a_run_is(run, tmp_path):
    state, record = parts()
    exported = read_saved(write(tmp_path / "exported", state, as_exported(record), "head.json"))
    assert exported.build().spec == read_saved(run).build().spec


def test_reading_a_head_does_not_load_torch(run):
    code = "import sys, pathlib, pipeline.predict.saved as s; "
    code += f"s.read_saved(pathlib.Path({str(run)!r})); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "torch" not in done.stdout.split()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("linear-probe", {}),
        ("cliper", {"input": "block-1", "descriptors": 2, "tokens": 1, "first_epochs": 1, "epochs": 1}),
        ("cocoop", {"epochs": 1}),
    ],
)
def test_a_saved_head_gives_the_logits_that_it_was_trained_to(name, options, tmp_path):
    """One that reads features, one that keeps a part of its encoder, one that runs the encoder itself."""
    source = separable_source()
    given = TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())
    head = load_method(name).fit(given, config_class(name)(**options), seed=0).head
    state, description = pack(head)
    folder = write(tmp_path / "run", state, run_record(description, head_sha256=hashlib.sha256(state).hexdigest()))
    inputs = {output: source.features("val", output) for output in head.spec.inputs}
    saved = read_saved(folder)
    again = saved.build(tiny_encoder() if saved.needs_encoder else None)
    np.testing.assert_array_equal(again.predict(inputs), head.predict(inputs))


@pytest.mark.parametrize(
    ("kind", "inputs", "needs", "uses"),
    [
        ("linear", {"pooled": [5]}, False, True),
        ("image", {"pixels": [32, 32, 3]}, False, False),
        ("image-mask", {"pooled": [5], "pixels": [32, 32, 3]}, False, True),
        ("fine-tune", {"pixels": [32, 32, 3]}, True, True),
    ],
)
def test_a_head_tells_whether_it_is_a_part_of_its_encoder_and_whether_it_uses_one(run, kind, inputs, needs, uses):
    change(run, head=head_of(run) | {"kind": kind, "inputs": inputs}, width=5)
    saved = read_saved(run)
    assert (saved.needs_encoder, saved.uses_encoder) == (needs, uses)


@pytest.mark.parametrize("name", ["calibration", "encoder_spec", "head_sha256", "encoder_saw", "recipe", "width"])
def test_a_record_without_a_field_is_refused_with_the_command_that_trains_again(run, name):
    change(run, **{name: None})
    with pytest.raises(InputError, match=rf"run\.json: .* found 1 problem: {name}: Field required$") as error:
        read_saved(run)
    arguments = {"method": "linear-probe", "dataset": "a", "encoder": "mine", "seeds": (0,)}
    assert error.value.remedy == [("train", arguments)]


def test_a_record_that_does_not_tell_what_was_trained_is_refused_in_words(run):
    change(run, dataset=None)
    with pytest.raises(InputError, match=r"dataset: Field required. Train the run again$"):
        read_saved(run)


def head_of(run):
    return json.loads((run / "run.json").read_text())["head"]


def test_note_tells_of_the_text_too(run):
    change(run, text_note="random")
    assert read_saved(run).note == "knows nothing; text: random"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"head": None}, InputError, r"run\.json: expected the record of a trained head, found 1 problem: head"),
        ({"classes": "fear"}, InputError, "classes: Input should be a valid tuple, found 'fear'"),
        (
            {"calibration": calibration() | {"temperature": 0}},
            InputError,
            r"calibration\.temperature: .* or equal to 0\.01, found 0",
        ),
        ({"calibration": calibration() | {"temperature": "1"}}, InputError, r"calibration\.temperature"),
        ({"classes": ["anger", "fear", "neutral"]}, InputError, r"classes: expected expressions in canonical order"),
        ({"classes": ["fear", "neutral"]}, MismatchError, "expected one order of classes"),
        ({"head_sha256": "0" * 64}, MismatchError, r"head\.safetensors is not the head that run\.json describes"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_refused(run, changes, error, words):
    change(run, **changes)
    with pytest.raises(error, match=words):
        read_saved(run)


@pytest.mark.parametrize(
    ("found", "words"),
    [(2, "expected format 1, found 2; update fer-stage if it is newer. Copy the whole"), (None, "found None")],
    ids=["newer", "none"],
)
def test_an_export_of_another_format_is_refused(tmp_path, found, words):
    state, record = parts()
    with pytest.raises(InputError, match=words):
        read_saved(write(tmp_path / "exported", state, as_exported(record) | {"format": found}, "head.json"))


@pytest.mark.parametrize("name", ["run.json", "head.json"])
@pytest.mark.parametrize("text", ['{"head": ', "[]", "\0\xff"], ids=["cut off", "a list", "noise"])
def test_a_damaged_record_is_named_with_what_to_do(run, name, text):
    (run / "run.json").rename(run / name)
    (run / name).write_text(text)
    words = {"run.json": "Train the run again", "head.json": "Copy the whole folder again"}[name]
    with pytest.raises(InputError, match=rf"{name} is damaged .*{words}|{name} is damaged: .*{words}"):
        read_saved(run)


def test_a_head_without_weights_is_refused(run):
    (run / "head.safetensors").unlink()
    with pytest.raises(InputError, match=r"head\.safetensors is missing") as error:
        read_saved(run)
    assert error.value.remedy


def test_cut_off_weights_are_refused_whatever_the_digest(run):
    """Whoever cuts them can compute it; safetensors knows its own length."""
    state = (run / "head.safetensors").read_bytes()
    (run / "head.safetensors").write_bytes(state[:-4])
    with pytest.raises(MismatchError, match="is not the head"):
        read_saved(run)
    change(run, head_sha256=hashlib.sha256(state[:-4]).hexdigest())
    with pytest.raises(InputError, match=r"head\.safetensors is damaged: expected .* bytes of values"):
        read_saved(run)


def test_a_head_of_an_unknown_kind_is_named(run):
    change(run, head=head_of(run) | {"kind": "oracle"})
    for use in (lambda: read_saved(run).needs_encoder, read_saved(run).build):
        with pytest.raises(InputError, match=rf"{run}: head: .*found 'oracle'. It was written by a newer"):
            use()


def test_a_description_that_does_not_say_how_pictures_are_prepared_is_refused(run):
    head = head_of(run)
    change(run, head=head | {"encoder": {"encoder": head["encoder"]["encoder"], "precision": "float32"}})
    with pytest.raises(InputError, match=r"run\.json: .*head\.encoder\.preprocess: Field required"):
        read_saved(run)


def test_a_folder_without_a_head_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"no trained run at .*run\.json, or head\.json of an exported head"):
        read_saved(tmp_path)


def test_the_heads_encoder_is_prepared_as_its_features_were(run):
    assert read_saved(run).require_encoder(FakeEncoder()).preprocess == PREPARED


def test_another_encoder_is_refused_and_the_fields_are_named(run):
    with pytest.raises(MismatchError, match=r"gain: expected 1.0, found 2.0. Name its own encoder with --encoder"):
        read_saved(run).require_encoder(FakeEncoder(gain=2.0))


def test_an_encoder_that_is_loaded_is_compared_too(run):
    with pytest.raises(MismatchError, match=r"family: expected 'fake', found 'open_clip'"):
        read_saved(run).load_encoder("untrained", "cpu", "eager")


def test_an_encoder_by_path_that_is_not_here_can_be_named(run):
    change(run, encoder_spec="timm:resnet18@weights.safetensors")
    with pytest.raises(EncoderError, match=r"weights\.safetensors.*If it is elsewhere .*--encoder"):
        read_saved(run).load_encoder(device="cpu")


def test_the_alignment_of_a_heads_faces_is_kept_apart_from_its_preparation(tmp_path):
    recipe = {"recipe": "five-points", "version": 1, "margin": 0.25}
    features = FEATURES | {"preprocess": FEATURES["preprocess"] | {"alignment": recipe}}
    saved = read_saved(write(tmp_path / "run", *parts(features)))
    assert saved.alignment == recipe
    assert saved.preprocess == PREPARED
