"""YAML as settings need it, read and written: strict, of bounded size, and sealed where coview alone writes the file.

`true` and `false` are the only truth values (not `on`, `yes`), `1e-3` is a number, dates and sexagesimal numbers are
texts, no key stands twice, and every error is one line.
"""

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from coview.config.parsing import as_plain
from coview.errors import UserError
from coview.files import disk_errors, write_text

_SEAL = "# Written by coview. SHA-256 of all lines below: "
_MOST_BYTES = 100_000
"""Of settings that a person wrote; PyYAML takes about half a second for them."""
_MOST_DIGITS = 40
_MOST_REPEATED = 100_000
"""Values that anchors may add to a document by being named again."""
_DEEP = re.compile(r"(?:[\[{]\s*){50}")
"""PyYAML takes a second and more to find that out."""
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUTH = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(0x[0-9a-fA-F]+|[0-9]+(_[0-9]+)*)")
_FLOAT = re.compile(
    r"[-+]?(([0-9]+(_[0-9]+)*)?\.[0-9]+([eE][-+]?[0-9]+)?|[0-9]+\.?([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))|\.(nan|NaN|NAN)"
)
_SCALARS = {"null": _NULL, "bool": _TRUTH, "int": _INTEGER, "float": _FLOAT, "merge": re.compile("<<")}


class _Loader(yaml.SafeLoader):
    """Makes tables, lists and scalars; nothing else has a tag that it knows."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse keys that stand twice or are no texts."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"):
            problem = f"the key {key.value!r} stands twice" if str(key.value) in seen else ""
            if key.tag != "tag:yaml.org,2002:str":
                problem = "a key must be a text; put it in quotes"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return made


def _number(loader: Any, node: Any) -> int | float:
    text = node.value.replace("_", "")
    if len(text) > _MOST_DIGITS:
        raise yaml.constructor.ConstructorError(None, None, "a number of too many digits", node.start_mark)
    if node.tag.endswith("int"):
        return int(text, 16) if "x" in text else int(text)
    return float(re.sub(r"\.(?=[iInN])", "", text))


def _refuse_tag(loader: Any, node: Any) -> None:
    raise yaml.constructor.ConstructorError(None, None, f"the tag {node.tag!r} means nothing here", node.start_mark)


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {}
for _name, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern.pattern})$"), None)
_CONSTRUCTORS: dict[str, Callable[[Any, Any], Any]] = {
    "null": lambda loader, node: None,
    "bool": lambda loader, node: node.value.lower() == "true",
    "int": _number,
    "float": _number,
    "str": lambda loader, node: node.value,
    "seq": yaml.SafeLoader.construct_yaml_seq,
    "map": yaml.SafeLoader.construct_yaml_map,
}
for _name, _constructor in _CONSTRUCTORS.items():
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _constructor)
_Loader.add_constructor(None, _refuse_tag)


class _Dumper(yaml.SafeDumper):
    """Puts texts into quotes that this or another reader of YAML would take for something else."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT.pattern})$"), list("-+.0123456789"))


def dump_yaml(values: Any) -> str:
    """Return plain values as YAML, in their own order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False)


def load_yaml(text: str) -> Any:
    """Return what a text in YAML says.

    Raises:
        ValueError: it says nothing sensible; one line.
    """
    if _DEEP.search(text):
        raise ValueError("it is nested too deeply")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _require_bounded(node)
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(_cause(error)) from None


def _cause(error: yaml.YAMLError) -> str:
    """Return what is wrong, and in which line, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem


def _require_bounded(root: yaml.Node) -> None:
    """Refuse what anchors blow up to no end: a value within itself, or lists of lists of lists of the same.

    Raises:
        ValueError: so it is.
    """
    sizes: dict[int, int] = {}
    is_open: set[int] = set()
    written = 0

    def size_of(node: yaml.Node) -> int:
        nonlocal written
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) in is_open:
            raise ValueError(f"line {node.start_mark.line + 1}: this value contains itself")
        if id(node) not in sizes:
            is_open.add(id(node))
            pairs = node.value if isinstance(node, yaml.MappingNode) else [(value,) for value in node.value]
            parts = [part for pair in pairs for part in pair]
            written += 1 + len(parts)
            sizes[id(node)] = 1 + sum(map(size_of, parts))
            is_open.remove(id(node))
        return sizes[id(node)]

    if size_of(root) > written + _MOST_REPEATED:
        raise ValueError(f"its anchors repeat each other to more than {_MOST_REPEATED:,} values")


def read_yaml(path: Path, *, is_written_by_hand: bool = False) -> dict[str, Any]:
    """Read a YAML file that holds settings.

    Args:
        path: the file.
        is_written_by_hand: whether a person wrote it, so that a huge one is a mistake.

    Raises:
        UserError: no such file, not YAML, not a table of settings, or one of coview's own that is damaged.
    """
    try:
        with disk_errors(path.parent):
            content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid YAML: it is no text in UTF-8 ({error.reason})") from None
    if is_written_by_hand and len(content) > _MOST_BYTES:
        raise UserError(f"{path} has {len(content):,} bytes, more than any settings ({_MOST_BYTES:,}); is it the file?")
    if text.startswith(_SEAL):
        seal, _, body = text.partition("\n")
        if hashlib.sha256(body.encode()).hexdigest() != seal.removeprefix(_SEAL):
            raise UserError(
                f"{path} is damaged: it is not what coview wrote. Put a sound copy there; if you changed it on "
                "purpose, delete its first line"
            )
    try:
        values = load_yaml(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path} holds a {type(values).__name__}, expected settings as 'name: value' lines")
    return values


def read_value(text: str) -> Any:
    """Read the value of a setting as it is typed on a command line: a number, a text, a list, null.

    Raises:
        UserError: not a value.
    """
    if len(text) > _MOST_BYTES:
        raise UserError(f"a value of {len(text):,} letters is none of a setting")
    try:
        return load_yaml(text)
    except ValueError as error:
        shown = text if len(text) <= 60 else f"{text[:50]}..."
        raise UserError(f"{shown!r} is not a value ({error}); quote texts that hold ':' or brackets") from None


def write_yaml(path: Path, values: Mapping[str, Any], *, first_line: str = "", is_sealed: bool = False) -> None:
    """Write plain values as YAML, in their own order, atomically.

    Args:
        path: the file.
        values: settings or plain values.
        first_line: a comment.
        is_sealed: begin with a checksum, so that damage is seen by `read_yaml`: for files that nobody edits.

    Raises:
        UserError: it cannot be written.
    """
    text = (f"# {first_line}\n" if first_line else "") + dump_yaml(as_plain(values))
    seal = f"{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n" if is_sealed else ""
    write_text(path, seal + text)
