"""Files inside shards: named, read in place through every kind of root, and never lost when a shard is damaged."""

from __future__ import annotations

import io
import os
import pickle
import random
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from shards import IMAGE, arrow, image_column, parquet, rows_table, tar
from trees import KINDS, pack

from pipeline.datasets.roots import open_root, parquet_shard
from pipeline.datasets.roots.containers import Container, OpenContainers, member_name, register, row_text
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.row_shards import DAMAGED_ROW, NO_IMAGE
from pipeline.errors import DatasetError, ImageError

N = 250
DATA = [os.urandom(random.Random(i).randrange(1, 3000)) for i in range(N)]  # of very different sizes
TABLE = rows_table({"image": image_column(DATA), "label": [0] * N}, {"image": IMAGE})
SHARDS = {
    "data/a.parquet": parquet(TABLE, row_group_size=100),
    "data/b.arrow": arrow(TABLE, batch_size=60),
    "data/c.tar": tar({f"{i:07d}": data for i, data in enumerate(DATA)}),
}
ROWS = [row_text(row) for row in range(N)]


@pytest.fixture(params=SHARDS)
def shard(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root_path(tmp_path: Path) -> Path:
    return pack(SHARDS, tmp_path, "folder")


class TestEveryShard:
    @pytest.mark.parametrize("kind", KINDS)
    def test_rows_in_order_are_those_that_were_written(self, shard: str, kind: str, tmp_path: Path) -> None:
        with open_root(pack(SHARDS, tmp_path, kind)) as root:
            assert [root.read(member_name(shard, row)) for row in ROWS] == DATA

    def test_rows_in_any_order_are_the_same(self, shard: str, root_path: Path) -> None:
        order = random.Random(0).sample(range(N), N)
        with open_root(root_path) as root:
            assert [root.read(member_name(shard, ROWS[row])) for row in order] == [DATA[row] for row in order]

    def test_threads_read_at_once(self, shard: str, root_path: Path) -> None:
        with open_root(root_path) as root, ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda row: root.read(member_name(shard, row)), ROWS * 2))
        assert read == DATA * 2

    def test_a_pickled_root_opens_its_own(self, shard: str, root_path: Path) -> None:
        with open_root(root_path) as root:
            root.read(member_name(shard, ROWS[0]))
            with pickle.loads(pickle.dumps(root)) as copy:
                assert copy.read(member_name(shard, ROWS[7])) == DATA[7]

    def test_the_order_of_the_names_is_the_order_of_the_rows(self, shard: str, root_path: Path) -> None:
        with open_root(root_path) as root:
            members = list(root.container(shard).members())
        assert members == sorted(members) == ROWS

    @pytest.mark.parametrize("member", ["0000250", "9999999", "7", "-000001", "x", "", "label/0000001x", "no/0000001"])
    def test_what_is_no_member_is_missing(self, shard: str, member: str, root_path: Path) -> None:
        with open_root(root_path) as root, pytest.raises(ImageError, match=r"^file is missing$"):
            root.read(member_name(shard, member))

    def test_a_member_of_no_file_is_missing(self, root_path: Path) -> None:
        with open_root(root_path) as root, pytest.raises(ImageError, match=r"^file is missing$"):
            root.read("data/z.parquet::0000001")

    def test_no_more_than_the_limit_is_given(self, shard: str, root_path: Path) -> None:
        row = max(range(N), key=lambda row: len(DATA[row]))
        with open_root(root_path) as root, pytest.raises(ImageError, match=r"^file is too large"):
            root.read(member_name(shard, ROWS[row]), limit=100)

    # A tar as a root is the folder of its members.
    @pytest.mark.parametrize("shard", [name for name in SHARDS if not name.endswith(".tar")])
    def test_the_shard_alone_is_a_root(self, shard: str, root_path: Path) -> None:
        name = shard.rpartition("/")[2]
        with open_root(root_path / shard) as root:
            assert list(root.names()) == [name]
            assert root.read(member_name(name, ROWS[5])) == DATA[5]
            with pytest.raises(ImageError, match=r"^file is missing$"):
                root.read("c.tar::0000001")

    @pytest.mark.parametrize("kept", [0.5, 0.99])
    def test_a_torn_shard_is_named(self, shard: str, kept: float, tmp_path: Path) -> None:
        torn = {shard: SHARDS[shard][: int(len(SHARDS[shard]) * kept)]}
        root = pack({**SHARDS, **torn}, tmp_path, "folder")
        with open_root(root) as opened:
            with pytest.raises(DatasetError, match=rf"{shard}.*damaged or cut off"):
                opened.read(member_name(shard, ROWS[0]))
            other = next(name for name in SHARDS if name != shard)
            assert opened.read(member_name(other, ROWS[1])) == DATA[1]

    @pytest.mark.parametrize("data", [b"", b"\1" * 5000, b"path,label\n" * 50])
    def test_a_file_of_another_kind_is_named(self, shard: str, data: bytes, tmp_path: Path) -> None:
        root = pack({shard: data}, tmp_path, "folder")
        with open_root(root) as opened, pytest.raises(DatasetError, match=rf"{shard}.*expected a whole"):
            opened.container(shard)


