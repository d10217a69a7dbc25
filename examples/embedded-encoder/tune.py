"""Locked-image tuning on cached features: a projection and a text tower are trained, the image tower stays frozen.

Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning". Different from LiT: many captions of
a batch name the same expression, so every picture of an expression is a positive of every caption of it (Yang et al.
2022, "Unified Contrastive Learning in Image-Text-Label Space", eq. 2 to 4), and captions are fewer than pictures and
the same number for each expression, so that rare classes have enough captions.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from captions import LOOKS, captions
from safetensors.torch import load_file, save
from settings import PREPROCESS, TRAINED_ON, VERSION, model_config
from torch import Tensor, nn
from torch.nn import functional as F

from cache import Store, open_store
from pipeline.tables.labels import EXPRESSIONS

SEED = 0
EPOCHS, BATCH, N_CAPTIONS = 16, 512, 128
LR, WEIGHT_DECAY, WARM_UP, DROP = 1e-3, 0.05, 0.1, 0.2
_VAL_PROMPT = "somebody whose face says {}"  # on the validation splits: neither a caption nor one of our prompt sets


@dataclass(frozen=True)
class Rows:
    """Rows of one split under the locked tower.

    Parameters
    ----------
    views : float32 (V, N, W), standardised
    labels : int64 (N,), positions in `EXPRESSIONS`
    looks : N keys of `LOOKS`
    """

    views: Tensor
    labels: npt.NDArray[np.intp]
    looks: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Batch:
    """B pictures and M captions; `same` (B, M) is true where they tell the same expression."""

    images: Tensor
    texts: list[str]
    same: Tensor


def main(features: Path, tower: Path, folder: Path) -> None:
    """Tune, keep the best epoch, write an open_clip folder of float16 weights, and one of float32 to compare."""
    stores = {path.stem.removeprefix("learn-"): open_store(path) for path in sorted(features.glob("learn-*.zarr"))}
    train, val = read(stores, "train"), [read({name: store}, "val") for name, store in stores.items()]
    deviation, mean = torch.std_mean(train.views[0], dim=0)
    for rows in (train, *val):
        rows.views.sub_(mean).div_(deviation)
    torch.manual_seed(SEED)
    model = open_clip.CLIP(**model_config())
    tower_state = load_file(tower / "open_clip_model.safetensors")
    model.load_state_dict({n: v for n, v in tower_state.items() if n.startswith("visual.")}, strict=False)
    tune(model, train, val)
    unstandardise(model.visual.head.mlp.fc1, mean, deviation)
    write(model, folder, torch.float16)
    write(model, folder.with_name(f"{folder.name}-float32"), torch.float32)


def read(stores: Mapping[str, Store], split: str) -> Rows:
    """The usable rows of a split, store after store; of the train split all views."""
    n_views = min(store.n_views() for store in stores.values()) if split == "train" else 1
    views = [np.concatenate([s.features(split, view=view) for s in stores.values()]) for view in range(n_views)]
    labels = np.concatenate([store.labels(split) for store in stores.values()])
    looks = np.repeat(list(stores), [len(store.labels(split)) for store in stores.values()])
    codes = np.array([EXPRESSIONS.index(label) for label in labels])
    return Rows(torch.from_numpy(np.stack(views)).float(), codes, looks)


def projection(model: open_clip.CLIP) -> nn.Module:
    """The layers between the locked tower and the text space."""
    head: nn.Module = model.visual.head
    return head


@torch.no_grad()
def unstandardise(layer: nn.Linear, mean: Tensor, deviation: Tensor) -> None:
    """The first layer of the projection, for features as the tower computes them."""
    layer.weight.div_(deviation)
    layer.bias.sub_(layer.weight @ mean)


def tune(model: open_clip.CLIP, train: Rows, val: list[Rows]) -> None:
    """Train `model`, and load the weights of the epoch with the best validation score."""
    trained = [p for name, p in model.named_parameters() if not name.startswith("visual.trunk.")]
    optimizer = torch.optim.AdamW(trained, LR, weight_decay=WEIGHT_DECAY)
    per_epoch, rng = math.ceil(len(train.labels) / BATCH), np.random.default_rng(SEED)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, EPOCHS * per_epoch, pct_start=WARM_UP)
    best, best_state = 0.0, {}
    for epoch in range(1, EPOCHS + 1):
        for batch in batches(train, per_epoch, rng):
            loss = contrast(similarity(model, batch), batch.same)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            model.logit_scale.data.clamp_(max=math.log(100))  # as CLIP's
        scores = [zero_shot(model, rows) for rows in val]
        mean = sum(map(sum, scores)) / (2 * len(scores))
        print(f"epoch {epoch}: loss {loss.item():.3f}, validation {mean:.4f}, " + scores_text(val, scores), flush=True)
        if mean > best:
            best, best_state = mean, {name: values.clone() for name, values in model.state_dict().items()}
    model.load_state_dict(best_state)


def batches(train: Rows, n: int, rng: np.random.Generator) -> Iterator[Batch]:
    """`n` batches that together have every picture once, in one of its views; additional rows have the captions."""
    for shuffled in np.array_split(rng.permutation(len(train.labels)), n):
        captioned = evenly(train.labels, N_CAPTIONS, rng)
        texts = captions(
            [EXPRESSIONS[c] for c in train.labels[captioned]], [LOOKS[train.looks[i]] for i in captioned], rng
        )
        rows = np.concatenate([captioned, shuffled])
        images = train.views[rng.integers(len(train.views), size=len(rows)), rows]
        yield Batch(images, texts, torch.from_numpy(train.labels[rows, None] == train.labels[captioned]))


def evenly(labels: npt.NDArray[np.intp], n: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """`n` rows, as many of each label."""
    known = np.unique(labels)
    return np.concatenate([rng.choice(np.flatnonzero(labels == label), n // len(known)) for label in known])


def similarity(model: open_clip.CLIP, batch: Batch) -> Tensor:
    """Scaled cosines (B, M)."""
    images = F.normalize(projection(model)(F.dropout(batch.images, DROP)), dim=-1)
    texts = model.encode_text(_tokens(model, batch.texts), normalize=True)
    return model.logit_scale.exp() * images @ texts.T


def contrast(logits: Tensor, same: Tensor) -> Tensor:
    """Cross-entropy from pictures to captions and back; all that tell the same expression share the target."""
    target = same.float()
    to_texts = -(target / target.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()
    to_images = -(target / target.sum(0, keepdim=True) * logits.log_softmax(0)).sum(0).mean()
    return (to_texts + to_images) / 2


@torch.no_grad()
def zero_shot(model: open_clip.CLIP, rows: Rows) -> tuple[float, float]:
    """Accuracy and UAR among the expressions that occur."""
    known = np.unique(rows.labels)
    texts = model.encode_text(_tokens(model, [_VAL_PROMPT.format(EXPRESSIONS[c]) for c in known]), normalize=True)
    predicted = known[(projection(model)(rows.views[0]) @ texts.T).argmax(1).numpy()]
    recalls = [(predicted[rows.labels == label] == label).mean() for label in known]
    return float((predicted == rows.labels).mean()), float(np.mean(recalls))


def scores_text(val: list[Rows], scores: list[tuple[float, float]]) -> str:
    """Accuracy/UAR of each dataset."""
    return ", ".join(
        f"{rows.looks[0]} {accuracy:.3f}/{uar:.3f}" for rows, (accuracy, uar) in zip(val, scores, strict=True)
    )


@cache
def _tokenizer(context_length: int) -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer(context_length=context_length)


def _tokens(model: open_clip.CLIP, texts: list[str]) -> Tensor:
    tokens: Tensor = _tokenizer(model.context_length)(texts)
    return tokens


def write(model: open_clip.CLIP, folder: Path, dtype: torch.dtype) -> None:
    """A folder as it is in the package: weights, open_clip's config, and facts about them."""
    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict().items()
    weights = save({name: values.to(dtype) if values.is_floating_point() else values for name, values in state})
    (folder / "open_clip_model.safetensors").write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    _write_json(folder / "open_clip_config.json", {"model_cfg": model_config(), "preprocess_cfg": PREPROCESS})
    _write_json(folder / "about.json", {"version": VERSION, "sha256": digest, "saw": TRAINED_ON})


def _write_json(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.use_deterministic_algorithms(True)
    main(*(Path(argument) for argument in sys.argv[1:]))
