"""gc: what killed processes left goes; work, pinned and needed stores, and whatever is not ours, stay."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.mmap_copies import mmap_copy
from cache.places import AnyPath, as_path
from cache.places.lock import exclusive, lock_path
from cache.store import open_store
from cache.testing.example import Example
from cache.upkeep.candidates import CandidateKind, CleanupCandidate, candidates_below
from cache.upkeep.cleanup import Decision, Policy, References, canonical_path, clean_up, decide
from cache.upkeep.inventory import COMPLETE, set_pin
from cache.writing.unfinished import building_folder

ALL = Policy(unfinished=True, references=References())  # everything that may be allowed
HOUR_S = 3600.0

leftovers = st.builds(
    CleanupCandidate,
    path=st.just(Path("features/clip/a.zarr")),
    kind=st.sampled_from(CandidateKind),
    n_bytes=st.integers(0, 10**12),
    target=st.just(Path("features/clip/a.zarr")),
    locked=st.booleans(),
    exists=st.booleans(),
    shards=st.integers(0, 3),
    needed=st.booleans(),
    age_s=st.floats(0, 1e6),
    key=st.sampled_from(["", "one", "two"]),
    pinned=st.booleans(),
    state=st.sampled_from([COMPLETE, "damaged", "foreign"]),
)
references = st.builds(
    References,
    paths=st.dictionaries(
        st.sampled_from(["features/clip/a.zarr", "features/clip", "features/b"]).map(
            lambda name: canonical_path(Path(name))
        ),
        st.just("dvc.lock"),
    ),
    keys=st.dictionaries(st.sampled_from(["one", "two"]), st.just("a run")),
)
policies = st.builds(Policy, unfinished=st.booleans(), references=st.none() | references)


def is_removed(candidate: CleanupCandidate, policy: Policy) -> bool:
    decision = decide(candidate, policy)
    return decision is not None and decision.remove


@given(leftovers, policies)
def test_a_store_is_removed_only_if_nothing_could_need_it(candidate: CleanupCandidate, policy: Policy) -> None:
    store = replace(candidate, kind=CandidateKind.STORE)
    if is_removed(store, policy):
        assert policy.references is not None
        assert not store.pinned
        assert not store.locked
        assert store.state == COMPLETE
        assert store.key not in policy.references.keys
        assert not {canonical_path(Path("features/clip/a.zarr")), canonical_path(Path("features/clip"))} & set(
            policy.references.paths
        )


@given(leftovers, policies)
def test_what_a_living_process_works_on_stays(candidate: CleanupCandidate, policy: Policy) -> None:
    if candidate.locked and candidate.kind != CandidateKind.MMAP_COPY:
        assert not is_removed(candidate, policy)


@given(leftovers, policies)
def test_finished_shards_are_removed_only_on_request_or_if_their_store_exists(
    candidate: CleanupCandidate, policy: Policy
) -> None:
    building = replace(candidate, kind=CandidateKind.BUILDING)
    if is_removed(building, policy) and building.shards and building.needed:
        assert policy.unfinished


@given(leftovers, policies)
def test_more_permission_never_keeps_more(candidate: CleanupCandidate, policy: Policy) -> None:
    if is_removed(candidate, policy):
        assert is_removed(candidate, replace(policy, unfinished=True))


@pytest.mark.parametrize(
    ("facts", "removed"),
    [
        ({"kind": CandidateKind.BUILDING, "shards": 0}, True),
        ({"kind": CandidateKind.BUILDING, "shards": 2}, False),
        ({"kind": CandidateKind.BUILDING, "shards": 2, "needed": False}, True),
        ({"kind": CandidateKind.REMOVING}, True),
        ({"kind": CandidateKind.REPLACED, "exists": True}, True),
        ({"kind": CandidateKind.REPLACED, "exists": False}, False),  # killed between two moves: the only copy
        ({"kind": CandidateKind.PARTIAL, "age_s": 2 * HOUR_S}, True),
        ({"kind": CandidateKind.PARTIAL, "age_s": 5.0}, False),  # a living writer's
        ({"kind": CandidateKind.LOCK, "needed": False}, True),
        ({"kind": CandidateKind.LOCK, "needed": True}, False),
        ({"kind": CandidateKind.MMAP_COPY, "needed": False}, True),
        ({"kind": CandidateKind.MMAP_COPY, "needed": True}, False),
        ({"kind": CandidateKind.STORE}, False),
    ],
    ids=str,
)
def test_without_options_only_what_is_of_no_use_is_removed(facts: dict[str, object], removed: bool) -> None:
    path = Path("features/clip/a.zarr")
    candidate = replace(CleanupCandidate(path, CandidateKind.STORE, 1, path), **facts)
    assert is_removed(candidate, Policy()) == removed


def test_a_folder_above_a_store_needs_it_and_a_neighbour_does_not() -> None:
    needed = References(paths={canonical_path(Path("features/clip")): "dvc.lock"})
    assert needed.why(Path("features/clip/a.zarr"), "") == "dvc.lock"
    assert needed.why(Path("./features/../features/clip/a.zarr"), "") == "dvc.lock"
    assert needed.why(Path("features/clip-2/a.zarr"), "") is None


# On disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "features"


def gc(root: AnyPath, policy: Policy | None = None) -> list[Decision]:
    policy = policy or Policy()
    return clean_up([decision for found in candidates_below(root) if (decision := decide(found, policy))], policy)


def removed(root: AnyPath, policy: Policy | None = None) -> set[str]:
    return {decision.candidate.path.name for decision in gc(root, policy) if decision.remove}


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in (root / "clip").iterdir()}


def grow_old(path: Path) -> Path:
    os.utime(path, (time.time() - 2 * HOUR_S,) * 2)
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """As a living process holds a file of its own."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_leftovers_of_killed_writers_go_and_everything_else_stays(root: Path) -> None:
    Example().write(root / "clip" / "a.zarr")
    Example().write(root / "clip" / "a.h5")
    shutil.copytree(root / "clip" / "a.zarr", root / "clip" / ".a.zarr.replaced")
    shutil.copytree(root / "clip" / "a.zarr", root / "clip" / ".a.zarr.building.swept")
    Example().begin(root / "clip" / "b.zarr")
    Example().begin(root / "clip" / "c.h5", [0])
    (root / "clip" / "text").mkdir()
    grow_old(write(root / "clip" / "text" / ".kefer.npz.89abcdef.partial"))
    grow_old(write(root / "clip" / ".a.h5.0123abcd.partial"))
    kept = [
        write(root / "clip" / name) for name in (".kept.partial", "notes.txt", ".a.zarr.pin", ".hidden", "x.partial")
    ]
    kept += [write(root / "clip" / "text" / "kefer.npz"), write(root / "clip" / "text" / ".clip.npz.01234567.partial")]
    keys = {name: open_store(root / "clip" / name).key for name in ("a.zarr", "a.h5")}
    assert removed(root) == {
        ".a.zarr.replaced",
        ".a.zarr.building.swept",
        ".b.zarr.building",
        ".kefer.npz.89abcdef.partial",
        ".a.h5.0123abcd.partial",
    }
    assert all(path.exists() for path in kept)
    assert {name: open_store(root / "clip" / name).key for name in keys} == keys
    assert Example().begin(root / "clip" / "c.h5").pending == [1, 2]
    assert removed(root) == set()