class TestRows:
    def test_a_row_without_bytes_has_no_image(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column([b"a", None, None], ["a", "b", None])}, {"image": IMAGE})
        files = {"a.parquet": parquet(table), "b.arrow": arrow(table)}
        with open_root(pack(files, tmp_path, "folder")) as root:
            for name in files:
                assert root.read(f"{name}::0000000") == b"a"
                for row in ("0000001", "0000002"):
                    with pytest.raises(ImageError, match=f"^{NO_IMAGE}$"):
                        root.read(f"{name}::{row}")

    def test_another_column_than_the_only_one_is_part_of_the_name(self, tmp_path: Path) -> None:
        table = rows_table({"face": image_column([b"f"]), "scene": image_column([b"s"]), "raw": pa.array([b"r"])})
        files = {"a.parquet": parquet(table), "b.arrow": arrow(table)}
        with open_root(pack(files, tmp_path, "folder")) as root:
            for name in files:
                assert [root.read(f"{name}::{column}/0000000") for column in ("face", "scene", "raw")] == [
                    b"f",
                    b"s",
                    b"r",
                ]
                with pytest.raises(ImageError, match=r"^file is missing$"):
                    root.read(f"{name}::0000000")

    def test_a_damaged_page_rejects_its_rows_and_no_others(self, tmp_path: Path) -> None:
        data = [bytes([i]) * 4000 for i in range(40)]
        whole = parquet(
            rows_table({"image": image_column(data)}),
            row_group_size=10,
            compression="none",
            use_dictionary=False,
            write_page_checksum=True,
        )
        at = whole.index(data[15])
        files = {"a.parquet": whole[:at] + b"\xff" + whole[at + 1 :]}
        with open_root(pack(files, tmp_path, "folder")) as root:
            for row in [*range(10), *range(20, 40), 5]:
                assert root.read(member_name("a.parquet", row_text(row))) == data[row]
            for row in (15, 12, 15):
                with pytest.raises(ImageError, match=f"^{DAMAGED_ROW}$"):
                    root.read(member_name("a.parquet", row_text(row)))

    def test_a_large_row_group_is_decoded_in_parts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet_shard, "BATCH_BYTES", 8_000)
        monkeypatch.setattr(parquet_shard, "DECODED_BYTES", 30_000)
        data = [os.urandom(1000) for _ in range(1000)]
        files = {"a.parquet": parquet(rows_table({"image": image_column(data)}), row_group_size=1000)}
        with open_root(pack(files, tmp_path, "folder")) as root:
            container = root.container("a.parquet")
            assert isinstance(container, parquet_shard.ParquetShard)
            for row in [*range(1000), 999, 0, 500, 499]:
                assert root.read(member_name("a.parquet", row_text(row))) == data[row]
                assert container.decoded_bytes < 40_000

    def test_a_file_that_states_more_than_it_can_hold_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parquet_shard, "ALWAYS_ALLOWED", 0)
        files = {
            "a.parquet": parquet(
                rows_table({"image": image_column([bytes(10**7)])}), write_statistics=False, compression="zstd"
            )
        }
        with open_root(pack(files, tmp_path, "folder")) as root, pytest.raises(DatasetError, match=r"it states 1 rows"):
            root.container("a.parquet")

    def test_compressed_arrow_batches_are_refused(self, tmp_path: Path) -> None:
        files = {"b.arrow": arrow(rows_table({"image": image_column([bytes(9000)] * 3)}), codec="lz4")}
        with open_root(pack(files, tmp_path, "folder")) as root, pytest.raises(DatasetError, match="not compressed"):
            root.container("b.arrow")

    def test_the_ipc_file_format_is_read_too(self, tmp_path: Path) -> None:
        out = io.BytesIO()
        with pa.ipc.new_file(out, TABLE.schema) as writer:
            writer.write_table(TABLE, 30)
        with open_root(pack({"b.arrow": out.getvalue()}, tmp_path, "folder")) as root:
            assert [root.read(member_name("b.arrow", row)) for row in ROWS] == DATA

    @pytest.mark.parametrize(("name", "right"), [("data/a.parquet", "a.parquet"), ("data/b.arrow", "b.arrow")])
    def test_a_wrong_suffix_is_named_with_the_right_one(self, tmp_path: Path, name: str, right: str) -> None:
        (tmp_path / f"{right[0]}.bin").write_bytes(SHARDS[name])
        with pytest.raises(DatasetError, match=rf"Rename it to {right}"):
            open_root(tmp_path / f"{right[0]}.bin")


