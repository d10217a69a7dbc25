"""Videos: the whole of `extract` against a bare loop of decoding and encoding, and one pass against seeking per frame.

CPU time, least of some turns. The clips are faces that move, H.264; the long video is one of them, again and again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from faces import face
from machine import show

from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.containers import row_text
from pipeline.encoders import EncoderSpec, ImageEncoder, load_image_encoder
from pipeline.extraction import Extraction, Shard, empty_blocks, outputs_of
from pipeline.images.decode import decode_picture
from pipeline.images.prepare import Preparer
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform
from pipeline.progress import silent
from pipeline.video.identity import frame_sha256
from pipeline.video.reader import open_file, open_listed
from pipeline.video.sampling import evenly

RATE = 25  # frames a second
SHARD_ROWS = 1000
PART_S = 20  # of the long video that is encoded


def write_video(path: Path, n_frames: int, width: int, height: int) -> None:
    """A face that moves over a grey background."""
    picture = np.asarray(decode_picture(face(height)))
    canvas = np.full((height, width + height, 3), 127, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=RATE, options={"preset": "veryfast", "x264-params": "log-level=none"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(n_frames):
            left = int((width - height) / 2 * (1 + np.sin(i / 40))) if width > height else i % 8
            shown = canvas.copy()
            shown[:, left : left + height] = picture[:, : shown.shape[1] - left]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown[:, :width]), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def least(call: Callable[[], Any], turns: int) -> dict[str, float]:
    """CPU and wall-clock seconds, the least of each."""
    took = []
    for _ in range(turns):
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        took.append((time.process_time() - cpu, time.perf_counter() - wall))
    return {"cpu_s": round(min(cpu for cpu, _ in took), 3), "wall_s": round(min(wall for _, wall in took), 3)}


def bare_loop(paths: Sequence[Path], encoder: ImageEncoder, n_taken: int, batch_size: int) -> None:
    """What must be done at least: each file opened once, decoded in one pass, resized and encoded in batches."""
    squares: list[npt.NDArray[np.uint8]] = []
    for path in paths:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count, taken = 1, set(evenly(stream.frames, n_taken).tolist())
            for number, frame in enumerate(container.decode(stream)):
                if number in taken:
                    squares.append(encoder.preprocess.square(frame.to_image()))
                    if len(squares) == batch_size:
                        encoder.encode_images(np.stack(squares))
                        squares.clear()
    if squares:
        encoder.encode_images(np.stack(squares))


def rows_of(folder: Path, n_taken: int) -> list[ImageRow]:
    rows: list[ImageRow] = []
    with open_root(folder) as root:
        for name in root.names():
            video = root.video(name)
            for number in evenly(video.n_frames, n_taken).tolist():
                sha256 = frame_sha256(video.file_sha256, number)
                rows.append(ImageRow(len(rows), f"{name}::{row_text(number)}", sha256))
    return rows


def extract(folder: Path, rows: Sequence[ImageRow], encoder: ImageEncoder, batch_size: int, decoders: int) -> None:
    """The extraction as the command does it, digests of the videos included; nothing is written."""
    outputs = outputs_of(encoder, ["pooled"], "float16", 0)
    with open_root(folder) as root:
        preparer = Preparer(root, ImageTransform(encoder.preprocess, (encoder.preprocess.size,)))
        shards = [
            Shard(i, range(start, start + len(some)), tuple(some), empty_blocks(outputs, 1, len(some)))
            for i, start in enumerate(range(0, len(rows), SHARD_ROWS))
            if (some := rows[start : start + SHARD_ROWS])
        ]
        with Extraction(encoder, preparer, outputs, 1, batch_size, decoders) as run:
            for shard in run.run(shards, len(rows), silent):
                assert not shard.rejected


def clips(options: argparse.Namespace, encoder: ImageEncoder) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(options.clips):
            write_video(folder / f"{i:04}.mp4", options.frames, options.side, options.side)
        paths, rows = sorted(folder.iterdir()), rows_of(folder, options.taken)
        bare, ours = [], []
        for _ in range(options.turns):  # in turns, so that what else the machine does falls on both alike
            bare.append(least(lambda: bare_loop(paths, encoder, options.taken, options.batch_size), 1))
            ours.append(least(lambda: extract(folder, rows, encoder, options.batch_size, options.decoders), 1))
    fastest = {key: (min(one[key] for one in bare), min(one[key] for one in ours)) for key in ("cpu_s", "wall_s")}
    return {
        "clips": options.clips,
        "frames": options.frames,
        "taken": options.taken,
        "side": options.side,
        "bare": {key: values[0] for key, values in fastest.items()},
        "extract": {key: values[1] for key, values in fastest.items()},
        "clips_per_cpu_s": [round(options.clips / seconds, 2) for seconds in fastest["cpu_s"]],
        "ratio_cpu": round(fastest["cpu_s"][0] / fastest["cpu_s"][1], 3),
        "ratio_wall": round(fastest["wall_s"][0] / fastest["wall_s"][1], 3),
    }


def seeking(path: Path, numbers: Sequence[int]) -> None:
    """Each frame from a file that is opened for it: the keyframe before it, then forward."""
    for number in numbers:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            assert stream.time_base is not None
            at = round(number / RATE / stream.time_base)
            container.seek(at, stream=stream)
            next(frame for frame in container.decode(stream) if (frame.pts or 0) >= at).to_ndarray(format="rgb24")


def from_start(path: Path, numbers: Sequence[int]) -> None:
    """All frames decoded, as a loop without an index does."""
    taken = set(numbers)
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(video=0)):
            if number in taken:
                frame.to_ndarray(format="rgb24")


def one_pass(path: Path, numbers: Sequence[int]) -> None:
    decoder, _listing = open_listed(partial(open_file, path))
    with closing(decoder):
        for number in numbers:
            decoder.picture(number)


def write_repeated(source: Path, target: Path, times: int) -> None:
    """The packets of a video again and again: ten minutes are written in a moment."""
    with av.open(str(target), "w") as written:
        stream = None
        shift = 0
        for _ in range(times):
            with av.open(str(source)) as video:
                stream = stream or written.add_stream_from_template(video.streams.video[0])
                last = 0
                for packet in video.demux(video=0):
                    if packet.pts is not None and packet.dts is not None:
                        last = max(last, packet.pts + (packet.duration or 0))
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        written.mux(packet)
                shift += last


def long_video(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        part, path, n_frames = Path(name, "part.mp4"), Path(name, "long.mp4"), options.seconds * RATE
        write_video(part, min(n_frames, PART_S * RATE), 640, 360)
        write_repeated(part, path, max(1, options.seconds // PART_S))
        numbers = evenly(n_frames, options.taken).tolist()
        ways = {"one_pass": one_pass, "seeking": seeking, "all_decoded": from_start}
        took = {way: least(partial(call, path, numbers), options.turns) for way, call in ways.items()}
    ratio = round(took["seeking"]["cpu_s"] / took["one_pass"]["cpu_s"], 2)
    return {"seconds": options.seconds, "frames": n_frames, "taken": len(numbers), **took, "times_faster_cpu": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--encoder", default="mini", help="that encodes the frames")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--frames", type=int, default=100, help="of each clip")
    parser.add_argument("--taken", type=int, default=64, help="frames of each video that are read")
    parser.add_argument("--side", type=int, default=224, help="of the clips, pixels")
    parser.add_argument("--seconds", type=int, default=600, help="of the long video")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--decoders", type=int, default=2, help="threads")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    encoder = load_image_encoder(EncoderSpec.parse(options.encoder), "cpu", "eager")
    show({"clips": clips(options, encoder), "long_video": long_video(options)})


if __name__ == "__main__":
    main()
