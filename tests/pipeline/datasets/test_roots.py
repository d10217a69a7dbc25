"""Roots: what may be read in place, what is refused, and who cleans up."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trees import KINDS, pack

from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.errors import DatasetError, ImageError
from pipeline.progress import Progress

FILES = {"a/one.jpg": b"one", "a/b/two.png": b"two" * 400, "list.txt": b"\xef\xbb\xbfx\r\ny\rz\n", "empty.jpg": b""}
OPEN = (
    "import sys; from pathlib import Path; from pipeline.datasets.roots import open_root; "
    "root = open_root(Path(sys.argv[1]))"
)
Spools = Callable[[], list[Path]]


@pytest.fixture
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spools:
    """The spool files in a temporary folder of this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return lambda: sorted(folder.iterdir())


@pytest.fixture(params=KINDS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Root]:
    with open_root(pack(FILES, tmp_path, request.param)) as opened:
        yield opened


def run_python(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, path], check=False, capture_output=True, text=True)


def read_in_worker(root: Root, name: str) -> bytes:
    with root:
        return root.read(name)


class TestEveryRoot:
    def test_names_are_sorted_files(self, root: Root) -> None:
        assert list(root.names()) == sorted(FILES)

    def test_reads_the_bytes(self, root: Root) -> None:
        assert {name: root.read(name) for name in root.names()} == FILES

    def test_knows_what_exists(self, root: Root) -> None:
        assert [root.exists(name) for name in ("a/one.jpg", "a", "A/one.jpg", "../a/one.jpg")] == [True, *[False] * 3]

    @pytest.mark.parametrize("name", ["nothing.jpg", "../list.txt", "/etc/hostname", "a"])
    def test_a_name_that_is_no_file_inside_is_not_read(self, root: Root, name: str) -> None:
        with pytest.raises(ImageError, match=r"^(file is missing|not a regular file: found a folder)$"):
            root.read(name)

    def test_text_has_plain_line_ends_and_no_mark(self, root: Root) -> None:
        assert root.text("list.txt") == "x\ny\nz\n"

    def test_text_that_is_no_text_is_an_error_that_names_it(self, root: Root) -> None:
        with pytest.raises(DatasetError, match=r"gone\.txt: file is missing"):
            root.text("gone.txt")

    def test_finds_by_the_end_of_the_path(self, root: Root) -> None:
        found = [root.find(tail) for tail in ("B/TWO.png", "two.png", "wo.png")]
        assert found == ["a/b/two.png", "a/b/two.png", None]

    def test_a_pickled_copy_reads_even_while_handles_are_open(self, root: Root) -> None:
        root.read("a/one.jpg")
        with pickle.loads(pickle.dumps(root)) as copy:
            assert copy.read("a/b/two.png") == FILES["a/b/two.png"]
        assert root.read("a/b/two.png") == FILES["a/b/two.png"]

    def test_threads_read_at_once(self, root: Root) -> None:
        wrong: list[str] = []
        all_began = threading.Barrier(4)

        def work() -> None:
            all_began.wait(timeout=10)
            wrong.extend(name for _ in range(20) for name in FILES if root.read(name) != FILES[name])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_reads_beside_its_parent(tmp_path: Path, kind: str) -> None:
    files = {name: os.urandom(100_000) for name in ("parent.jpg", "child.jpg")}  # larger than any read buffer
    with open_root(pack(files, tmp_path, kind)) as root:
        root.read("parent.jpg")
        child = os.fork()
        name = "parent.jpg" if child else "child.jpg"
        try:
            same = all(root.read(name) == files[name] for _ in range(2000))
        except ImageError:
            same = False
        if not child:
            os._exit(0 if same else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert same
        assert root.read("parent.jpg") == files["parent.jpg"]


def test_a_spawned_worker_opens_the_root_itself(tmp_path: Path) -> None:
    with open_root(pack(FILES, tmp_path, "tar.gz")) as root, multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_in_worker, (root, "a/b/two.png")) == FILES["a/b/two.png"]
        assert root.read("a/one.jpg") == b"one"  # the worker closed its copy, not ours


def test_text_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    with (
        open_root(pack({"l.csv": "Gefühl".encode("latin-1")}, tmp_path, "zip")) as root,
        pytest.raises(DatasetError, match=r"l\.csv is not UTF-8"),
    ):
        root.text("l.csv")


