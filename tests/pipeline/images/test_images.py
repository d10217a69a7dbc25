"""Decoding: odd pictures become upright RGB, bad ones a short reason, and no warning of Pillow is shown."""

from __future__ import annotations

import io
import struct
import threading
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ImageError
from pipeline.images.decode import DECODER, MAX_PIXELS, decode, decoder_version
from pipeline.images.transform import crop

# Left half dark, right half bright, a light top row: every rotation or flip of it is different.
GREY = np.zeros((8, 12), np.uint8)
GREY[:, 6:], GREY[0] = 160, 240
COLOUR = np.stack([GREY, GREY // 2, 255 - GREY], axis=-1)
JPEG_TOLERANCE = 6


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a picture and holds a few bytes of it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


class TestOddPictures:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
    def test_colour_comes_back_exactly(self, kind: str) -> None:
        options = {"lossless": True} if kind == "WEBP" else {}
        found = decode(encoded(Image.fromarray(COLOUR), kind, **options))
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, COLOUR)

    def test_grey_is_replicated(self) -> None:
        np.testing.assert_array_equal(decode(encoded(Image.fromarray(GREY), "PNG")), np.dstack([GREY] * 3))

    @pytest.mark.parametrize("progressive", [False, True])
    def test_jpeg_is_rgb_not_bgr(self, progressive: bool) -> None:
        flat = np.full((16, 16, 3), (200, 100, 30), np.uint8)
        found = decode(encoded(Image.fromarray(flat), "JPEG", quality=95, progressive=progressive))
        np.testing.assert_allclose(found, flat, atol=JPEG_TOLERANCE)

    def test_one_bit_is_black_and_white(self) -> None:
        found = decode(encoded(Image.fromarray(GREY > 100), "PNG"))
        np.testing.assert_array_equal(found[..., 0], np.where(GREY > 100, 255, 0))

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
    def test_sixteen_bits_are_scaled_not_clipped(self, kind: str) -> None:
        values = np.array([[0, 257, 32896, 65000, 65535, 300]], np.uint16)
        found = decode(encoded(Image.fromarray(values), kind))
        np.testing.assert_array_equal(found[0, :, 0], [0, 1, 128, 253, 255, 1])

    @pytest.mark.parametrize(
        ("dtype", "values", "expected"),
        [
            ("float32", [0, 0.5, 1], [0, 128, 255]),
            ("float32", [-0.02, 0.5, 1.02], [0, 128, 255]),  # resampled: it overshoots
            ("float32", [-1, 0, 1], [0, 128, 255]),
            ("float32", [-1.1, 0, 0.2], [0, 128, 153]),
            ("float32", [-3, 127.6, 260], [0, 128, 255]),
            ("int32", [0, 128, 255], [0, 128, 255]),
            ("int32", [0, 32896, 65535], [0, 128, 255]),
            ("uint16", [0, 32896, 65535], [0, 128, 255]),
            ("int32", [0, 0, 0], [0, 0, 0]),
        ],
    )
    def test_values_are_read_by_the_range_that_explains_all(
        self, dtype: str, values: list[float], expected: list[int]
    ) -> None:
        found = decode(encoded(Image.fromarray(np.array([values], dtype)), "TIFF"))
        np.testing.assert_array_equal(found[0, :, 0], expected)

    @pytest.mark.parametrize(
        ("dtype", "values"),
        [
            ("float32", [-2.1, 0, 2.6]),  # standardised
            ("float32", [-0.15, 0.5, 1]),
            ("float32", [0, 1, 7]),
            ("float32", [0, 0.001, 0.0039]),  # divided by 255 twice
            ("float32", [0, 1000, 4095]),
            ("int32", [0, 1, 1]),  # a mask
            ("int32", [0, 500, 1000]),
            ("int32", [-5, 100, 200]),
            ("int32", [0, 10, 70000]),
            ("uint16", [0, 100, 200]),
            ("uint16", [0, 1000, 4095]),  # 12 bits, but the file states 16
        ],
    )
    def test_values_that_no_range_explains_are_refused_with_their_range(self, dtype: str, values: list[float]) -> None:
        expected = rf"^pixel range is not known: {dtype} from {values[0]:g} to {values[-1]:g} "
        with pytest.raises(ImageError, match=expected):
            decode(encoded(Image.fromarray(np.array([values], dtype)), "TIFF"))

    def test_a_dark_picture_of_a_format_that_states_its_range_is_dark(self) -> None:
        found = decode(b"P5 2 1 65535\n" + np.array([0, 514], ">u2").tobytes())
        np.testing.assert_array_equal(found[0, :, 0], [0, 2])

    def test_sixteen_bits_where_white_is_zero_are_no_negative(self) -> None:
        values = np.array([[0, 65535]], np.uint16)
        found = decode(encoded(Image.fromarray(values), "TIFF", tiffinfo={262: 0}))
        np.testing.assert_array_equal(found[0, :, 0], [255, 0])

    @pytest.mark.parametrize("kind", [".png", ".tiff"])
    def test_colours_of_sixteen_bits_are_read_and_twelve_inside_sixteen_refused(self, kind: str) -> None:
        pixels = np.array([[[0, 32896, 65535], [257, 257, 257]]], np.uint16)
        blue_first = cv2.imencode(kind, pixels[..., ::-1])[1].tobytes()
        np.testing.assert_array_equal(decode(blue_first), pixels // 257)
        with pytest.raises(ImageError, match="pixel range is not known: uint16"):
            decode(cv2.imencode(kind, pixels // 16)[1].tobytes())

    def test_a_tiff_of_colour_floats_is_no_unknown_file(self) -> None:
        with pytest.raises(ImageError, match="TIFF of a kind that is not read"):
            decode(cv2.imencode(".tiff", np.ones((2, 2, 3), np.float32))[1].tobytes())

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_floats_that_are_no_numbers_are_refused(self, value: float) -> None:
        with pytest.raises(ImageError, match=r"^pixels are not finite$"):
            decode(encoded(Image.fromarray(np.array([[0.5, value]], np.float32)), "TIFF"))

    def test_alpha_is_laid_over_black(self) -> None:
        pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
        np.testing.assert_array_equal(
            decode(encoded(Image.fromarray(pixels), "PNG")), [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]]
        )

    @pytest.mark.parametrize("transparent", [1, b"\xff\x00"])
    def test_a_transparent_palette_colour_is_black(self, transparent: int | bytes) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 200, 210, 220])
        image.putpixel((1, 0), 1)
        found = decode(encoded(image, "PNG", transparency=transparent))
        np.testing.assert_array_equal(found, [[[10, 20, 30], [0, 0, 0]]])

    def test_an_animation_gives_its_first_frame(self) -> None:
        frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
        for kind in ("GIF", "PNG", "TIFF"):
            found = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
            np.testing.assert_array_equal(found[0, 0], [255, 0, 0], err_msg=kind)

    def test_cmyk_of_adobe_is_inverted_in_the_file_and_right_here(self) -> None:
        # Cyan ink full, no other: red is missing from white.
        data = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95)
        assert b"Adobe" in data
        np.testing.assert_allclose(decode(data)[8, 8], [0, 255, 255], atol=JPEG_TOLERANCE)

    def test_plain_cmyk_without_adobes_mark_is_not_inverted(self) -> None:
        data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 255)), "JPEG", quality=95)
        start = data.index(b"\xff\xee")
        length = struct.unpack(">H", data[start + 2 : start + 4])[0]
        plain = data[:start] + data[start + 2 + length :]
        assert b"Adobe" not in plain
        np.testing.assert_allclose(decode(plain)[8, 8], [0, 255, 255], atol=JPEG_TOLERANCE)

    def test_cmyk_in_a_tiff_is_not_inverted(self) -> None:
        found = decode(encoded(Image.new("CMYK", (2, 2), (255, 0, 0, 0)), "TIFF"))
        np.testing.assert_array_equal(found[0, 0], [0, 255, 255])

    @pytest.mark.parametrize(
        ("orientation", "stored"),
        [
            (1, lambda upright: upright),
            (2, lambda upright: upright[:, ::-1]),
            (3, lambda upright: upright[::-1, ::-1]),
            (4, lambda upright: upright[::-1]),
            (5, lambda upright: upright.transpose(1, 0, 2)),
            (6, lambda upright: np.rot90(upright, 1)),
            (7, lambda upright: upright[::-1, ::-1].transpose(1, 0, 2)),
            (8, lambda upright: np.rot90(upright, -1)),
        ],
    )
    def test_pictures_are_turned_upright(self, orientation: int, stored: Callable[[Any], Any]) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(Image.fromarray(np.ascontiguousarray(stored(COLOUR))), "PNG", exif=exif)
        np.testing.assert_array_equal(decode(data), COLOUR)

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_an_impossible_orientation_is_ignored(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        np.testing.assert_array_equal(decode(encoded(Image.fromarray(COLOUR), "PNG", exif=exif)), COLOUR)

    def test_broken_exif_does_not_spoil_the_picture(self) -> None:
        data = encoded(Image.fromarray(COLOUR), "PNG", exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xff\xff\xffgarbage")
        np.testing.assert_array_equal(decode(data), COLOUR)

    def test_the_array_may_be_changed(self) -> None:
        pixels = decode(encoded(Image.fromarray(COLOUR), "PNG"))
        pixels[0, 0] = (1, 2, 3)
        assert pixels[0, 0].tolist() == [1, 2, 3]


class TestBadFiles:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "file is empty"),
            (b"this is a text named face.png\n", "not an image"),
            (bytes(5000), "not an image"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
            (png_header(30_000, 30_000), "image is too large: at most 80,000,000 pixels, found more"),
            (png_header(12_000, 9_000), "image is too large: at most 80,000,000 pixels, found 12000 x 9000"),
            (png_header(100, 100), "image is damaged or cut off"),
        ],
        ids=["empty", "text", "zeros", "eps", "bomb", "poster", "promise"],
    )
    def test_the_reason_is_short_and_stable(self, data: bytes, reason: str) -> None:
        with pytest.raises(ImageError) as caught:
            decode(data)
        assert str(caught.value) == reason

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
    @pytest.mark.parametrize("part", [0.4, 0.8])
    def test_a_cut_off_picture_is_no_half_picture(self, kind: str, part: float) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        data = encoded(Image.fromarray(noise), kind)
        with pytest.raises(ImageError, match=r"^(image is damaged or cut off|not an image)$"):
            decode(data[: int(len(data) * part)])

    def test_a_bomb_is_refused_before_memory_is_taken(self) -> None:
        tracemalloc.start()
        with pytest.raises(ImageError, match=r"^image is too large: at most 80,000,000 pixels, found more$"):
            decode(png_header(30_000, 30_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_000_000

    def test_the_limit_lies_below_pillows_own(self) -> None:
        assert Image.MAX_IMAGE_PIXELS is not None
        assert MAX_PIXELS < Image.MAX_IMAGE_PIXELS

    @settings(deadline=None)
    @given(st.data())
    def test_no_damage_raises_anything_else(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "PPM"]))
        file = bytearray(encoded(Image.fromarray(COLOUR), kind))
        for place in data.draw(st.lists(st.integers(0, len(file) - 1), max_size=4)):
            file[place] = data.draw(st.integers(0, 255))
        try:
            found = decode(bytes(file[: data.draw(st.integers(0, len(file)))]))
        except ImageError as error:
            reason = str(error).partition(":")[0]
        else:
            reason = "" if found.shape[2] == 3 else "odd shape"
        assert reason in ("", "file is empty", "not an image", "image is too large", "image is damaged or cut off")


