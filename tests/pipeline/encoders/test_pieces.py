"""Batches on the CPU in pieces: the same bits on any number of threads, and nothing outside is changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
import torch
from encoder_models import MODEL, faces, load, seeded_clip

from pipeline.encoders.families.open_clip_tower import open_clip_tower
from pipeline.encoders.runtimes.pieces import PieceThreads, pieces_of

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _threads_restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def lengths(n: int) -> list[int]:
    return [len(piece) for piece in pieces_of(np.empty((n, 1, 1, 3), np.uint8))]


class TestPieces:
    def test_are_the_batch_in_order(self) -> None:
        batch = faces(70, 4)
        assert np.array_equal(np.concatenate(pieces_of(batch)), batch)

    @pytest.mark.parametrize("n", [1, 15, 16, 31])
    def test_a_short_batch_is_one(self, n: int) -> None:
        assert lengths(n) == [n]

    @pytest.mark.parametrize("n", [32, 33, 47, 64, 100, 257])
    def test_none_is_shorter_than_16_rows_or_much_longer(self, n: int) -> None:
        assert sum(lengths(n)) == n
        assert 16 <= min(lengths(n)) <= max(lengths(n)) < 32


class TestThreads:
    def results(self, n_threads: int, work: object = len, n: int = 96) -> list[object]:
        torch.set_num_threads(n_threads)
        pieces = pieces_of(np.arange(3 * n, dtype=np.uint8).reshape(n, 1, 1, 3))
        results = PieceThreads().start(work, pieces)  # type: ignore[arg-type]
        assert results
        return results()

    @pytest.mark.parametrize(("n_threads", "of_each"), [(2, 1), (3, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
    def test_share_the_cores(self, n_threads: int, of_each: int) -> None:
        assert self.results(n_threads, lambda _piece: torch.get_num_threads()) == [of_each] * 6

    def test_leave_the_number_of_the_caller_and_of_new_threads(self) -> None:
        self.results(3)
        with ThreadPoolExecutor(1) as other:
            assert [torch.get_num_threads(), other.submit(torch.get_num_threads).result()] == [3, 3]

    @pytest.mark.parametrize(("n_threads", "n_rows"), [(1, 96), (2, 31)])
    def test_are_none_where_torch_has_one_or_there_is_one_piece(self, n_threads: int, n_rows: int) -> None:
        torch.set_num_threads(n_threads)
        assert PieceThreads().start(len, pieces_of(faces(n_rows, 4))) is None

    def test_follow_a_change_of_the_number(self) -> None:
        threads, pieces = PieceThreads(), pieces_of(faces(32, 4))
        for n_threads, of_each in ((2, 1), (8, 2), (2, 1)):
            torch.set_num_threads(n_threads)
            results = threads.start(lambda _piece: torch.get_num_threads(), pieces)
            assert results
            assert results() == [of_each, of_each]

    def test_an_error_is_raised_and_pieces_that_wait_are_not_begun(self) -> None:
        begun, error_raised = [], threading.Event()

        def work(piece: Pixels) -> None:
            begun.append(piece)
            if piece[0, 0, 0, 0] == 0:
                raise ValueError("first piece")
            error_raised.wait(10)

        with pytest.raises(ValueError, match="first piece"):
            self.results(2, work, n=80)
        error_raised.set()
        assert len(begun) <= 3


class TestEncoders:
    @pytest.mark.parametrize("name", ["mini", "untrained"])
    def test_give_the_same_bits_on_any_number_of_threads_and_whole(self, name: str) -> None:
        encoder, features = load(name), []
        pixels = faces(40, encoder.preprocess.size)
        for n_threads in (1, 2, 5):
            torch.set_num_threads(n_threads)
            features.append(encoder.encode_images(pixels)["pooled"])
        assert np.array_equal(features[0], features[1])
        assert np.array_equal(features[0], features[2])

    def test_take_a_batch_while_they_compute_the_last_one(self) -> None:
        encoder = load("mini")
        batches = [faces(n, encoder.preprocess.size) for n in (40, 64, 33)]
        torch.set_num_threads(1)
        expected = [encoder.encode_images(pixels)["pooled"] for pixels in batches]
        torch.set_num_threads(2)
        settings = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium")  # of the caller, who finds it again
        started = [encoder.start_images(pixels) for pixels in batches]
        found = [result()["pooled"] for result in started if result]
        assert torch.get_float32_matmul_precision() == "medium"
        torch.set_float32_matmul_precision(settings)
        assert [len(values) for values in found] == [40, 64, 33]
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))

    def test_whose_activations_are_captured_take_a_batch_at_once(self) -> None:
        tower = open_clip_tower(seeded_clip(MODEL).visual)
        assert [tower.is_reentrant(names) for names in (("pooled",), ("pooled", "tokens"), ("block-0",))] == [
            True,
            False,
            False,
        ]