def test_two_equally_deep_matches_are_not_guessed(tmp_path: Path) -> None:
    with (
        open_root(pack({"x/l.csv": b"", "y/l.csv": b""}, tmp_path, "tar")) as root,
        pytest.raises(DatasetError, match=r"expected one l\.csv .*'x/l\.csv', 'y/l\.csv'"),
    ):
        root.find("l.csv")


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_an_archive_is_listed_with_progress_while_it_is_opened(tmp_path: Path, kind: str) -> None:
    heard: list[Progress] = []
    open_root(pack(FILES, tmp_path, kind), on_progress=heard.append).close()
    assert [step.what for step in heard] == ["MB unpacked"] * (kind == "tar.gz") + ["files listed"]
    assert heard[-1].done >= len(FILES)


class TestSpool:
    def test_a_plain_tar_or_zip_needs_none(self, tmp_path: Path, spools: Spools) -> None:
        for kind in ("tar", "zip"):
            with open_root(pack(FILES, tmp_path, kind)) as root:
                root.read("a/one.jpg")
                assert spools() == []

    def test_it_is_removed_at_close(self, tmp_path: Path, spools: Spools) -> None:
        with open_root(pack(FILES, tmp_path, "tar.gz")) as root:
            root.read("a/one.jpg")
            assert len(spools()) == 1
        assert spools() == []

    def test_it_is_removed_when_the_root_is_forgotten(self, tmp_path: Path, spools: Spools) -> None:
        root = open_root(pack(FILES, tmp_path, "tar.gz"))
        assert len(spools()) == 1
        del root
        assert spools() == []

    def test_a_copy_leaves_it_and_says_when_it_is_gone(self, tmp_path: Path, spools: Spools) -> None:
        with open_root(pack(FILES, tmp_path, "tar.gz")) as root:
            copy = pickle.loads(pickle.dumps(root))
            copy.close()
            assert len(spools()) == 1
        with pytest.raises(DatasetError, match=r"removed, or its root was closed"):
            copy.read("a/one.jpg")

    def test_a_damaged_archive_leaves_none(self, tmp_path: Path, spools: Spools) -> None:
        path = pack(FILES, tmp_path, "tar.gz")
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DatasetError, match=r"damaged or cut off"):
            open_root(path)
        assert spools() == []

    @pytest.mark.parametrize("end", ["sys.exit(0)", "os.kill(os.getpid(), 9)"])
    def test_that_of_a_dead_process_does_not_stay(self, tmp_path: Path, spools: Spools, end: str) -> None:
        path = pack(FILES, tmp_path, "tar.gz")
        run_python(f"import os; {OPEN}; {end}", path)
        assert len(spools()) == ("kill" in end)
        with open_root(path):
            assert len(spools()) == 1  # ours: the dead one was swept
        assert spools() == []

    def test_a_forked_child_that_ends_leaves_it(self, tmp_path: Path, spools: Spools) -> None:
        program = f"import os; {OPEN}; child = os.fork(); child or sys.exit(0); os.waitpid(child, 0); "
        done = run_python(
            program + "sys.stdout.write(root.read('a/one.jpg').decode())", pack(FILES, tmp_path, "tar.gz")
        )
        assert done.stdout == "one", done.stderr
        assert spools() == []

    def test_that_of_a_living_root_is_not_swept(self, tmp_path: Path, spools: Spools) -> None:
        path = pack(FILES, tmp_path, "tar.gz")
        with open_root(path) as first, open_root(path) as second:
            assert len(spools()) == 2
            assert first.read("a/one.jpg") == second.read("a/one.jpg")

    def test_a_disk_without_room_says_what_to_do_and_keeps_nothing(self, tmp_path: Path, spools: Spools) -> None:
        path = pack(FILES, tmp_path, "tar.gz")
        program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); " + OPEN
        done = run_python(program, path)
        assert "DatasetError: cannot decompress" in done.stderr
        assert "set TMPDIR to a larger folder" in done.stderr
        assert spools() == []