class TestWarnings:
    def complaining(self) -> bytes:
        """A PNG that claims to be an animation of no frames, of which Pillow warns."""
        data = encoded(Image.fromarray(COLOUR), "PNG")
        at = data.index(b"IDAT") - 4
        return data[:at] + chunk(b"acTL", struct.pack(">II", 0, 0)) + data[at:]

    def test_none_reaches_the_caller(self) -> None:
        data = self.complaining()
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            Image.open(io.BytesIO(data)).load()
            assert shown, "the file must make Pillow warn, or this test proves nothing"
            shown.clear()
            np.testing.assert_array_equal(decode(data), COLOUR)
            assert shown == []

    def test_many_threads_neither_warn_nor_leave_filters_changed(self) -> None:
        data = self.complaining()
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            before = list(warnings.filters)
            threads = [threading.Thread(target=lambda: [decode(data) for _ in range(150)]) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert list(warnings.filters) == before
            assert shown == []

    def test_filters_are_as_before_after_a_bad_file(self) -> None:
        before = list(warnings.filters)
        with pytest.raises(ImageError):
            decode(b"x")
        assert list(warnings.filters) == before


class TestCrop:
    IMAGE = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    PICTURE = Image.fromarray(IMAGE)

    @pytest.mark.parametrize(
        ("box", "rows", "columns"),
        [
            ((1, 2, 3, 2), slice(2, 4), slice(1, 4)),
            ((0, 0, 7, 5), slice(0, 5), slice(0, 7)),
            ((-2, -1, 4, 3), slice(0, 2), slice(0, 2)),
            ((5, 3, 100, 100), slice(3, 5), slice(5, 7)),
            ((-9, -9, 99, 99), slice(0, 5), slice(0, 7)),
        ],
    )
    def test_what_sticks_out_is_left_off(self, box: tuple[int, int, int, int], rows: slice, columns: slice) -> None:
        np.testing.assert_array_equal(np.asarray(crop(self.PICTURE, box)), self.IMAGE[rows, columns])

    @pytest.mark.parametrize("box", [(7, 0, 3, 3), (0, 5, 3, 3), (-5, 0, 5, 5), (0, -9, 5, 4), (1, 1, 0, 3)])
    def test_a_box_outside_is_an_error(self, box: tuple[int, int, int, int]) -> None:
        with pytest.raises(ImageError, match=r"^box lies outside the image$"):
            crop(self.PICTURE, box)

    @pytest.mark.parametrize("box", [(6, 0, 9, 5), (0, 4, 7, 9), (-8, -8, 9, 9), (2, 2, 1, 1)])
    def test_less_than_two_by_two_pixels_is_an_error(self, box: tuple[int, int, int, int]) -> None:
        with pytest.raises(ImageError, match=r"^less than 2 x 2 pixels of the box lie inside the image$"):
            crop(self.PICTURE, box)


def test_the_decoder_says_what_it_is() -> None:
    assert decoder_version().startswith(f"{DECODER} {Image.__version__}, libjpeg ")