def write(path: Path) -> Path:
    path.write_bytes(b"x")
    return path


def test_finished_shards_are_work_until_the_user_says_otherwise(root: Path) -> None:
    Example().begin(root / "clip" / "a.zarr", [0, 1])
    [decision] = gc(root)
    assert not decision.remove
    assert decision.reason == "2 finished shards of a stopped writer: --unfinished removes them"
    assert removed(root, Policy(unfinished=True)) == {".a.zarr.building"}
    assert names(root) == set()


def test_shards_of_a_finished_store_are_of_no_use(root: Path) -> None:
    """Killed after the store was put into place, or while only its columns were rewritten."""
    target = root / "clip" / "a.h5"
    Example().begin(target, [0, 1, 2])
    shutil.copytree(building_folder(target), root / "kept")
    Example().write(target)
    shutil.copytree(root / "kept", building_folder(target))
    shutil.rmtree(root / "kept")
    assert removed(root) == {".a.h5.building"}
    assert open_store(target).key == Example().key.digest


def test_the_only_copy_of_an_old_store_stays(root: Path) -> None:
    """A writer was killed between two moves: the old store is aside, the new one not in its place."""
    target = root / "clip" / "a.zarr"
    Example().write(target)
    target.rename(target.with_name(".a.zarr.replaced"))
    [decision] = gc(root, ALL)
    assert (decision.remove, decision.reason) == (False, "the only copy of its store")


def test_what_a_living_writer_does_is_left_alone(root: Path) -> None:
    target = root / "clip" / "a.zarr"
    with exclusive(lock_path(target)):
        Example().begin(target, [0])
        Example().write(root / "clip" / "b.zarr")
        (root / "clip" / ".a.zarr.building.swept").mkdir()
        assert removed(root, ALL) == {"b.zarr"}
        with held(grow_old(write(root / "clip" / ".c.npy.0123abcd.partial"))):
            assert removed(root, ALL) == set()
    assert Example().begin(target).pending == [1, 2]


def test_a_store_that_is_being_extracted_again_stays(root: Path) -> None:
    target = root / "clip" / "a.zarr"
    Example().write(target)
    with exclusive(lock_path(target)):
        [decision] = [v for v in gc(root, ALL) if v.candidate.kind == CandidateKind.STORE]
        assert (decision.remove, decision.reason) == (False, "a living process works on it")


def test_locks_of_nothing_go_and_those_of_stores_stay(root: Path) -> None:
    Example().write(root / "clip" / "a.zarr")
    for name in ("a.zarr", "gone.zarr"):  # as a killed holder leaves them
        write(lock_path(root / "clip" / name))
    assert removed(root) == {".gone.zarr.lock"}
    assert names(root) == {"clip/a.zarr", "clip/.a.zarr.lock"}


