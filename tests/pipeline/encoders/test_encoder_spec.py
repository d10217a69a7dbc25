"""Names of encoders: what is understood, what is refused, and what a name costs (no torch)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from encoder_models import run_python
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.encoders import EncoderSpec
from pipeline.errors import ConfigError

WITHOUT_TORCH = """
import sys
import pipeline.encoders, pipeline.extraction, pipeline.images.prepare, pipeline.prompts, pipeline.images.views
pipeline.encoders.EncoderSpec.parse("open_clip:ViT-B-32-quickgelu/openai").slug
print(*sorted({"torch", "open_clip", "timm", "torchvision", "huggingface_hub"} & set(sys.modules)))
"""
CONTROL = "".join(map(chr, (*range(32), 127)))  # refused: no name holds one
NAMES = st.text(st.characters(codec="utf-8", exclude_characters=f"/@{CONTROL}"), min_size=1, max_size=30).filter(
    lambda name: name == name.strip()
)
PATHS = st.text(st.characters(codec="utf-8", exclude_characters=f"~{CONTROL}"), min_size=1, max_size=60).filter(
    lambda path: path == path.strip()
)


class TestForms:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("untrained", EncoderSpec("untrained", "untrained")),
            ("mini", EncoderSpec("mini", "mini")),
            (" untrained\n", EncoderSpec("untrained", "untrained")),
            (
                "open_clip:ViT-B-32-quickgelu/openai",
                EncoderSpec("open_clip", "ViT-B-32-quickgelu", tag="openai"),
            ),
            (" open_clip:RN50/cc12m ", EncoderSpec("open_clip", "RN50", tag="cc12m")),
            ("open_clip:RN50@rn50.pt", EncoderSpec("open_clip", "RN50", path=Path("rn50.pt"))),
            ("open_clip:RN50@/data/a b/x", EncoderSpec("open_clip", "RN50", path=Path("/data/a b/x"))),
            ("open_clip:RN50@user@host/x.pt", EncoderSpec("open_clip", "RN50", path=Path("user@host/x.pt"))),
            (
                r"timm:resnet18@C:\weights\r18.safetensors",
                EncoderSpec("timm", "resnet18", path=Path(r"C:\weights\r18.safetensors")),
            ),
            ("timm:resnet18@../w/r18.pth", EncoderSpec("timm", "resnet18", path=Path("../w/r18.pth"))),
            ("timm:resnet18.a1_in1k@r18.pth", EncoderSpec("timm", "resnet18", "a1_in1k", Path("r18.pth"))),
            (
                "transformers:blip/Salesforce/blip-itm-base-coco",
                EncoderSpec("transformers", "blip", tag="Salesforce/blip-itm-base-coco"),
            ),
            ("transformers:align@/data/align", EncoderSpec("transformers", "align", path=Path("/data/align"))),
        ],
    )
    def test_are_understood(self, text: str, expected: EncoderSpec) -> None:
        assert EncoderSpec.parse(text) == expected

    def test_a_tilde_is_the_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/somebody")
        assert EncoderSpec.parse("timm:resnet18@~/r18.pth").path == Path("/home/somebody/r18.pth")

    def test_the_home_of_nobody_stays_as_it_was_written(self) -> None:
        assert EncoderSpec.parse("timm:resnet18@~no-such-user/r18.pth").path == Path("~no-such-user/r18.pth")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "openai",
            "Untrained",
            "open_clip",
            "open_clip:",
            "open_clip:ViT-B-32",
            "open_clip:ViT-B-32/",
            "open_clip:ViT-B-32@",
            "open_clip:/openai",
            "open_clip:ViT-B-32/openai/more",
            "open_clip:ViT-B-32/openai@file.pt",
            "clip:ViT-B-32/openai",
            "transformers:blip/base",
            "transformers:blip/a/b/c",
            "timm:resnet18/a/b",
            "untrained:x/y",
        ],
    )
    def test_others_are_refused_with_those_that_are_expected(self, text: str) -> None:
        with pytest.raises(ConfigError, match=re.escape(f"encoder {text!r}: expected open_clip:ARCH/TAG")):
            EncoderSpec.parse(text)

    def test_timm_by_tag_is_refused_with_the_form_by_file(self) -> None:
        with pytest.raises(ConfigError, match=r"timm weights are named by file, timm:resnet18@FILE"):
            EncoderSpec.parse("timm:resnet18/a1_in1k")


class TestAnyName:
    @given(NAMES, NAMES)
    def test_by_tag_comes_back_from_its_own_text(self, architecture: str, tag: str) -> None:
        spec = EncoderSpec.parse(f"open_clip:{architecture}/{tag}")
        assert (spec.architecture, spec.tag, spec.path) == (architecture, tag, None)
        assert EncoderSpec.parse(str(spec)) == spec

    @given(NAMES, NAMES, NAMES)
    def test_by_repository_comes_back_from_its_own_text(self, architecture: str, owner: str, name: str) -> None:
        spec = EncoderSpec.parse(f"transformers:{architecture}/{owner}/{name}")
        assert (spec.architecture, spec.tag, spec.path) == (architecture, f"{owner}/{name}", None)
        assert EncoderSpec.parse(str(spec)) == spec

    @given(st.sampled_from(["open_clip", "timm", "transformers"]), NAMES, PATHS)
    def test_by_path_comes_back_from_its_own_text(self, family: str, architecture: str, path: str) -> None:
        base, _, tag = architecture.partition(".") if family == "timm" else (architecture, "", "")
        assume(base)  # `timm:.tag@file` names no architecture, and is refused
        spec = EncoderSpec.parse(f"{family}:{architecture}@{path}")
        assert (spec.family, spec.architecture, spec.path, spec.tag) == (family, base, Path(path), tag)
        assert EncoderSpec.parse(str(spec)) == spec

    @given(NAMES, PATHS)
    def test_has_a_slug_that_is_a_safe_folder_name(self, architecture: str, path: str) -> None:
        for text in (f"open_clip:{architecture}@{path}", f"open_clip:{architecture}/tag"):
            assert re.fullmatch(r"open_clip-[A-Za-z0-9_.-]*", EncoderSpec.parse(text).slug)

    @pytest.mark.parametrize(
        ("text", "slug"),
        [
            ("untrained", "untrained"),
            ("mini", "mini"),
            ("open_clip:ViT-B-32-quickgelu/openai", "open_clip-ViT-B-32-quickgelu-openai"),
            ("open_clip:RN50@/data/clip/my weights.pt", "open_clip-RN50-my-weights"),
            ("timm:resnet18@/data/resnet18.pth", "timm-resnet18"),
            ("timm:resnet18.a1_in1k@/data/w.pth", "timm-resnet18.a1_in1k-w"),
            ("transformers:blip/Salesforce/blip-itm-base-coco", "transformers-blip-Salesforce-blip-itm-base-coco"),
        ],
    )
    def test_has_a_slug_that_a_person_can_read(self, text: str, slug: str) -> None:
        assert EncoderSpec.parse(text).slug == slug


def test_names_are_read_without_torch() -> None:
    assert run_python(WITHOUT_TORCH).split() == []
