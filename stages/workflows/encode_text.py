"""What `encode-text` does: a prompt set and a frozen text tower -> vectors."""

from __future__ import annotations

from cache.errors import OutdatedTextsError, StoreMissingError
from cache.places import AnyPath
from cache.places.links import require_inside
from cache.texts import TextStore, text_key, text_path
from pipeline.encoders import encodes_text, require_text_encoder
from pipeline.progress import OnProgress
from pipeline.prompts import encode_prompts, sentences
from stages.output import say
from stages.params import load_params
from stages.remedies import encoder_written
from stages.requests import EncodeTextRequest
from stages.results import EncodeTextResult
from stages.workflows.known_encoders import known_text_encoder
from stages.workflows.store_identity import provenance_of
from stages.workflows.text_vectors import prompt_classes, text_identity

__all__ = ["encode_text"]


def encode_text(request: EncodeTextRequest, on_progress: OnProgress) -> EncodeTextResult:
    """Encode every template with every class, unless the vectors are there already or it is a dry run."""
    params = load_params(request.params)
    named = request.encoder or params.run.encoders[0]
    name, spec = params.encoder(named)
    prompts = request.prompts or params.prompts
    templates = params.templates(prompts)  # a name without templates is no prompt set, and becomes no file
    classes = prompt_classes(params)
    path = text_path(request.features, name, prompts)
    require_inside(path, request.features)
    encoder = known_text_encoder(spec, request.device, on_progress)
    if encoder.note:
        say(f"note: {encoder.note}")
    if request.if_any and not encodes_text(encoder):
        text_encoder, templates = None, ()  # dvc.yaml is one graph for all encoders; `train` names what is missing
    else:
        text_encoder = require_text_encoder(encoder)
    text = text_identity(text_encoder, templates, classes) if text_encoder else {}
    key = text_key(templates, classes, encoder.identity, text)
    with encoder_written(name, named):
        texts = _existing(path)
    if texts is not None and texts.key == key:
        say(f"{path} is up to date")
    elif request.dry_run:
        texts = None
    else:
        vectors = encode_prompts(text_encoder, templates, classes)
        provenance = provenance_of(encoder, name, spec)
        texts = TextStore(vectors, templates, classes, dict(encoder.identity), provenance, text)
        texts.write(path)
    return EncodeTextResult(
        encoder=name,
        prompts=prompts,
        templates=templates,
        classes=classes,
        sentences=tuple(tuple(sentences(template, classes)) for template in templates),
        vectors=None if texts is None else texts.vectors,
        key=key,
        path=path,
        note=encoder.note,
    )


def _existing(path: AnyPath) -> TextStore | None:
    """The vectors at `path`; None if there are none, or an earlier fer-stage wrote them."""
    try:
        return TextStore.read(path)
    except StoreMissingError:
        return None
    except OutdatedTextsError:
        say(f"{path} is of an earlier fer-stage, without a digest of its vectors: it is encoded again")
        return None
