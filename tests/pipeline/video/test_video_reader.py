"""Frames of videos by their numbers: the right ones of every container, upright, in their colours, or with a reason."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_videos import CODECS, audio_only, flat, number_of, numbered, numbered_frames, remux, write_video
from video_reader import VideoReader

from pipeline.errors import ImageError
from pipeline.images import decode

N = 30
SOUND = {".mp4", ".mov", ".mkv"}


def numbers(path: Path) -> list[int | str]:
    """What each frame shows, or why it cannot be read up to the first comma."""
    shown: list[int | str] = []
    with VideoReader(path) as video:
        for number in range(video.n_frames):
            try:
                shown.append(number_of(video.frame(number)))
            except ImageError as error:
                shown.append(str(error).partition(",")[0])
    return shown


@pytest.mark.parametrize("suffix", CODECS)
def test_every_frame_of_every_container_is_found(suffix: str, tmp_path: Path) -> None:
    path = write_video(
        tmp_path / f"a{suffix}", numbered_frames(N), options={"g": "8"}, audio_s=1.0 if suffix in SOUND else 0
    )
    assert numbers(path) == list(range(N))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".flv", ".avi", ".ts"])
def test_frames_in_any_order_are_those_of_one_pass(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a{suffix}", numbered_frames(60), options={"g": "12"})
    order = random.Random(0).choices(range(60), k=40)
    with VideoReader(path) as video:
        in_one_pass = list(video.frames(range(60)))
        for number in order:
            np.testing.assert_array_equal(video.frame(number), in_one_pass[number])


def test_frames_are_at_the_times_of_the_file_since_the_first_one(tmp_path: Path) -> None:
    times = [2.0, 2.1, 2.5, 2.52, 3.0, 3.7]
    with VideoReader(write_video(tmp_path / "a.mp4", numbered_frames(6), times_s=times)) as video:
        np.testing.assert_allclose(video.listing.times_s, [0, 0.1, 0.5, 0.52, 1.0, 1.7], atol=1e-3)
        assert number_of(video.frame(3)) == 3


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_frames_of_avi_are_counted_as_its_times_are_made_up(codec: str, tmp_path: Path) -> None:
    """With frames that refer to later ones the order of the packets is not that of the frames."""
    path = write_video(tmp_path / "a.avi", numbered_frames(12), codec=codec, options={"bf": "2"})
    with VideoReader(path) as video:
        assert video.listing.pts is None
        np.testing.assert_allclose(video.listing.times_s, np.arange(12) / 25)
    assert numbers(path) == list(range(12))


def test_frames_of_asf_that_refer_to_later_ones_are_in_order(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.wmv", numbered_frames(N), codec="libx264", options={"g": "10", "bf": "2"})
    assert numbers(path) == list(range(N))


def test_frames_of_avi_are_at_the_times_of_their_packets_where_frames_are_left_out(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.2, 7.0, 7.04]
    path = write_video(tmp_path / "a.avi", numbered_frames(5), times_s=times)
    with VideoReader(path) as video:
        np.testing.assert_allclose(video.listing.times_s, times, atol=1e-3)
    assert numbers(path) == list(range(5))


def test_what_a_file_calls_a_keyframe_and_is_none_changes_no_frame(tmp_path: Path) -> None:
    """As an mp4 without a table of its keyframes does: every frame then counts as one."""
    true = write_video(tmp_path / "true.mp4", numbered_frames(N), codec="mpeg4", stream={"gop_size": 10})
    false = remux(true, tmp_path / "false.mp4", lambda packet, _: setattr(packet, "is_keyframe", True))
    with VideoReader(true) as expected, VideoReader(false) as video:
        assert len(video.listing.keyframes) == N
        for number in reversed(range(N)):
            np.testing.assert_array_equal(video.frame(number), expected.frame(number))


def test_a_stream_that_a_damaged_packet_begins_is_left_out(tmp_path: Path) -> None:
    """PyAV knows the streams of the file's beginning only, and raised IndexError at its end."""
    data = bytearray(write_video(tmp_path / "a.ts", numbered_frames(60)).read_bytes())
    start = max(at for at in range(0, len(data), 188) if data[at + 1] == 0x41)  # of a frame in stream 0x100
    data[start + 1] = 0x43  # stream 0x300
    (tmp_path / "hurt.ts").write_bytes(data)
    with VideoReader(tmp_path / "hurt.ts") as video:
        assert number_of(video.frame(30)) == 30


def test_frames_before_the_start_of_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    """The first four frames are at negative times: the file has them so that the fifth can be decoded."""
    import av

    whole = write_video(tmp_path / "whole.mp4", numbered_frames(12), options={"bf": "0"})
    path = tmp_path / "edited.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                shift = 4 * packet.duration
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                target.mux(packet)
    assert numbers(path) == list(range(4, 12))


