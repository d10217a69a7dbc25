"""YAML as people write it, read without surprises."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["YAML_ERRORS", "StrictLoader"]

# What a text that is no YAML of ours was seen to raise: the later ones over a date, a key, a tag, and [[[...
YAML_ERRORS = (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError)


class StrictLoader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win without a word; here the second one is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _value in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)
