"""Every feature stands in its own row, whatever the batches, the shards, the workers and the bad pictures between."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fake_encoder import WIDTH, FakeEncoder
from image_files import BAD, ODD, encoded, jobs_of, noise, write_folder

from pipeline.datasets.images import decode
from pipeline.datasets.roots import open_root
from pipeline.errors import ConfigError, EncoderError
from pipeline.extraction import Extraction, Output, Shard, ShardFeatures, outputs_of
from pipeline.preparation import Job, Preparer
from pipeline.progress import Progress, silent
from pipeline.views import ViewRecipe

PIXELS = 8
# More than the 32 images that a worker prepares at a time, with bad ones at both ends and in the middle.
_GOOD = {f"{i:02}.png": encoded(noise(20, 14, seed=i)) for i in range(35)}
FILES = {"cut-off.jpg": BAD["cut-off.jpg"][0]} | _GOOD | ODD | {name: data for name, (data, _) in BAD.items()}
DARK_DARK_BRIGHT = {f"{i}.png": encoded(np.full((9, 9, 3), value, np.uint8)) for i, value in enumerate((10, 10, 255))}


@contextmanager
def extraction(
    files: Mapping[str, bytes], folder: Path, n_views: int = 1, dtype: str = "float32", **options: Any
) -> Iterator[Extraction]:
    encoder = options.pop("encoder", None) or FakeEncoder()
    given = {"batch_size": 8, "workers": 0} | options
    path = folder / "images"
    with open_root(path if path.exists() else write_folder(files, path)) as root:
        preparer = Preparer(root, encoder.preprocess, (encoder.preprocess.size, PIXELS), ViewRecipe(), seed=0)
        outputs = outputs_of(encoder, ["pooled", "pixels"], dtype, PIXELS)
        yield Extraction(encoder, preparer, outputs, n_views, **given)


def cut(jobs: Sequence[Job], n_rows: int, size: int) -> list[Shard]:
    """Shards of `size` rows; a row without a job is one that was rejected when it was indexed."""
    edges = [range(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
    return [Shard(i, rows, tuple(job for job in jobs if job.row in rows)) for i, rows in enumerate(edges)]


def whole(shards: Sequence[ShardFeatures], output: str = "pooled") -> npt.NDArray[Any]:
    return np.concatenate([shard.blocks[output] for shard in shards], axis=1)


def encode_all(files: Mapping[str, bytes], folder: Path, shard_size: int = 20, **options: Any) -> list[ShardFeatures]:
    n_views = options.get("n_views", 1)
    with extraction(files, folder, **options) as run:
        return list(run.run(cut(jobs_of(files, range(n_views)), len(files), shard_size), silent))


class TestRows:
    def test_hold_their_own_image_and_rejected_ones_hold_nan(self, tmp_path: Path) -> None:
        shards = encode_all(FILES, tmp_path)
        features, pixels = whole(shards)[0], whole(shards, "pixels")[0]
        encoder = FakeEncoder()
        for row, (name, data) in enumerate(FILES.items()):
            if name in BAD:
                assert np.isnan(features[row]).all(), name
                assert not pixels[row].any(), name
                continue
            picture = decode(data)
            alone = encoder.encode_images(encoder.preprocess(picture)[None])[0]
            np.testing.assert_array_equal(features[row], alone, name)
            np.testing.assert_array_equal(pixels[row], encoder.preprocess.with_size(PIXELS)(picture), name)

    def test_reasons_stand_with_the_row_in_its_shard(self, tmp_path: Path) -> None:
        names = list(FILES)
        for number, shard in enumerate(encode_all(FILES, tmp_path, shard_size=20)):
            assert shard.number == number
            rows = range(20 * number, min(20 * number + 20, len(FILES)))
            expected = {row: BAD[names[row]][1] for row in rows if names[row] in BAD}
            assert shard.rejected == expected

    def test_rows_without_a_job_hold_nan(self, tmp_path: Path) -> None:
        jobs = [job for job in jobs_of(FILES) if 10 <= job.row < 12]
        with extraction(FILES, tmp_path) as run:
            features = whole(list(run.run(cut(jobs, 30, 10), silent)))[0]
        assert np.flatnonzero(np.isfinite(features).all(axis=1)).tolist() == [10, 11]
        assert np.isnan(features[[*range(10), *range(12, 30)]]).all()

    def test_views_that_were_not_asked_for_hold_nan(self, tmp_path: Path) -> None:
        files = dict(list(_GOOD.items())[:4])
        train, test = jobs_of(files, views=(0, 1, 2))[:2], jobs_of(files)[2:]
        with extraction(files, tmp_path, n_views=3) as run:
            features = whole(list(run.run(cut([*train, *test], 4, 4), silent)))
            prepared = run.preparer(train[:1])
        train_only = [True, True, False, False]
        assert np.isfinite(features).all(axis=-1).tolist() == [[True] * 4, train_only, train_only]
        np.testing.assert_array_equal(features[:, 0], FakeEncoder().encode_images(prepared.squares[16]))

    @pytest.mark.parametrize("dtype", ["float16", "float32"])
    def test_blocks_have_the_shape_and_dtype_of_their_outputs(self, dtype: str, tmp_path: Path) -> None:
        shards = encode_all(_GOOD, tmp_path, n_views=2, dtype=dtype)
        assert [shard.blocks["pooled"].shape for shard in shards] == [(2, 20, WIDTH), (2, 15, WIDTH)]
        assert [shard.blocks["pixels"].shape for shard in shards] == [(2, 20, 8, 8, 3), (2, 15, 8, 8, 3)]
        assert {shard.blocks["pooled"].dtype for shard in shards} == {np.dtype(dtype)}
        assert {shard.blocks["pixels"].dtype for shard in shards} == {np.dtype(np.uint8)}


class TestBatchesAndShards:
    @pytest.mark.parametrize(
        ("batch_size", "shard_size"), [(1, 50), (3, 7), (8, 1), (32, 33), (5, 64), (100, 1000), (64, 20)]
    )
    def test_change_no_result(self, batch_size: int, shard_size: int, tmp_path: Path) -> None:
        expected = encode_all(FILES, tmp_path, n_views=2)
        found = encode_all(FILES, tmp_path, n_views=2, batch_size=batch_size, shard_size=shard_size)
        for output in ("pooled", "pixels"):
            np.testing.assert_array_equal(whole(found, output), whole(expected, output))

    @pytest.mark.parametrize(("batch_size", "shard_size"), [(1, 9), (8, 20), (16, 35), (64, 20)])
    def test_the_encoder_sees_full_batches_and_no_more_than_it_must(
        self, batch_size: int, shard_size: int, tmp_path: Path
    ) -> None:
        encoder = FakeEncoder()
        encode_all(_GOOD, tmp_path, encoder=encoder, batch_size=batch_size, shard_size=shard_size)
        shards = [min(shard_size, 35 - start) for start in range(0, 35, shard_size)]
        assert encoder.batches == [batch_size] * sum(math.ceil(rows / batch_size) for rows in shards)

    def test_a_shard_encoded_alone_has_the_bytes_it_has_among_all(self, tmp_path: Path) -> None:
        shards = cut(jobs_of(FILES, views=(0, 1)), len(FILES), 20)
        with extraction(FILES, tmp_path, n_views=2) as run:
            among_all = list(run.run(shards, silent))[1]
            (alone,) = run.run(shards[1:2], silent)
        assert alone.number == among_all.number == 1
        for name, block in alone.blocks.items():
            assert block.tobytes() == among_all.blocks[name].tobytes()

    def test_no_shards_are_no_work(self, tmp_path: Path) -> None:
        with extraction(ODD, tmp_path) as run:
            assert list(run.run([], silent)) == []

    def test_workers_change_no_result(self, tmp_path: Path) -> None:
        expected, found = (encode_all(FILES, tmp_path, n_views=2, workers=workers) for workers in (0, 1))
        np.testing.assert_array_equal(whole(found), whole(expected))
        assert [shard.rejected for shard in found] == [shard.rejected for shard in expected]


class TestFeaturesThatAreNotFinite:
    def test_too_large_for_float16_names_row_and_remedy(self, tmp_path: Path) -> None:
        """White times the largest weights is 255 * (0.05 + 0.1 + 0.15) = 76.5; times 2000 it is 153,000 > 65,504."""
        message = r"row 2 is not finite as float16 \(largest value 1\.53e\+05\)\. Use --dtype float32"
        with pytest.raises(EncoderError, match=message):
            encode_all(DARK_DARK_BRIGHT, tmp_path, encoder=FakeEncoder(gain=2000), dtype="float16")
        features = whole(encode_all(DARK_DARK_BRIGHT, tmp_path, encoder=FakeEncoder(gain=2000)))
        assert features.max() == pytest.approx(153_000, rel=1e-5)

    def test_nan_is_no_feature(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match="row 0 is not finite as float32"):
            encode_all(DARK_DARK_BRIGHT, tmp_path, encoder=FakeEncoder(gain=math.nan))

    def test_no_worker_is_left_behind(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError) as caught:
            encode_all(DARK_DARK_BRIGHT, tmp_path, encoder=FakeEncoder(gain=math.nan), workers=1)
        assert not multiprocessing.active_children()
        assert caught.tb  # the frames of the failed run are still held: it was no accident of their deletion


def test_progress_counts_every_image_once_rejected_ones_too(tmp_path: Path) -> None:
    heard: list[Progress] = []
    with extraction(FILES, tmp_path, n_views=2) as run:
        list(run.run(cut(jobs_of(FILES, views=(0, 1)), len(FILES), 20), heard.append))
    done = [progress.done for progress in heard]
    assert done == sorted(set(done))
    assert done[-1] == len(FILES)
    assert {(progress.what, progress.total) for progress in heard} == {("images", len(FILES))}


def test_timings_say_where_the_time_went(tmp_path: Path) -> None:
    with extraction(_GOOD, tmp_path) as run:
        list(run.run(cut(jobs_of(_GOOD), 35, 35), silent))
        assert min(run.timings.encode, run.timings.wait, run.timings.prepare) > 0
        assert run.timings.prepare <= run.timings.wait  # in this process, waiting is preparing


class TestOutputs:
    def test_are_canonical_and_always_hold_the_feature(self) -> None:
        pooled, pixels = Output("pooled", (WIDTH,), "float16"), Output("pixels", (9, 9, 3), "uint8")
        encoder = FakeEncoder()
        assert outputs_of(encoder, [], "float16", 9) == (pooled,)
        assert outputs_of(encoder, ["pixels"], "float16", 9) == (pooled, pixels)
        assert outputs_of(encoder, ["pixels", "pooled"], "float16", 9) == (pooled, pixels)

    @pytest.mark.parametrize(
        ("names", "dtype", "message"),
        [
            (["pooled", "tokens"], "float16", "outputs: expected pooled, pixels, found tokens"),
            (["pooled"], "float64", "dtype: expected float16 or float32, found 'float64'"),
        ],
    )
    def test_unknown_ones_are_refused(self, names: list[str], dtype: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            outputs_of(FakeEncoder(), names, dtype, 9)
