"""What errors advise is data: it names commands and parameters that exist, and no room below `stages` writes a command.

A remedy is a list of steps, `("extract", {"dataset": name})`; `stages.remedies` words it for a shell or as a call.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import pytest

from stages.command_group import COMMANDS, cli
from stages.commands.head import SUBCOMMANDS as HEAD_COMMANDS
from stages.commands.store import SUBCOMMANDS as STORE_COMMANDS

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("cache", "pipeline", "stages") for path in (ROOT / room).rglob("*.py"))
ACTIONS = [*COMMANDS, *(f"head {name}" for name in HEAD_COMMANDS), *(f"store {name}" for name in STORE_COMMANDS)]

# Modules that may write a command, with the reason.
ALLOWED = {
    "stages/remedies.py": "it words remedies as commands",
}
# `fer-stage extract`, but not "is not a fer-stage store".
_WRITTEN = re.compile(rf"(?<!\ba )(?<!\bno )fer-stage (?:{'|'.join(sorted(COMMANDS, key=len, reverse=True))})(?![\w-])")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parameters_of(action: str) -> set[str] | None:
    """The names of a command's parameters; None if there is no such command."""
    command: click.Command | None = cli
    with click.Context(cli) as context:
        for word in action.split():
            if not isinstance(command, click.Group):
                return None
            command = command.get_command(context, word)
    return None if command is None else {cast("str", parameter.name) for parameter in command.params}


def steps_in(tree: ast.AST) -> Iterator[tuple[int, str, list[str]]]:
    """Line, action and names of arguments of every step that is written out, wherever a remedy is composed.

    Arguments that are a variable, or `**more` among them, name none here; an action that is a variable is no step here.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "remedy":
            pairs = [part for part in ast.walk(node.value) if isinstance(part, ast.Tuple)]
            yield from filter(None, (_step(*pair.elts) for pair in pairs if len(pair.elts) == 2))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("command_line") and len(node.args) == 2:
            yield from filter(None, [_step(*node.args)])
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Dict):
            step = _step(*node.elts)
            if step and step[1] in ACTIONS:
                yield step


def _step(action: ast.expr, arguments: ast.expr) -> tuple[int, str, list[str]] | None:
    if not (isinstance(action, ast.Constant) and isinstance(action.value, str)):
        return None
    keys = arguments.keys if isinstance(arguments, ast.Dict) else []
    names = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    return action.lineno, action.value, names


def mistakes_in(source: str) -> list[str]:
    """Steps that name a command or a parameter that does not exist."""
    mistakes = []
    for line, action, names in steps_in(ast.parse(source)):
        known = parameters_of(action)
        if known is None:
            mistakes.append(f"line {line}: no command {action!r}")
        else:
            mistakes += [f"line {line}: {action} has no {name!r}" for name in names if name not in known]
    return list(dict.fromkeys(mistakes))


def commands_in(source: str) -> list[str]:
    """Commands that a module writes: in the text of a literal that is no docstring, or as a list of words."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    commands = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            commands += [f"line {node.lineno}: {match[0]}" for match in _WRITTEN.finditer(node.value)]
        elif isinstance(node, ast.List | ast.Tuple) and _begins_a_command(node.elts):
            commands.append(f"line {node.lineno}: {ast.unparse(node)}")
    return commands


def _begins_a_command(words: list[ast.expr]) -> bool:
    """`["fer-stage", "extract", ...]` or `["fer-stage", command, ...]`, but no list of packages."""
    match words:
        case [ast.Constant(value="fer-stage"), ast.Constant(value=str(second)), *_]:
            return second in COMMANDS
        case [ast.Constant(value="fer-stage"), _, *_]:
            return True
    return False


def test_remedies_name_commands_and_parameters_that_exist() -> None:
    found = {name_of(path): mistakes_in(path.read_text(encoding="utf-8")) for path in FILES}
    assert {name: mistakes for name, mistakes in found.items() if mistakes} == {}


def test_only_the_command_line_writes_commands() -> None:
    writers = {
        name: commands
        for path in FILES
        if (name := name_of(path)) not in ALLOWED
        and not name.startswith("stages/commands/")
        and (commands := commands_in(path.read_text(encoding="utf-8")))
    }
    assert writers == {}


def test_exceptions_are_needed() -> None:
    """A module that was moved, or whose messages hold no command any more, leaves the list."""
    files = {name_of(path): path for path in FILES}
    needed = {name for name in ALLOWED & files.keys() if commands_in(files[name].read_text(encoding="utf-8"))}
    assert sorted(ALLOWED.keys() - needed) == []


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ('E("x", remedy=[("extrat", {})])', "no command 'extrat'"),
        ('E("x", remedy=[("extract", {"data_set": name})])', "extract has no 'data_set'"),
        ('E("x", remedy=(("store verify", {"root": r, "deap": True}),))', "store verify has no 'deap'"),
        ('E("x", remedy=[("extrat", arguments)])', "no command 'extrat'"),
        ('steps = [("align", {"dataset": name, "margin": 1})]', "align has no 'margin'"),
        ('say(command_line("train", {"methods": method}))', "train has no 'methods'"),
        ('E("x", remedy=[("store", {"root": r}), ("head exports", {})])', "no command 'head exports'"),
    ],
)
def test_a_mistake_in_a_remedy_is_found(source: str, mistake: str) -> None:
    assert any(mistake in text for text in mistakes_in(source))


def test_a_remedy_without_a_mistake_is_accepted() -> None:
    source = 'E("x", remedy=[("align", {"dataset": name}), ("extract", {"dataset": name, **more})], purpose="p")'
    assert mistakes_in(source) == []
    assert mistakes_in('pair = ("not a command", {"anything": 1})') == []


@pytest.mark.parametrize(
    ("source", "n"),
    [
        ('E(f"no store. Run `fer-stage extract --dataset {name}`")', 1),
        ('E("Run `fer-stage encode-text`, then `fer-stage train`")', 2),
        ('shlex.join(["fer-stage", "store", "gc", path])', 1),
        ('words = ("fer-stage", self.command, "--dataset")', 1),
        ('E("x.zarr is not a fer-stage store; there is no fer-stage store")', 0),
        ('_LIBRARIES = ("fer-stage", "torch")', 0),
        ('E("update fer-stage, or fer-stage --debug")', 0),
        ('def f():\n    """What `fer-stage extract` writes."""', 0),
    ],
)
def test_a_command_in_a_message_is_found(source: str, n: int) -> None:
    assert len(commands_in(source)) == n