@pytest.mark.parametrize(("options", "pix_fmt"), [({"flags": "+ildct+ilme"}, "yuv420p"), ({}, "yuv420p10le")])
def test_interlaced_and_ten_bit_videos_are_read(options: dict[str, str], pix_fmt: str, tmp_path: Path) -> None:
    assert numbers(write_video(tmp_path / "a.mp4", numbered_frames(6), options=options, pix_fmt=pix_fmt)) == [*range(6)]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_frames_are_upright_as_the_file_says(degrees: int, tmp_path: Path) -> None:
    """A player rotates the stored picture by `degrees` counter-clockwise: stored is the one rotated back."""
    upright = numbered(77)
    stored = [np.ascontiguousarray(np.rot90(upright, -degrees // 90))] * 3
    with VideoReader(write_video(tmp_path / "a.mp4", stored, rotation=degrees)) as video:
        assert number_of(video.frame(1)) == 77
        assert video.frame(1)[4, 30, 0] > 150  # the red band is at the top
        assert video.rotation == degrees


@pytest.mark.parametrize("matrix", ["bt709", "bt601", ""])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("colour", [(222, 184, 160), (200, 60, 30), (10, 250, 40)])
def test_a_colour_survives(matrix: str, full_range: bool, colour: tuple[int, int, int], tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4", flat(colour), matrix=matrix, full_range=full_range, options={"crf": "1", "preset": "fast"}
    )
    with VideoReader(path) as video:
        np.testing.assert_allclose(video.frame(1)[20:40, 20:40].reshape(-1, 3), [colour] * 400, atol=2)


def test_a_cut_off_video_has_the_frames_that_are_there(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", numbered_frames(60), options={"g": "10"}, muxer={"movflags": "faststart"}
    )
    data = whole.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 6 // 10])
    shown = numbers(tmp_path / "cut.mp4")
    n_whole = shown.index("frame cannot be decoded")
    assert 5 < n_whole < 50
    assert shown == [*range(n_whole), *["frame cannot be decoded"] * (len(shown) - n_whole)]


def test_frames_after_damage_cannot_be_read_up_to_the_next_keyframe_whatever_the_order(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", numbered_frames(40), options={"g": "10", "bf": "0"})
    import av

    with av.open(str(whole)) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
        payload = bytes(packets[13])
    data = whole.read_bytes()
    assert data.count(payload) == 1
    (tmp_path / "hurt.mkv").write_bytes(data.replace(payload, b"\0\0\0\x01\xff" + bytes(len(payload) - 5)))
    expected = [*range(13), *["frame cannot be decoded"] * 7, *range(20, 40)]
    assert numbers(tmp_path / "hurt.mkv") == expected
    with VideoReader(tmp_path / "hurt.mkv") as video:
        for number in (25, 17, 5, 13, 12, 39):
            if isinstance(expected[number], int):
                assert number_of(video.frame(number)) == number
            else:
                with pytest.raises(ImageError, match="frame cannot be decoded"):
                    video.frame(number)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.mp4", b"", r"^not a video: the file is empty$"),
        ("letter.mp4", b"dear reader, this is no video", r"^not a video: a playlist or another text$"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1\nother.ts\n\0", r"^not a video: a playlist or another text$"),
        ("noise.mp4", bytes(range(256)) * 8, r"^not a video, or one that is damaged or cut off$"),
    ],
)
def test_what_is_no_video_has_a_reason(name: str, data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=reason):
        VideoReader(tmp_path / name)


def test_a_video_without_pictures_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^video has no pictures$"):
        VideoReader(audio_only(tmp_path / "a.mp4"))


def test_a_video_without_its_index_has_a_reason(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", numbered_frames(12)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"^not a video, or one that is damaged or cut off$"):
        VideoReader(tmp_path / "cut.mp4")


def test_a_missing_file_and_a_folder_have_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        VideoReader(tmp_path / "none.mp4")
    with pytest.raises(ImageError, match="not a regular file"):
        VideoReader(tmp_path)


def test_a_frame_that_does_not_exist_has_a_reason(tmp_path: Path) -> None:
    with VideoReader(write_video(tmp_path / "a.mp4", numbered_frames(5))) as video:
        for number in (5, -1):
            with pytest.raises(ImageError, match=r"^video has no such frame: it has 5$"):
                video.frame(number)


def test_frames_that_are_too_large_are_refused_before_one_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(3))
    monkeypatch.setattr(decode, "MAX_PIXELS", 3000)
    with pytest.raises(ImageError, match=r"^frames are too large: at most 3,000 pixels, found 64 x 64$"):
        VideoReader(path)


def test_ffmpeg_writes_nothing_to_the_terminal(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", numbered_frames(30), muxer={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 7 // 10])
    code = (
        "import sys, pathlib, contextlib\nfrom pipeline.errors import ImageError\n"
        "from functools import partial\nfrom pipeline.video.reader import open_file, open_listed\n"
        "decoder, listing = open_listed(partial(open_file, pathlib.Path(sys.argv[1])))\n"
        "for i in range(len(listing)):\n"
        "    with contextlib.suppress(ImageError):\n        decoder.picture(i)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "cut.mp4")], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
