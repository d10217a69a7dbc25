"""Whatever happens to a store, in any order: it is what the model says, on every backend."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from cache.backends import BACKENDS
from cache.testing.example import Example
from cache.testing.stateful import DiskMachine, MemoryMachine
from cache.testing.strategies import examples
from cache.upkeep.integrity import verify

FEW = settings(max_examples=12, stateful_step_count=14, deadline=None)
MANY = settings(FEW, max_examples=60, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow])


class ZarrMachine(DiskMachine):
    suffix = ".zarr"


class Hdf5Machine(DiskMachine):
    suffix = ".h5"


class TestZarrInMemory(MemoryMachine.TestCase):
    settings = FEW


class TestZarr(ZarrMachine.TestCase):
    settings = FEW


class TestHdf5(Hdf5Machine.TestCase):
    settings = FEW


@pytest.mark.slow
class TestZarrInMemoryForLong(MemoryMachine.TestCase):
    settings = MANY


@pytest.mark.slow
class TestZarrForLong(ZarrMachine.TestCase):
    settings = MANY


@pytest.mark.slow
class TestHdf5ForLong(Hdf5Machine.TestCase):
    settings = MANY


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@settings(max_examples=25, deadline=None)
@given(example=examples())
def test_any_store_comes_back(tmp_path_factory: pytest.TempPathFactory, backend: object, example: Example) -> None:
    target: Path = tmp_path_factory.mktemp("any") / f"example{backend.suffix}"
    store = example.write(target)
    assert example.is_content_of(store)
    assert verify(store) == []
