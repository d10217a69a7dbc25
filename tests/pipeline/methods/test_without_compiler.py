"""torch's compiler, which takes longer to import than a light head to train, is not imported for training."""

import os
import subprocess
import sys

HEADS = """
import sys
import numpy as np
from memory_source import MemorySource
from overfit import OVERFIT
from pipeline.learning.method import TrainingInputs
from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.methods import config_class, load_method
from pipeline.text_features import TextFeatures

encoder = load_encoder(EncoderSpec.parse("mini"), "cpu", "eager")
classes, rng = ("fear", "neutral"), np.random.default_rng(0)
vectors = encoder.encode_text([f"a face of {name}" for name in classes])[None]
text = TextFeatures(vectors, classes, ("a face of {}",), encoder.text_identity, "0")
rows, labels = rng.standard_normal((1, 8, 512), np.float32), np.array(classes * 4)
others = {"tokens": rows.reshape(1, 8, 16, 32), "pixels": rng.integers(256, size=(1, 8, 32, 32, 3), dtype=np.uint8)}
source = MemorySource(
    {split: (rows, labels) for split in ("train", "val")},
    encoder={"encoder": encoder.identity, "preprocess": encoder.preprocess.as_json(), "precision": "float32"},
    classes=classes,
    others={output: {"train": values, "val": values} for output, values in others.items()},
)
inputs = TrainingInputs(source, classes, text, encoder)
for name in ("baseline", "cafe", "cocoop", "coop", "feature-mask", "kefer", "linear-probe", "metd", "token-mask"):
    changes = {"epochs": 1} if "epochs" in OVERFIT[name] else {}
    seeds = [(config_class(name)(**OVERFIT[name] | changes), seed) for seed in (0, 1)]
    for _, _, result in load_method(name).fit_groups([(inputs, seeds)]):
        assert result.head, result
print({"torch._dynamo", "sympy", "torchvision"} & set(sys.modules))
"""


def test_training_imports_no_compiler():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = [sys.executable, "-c", HEADS]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