def tar_with(path: Path, *members: tuple[str, bytes, str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member, io.BytesIO(b""))
    return path


class TestUnsafeArchives:
    @pytest.mark.parametrize(
        ("name", "kind", "target"),
        [
            ("../evil.jpg", tarfile.REGTYPE, ""),
            ("a/../../evil.jpg", tarfile.REGTYPE, ""),
            ("/evil.jpg", tarfile.REGTYPE, ""),
            ("evil.jpg", tarfile.SYMTYPE, "/etc/passwd"),
            ("evil.jpg", tarfile.SYMTYPE, "good.jpg"),
            ("evil.jpg", tarfile.LNKTYPE, "good.jpg"),
            ("evil.jpg", tarfile.FIFOTYPE, ""),
            ("evil.jpg", tarfile.CHRTYPE, ""),
        ],
    )
    def test_a_tar_with_such_a_member_is_refused_by_its_name(
        self, tmp_path: Path, name: str, kind: bytes, target: str
    ) -> None:
        path = tar_with(tmp_path / "x.tar", ("good.jpg", tarfile.REGTYPE, ""), (name, kind, target))
        with pytest.raises(DatasetError, match=r"found 1 links, devices or paths .*evil\.jpg"):
            open_root(path)

    @pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", r"..\evil.jpg", "C:/evil.jpg"])
    def test_a_zip_with_such_a_name_is_refused_by_it(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DatasetError, match=r"found 1 links, devices or paths .*evil\.jpg"):
            open_root(pack({name: b"x", "good.jpg": b"x"}, tmp_path, "zip"))

    def test_a_zip_with_a_link_is_refused(self, tmp_path: Path) -> None:
        link = zipfile.ZipInfo("evil.jpg")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr(link, "/etc/passwd")
        with pytest.raises(DatasetError, match=r"evil\.jpg"):
            open_root(tmp_path / "x.zip")

    def test_a_zip_with_a_password_is_refused(self, tmp_path: Path) -> None:
        path = pack({"a.jpg": b"x"}, tmp_path, "zip")
        data = bytearray(path.read_bytes())
        data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=r"needs a password"):
            open_root(path)

    def test_a_zip_from_windows_has_plain_names(self, tmp_path: Path) -> None:
        with open_root(pack({r"train\happy\a.jpg": b"x"}, tmp_path, "zip")) as root:
            assert list(root.names()) == ["train/happy/a.jpg"]
            assert root.read("train/happy/a.jpg") == b"x"

    def test_names_that_are_no_text_are_refused(self, tmp_path: Path) -> None:
        with (
            open_root(tar_with(tmp_path / "x.tar", ("a\udcff.jpg", tarfile.REGTYPE, ""))) as root,
            pytest.raises(DatasetError, match=r"file names in UTF-8"),
        ):
            root.names()