def test_a_held_lock_of_nothing_stays(root: Path) -> None:
    with exclusive(lock_path(root / "clip" / "soon.zarr")):
        assert removed(root, ALL) == set()
        assert names(root) == {"clip/.soon.zarr.lock"}


def test_work_that_was_finished_since_the_decision_stays(root: Path) -> None:
    target = root / "clip" / "a.zarr"
    Example().begin(target)
    found = [decide(candidate, Policy()) for candidate in candidates_below(root)]
    Example().begin(target, [0])
    [decision] = clean_up([decision for decision in found if decision], Policy())
    assert (decision.remove, Example().begin(target).pending) == (False, [1, 2])


def test_a_store_that_was_pinned_since_the_decision_stays(root: Path) -> None:
    target = root / "clip" / "a.zarr"
    Example().write(target)
    found = [decide(candidate, ALL) for candidate in candidates_below(root)]
    set_pin(target, pinned=True)
    [decision] = clean_up([decision for decision in found if decision], ALL)
    assert (decision.remove, decision.reason) == (False, "pinned")
    assert open_store(target)


def test_of_stores_only_the_unneeded_go(root: Path) -> None:
    for name, seed in (("tracked.zarr", 1), ("run.h5", 2), ("pinned.h5", 3), ("alone.zarr", 4), ("alone.h5", 5)):
        Example(seed=seed).write(root / "clip" / name)
    set_pin(root / "clip" / "pinned.h5", pinned=True)
    (root / "clip" / "foreign.zarr").mkdir()
    needed = References(
        {canonical_path(root / "clip" / "tracked.zarr"): "dvc.lock"}, {Example(seed=2).key.digest: "a run"}
    )
    reasons = {decision.candidate.path.name: decision.reason for decision in gc(root, Policy(references=needed))}
    assert reasons == {
        "tracked.zarr": "dvc.lock",
        "run.h5": "a run",
        "pinned.h5": "pinned",
        "foreign.zarr": "foreign: who needs it is not known",
        "alone.zarr": "nothing refers to it",
        "alone.h5": "nothing refers to it",
    }
    left = {"tracked.zarr", "run.h5", "pinned.h5", ".pinned.h5.pin", "foreign.zarr"}
    assert names(root) == {f"clip/{name}" for name in left}


def test_a_removed_store_is_out_of_sight_before_its_files_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in between: no reader sees half a store, and the next gc removes the rest."""

    class KilledError(BaseException):
        pass

    def killed(_path: Path, **_options: object) -> None:
        raise KilledError

    Example().write(root / "clip" / "a.zarr")
    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KilledError):
        gc(root, ALL)
    monkeypatch.undo()
    assert not (root / "clip" / "a.zarr").exists()
    assert ".a.zarr.swept" in removed(root)
    assert names(root) == set()


def test_a_link_is_removed_and_its_target_stays(root: Path, tmp_path: Path) -> None:
    """DVC may link outputs to its cache."""
    Example().write(tmp_path / "cache" / "a.h5")
    (root / "clip").mkdir(parents=True)
    (root / "clip" / "a.h5").symlink_to(tmp_path / "cache" / "a.h5")
    assert removed(root, ALL) == {"a.h5"}
    assert open_store(tmp_path / "cache" / "a.h5")


def test_memory_mapped_copies_are_removed_when_no_store_has_their_key(root: Path) -> None:
    one, two = (Example(seed=seed).write(root / "clip" / f"{seed}.zarr") for seed in (1, 2))
    for store in (one, two):
        mmap_copy(store.select(split="train"))
    assert removed(root) == set()
    assert isinstance(one.path, Path)
    shutil.rmtree(one.path)
    [name] = removed(root)
    assert name.startswith(one.key)
    assert [path.name.partition(".")[0] for path in (root / ".hot").iterdir()] == [two.key]


def test_what_cannot_be_removed_is_not_called_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Example().begin(root / "clip" / "a.zarr")
    monkeypatch.setattr(shutil, "rmtree", lambda _path, **_options: None)  # it ignores errors
    [decision] = gc(root)
    assert (decision.remove, decision.reason) == (False, "the system refuses to remove all of it")


def test_a_features_root_in_memory_is_cleaned_too(tmp_path: Path) -> None:
    root = as_path(f"memory://{tmp_path.name}/features")
    Example().write(root / "clip" / "a.zarr")
    Example(seed=1).write(root / "clip" / "b.zarr")
    Example().begin(root / "clip" / "c.zarr")
    needed = References({str(root / "clip" / "a.zarr"): "dvc.lock"})
    assert removed(root, Policy(references=needed)) == {"b.zarr", ".c.zarr.building"}
    assert open_store(root / "clip" / "a.zarr")


def test_nothing_below_a_root_that_is_not_there(tmp_path: Path) -> None:
    assert candidates_below(tmp_path / "nowhere") == []
