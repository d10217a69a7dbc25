"""Every feature is in its own row, whatever the batches, the shards, the workers and the bad pictures between."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extractions import PIXELS, cut, extraction, extraction_of, whole
from fake_encoder import WIDTH, FakeEncoder
from image_files import BAD, ODD, encoded, image_rows_of, noise, write_folder, write_tar_gz, write_zip

from pipeline.datasets.roots import open_root
from pipeline.errors import DatasetError, EncoderError, MismatchError
from pipeline.extraction import Shard, empty_blocks
from pipeline.images.decode import decode
from pipeline.progress import Progress, silent

# More than the 32 images that a worker prepares at a time, with bad ones at both ends and in the middle.
_GOOD = {f"{i:02}.png": encoded(noise(20, 14, seed=i)) for i in range(35)}
FILES = {"cut-off.jpg": BAD["cut-off.jpg"][0]} | _GOOD | ODD | {name: data for name, (data, _) in BAD.items()}
DARK_DARK_BRIGHT = {f"{i}.png": encoded(np.full((9, 9, 3), value, np.uint8)) for i, value in enumerate((10, 10, 255))}


def encode_all(files: Mapping[str, bytes], folder: Path, shard_size: int = 20, **given: Any) -> list[Shard]:
    images = image_rows_of(files, range(given.get("n_views", 1)))
    with extraction(files, folder, **given) as run:
        return list(run.run(cut(run, images, len(files), shard_size), len(images), silent))


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
            alone = encoder.encode_images(encoder.preprocess(picture)[None])["pooled"][0]
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
        images = [image for image in image_rows_of(FILES) if 10 <= image.row < 12]
        with extraction(FILES, tmp_path) as run:
            features = whole(list(run.run(cut(run, images, 30, 10), 2, silent)))[0]
        assert np.flatnonzero(np.isfinite(features).all(axis=1)).tolist() == [10, 11]
        assert np.isnan(features[[*range(10), *range(12, 30)]]).all()

    def test_views_that_were_not_asked_for_hold_nan(self, tmp_path: Path) -> None:
        files = dict(list(_GOOD.items())[:4])
        train, test = image_rows_of(files, views=(0, 1, 2))[:2], image_rows_of(files)[2:]
        with extraction(files, tmp_path, n_views=3) as run:
            features = whole(list(run.run(cut(run, [*train, *test], 4, 4), 4, silent)))
            prepared = run.preparer(train[:1])
        train_only = [True, True, False, False]
        assert np.isfinite(features).all(axis=-1).tolist() == [[True] * 4, train_only, train_only]
        np.testing.assert_array_equal(features[:, 0], FakeEncoder().encode_images(prepared.squares[16])["pooled"])

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
        images = image_rows_of(FILES, views=(0, 1))
        with extraction(FILES, tmp_path, n_views=2) as run:
            among_all = list(run.run(cut(run, images, len(FILES), 20), len(images), silent))[1]
            (alone,) = run.run(list(cut(run, images, len(FILES), 20))[1:2], 0, silent)
        assert alone.number == among_all.number == 1
        for name, block in alone.blocks.items():
            assert block.tobytes() == among_all.blocks[name].tobytes()

    def test_no_shards_are_no_work(self, tmp_path: Path) -> None:
        with extraction(ODD, tmp_path) as run:
            assert list(run.run([], 0, silent)) == []

    def test_without_images_come_out_in_order_unchanged(self, tmp_path: Path) -> None:
        files = dict(list(_GOOD.items())[:6])
        encoder = FakeEncoder()
        with extraction(files, tmp_path, encoder=encoder) as run:
            shards = list(cut(run, image_rows_of(files)[2:3], 6, 1))
            shards[4].blocks["pooled"][...] = 7
            done = list(run.run(shards, 1, silent))
        assert [shard.number for shard in done] == list(range(6))
        assert [shard.blocks for shard in done] == [shard.blocks for shard in shards]
        assert whole(done)[0, :, 0].tolist()[3:] == pytest.approx([math.nan, 7, math.nan], nan_ok=True)
        assert len(encoder.batches) == 1

    def test_keep_what_is_not_encoded(self, tmp_path: Path) -> None:
        files = dict(list(_GOOD.items())[:3])
        image = image_rows_of(files, views=(1,))[1]
        with extraction(files, tmp_path, n_views=2) as run:
            (shard,) = cut(run, [image], 3, 3)
            shard.blocks["pooled"][...], shard.blocks["pixels"][...] = 7, 9
            (done,) = run.run([shard], 1, silent)
            prepared = run.preparer([image])
        expected = np.full((2, 3, WIDTH), 7, np.float32)
        expected[1, 1] = FakeEncoder().encode_images(prepared.squares[16])["pooled"][0]
        np.testing.assert_array_equal(done.blocks["pooled"], expected)
        np.testing.assert_array_equal(done.blocks["pixels"][1, 1], prepared.squares[PIXELS][0])
        assert (np.delete(done.blocks["pixels"].reshape(6, -1), 4, axis=0) == 9).all()

    @pytest.mark.parametrize("write", [write_folder, write_tar_gz, write_zip])
    def test_decoders_change_no_result(
        self, write: Callable[[Mapping[str, bytes], Path], Path], tmp_path: Path
    ) -> None:
        files = {name: data for name, data in FILES.items() if name != "hair.png"}
        images = image_rows_of(files, views=(0, 1)) * 3  # the same rows three times: a few tasks for each thread
        found = []
        with open_root(write(files, tmp_path / "images")) as root:
            for decoders in (1, 4):
                with extraction_of(root, FakeEncoder(), n_views=2, decoders=decoders) as run:
                    found.append(list(run.run(cut(run, images, len(files), 40), 0, silent)))
        np.testing.assert_array_equal(whole(found[0]), whole(found[1]))
        np.testing.assert_array_equal(whole(found[0], "pixels"), whole(found[1], "pixels"))
        assert [shard.rejected for shard in found[0]] == [shard.rejected for shard in found[1]]

    @pytest.mark.parametrize(("dtype", "n_views"), [("float16", 1), ("float32", 2)])
    def test_blocks_made_for_something_else_are_refused(self, dtype: str, n_views: int, tmp_path: Path) -> None:
        """A store of float16 must not get blocks that were float32 and were cast silently."""
        with extraction(ODD, tmp_path) as run, extraction(ODD, tmp_path, dtype=dtype, n_views=n_views) as other:
            blocks = empty_blocks(other.outputs, n_views, 3)
            message = rf"block pooled of shard 4: expected float32 \(1, 3, 5\), found {dtype} \({n_views}, 3, 5\)"
            with pytest.raises(MismatchError, match=message):
                list(run.run([Shard(4, range(3), (), blocks)], 0, silent))


def test_all_that_an_encoder_gives_can_be_kept(tmp_path: Path) -> None:
    names = ["pooled", "tokens", "block-1", "pixels"]
    shards = encode_all(FILES, tmp_path, names=names, dtype="float16")
    picture = FakeEncoder().preprocess(decode(FILES["07.png"]))
    expected = FakeEncoder().encode_images(picture[None], names[:3])
    row = list(FILES).index("07.png")
    assert list(shards[0].blocks) == names
    for name in names[:3]:
        np.testing.assert_array_equal(whole(shards, name)[0, row], expected[name][0].astype(np.float16), name)


def test_a_file_that_is_not_the_indexed_one_stops_everything(tmp_path: Path) -> None:
    with extraction(ODD, tmp_path) as run:
        (tmp_path / "images" / "grey.png").write_bytes(ODD["plain.png"])
        with pytest.raises(DatasetError, match=r"grey\.png is not the file that was indexed"):
            list(run.run(cut(run, image_rows_of(ODD), len(ODD), 3), len(ODD), silent))


class TestFeaturesThatAreNotFinite:
    def test_too_large_for_float16_names_row_and_remedy(self, tmp_path: Path) -> None:
        """White times the largest weights is 255 * (0.05 + 0.1 + 0.15) = 76.5; times 2000 it is 153,000 > 65,504."""
        message = r"pooled of row 2 is not finite as float16 \(largest value 1\.53e\+05\)\. Use --dtype float32"
        with pytest.raises(EncoderError, match=message):
            encode_all(DARK_DARK_BRIGHT, tmp_path, encoder=FakeEncoder(gain=2000), dtype="float16")
        features = whole(encode_all(DARK_DARK_BRIGHT, tmp_path, encoder=FakeEncoder(gain=2000)))
        assert features.max() == pytest.approx(153_000, rel=1e-5)

    def test_nan_is_no_feature(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match="pooled of row 0 is not finite as float32"):
            encode_all(DARK_DARK_BRIGHT, tmp_path, encoder=FakeEncoder(gain=math.nan))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_progress_counts_every_image_once_rejected_ones_too(batch_size: int, tmp_path: Path) -> None:
    progresses: list[Progress] = []
    with extraction(FILES, tmp_path, n_views=2, batch_size=batch_size) as run:
        list(run.run(cut(run, image_rows_of(FILES, views=(0, 1)), len(FILES), 20), 99, progresses.append))
    done = [progress.done for progress in progresses]
    assert done == sorted(set(done))
    assert done[-1] == len(FILES)
    assert {(progress.what, progress.total) for progress in progresses} == {("images", 99)}


def test_timings_say_where_the_time_went_in_all_runs(tmp_path: Path) -> None:
    with extraction(_GOOD, tmp_path) as run:
        list(run.run(cut(run, image_rows_of(_GOOD), 35, 35), 35, silent))
        first = vars(run.timings).copy()
        list(run.run(cut(run, image_rows_of(_GOOD), 35, 35), 35, silent))
    assert set(first) == {"encode", "wait", "read", "decode", "resize"}
    assert all(seconds > 0 for seconds in first.values())
    assert all(getattr(run.timings, phase) > seconds for phase, seconds in first.items())
