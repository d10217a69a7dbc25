"""Read YAML with limits, strictly about keys, and with the values that DVC reads."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.regular_files import read_regular
from stages.errors import ParamsError

__all__ = [
    "YAML_ERRORS",
    "BoundedLoader",
    "StrictLoader",
    "YamlDocument",
    "parse_options",
    "read_yaml",
    "read_yaml_strictly",
    "yaml_value",
]

YAML_ERRORS = (yaml.YAMLError, UnicodeDecodeError)  # of a text that is no YAML that is read here
MAX_BYTES = 64 * 2**20  # of a file of DVC
MAX_PARAMS_BYTES = 256 * 2**10  # of params.yaml: some thousand lines
_MERGE, _TIMESTAMP = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:timestamp"
_LARGEST = 2**64  # seeds are below it

# Words without quotes that YAML 1.1, which PyYAML reads, and YAML 1.2, which DVC reads, take for different values.
_TWO_MEANINGS = re.compile(
    r"""
    (?i:yes|no|on|off)                                  # true or false; a text
    | [-+]?0[0-9_]+                                     # octal or a text; decimal
    | [-+]?0o[0-7_]+                                    # a text; octal
    | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?  # base 60; a text
    | [-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][0-9]+         # a text; a number
    | [-+]?[0-9][0-9_]*[eE][-+][0-9]+                   # a text; a number
    | [-+]\.[0-9_]+(?:[eE][-+][0-9]+)?                  # a text; a number
    | [-+]?_[0-9_]*                                     # a text; a number
    | \._[0-9_]*(?:[eE][-+][0-9]+)?                     # a text; a number
    """,
    re.VERBOSE,
)


class BoundedLoader(yaml.SafeLoader):
    """Refuses short texts that expand to very large data: nested aliases, and deep nesting."""

    max_nodes = 2_000_000  # with everything that aliases repeat
    max_depth = 50

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._n_above = 0
        self._sizes: dict[int, tuple[int, int]] = {}  # id of a node -> its nodes and depth, aliases expanded

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # of the stubs
        if self._n_above > self.max_depth:
            raise _refused(f"nested more than {self.max_depth} levels deep", event.start_mark)
        self._n_above += 1
        node = super().compose_node(parent, index)
        self._n_above -= 1
        if node is None:
            return None
        if id(node) not in self._sizes:
            if isinstance(event, yaml.AliasEvent):
                raise _refused(f"alias *{event.anchor} lies inside what it repeats", event.start_mark)
            self._sizes[id(node)] = self._size(node)
        n_nodes, depth = self._sizes[id(node)]
        if n_nodes > self.max_nodes or depth > self.max_depth:
            actual = f"{n_nodes:,} values, {depth} levels deep"
            limit = f"at most {self.max_nodes:,} values and {self.max_depth} levels"
            raise _refused(f"expected {limit} with all that aliases repeat, found {actual}", event.start_mark)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, ArithmeticError, TypeError, AttributeError) as error:  # of PyYAML's parsing
            kind = node.tag.rpartition(":")[2]
            problem = f"{_abbreviated(node)} cannot be read as {kind}: put it in quotes if it is a text"
            raise _refused(problem, node.start_mark) from error

    def _size(self, node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1, 1
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        sizes = [self._sizes[id(part)] for part in parts]
        return 1 + sum(n for n, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)


class StrictLoader(BoundedLoader):
    """For files of ours. YAML silently uses the last of two equal keys; here the second one is an error.

    Keys are plain values, and `<<` merges as in DVC: a mapping's own keys override merged ones, and an
    earlier merged mapping overrides a later one. Dates, whole numbers of 64 bits or more, infinity and NaN are errors.
    """

    max_nodes = 20_000

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.two_meanings: list[yaml.ScalarNode] = []

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        # Before merging, which adds pairs that may be overridden.
        names: set[Any] = set()
        for key, _value in node.value:
            name = "<<" if key.tag == _MERGE else self._plain_key(key)
            if name in names:
                raise _refused(f"key {name!r} occurs twice", key.start_mark)
            names.add(name)
        return node

    def _plain_key(self, key: yaml.Node) -> Hashable:
        if not isinstance(key, yaml.ScalarNode):
            raise _refused("expected a word as a key, found a list or a mapping", key.start_mark)
        name: Hashable = self.construct_object(key)
        return name

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if node.style is None and _TWO_MEANINGS.fullmatch(node.value):
            self.two_meanings.append(node)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace `<<` by what it merges. PyYAML 6.0.4 uses the merged value where a merged mapping merges too."""
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        own: list[tuple[yaml.Node, yaml.Node]] = []
        for key, value in node.value:
            if key.tag != _MERGE:
                own.append((key, value))
                continue
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in reversed(parts):  # of equal keys the last one counts
                if not isinstance(part, yaml.MappingNode):
                    problem = f"expected a mapping or list of mappings after <<, found a {part.id}"
                    raise _refused(problem, part.start_mark)
                self.flatten_mapping(part)
                merged += part.value
        node.value = merged + own

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag == _TIMESTAMP:
            raise _refused(f"{_abbreviated(node)} is a date in YAML: put it in quotes", node.start_mark)
        value = super().construct_object(node, deep)
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise _refused(f"{_abbreviated(node)}: expected a number below 2 ** 64", node.start_mark)
        if isinstance(value, float) and not math.isfinite(value):
            raise _refused(f"{_abbreviated(node)}: expected a finite number", node.start_mark)
        return value


