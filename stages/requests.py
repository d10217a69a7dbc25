"""What the stages are asked to do: one frozen request per command, with the names and defaults of its options.

Shared parameters: `params` is params.yaml, whose values hold where a request says None (its defaults, if there is no
such file). `dry_run` says what would be done and writes nothing. `quiet` shows no progress. `follow_links` writes also
where a link leads out of an output's folder. `features` may be a place in an object store, s3://BUCKET/PREFIX.
`device` is auto (CUDA when there is one, else cpu), cpu, cuda or cuda:N.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from stages.seeds import MOST_SEEDS, Seed

__all__ = [
    "AlignRequest",
    "DatasetsRequest",
    "DrawRequest",
    "EncodeTextRequest",
    "EvaluateRequest",
    "ExportHeadRequest",
    "ExtractRequest",
    "Grid",
    "IndexRequest",
    "PredictRequest",
    "QueryRequest",
    "ReportRequest",
    "TrainRequest",
]

PICTURE_SUFFIXES = (".png", ".jpg")


def _place(value: Any) -> Any:
    from cache.places import place  # late: it brings a library that `--help` does not need

    return place(value)


def _several(value: Any) -> Any:
    """One path or name in place of several."""
    return (value,) if isinstance(value, str | Path) else value


def _place_of_store(value: Any) -> Any:
    """A path, an open store, or what `extract` returned."""
    from cache.places import Place, place

    return place(value if isinstance(value, str | Place) else getattr(value, "path", value))


def _run_folders(value: Any) -> Any:
    """One path, what `train` returned, or several of either."""
    if isinstance(value, str | Path):
        return (value,)
    if hasattr(value, "folders"):
        return tuple(value.folders)
    if isinstance(value, Iterable):
        return tuple(folder for item in value for folder in (item.folders if hasattr(item, "folders") else (item,)))
    return value


def _with_suffix(*suffixes: str) -> AfterValidator:
    """Of a picture to write: its name says in which format."""

    def check(path: Path) -> Path:
        if path.suffix.lower() not in suffixes:
            raise ValueError(f"expected a name that ends with {' or '.join(suffixes)}")
        return path

    return AfterValidator(check)


def _seeds(value: Any) -> Any:
    """One seed in place of several; a range, or an array of numpy, as a tuple."""
    if isinstance(value, int):
        return (value,)
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return tuple(islice(value, MOST_SEEDS + 1))  # no more are needed to refuse them
    return value


def _grid(value: Any) -> Any:
    return {name: _axis(name, values) for name, values in value.items()} if isinstance(value, Mapping) else value


def _axis(name: str, values: Any) -> Any:
    """The values of an option; ValueError if there are none, or it is one value and no sequence of them."""
    if hasattr(values, "tolist"):  # an array of numpy: its numbers as those of Python
        values = values.tolist()
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name}: expected several values, such as [1, 5]")
    values = dict(values) if isinstance(values, Mapping) else tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one value")
    return values


FolderOrBucket = Annotated[Any, BeforeValidator(_place)]  # a `cache.places.Place`

StorePlace = Annotated[Any, BeforeValidator(_place_of_store)]  # a `cache.places.Place`

Share = Annotated[float, Field(ge=0, le=1)]

Positive = Annotated[int, Field(ge=1)]

NotNegative = Annotated[int, Field(ge=0)]

Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]

PathsOrPatterns = Annotated[tuple[str | Path, ...], Field(min_length=1), BeforeValidator(_several)]

RunFolders = Annotated[tuple[Path, ...], Field(min_length=1), BeforeValidator(_run_folders)]

Png = Annotated[Path, _with_suffix(".png")]

Picture = Annotated[Path, _with_suffix(*PICTURE_SUFFIXES)]

Seeds = Annotated[Sequence[Seed], Field(min_length=1, max_length=MOST_SEEDS), BeforeValidator(_seeds)]

Grid = Annotated[Mapping[str, Sequence[Any] | Mapping[str, Any]], BeforeValidator(_grid)]

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Request:
    params: Path = Path("params.yaml")
    follow_links: bool = False


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class DatasetsRequest:
    """List every configured dataset and every layout: its root, whether that exists, rows of its table.

    Parameters
    ----------
    tables : folder of sample tables
    """

    tables: Path = Path("tables")
    params: Path = Path("params.yaml")


@dataclass(frozen=True, config=_CONFIG)
class DrawRequest(_Request):
    """Draw faces with seven expressions in one of five styles; with `group`, one picture of several people.

    Parameters
    ----------
    style : sample-a to sample-e; of `group` by default sample-d
    group : n people in one picture, >= 1
    out : folder, by default data/STYLE; the file of `group`, by default group.png
    images : how many faces, >= 60; by default as in params.yaml, else 1200
    seed : of what is drawn; by default as in params.yaml, else 0
    contact_sheet : a .png or .jpg to write, too, with all seven expressions
    """

    style: str | None = None
    _: KW_ONLY
    group: Positive | None = None
    out: Path | None = None
    images: Annotated[int, Field(ge=60)] | None = None
    seed: NotNegative | None = None
    contact_sheet: Picture | None = None
    dry_run: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.group is None and self.style is None:
            raise ValueError("`style`: expected sample-a to sample-e, found none")
        if self.group is not None:
            if self.images or self.contact_sheet:
                raise ValueError("`group` draws one picture: `images` and `contact_sheet` belong to a whole style")
            if self.out is not None and self.out.suffix.lower() not in PICTURE_SUFFIXES:
                raise ValueError(
                    f"`out`: expected a name that ends with {' or '.join(PICTURE_SUFFIXES)}, found {self.out}"
                )


@dataclass(frozen=True, config=_CONFIG)
class IndexRequest(_Request):
    """Scan a dataset into its sample table: one row per image, labels by name, splits, digests.

    Parameters
    ----------
    dataset : name in params.yaml, or name of a layout
    layout : how the dataset is laid out on disk; by default as in params.yaml, else the layout of its name
    root : folder, .tar, .tar.gz or .zip; by default as in params.yaml, else data/DATASET
    options : of the layout
    tables : folder of sample tables
    """

    dataset: str
    _: KW_ONLY
    layout: str | None = None
    root: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    tables: Path = Path("tables")
    quiet: bool = False


@dataclass(frozen=True, config=_CONFIG)
class AlignRequest(_Request):
    """Find the face of every image of a dataset, and keep its box and five landmarks.

    Parameters
    ----------
    dataset : name in params.yaml, or name of a layout
    threads : that read, decode and detect; by default one per core
    limit : only the first `limit` rows, into a face table of their own
    contact_sheet : a .png to write, too, with some images and their faces
    if_any : an empty face table, unless params.yaml has `extract.faces: aligned`
    max_rejected : share of rejected images above which the call fails, the faces kept, in [0, 1]
    tables, face_tables : folders of sample tables and of face tables
    """

    dataset: str
    _: KW_ONLY
    threads: Positive | None = None
    limit: Positive | None = None
    contact_sheet: Png | None = None
    if_any: bool = False
    max_rejected: Share = 0.99
    dry_run: bool = False
    tables: Path = Path("tables")
    face_tables: Path = Path("faces")
    quiet: bool = False


@dataclass(frozen=True, config=_CONFIG)
class ExtractRequest(_Request):
    """Encode every image of a dataset once, with a frozen encoder, into a feature store.

    Parameters
    ----------
    dataset : name in params.yaml, or name of a layout
    encoder : name in params.yaml, or FAMILY:ARCH...; by default the first of params.yaml
    layout, root : as of `index`; either indexes the dataset again
    backend, outputs, views, dtype, faces, margin, missed : by default as in params.yaml, block `extract`
    batch_size : images a step
    decoders : threads that decode ahead of an encoder; by default its cores
    runtime : of the image tower; `auto` measures
    workers : processes that encode; more than one start a dask cluster on this machine
    scheduler : tcp://HOST:PORT of a dask cluster that is running
    reuse : copy rows that another store under `features` holds
    drop_outputs : drop outputs that the store has and that are not asked for
    limit : only the first `limit` rows, into a store of their own
    max_rejected : share of rejected images above which the call fails, the store kept, in [0, 1]
    tables, face_tables : folders of sample tables and of face tables
    """

    dataset: str
    _: KW_ONLY
    encoder: str | None = None
    layout: str | None = None
    root: Path | None = None
    backend: Literal["zarr", "hdf5"] | None = None
    outputs: Texts | None = None
    views: Annotated[int, Field(ge=1, le=64)] | None = None
    dtype: Literal["float16", "float32"] | None = None
    faces: Literal["given", "aligned"] | None = None
    margin: Annotated[float, Field(ge=-0.25, le=2)] | None = None
    missed: Literal["reject", "centre"] | None = None
    batch_size: Positive = 64
    decoders: Positive | None = None
    runtime: str = "auto"
    workers: Positive = 1
    scheduler: str | None = None
    reuse: bool = True
    drop_outputs: bool = False
    limit: Positive | None = None
    max_rejected: Share = 0.01
    dry_run: bool = False
    tables: Path = Path("tables")
    face_tables: Path = Path("faces")
    features: FolderOrBucket = Path("features")
    device: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, config=_CONFIG)
class EncodeTextRequest(_Request):
    """Encode every prompt template with every class name (all eight) through the frozen text tower.

    Parameters
    ----------
    encoder : name in params.yaml, or FAMILY:ARCH...; by default the first of params.yaml
    prompts : prompt set; by default as in params.yaml
    if_any : an encoder without a text tower gets an empty set instead of an error
    """

    encoder: str | None = None
    _: KW_ONLY
    prompts: str | None = None
    if_any: bool = False
    dry_run: bool = False
    features: FolderOrBucket = Path("features")
    device: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, config=_CONFIG)
class TrainRequest(_Request):
    """Train heads on a dataset's cached features; reads its train and validation splits and nothing else.

    Parameters
    ----------
    method : linear-probe, feature-mask, cafe, kefer, ..., or FILE.py:NAME of one's own
    dataset : what to train on; its validation split selects the epoch
    encoder : whose features; by default the first of params.yaml
    seeds : of weights, order and drops; by default `run.seeds` of params.yaml
    options : of the method
    grid : option -> values, or names of values -> values: a run for each combination
    recipe : settings of a paper, as cafe/raf-db
    prompts, text : prompt set of text heads, and the encoder of their text vectors; by default the features' own
    prune : remove the runs of seeds that are not named; those of variants stay
    curves : folder that gets each history as CURVES/[VARIANT/]seed-N.csv, too
    runs : folder of trained heads
    """

    method: str
    dataset: str
    _: KW_ONLY
    encoder: str | None = None
    seeds: Seeds | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)
    recipe: str = ""
    prompts: str | None = None
    text: str | None = None
    prune: bool = False
    curves: Path | None = None
    dry_run: bool = False
    features: FolderOrBucket = Path("features")
    runs: Path = Path("runs")
    device: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, config=_CONFIG)
class EvaluateRequest(_Request):
    """Score trained heads on the test split of datasets, and keep the scores below runs/scores.

    Parameters
    ----------
    runs : folders of trained runs, or folders of such folders; in Python also what `train` returned
    datasets : by default `run.datasets` of params.yaml
    split : another one than the protocol's is scored and not kept; by default `protocol.test_split` of params.yaml
    exclude_overlap : leave rows out whose bytes the head was trained or selected on; they are counted
    method : FILE.py:NAME, the code of heads of a method of one's own that params.yaml does not name
    """

    runs: RunFolders
    _: KW_ONLY
    datasets: Texts = ()
    split: Literal["test", "val"] | None = None
    exclude_overlap: bool = False
    method: str | None = None
    dry_run: bool = False
    features: FolderOrBucket = Path("features")
    device: str = "auto"


@dataclass(frozen=True, config=_CONFIG)
class ExportHeadRequest(_Request):
    """Write a trained head, its record and its model card into one folder for other machines.

    Parameters
    ----------
    run : folder of a trained run, or of a head that was exported before
    out : new folder; one that holds anything but this very export is refused
    onnx : also head.onnx, for programs without PyTorch; needs the extra [onnx]
    encoder : with `onnx`, of heads that hold a part of their encoder, if it has another name here than in the run
    """

    run: Path
    out: Path
    _: KW_ONLY
    onnx: bool = False
    encoder: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, config=_CONFIG)
class PredictRequest(_Request):
    """Name the expressions of the faces in pictures, folders of pictures, patterns of paths, and videos.

    Parameters
    ----------
    inputs : files, folders and patterns of paths, or one of them
    run : folder of a trained run or of an exported head; by default the head that fer-stage carries
    encoder : of the head, if it has another name here
    method : FILE.py:NAME, the code of a head of a method of one's own that params.yaml does not name
    annotate : folder that gets the pictures with labels
    every : seconds between frames of a video; 0 takes all
    rotate : look for faces in sideways pictures, too
    batch_size : faces a step
    max_rejected : share of unreadable images above which the call fails, in [0, 1]
    """

    inputs: PathsOrPatterns
    _: KW_ONLY
    run: Path | None = None
    encoder: str | None = None
    method: str | None = None
    annotate: Path | None = None
    every: Annotated[float, Field(ge=0)] = 1.0
    rotate: bool = True
    batch_size: Positive = 32
    max_rejected: Share = 0.99
    device: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class ReportRequest:
    """Gather all runs on one page, with tables for DVC; it needs no params.yaml.

    Parameters
    ----------
    runs : folder of trained heads
    reports : folder of the page and its tables
    """

    runs: Path = Path("runs")
    features: FolderOrBucket = Path("features")
    reports: Path = Path("reports")
    dry_run: bool = False
    follow_links: bool = False


@dataclass(frozen=True, config=_CONFIG)
class QueryRequest(_Request):
    """Rows of a store that meet a condition, or the nearest of them.

    Parameters
    ----------
    store : its path; in Python also an open store, or what `extract` returned
    where : condition on columns: "split == 'test' and label in ('fear', 'anger')"
    columns : of the result
    near : the rows nearest to an id of the store, else to an image file, else to a text
    k, metric : how many nearest rows (by default 10), by `cosine` (the default) or `dot`
    feature, view : output and view of the store to search or to export
    limit : at most so many rows
    output : file that gets the rows with their features: .parquet, .npy or .safetensors
    rejected, dtype, plain_list : of `output`: rows without a feature are kept (null, NaN) or dropped; features as they
        are `stored` or as `float32`; Parquet lists of any length instead of a fixed one
    encoder : the store's, for an image or a text; by default the one that the store names
    """

    store: StorePlace
    _: KW_ONLY
    where: str | None = None
    columns: Texts = ("id", "label", "split", "status", "reason")
    near: str | None = None
    k: Positive | None = None
    metric: Literal["cosine", "dot"] | None = None
    feature: str = "pooled"
    view: NotNegative = 0
    limit: NotNegative | None = None
    output: Path | None = None
    rejected: Literal["keep", "drop"] = "keep"
    dtype: Literal["stored", "float32"] = "stored"
    plain_list: bool = False
    encoder: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.near is None and (self.k or self.metric):
            raise ValueError("`k` and `metric` state how to search: name what to search for with `near`")
        if self.output is None and (self.rejected, self.dtype, self.plain_list) != ("keep", "stored", False):
            raise ValueError("`rejected`, `dtype` and `plain_list` state how to export: name a file with `output`")