class TestTarsInside:
    @pytest.mark.parametrize("name", ["../../evil.jpg", "/etc/evil.jpg", "a/../../../evil.jpg"])
    def test_members_that_climb_out_are_refused(self, tmp_path: Path, name: str) -> None:
        root = pack({"0.tar": tar({"a.jpg": b"x", name: b"x"})}, tmp_path, "folder")
        with open_root(root) as opened, pytest.raises(DatasetError, match=r"0\.tar: expected plain files inside"):
            opened.container("0.tar")

    def test_links_are_refused(self, tmp_path: Path) -> None:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            link = tarfile.TarInfo("a.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        root = pack({"0.tar": out.getvalue()}, tmp_path, "folder")
        with open_root(root) as opened, pytest.raises(DatasetError, match=r"0\.tar: expected plain files inside"):
            opened.container("0.tar")


class TestLifetime:
    def test_a_shard_that_was_unpacked_leaves_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        spools = tmp_path / "spools"
        spools.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(spools))
        with open_root(pack(SHARDS, tmp_path, "zip")) as root:
            assert root.read("data/a.parquet::0000003") == DATA[3]
            assert len(list(spools.iterdir())) == 1
        assert not list(spools.iterdir())

    def test_many_shards_are_not_all_open_at_once(self, tmp_path: Path) -> None:
        small = parquet(rows_table({"image": image_column([b"x"])}))
        files = {f"{i}.parquet": small for i in range(100)}
        with open_root(pack(files, tmp_path, "folder")) as root:
            before = len(os.listdir("/dev/fd"))
            assert {root.read(member_name(name, row_text(0))) for name in files} == {b"x"}
            assert len(os.listdir("/dev/fd")) < before + 50

    def test_only_the_last_shards_hold_decoded_pictures(self, tmp_path: Path) -> None:
        files = {f"{i}.parquet": SHARDS["data/a.parquet"] for i in range(5)}
        with open_root(pack(files, tmp_path, "folder")) as root:
            shards = [root.container(name) for name in files]
            for name in files:
                root.read(member_name(name, ROWS[3]))
            held = [shard.decoded_bytes > 0 for shard in shards if isinstance(shard, parquet_shard.ParquetShard)]
            assert held == [False, False, False, True, True]
            assert [root.read(member_name(name, ROWS[4])) for name in files] == [DATA[4]] * 5

    def test_a_forked_child_reads_on_its_own(self, shard: str, root_path: Path) -> None:
        with open_root(root_path) as root:
            root.read(member_name(shard, ROWS[0]))
            child = os.fork()
            if not child:
                os._exit(0 if root.read(member_name(shard, ROWS[200])) == DATA[200] else 1)
            assert root.read(member_name(shard, ROWS[1])) == DATA[1]
            assert os.waitpid(child, 0)[1] == 0


class Letters(Container):
    """Every byte of a file is a member."""

    def __init__(self, extent: Extent) -> None:
        with extent.open() as file:
            self._data = file.readall() or b""

    def members(self) -> list[str]:
        return [str(i) for i in range(len(self._data))]

    def read(self, member: str, limit: int) -> bytes:
        return self._data[int(member) :][:1]


def test_another_kind_of_container_is_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.datasets.roots.containers._OPENERS", {})
    register(".letters", Letters)
    (tmp_path / "a.LETTERS").write_bytes(b"xyz")
    with open_root(tmp_path) as root:
        assert root.read("a.LETTERS::1") == b"y"


def test_a_name_with_two_colons_and_no_container_is_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "a::b.jpg").write_bytes(b"plain")
    with open_root(tmp_path) as root:
        assert root.read("a::b.jpg") == b"plain"


def test_the_containers_of_a_copy_are_none() -> None:
    assert isinstance(pickle.loads(pickle.dumps(OpenContainers())), OpenContainers)
