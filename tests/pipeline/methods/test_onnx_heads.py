"""The head of every method as ONNX, run by onnxruntime: what PyTorch gives, for any number of rows."""

import json

import numpy as np
import pytest
import torch
from memory_clips import source_for
from memory_source import text_for
from overfit import OVERFIT
from tiny_encoder import tiny_encoder

from pipeline.errors import InputError
from pipeline.learning.clips import stored_output
from pipeline.learning.method import TrainingInputs
from pipeline.learning.probabilities import softmax
from pipeline.learning.spec import HeadSpec
from pipeline.methods import config_class, load_method, method_names
from pipeline.methods.probe.heads import LinearHead
from pipeline.predict.export import graph
from pipeline.tables.labels import EXPRESSIONS

onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'fer-stage[onnx]'")

TEMPERATURE = 1.7
REFUSED = ["cocoop"]


def trained(name):
    few = {"epochs": 2} if "epochs" in OVERFIT[name] else {}
    source = source_for(name)
    given = TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())
    return load_method(name).fit(given, config_class(name)(**OVERFIT[name] | few), seed=0).head


def rows(name, head, n):
    source = source_for(name)
    arrays = {output: source.features("val", stored_output(output))[:n] for output in head.spec.inputs}
    if "frames" in arrays:  # each a little longer than the one before
        lengths = 1 + 0.1 * np.arange(head.spec.inputs["frames"][0])[:, None]
        arrays["frames"] = arrays["frames"][:, None] * lengths
    return {name: v if v.dtype == np.uint8 else v.astype(np.float32) for name, v in arrays.items()}


@pytest.mark.parametrize("name", [name for name in method_names() if name not in REFUSED])
def test_onnx_gives_what_pytorch_gives(name):
    head = trained(name)
    session = onnxruntime.InferenceSession(graph.export_graph(head, TEMPERATURE).data)
    assert [value.name for value in session.get_inputs()] == list(head.spec.inputs)
    for n in (1, 3, 16):
        expected = head.predict(rows(name, head, n))
        logits, probabilities = session.run(["logits", "probabilities"], rows(name, head, n))
        assert logits.shape == probabilities.shape == (n, len(head.spec.classes))
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))
        np.testing.assert_allclose(probabilities, softmax(expected, TEMPERATURE), rtol=0, atol=1e-5)


def test_a_graph_tells_its_classes_and_temperature():
    found = graph.export_graph(trained("linear-probe"), TEMPERATURE)
    metadata = onnxruntime.InferenceSession(found.data).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["fer-stage.classes"]) == list(EXPRESSIONS[:7])
    assert float(metadata["fer-stage.temperature"]) == TEMPERATURE
    assert found.difference <= 1e-5


@pytest.mark.parametrize("name", REFUSED)
def test_a_head_that_runs_its_encoder_is_refused(name):
    with pytest.raises(InputError, match="cannot be written as ONNX: it runs its encoder's text tower"):
        graph.export_graph(trained(name), TEMPERATURE)


class _Predicts(LinearHead):
    """Its predictions are not what its layer computes."""

    def predict(self, arrays):
        return super().predict(arrays) + np.arange(3, dtype=np.float32)


class _Branches(LinearHead):
    """What it computes depends on the values that it sees."""

    def logits(self, inputs):
        return super().logits(inputs) if inputs["pooled"].sum() > 0 else inputs["pooled"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (_Predicts, "expected PyTorch's probabilities within 1e-05, found a difference of"),
        (_Branches, "cannot write it as ONNX: .* Export it without --onnx"),
    ],
)
def test_a_graph_that_is_not_the_head_is_not_given_away(kind, words):
    head = kind(HeadSpec("linear", ("fear", "anger", "neutral"), {"pooled": (3,)}, {}, "faces"))
    head.reset(torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match=words):
        graph.export_graph(head, 1.0)
