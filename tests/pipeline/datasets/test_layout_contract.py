"""What every layout promises, checked on every form of every dataset, as folder, tar, tar.gz and zip."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from trees import JUNK, KINDS, TREES, Tree, pack

from pipeline.datasets.digests import FileDigests
from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.roots import open_root
from pipeline.datasets.scan_record import ScanRecord
from pipeline.errors import ConfigError, DatasetError, LabelError
from pipeline.progress import Progress
from pipeline.tables.samples import SampleTable

Cached = Callable[[Tree, str], tuple[SampleTable, Path]]


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest) -> Tree:
    return TREES[request.param]


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Cached:
    """Packs and indexes every tree once per kind: the table, and the root that it is of."""
    names = {id(tree): name for name, tree in TREES.items()}

    @cache
    def make(name: str, kind: str) -> tuple[SampleTable, Path]:
        root = pack(TREES[name].files, tmp_path_factory.mktemp(name), kind)
        return table_of(TREES[name], root), root

    return lambda tree, kind: make(names[id(tree)], kind)


def table_of(tree: Tree, root: Path, **options: object) -> SampleTable:
    return index_dataset("d", tree.layout, root, {**tree.options, **options})


def rows_of(table: SampleTable) -> list[dict[str, object]]:
    return table.frame.drop(columns="path").astype(object).where(table.frame.notna(), None).to_dict("records")


def units_of(table: SampleTable) -> pd.DataFrame:
    """One row per unit by its name: of clips that of the clip."""
    units = table.units
    return (units.assign(id=units["clip"]) if table.info.unit == "clip" else units).set_index("id")


def test_every_layout_has_a_tree() -> None:
    assert {tree.layout for tree in TREES.values()} == set(LAYOUTS)
    assert [layout.name for layout in LAYOUTS.values()] == list(LAYOUTS)


class TestEveryTable:
    """Of the plain folder: `test_gives_the_table_of_the_plain_folder` shows that those of all other kinds are equal."""

    def test_finds_every_sample_with_its_label(self, tree: Tree, cached: Cached) -> None:
        assert units_of(cached(tree, "folder")[0])["label"].to_dict() == {
            name: label for name, (label, _) in tree.samples.items()
        }

    def test_keeps_official_splits_and_carves_the_others(self, tree: Tree, cached: Cached) -> None:
        frame = units_of(cached(tree, "folder")[0])
        official = {name: split for name, (_, split) in tree.samples.items() if split}
        assert {name: frame["split"][name] for name in official} == official
        has_test = "test" in official.values()
        carved = {frame["split"][name] for name in tree.samples if name not in official}
        assert carved <= ({"train", "val"} if has_test else {"train", "val", "test"})

    def test_rejects_with_a_reason_and_keeps_the_row(self, tree: Tree, cached: Cached) -> None:
        units = units_of(cached(tree, "folder")[0])
        assert units["reason"][units["status"] == "rejected"].to_dict() == tree.rejected

    def test_every_row_of_the_source_is_a_sample_or_excluded(self, tree: Tree, cached: Cached) -> None:
        table, _ = cached(tree, "folder")
        assert table.info.excluded == tree.excluded
        assert len(table.units) + sum(table.info.excluded.values()) == tree.rows

    def test_names_the_release(self, tree: Tree, cached: Cached) -> None:
        assert cached(tree, "folder")[0].info.release == tree.release


class TestEveryForm:
    @pytest.mark.parametrize("kind", KINDS[1:])
    def test_gives_the_table_of_the_plain_folder(self, tree: Tree, kind: str, cached: Cached) -> None:
        plain, other = cached(tree, "folder")[0], cached(tree, kind)[0]
        pd.testing.assert_frame_equal(plain.frame, other.frame)
        assert asdict(plain.info) | {"root": ""} == asdict(other.info) | {"root": ""}

    @pytest.mark.parametrize("kind", KINDS)
    def test_junk_of_file_managers_changes_nothing(self, tree: Tree, kind: str, tmp_path: Path, cached: Cached) -> None:
        clean, _ = cached(tree, "folder")
        dirty = table_of(tree, pack({**tree.files, **JUNK}, tmp_path, kind))
        pd.testing.assert_frame_equal(clean.frame, dirty.frame)

    @pytest.mark.parametrize("kind", KINDS)
    def test_wrapper_folders_change_nothing_but_paths(
        self, tree: Tree, kind: str, tmp_path: Path, cached: Cached
    ) -> None:
        plain, _ = cached(tree, "folder")
        wrapped = table_of(tree, pack(tree.files, tmp_path, kind, prefix="download (1)/Some Set/"))
        assert rows_of(plain) == rows_of(wrapped)
        usable = wrapped.usable["path"]
        assert usable.str.startswith("download (1)/Some Set/").all()

    @pytest.mark.parametrize("kind", KINDS)
    def test_digests_are_of_the_bytes_that_a_root_reads(self, tree: Tree, kind: str, cached: Cached) -> None:
        table, path = cached(tree, kind)
        usable = table.usable
        with open_root(path) as root, pickle.loads(pickle.dumps(root)) as copy:
            read = [hashlib.sha256(copy.read(name)).hexdigest() for name in usable["path"]]
        assert read == usable["sha256"].tolist()

    @pytest.mark.parametrize("tree", [tree for tree in TREES.values() if tree.bad_label], ids=lambda t: t.layout)
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_unknown_label_is_named_with_its_count(self, tree: Tree, kind: str, tmp_path: Path) -> None:
        assert tree.bad_label is not None
        name, data, words = tree.bad_label
        with pytest.raises(LabelError) as caught:
            table_of(tree, pack({**tree.files, name: data}, tmp_path, kind))
        assert [word for word in words if word not in str(caught.value)] == []


class TestEveryTree:
    def test_rows_are_ordered_by_path(self, tree: Tree, cached: Cached) -> None:
        paths = cached(tree, "zip")[0].frame["path"].tolist()
        assert paths == sorted(paths)

    def test_the_table_survives_parquet(self, tree: Tree, tmp_path: Path, cached: Cached) -> None:
        table, _ = cached(tree, "folder")
        pq.write_table(table.to_arrow(), tmp_path / "t.parquet")
        assert rows_of(SampleTable.read(tmp_path / "t.parquet")) == rows_of(table)

    def test_contempt_is_the_eighth_class(self, tree: Tree, cached: Cached) -> None:
        if 8 not in LAYOUTS[tree.layout].Options.class_sets:
            with pytest.raises(ConfigError, match=r"classes: Input should be .*, found 8"):
                table_of(tree, cached(tree, "folder")[1], classes=8)
            return
        table = table_of(tree, cached(tree, "folder")[1], classes=8)
        labels = units_of(table)["label"].to_dict()
        assert (labels.get(tree.with_contempt) == "contempt") == bool(tree.with_contempt)
        assert "contempt" not in table.info.excluded
        assert len(table.info.classes) == 8

    def test_another_seed_leaves_official_splits_alone(self, tree: Tree, cached: Cached) -> None:
        frame = units_of(table_of(tree, cached(tree, "folder")[1], split_seed=7))
        assert [name for name, (_, split) in tree.samples.items() if split and frame["split"][name] != split] == []

    def test_nothing_is_carved_at_fraction_zero(self, tree: Tree, cached: Cached) -> None:
        _, root = cached(tree, "folder")
        frame = units_of(table_of(tree, root, val_fraction=0.0, test_fraction=0))
        assert {name: frame["split"][name] for name in frame.index} == {
            name: split or "train" for name, (_, split) in tree.samples.items()
        }

    def test_an_unknown_option_is_refused_with_a_suggestion(self, tree: Tree, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            table_of(tree, tmp_path, klasses=7, val_fraction="a lot")
        assert "'klasses' is unknown. Did you mean 'classes'?" in str(caught.value)
        assert "val_fraction: " in str(caught.value)

    def test_an_empty_root_says_what_was_expected(self, tree: Tree, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected .* found (no files at all|0 files)"):
            table_of(tree, tmp_path)

    def test_a_missing_root_says_what_was_expected(self, tree: Tree, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=rf"expected .*layout {tree.layout}.* found neither"):
            table_of(tree, tmp_path / "nowhere")

    @pytest.mark.parametrize(
        "tree",
        [tree for tree in TREES.values() if not tree.by_names],
        ids=lambda tree: tree.layout,
    )
    def test_images_that_are_all_missing_are_an_error(self, tree: Tree, tmp_path: Path) -> None:
        lists = {name: data for name, data in tree.files.items() if data[1:4] != b"PNG" and data}
        with pytest.raises(DatasetError, match=r"none of . usable.*(file|clip) is missing.*unpacked"):
            table_of(tree, pack(lists, tmp_path, "folder"))

    def test_a_second_scan_reads_no_usable_image_and_gives_the_same_table(self, tree: Tree, cached: Cached) -> None:
        root = cached(tree, "folder")[1]
        first = FileDigests(clock=lambda: time.time_ns() + 10**11)  # for which all files are old
        table = index_dataset("d", tree.layout, root, tree.options, digests=first)
        second = FileDigests(first.record() or ScanRecord.empty())
        again = index_dataset("d", tree.layout, root, tree.options, digests=second)
        assert again.to_arrow().equals(table.to_arrow(), check_metadata=True)
        assert second.counts.read <= table.frame["path"][table.frame["sha256"] == ""].nunique()

    def test_progress_counts_every_image(self, tree: Tree, cached: Cached) -> None:
        heard: list[Progress] = []
        root = cached(tree, "folder")[1]
        table = index_dataset("d", tree.layout, root, tree.options, on_progress=heard.append)
        n = table.frame["path"].nunique()
        assert [(p.done, p.total) for p in heard if p.done and p.what == "images"] == [(i, n) for i in range(1, n + 1)]
        assert heard[0].what == "files listed"
