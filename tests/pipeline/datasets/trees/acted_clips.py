"""Clips of actors, whose names hold their labels: RAVDESS, CREMA-D, MEAD."""

from __future__ import annotations

from trees.tree import Tree, images_of, named, picture


def frames_of(clips: str, n_frames: int = 2, first: int = 0, end: str = "png") -> dict[str, bytes]:
    """Folders with `n_frames` pictures each, named by numbers from 1; every picture of the tree is another one."""
    return images_of(" ".join(f"{clip}/{i}.{end}" for clip in clips.split() for i in range(1, n_frames + 1)), first)


def ravdess() -> Tree:
    speech = "Actor_01/01-01-03-01-01-01-01 Actor_01/02-01-03-01-01-01-01 Actor_01/01-01-02-01-01-01-01"
    speech += " Actor_02/02-01-08-02-02-02-02 Actor_02/01-01-01-01-01-01-02"
    song = "Actor_02/01-02-05-01-01-01-02"
    return Tree(
        "ravdess",
        {f"RAVDESS/{name}": data for name, data in frames_of(f"{speech} {song} Actor_02/notes").items()}
        | {"RAVDESS/Actor_01/03-01-03-01-01-01-01.wav": b"x", "RAVDESS/Actor_01/trailer.mp4": b"x"},
        {
            "01-01-03-01-01-01-01": ("happiness", ""),
            "02-01-08-02-02-02-02": ("surprise", ""),
            "01-01-01-01-01-01-02": ("neutral", ""),
        },
        rows=8,
        excluded={
            "calm": 1,
            "name is not like 01-01-03-01-01-01-01.mp4": 1,
            "same film as the clip with sound": 1,
            "song": 1,
            "sound without video": 1,
        },
        by_names=True,
    )


def crema_d() -> Tree:
    clips = "1001_DFA_ANG_XX 1001_IEO_HAP_LO 1002_IEO_SAD_HI 1002_ITH_SAD_X 1002_TAI_neu_XX"
    return Tree(
        "crema-d",
        {f"VideoFlash/{name}": data for name, data in frames_of(clips).items()} | {"VideoFlash/intro.flv": b"x"},
        {
            "1001_DFA_ANG_XX": ("anger", ""),
            "1002_IEO_SAD_HI": ("sadness", ""),
            "1002_ITH_SAD_X": ("sadness", ""),
            "1002_TAI_NEU_XX": ("neutral", ""),
        },
        rows=6,
        excluded={"low level": 1, "name is not like 1001_DFA_ANG_XX.flv": 1},
        options={"levels": ["XX", "HI"]},
        by_names=True,
    )


def mead() -> Tree:
    clips = (
        "M003/video/front/angry/level_2/001 M003/video/left_30/angry/level_2/001 M003/video/front/neutral/level_1/001"
    )
    clips += " W009_video/video/front/contempt/level_1/002 W009_video/video/front/surprised_level_3/003"
    return Tree(
        "mead",
        {f"MEAD/{name}": data for name, data in frames_of(clips).items()},
        {
            "M003/front/angry/level_2/001": ("anger", ""),
            "M003/front/neutral/level_1/001": ("neutral", ""),
            "W009/front/surprised/level_3/003": ("surprise", ""),
        },
        rows=5,
        excluded={"contempt": 1, "left_30 view": 1},
        with_contempt="W009/front/contempt/level_1/002",
        bad_label=("MEAD/M003/video/front/angrry/level_1/009/1.png", picture(99), ("1 x", "'angrry'", "'anger'")),
        by_names=True,
    )


TREES = named(ravdess, crema_d, mead)