@dataclass(frozen=True)
class YamlDocument:
    """What a YAML file holds.

    Parameters
    ----------
    data : mappings, lists and plain values
    two_meanings : words that DVC reads as other values than we do, and where they are
    """

    data: Any
    two_meanings: tuple[str, ...]


def read_yaml_strictly(path: Path) -> YamlDocument:
    """A file of ours, such as params.yaml.

    Raises
    ------
    YAML_ERRORS
        With the line, if it is no YAML that `StrictLoader` takes; or if it is no UTF-8.
    OSError
        If it is no regular file, larger than `MAX_PARAMS_BYTES`, or cannot be read.
    """
    loader = StrictLoader(read_regular(path, MAX_PARAMS_BYTES).decode())
    try:
        data = loader.get_single_data()
    finally:
        loader.dispose()
    words = (f"{node.value} in line {node.start_mark.line + 1}" for node in loader.two_meanings)
    return YamlDocument(data, tuple(words))


def read_yaml(path: Path) -> Any:
    """A file of DVC; raises as `read_yaml_strictly` does, above `MAX_BYTES`."""
    return yaml.load(read_regular(path, MAX_BYTES).decode(), BoundedLoader)


def yaml_value(text: str) -> Any:
    """A value of a command line; yaml.YAMLError if it is none."""
    return yaml.load(text, StrictLoader)


def parse_options(pairs: Sequence[str], option: str = "--option") -> Mapping[str, Any]:
    """`("rule=probability", "classes=8")` as a mapping; values are read as YAML, so that 8 is a number.

    Parameters
    ----------
    option : the option that holds the pairs, for messages

    Raises
    ------
    ParamsError
        With the first pair that is not NAME=VALUE, or whose value is not YAML.
    """
    options = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise ParamsError(f"{option} {pair!r}: expected NAME=VALUE, such as rule=probability")
        try:
            options[name] = yaml_value(value)
        except YAML_ERRORS as error:
            problem = " ".join(str(error).split())
            raise ParamsError(f"{option} {pair!r:.100}: expected a value as YAML writes it ({problem:.200})") from error
    return options


def _abbreviated(node: yaml.Node) -> str:
    return repr(str(node.value)[:40]) if isinstance(node, yaml.ScalarNode) else "a list or a mapping"


def _refused(problem: str, mark: Any) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)