class TestDamagedArchives:
    @pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
    @pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9])
    def test_a_cut_off_one_is_an_error(self, tmp_path: Path, kind: str, part: float) -> None:
        path = pack({f"{i}.jpg": os.urandom(700) for i in range(40)}, tmp_path, kind)
        size = 2 * 512 * 40 + 40 * 512 if kind == "tar" else path.stat().st_size
        path.write_bytes(path.read_bytes()[: int(size * part)])
        with pytest.raises(DatasetError, match=r"damaged or cut off"):
            open_root(path)

    def test_a_tar_cut_off_between_two_members_is_an_error(self, tmp_path: Path) -> None:
        path = pack({f"{i}.jpg": b"x" * 512 for i in range(4)}, tmp_path, "tar")
        path.write_bytes(path.read_bytes()[: 2 * 1024])
        with pytest.raises(DatasetError, match=r"no end mark after byte 2048"):
            open_root(path)

    def test_a_broken_header_in_the_middle_is_an_error(self, tmp_path: Path) -> None:
        path = pack({f"{i}.jpg": b"x" * 512 for i in range(4)}, tmp_path, "tar")
        data = bytearray(path.read_bytes())
        data[1024:1030] = b"broken"
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=r"damaged or cut off"):
            open_root(path)

    def test_a_damaged_member_of_a_zip_is_one_bad_image(self, tmp_path: Path) -> None:
        path = pack({"a.jpg": b"a" * 100, "b.jpg": bytes(range(200))}, tmp_path, "zip")
        data = bytearray(path.read_bytes())
        data[data.index(bytes(range(20, 60)))] ^= 1
        path.write_bytes(data)
        with open_root(path) as root:
            assert root.read("a.jpg") == b"a" * 100
            with pytest.raises(ImageError, match=r"^file cannot be read$"):
                root.read("b.jpg")

    @pytest.mark.parametrize("data", [b"", b"hello", b"7z\xbc\xaf\x27\x1c" + bytes(600)])
    def test_a_file_that_is_no_archive_is_an_error(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "x.7z").write_bytes(data)
        with pytest.raises(DatasetError, match=r"expected a whole tar archive.*must be unpacked first"):
            open_root(tmp_path / "x.7z")

    def test_the_content_says_what_it_is(self, tmp_path: Path) -> None:
        path = pack(FILES, tmp_path, "tar.gz").rename(tmp_path / "download")
        with open_root(path) as root:
            assert list(root.names()) == sorted(FILES)


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/secret.jpg").write_bytes(b"secret")
        return pack(FILES, tmp_path, "folder")

    def test_a_file_link_that_leaves_the_root_is_refused_when_read(self, folder: Path) -> None:
        (folder / "link.jpg").symlink_to(folder.parent / "outside/secret.jpg")
        root = open_root(folder)
        assert root.exists("link.jpg")
        with pytest.raises(ImageError, match=r"^link leaves the root$"):
            root.read("link.jpg")

    def test_a_folder_link_that_leaves_the_root_is_refused(self, folder: Path) -> None:
        (folder / "more").symlink_to(folder.parent / "outside")
        with pytest.raises(DatasetError, match=r"more is a link to .*outside"):
            open_root(folder).names()
        with pytest.raises(ImageError, match=r"^link leaves the root$"):
            open_root(folder).read("more/secret.jpg")

    def test_links_inside_are_followed_and_loops_end(self, folder: Path) -> None:
        (folder / "again").symlink_to("a")
        (folder / "a/b/loop").symlink_to("../..")
        root = open_root(folder)
        assert root.read("again/one.jpg") == b"one"
        assert len(root.names()) == len(FILES) + 2

    def test_links_to_each_other_are_files_that_cannot_be_read(self, folder: Path) -> None:
        (folder / "a/to_b.jpg").symlink_to("b/to_a.jpg")
        (folder / "a/b/to_a.jpg").symlink_to("../to_b.jpg")
        (folder / "self").symlink_to("self")
        root = open_root(folder)
        assert {"a/to_b.jpg", "a/b/to_a.jpg", "self"} < set(root.names())
        for name in ("a/to_b.jpg", "a/b/to_a.jpg", "self"):
            with pytest.raises(ImageError, match=r"^file cannot be read$"):
                root.read(name)

    def test_a_broken_link_is_a_file_that_cannot_be_read(self, folder: Path) -> None:
        (folder / "broken.jpg").symlink_to("nothing.jpg")
        root = open_root(folder)
        assert root.exists("broken.jpg")
        with pytest.raises(ImageError, match=r"^file cannot be read$"):
            root.read("broken.jpg")

    def test_a_pipe_is_listed_and_not_read(self, folder: Path) -> None:
        os.mkfifo(folder / "pipe.jpg")
        root = open_root(folder)
        assert root.exists("pipe.jpg")
        with pytest.raises(ImageError, match=r"^not a regular file: found a FIFO$"):
            root.read("pipe.jpg")

    def test_a_root_that_is_itself_a_link_is_fine(self, folder: Path) -> None:
        link = folder.parent / "link"
        link.symlink_to(folder)
        assert open_root(link).read("a/one.jpg") == b"one"

    def test_a_lost_folder_is_an_error_not_a_missing_image(self, folder: Path) -> None:
        root = open_root(folder)
        folder.rename(folder.parent / "gone")
        with pytest.raises(DatasetError, match=r"was a folder and is gone"):
            root.read("a/one.jpg")


def test_lookup_prefers_the_exact_name_and_the_shallow_one() -> None:
    lookup = Lookup(["x/A.jpg", "x/a.jpg", "y/b.JPG", "deep/y/b.jpg"], parts=2)
    assert [lookup(name) for name in ("x/a.jpg", "x/A.JPG", "y/b.jpg", "y/B.jpg", "z/c.jpg")] == [
        "x/a.jpg",
        "x/A.jpg",
        "deep/y/b.jpg",
        "y/b.JPG",
        "z/c.jpg",
    ]
