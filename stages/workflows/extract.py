"""What `extract` does: decide from the key what has to be encoded, have it encoded, write the store."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import StoreLockedError
from cache.keys import differences
from cache.places import AnyPath
from cache.places.links import require_inside
from cache.places.lock import exclusive, is_held, lock_path
from cache.shard_records import ShardRecord
from cache.upkeep.inventory import targets_below
from cache.writing.unfinished import building_folder
from cache.writing.writer import StoreWriter
from pipeline.images.rejects import AlikeRejects
from pipeline.progress import OnProgress
from pipeline.timings import Timings
from pipeline.video.identity import decoder_version
from stages.output import say
from stages.remedies import command_line
from stages.requests import ExtractRequest
from stages.results import ExtractResult
from stages.workflows.extract_plan import ExtractPlan, plan_extract
from stages.workflows.parity import measure_parity, sample_images
from stages.workflows.reused_rows import CheckedReuse, check_finished_shards, check_reuse
from stages.workflows.row_checks import CheckResult, RowChecker, usable_images
from stages.workflows.row_sources import RowSources, ShardTasks
from stages.workflows.shard_encoder import ShardEncoder
from stages.workflows.shards import LazyRoot
from stages.workflows.store_identity import provenance_of
from stages.workflows.tables import index_named

__all__ = ["extract"]

_POLL_S = 0.5
_WORTH_BUILDING = 4096  # images: a fast tower takes 3 s to build, which it saves on about so many in the worst case


def extract(request: ExtractRequest, on_progress: OnProgress) -> ExtractResult:
    """Encode what no finished shard and no other store holds, and write the store unless it is a dry run."""
    with index_named(request):
        plan = plan_extract(request, on_progress)
        require_inside(plan.target, request.features)
        if plan.encoder.note:
            say(f"note: {plan.encoder.note}")
        return plan.preview() if request.dry_run else _run(plan, on_progress)


def _run(plan: ExtractPlan, on_progress: OnProgress) -> ExtractResult:
    start = time.perf_counter()
    if (store := plan.store_up_to_date()) is None:
        with exclusive(lock_path(plan.target)):
            # Checked again: another process may have finished the store before this one held the lock.
            if (store := plan.store_up_to_date()) is None:
                with _exclusive_images(plan):
                    return _write(plan, start, on_progress)
    say(f"{plan.target} is up to date")
    return plan.result(0, store.manifest.rejected, time.perf_counter() - start)


@contextmanager
def _exclusive_images(plan: ExtractPlan) -> Iterator[None]:
    """Wait while another extract encodes the same features under another name: its rows can then be copied.

    Features are the same where the key is. The lock dies with its holder, so that a killed one is not waited for.
    """
    if not plan.request.reuse or not isinstance(plan.target, Path):
        yield
        return
    path, is_waiting = lock_path(plan.target.with_name(f"{plan.key.digest[:16]}.zarr")), False
    with ExitStack() as locks:
        while True:
            try:
                locks.enter_context(exclusive(path))
                break
            except StoreLockedError as error:
                if not is_waiting:
                    say(f"waiting for another extract of the same images, whose rows are then copied: {error}")
                is_waiting = True
                time.sleep(_POLL_S)
        if others := _concurrent_extracts(plan.target):
            say(
                f"note: another extract is running in {plan.target.parent}: {', '.join(others)}. Images that both "
                "have are encoded by both; one after the other, they are copied"
            )
        yield


def _concurrent_extracts(target: Path) -> list[str]:
    """Names of other unfinished stores in the folder of the target that a running process writes."""
    others = (other for other in targets_below(target.parent) if other != target and building_folder(other).exists())
    return [other.name for other in others if is_held(lock_path(other))]


def _write(plan: ExtractPlan, start: float, on_progress: OnProgress) -> ExtractResult:
    _say_why_replaced(plan)
    writer = StoreWriter(plan.target, plan.key, plan.schema)
    if writer.done:
        say(f"{plan.target}: {len(writer.done)} of {writer.schema.n_shards} shards are finished already")
    with LazyRoot(plan.root.absolute()) as images:
        checked = _check_rows(plan, writer, images)
        sources = plan.row_sources(checked.reuse)
        # What is finished, or was copied, shows that images of this dataset can be used.
        is_new = bool(sources.images) and not (writer.done or checked.reuse.used())
        alike = AlikeRejects() if is_new and plan.request.max_rejected < 1 else None
        runtime, n_encoded = _runtime(plan, sources), 0
        encoder = plan.encoder.with_runtime(runtime)
        with ShardEncoder(plan.encoding(runtime), encoder, alike, images) as shard_encoder:
            tasks = sources.shard_tasks(writer.pending, plan.schema)
            for record in _encoded_shards(plan, shard_encoder, tasks, on_progress):
                writer.add_record(record)
                n_shard = sources.n_encoded(plan.schema.rows(record.shard), record.rejected)
                n_encoded += n_shard
                if alike and _is_distributed(plan.request):
                    _add_to(alike, record, n_shard, plan)
            provenance = _provenance(plan, writer, shard_encoder, checked, sources)
    writer.finish(plan.columns(writer.rejected), plan.dataset_info, provenance)
    seconds = time.perf_counter() - start
    if shard_encoder.timings.encode:  # else workers of a cluster have it
        say(_time_shares(shard_encoder.timings, seconds))
    return plan.result(n_encoded, writer.rejected, seconds)


def _say_why_replaced(plan: ExtractPlan) -> None:
    """Why the finished store at the target is replaced: two encoders may have folders of one name."""
    store = plan.finished_store()
    if store is None or store.key == plan.key.digest:
        return
    fields = ", ".join(differences(store.manifest.key_fields, plan.key.fields()))
    before, now = str(store.manifest.provenance.get("encoder_spec", "")), str(plan.spec)
    other = f" It is of {before}, and will be of {now}." if before not in ("", now) else ""
    say(f"{plan.target} is replaced, as it differs in {fields}.{other}")


def _check_rows(plan: ExtractPlan, writer: StoreWriter, images: LazyRoot) -> CheckedReuse:
    """What other stores hold, and what a stopped writer finished, as far as a sample that is encoded again agrees."""
    encoding = plan.encoding("eager")  # rows are encoded again by the encoder's reference, whatever the runtime
    checker = RowChecker(
        plan.images,
        lambda: encoding.preparer(images.root),
        plan.encoder,
        [output.name for output in plan.outputs],
        np.random.default_rng(secrets.randbits(64)),
    )
    if writer.done:
        _check_finished(plan, writer, check_finished_shards(writer, checker))
    checked = check_reuse(plan.find_reusable, checker)
    for path, problem in checked.refused.items():
        say(
            f"note: no row of {path} is reused: rows encoded again differ. {problem}. They are encoded now. To see "
            f"what is wrong there: `{_verify_command(plan, path)}`"
        )
    for path, (n_rows, why) in checked.not_checked.items():
        say(
            f"note: {n_rows:,} rows of {path} are reused, not checked: no image of a sample can be read ({why}). "
            f"With the images: `{_verify_command(plan, plan.target)}`"
        )
    if checked.false_rejects:
        say(f"note: images that another store could not use are tried again: {checked.false_rejects}")
    return checked


def _check_finished(plan: ExtractPlan, writer: StoreWriter, result: CheckResult) -> None:
    """Discard the finished shards of a stopped writer if their sample differs."""
    if result.problem:
        say(
            f"note: the finished shards of {plan.target} are encoded again: rows encoded again differ. {result.problem}"
        )
        writer.restart()
    elif result.unreadable and not result.n_rows:
        say(
            f"note: the finished shards of {plan.target} are used, not checked: no image of a sample can be read "
            f"({result.unreadable}). With the images: `{_verify_command(plan, plan.target)}`"
        )


def _verify_command(plan: ExtractPlan, store: AnyPath) -> str:
    return command_line("store verify", {"stores": (str(store),), "deep": True, "root": plan.root})


def _runtime(plan: ExtractPlan, sources: RowSources) -> str:
    """`auto` depends on all that has to be encoded, not on what remains: a resumed store is the same bytes."""
    few = plan.request.runtime == "auto" and len(sources.images) < _WORTH_BUILDING
    return "eager" if few else plan.request.runtime


def _is_distributed(request: ExtractRequest) -> bool:
    return request.workers > 1 or bool(request.scheduler)


def _encoded_shards(
    plan: ExtractPlan, shard_encoder: ShardEncoder, tasks: ShardTasks, on_progress: OnProgress
) -> Iterator[ShardRecord]:
    request, n_images = plan.request, tasks.n_images
    if plan.table.info.unit == "clip":
        on_progress = _of_frames(on_progress)
    if not n_images or not _is_distributed(request):
        yield from shard_encoder.encode(tasks, n_images, on_progress)
        return
    from stages.workflows.cluster import open_cluster  # takes most of a second, and few extracts need it

    with open_cluster(request.workers, request.scheduler) as cluster:
        yield from cluster.encode(shard_encoder.encoding, tasks, n_images, on_progress)


def _of_frames(on_progress: OnProgress) -> OnProgress:
    """The images of clips are called what they are."""
    return lambda step: on_progress(replace(step, what="frames") if step.what == "images" else step)


def _add_to(alike: AlikeRejects, record: ShardRecord, n_encoded: int, plan: ExtractPlan) -> None:
    """A worker of a cluster has only its own shard, not those of the others."""
    if n_encoded:
        alike.add("", "")
    for row, reason in record.rejected.items():
        alike.add(str(plan.table.frame["path"][row]), reason)


def _provenance(
    plan: ExtractPlan, writer: StoreWriter, shard_encoder: ShardEncoder, checked: CheckedReuse, sources: RowSources
) -> Mapping[str, Any]:
    """What made the features. Where all of them are those of the store before, its provenance."""
    before = plan.store_with_key()
    if before and not sources.images and before.path not in checked.refused:
        return dict(before.manifest.provenance)
    parity = _parity(plan, writer, shard_encoder, checked, sources)
    provenance = provenance_of(plan.encoder, plan.encoder_name, plan.spec)
    if plan.table.info.video_decoder:
        provenance["video_decoder"] = decoder_version()
    return {**provenance, "runtime": shard_encoder.encoder.runtime, "parity": parity, **checked.provenance()}


def _parity(
    plan: ExtractPlan, writer: StoreWriter, shard_encoder: ShardEncoder, checked: CheckedReuse, sources: RowSources
) -> dict[str, Any]:
    """Of rows that were encoded now; of copied ones where all are. Their images may be gone by then."""
    plain = sources.images.plain_views(without=writer.rejected)
    if plain or not checked.reuse.used() or checked.not_checked:
        return measure_parity(sample_images(plain, plan.key.digest), writer, shard_encoder)
    images = plan.images
    copied = images.with_views(images.plain & checked.reuse.has_plain, images.augmented).plain_views(writer.rejected)
    usable = usable_images(sample_images(copied, plan.key.digest), shard_encoder.preparer)
    return measure_parity(usable, writer, shard_encoder, encoded=False)


def _time_shares(timings: Timings, seconds: float) -> str:
    parts = {"encoder": timings.encode, "waiting for images": timings.wait}
    parts["store and start"] = max(0.0, seconds - sum(parts.values()))
    shares = ", ".join(f"{name} {part:.1f} s ({part / seconds:.0%})" for name, part in parts.items())
    work = f"read {timings.read:.1f} s, decode {timings.decode:.1f} s, resize {timings.resize:.1f} s"
    return f"time: {shares}; decoders: {work}"
