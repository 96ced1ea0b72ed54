"""JSON and YAML files as plain data: mappings, lists, texts, whole numbers, true, false and null.

A file's suffix tells its form. Both forms hold the same values, so YAML is read without the
guesses of YAML 1.1, and in both a field that stands twice in one object is an error: one of
the two would be lost.
"""

import json
import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from nvp_state.errors import Problem, StateError


def read_data(path: Path) -> object:
    """Return the plain data in a file.

    Raises:
        StateError: the suffix is unknown, or the file cannot be read or understood.
    """
    form = _form(str(path))
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise StateError([Problem(str(path), "", _reason(error))]) from error
    return form(text, str(path))


def parse_data(text: str, name: str) -> object:
    """Return the plain data in a text called `name`, whose suffix tells the form.

    Raises:
        StateError: the suffix is unknown, or the text cannot be understood.
    """
    return _form(name)(text, name)


def write_data(path: Path, data: object) -> None:
    """Write plain data to a file, which is replaced at once or not at all.

    Raises:
        StateError: the suffix is unknown, or the file cannot be written.
    """
    if _form(str(path)) is _json:
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    else:
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise StateError([Problem(str(path), "", _reason(error))]) from error


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"byte {error.start} is not UTF-8 text"
        case OSError():
            return error.strerror or str(error)
    return str(error)


def _form(name: str) -> Callable[[str, str], object]:
    """The reader for the form that a file name's suffix tells."""
    forms = {".json": _json, ".yaml": _yaml, ".yml": _yaml}
    suffix = Path(name).suffix.lower()
    if suffix not in forms:
        if "{" in name or "\n" in name:
            raise StateError([Problem("", "", "this is text, not a path; use `parse_document`")])
        text = f"the suffix {suffix!r} does not tell its form; use {', '.join(forms)}"
        raise StateError([Problem(name, "", text)])
    return forms[suffix]


def _json(text: str, name: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno} column {error.colno}: {error.msg}"
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError as error:
        problem = str(error)
    raise StateError([Problem(name, "", problem)])


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        owner = f" of {result['name']!r}" if "name" in result else ""
        raise ValueError(f"the field {twice!r}{owner} is there twice in one object")
    return result


class _YamlLoader(yaml.SafeLoader):
    """YAML with the plain values of a document only: text, null, true, false, whole numbers.

    YAML 1.1 would read `10:00:00:00:00:01` as a number and `no` as false.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        pairs = [(key.value, key) for key, _ in node.value]
        seen: set[object] = set()
        for name, key in pairs:
            if isinstance(key, yaml.ScalarNode) and name in seen:
                problem = f"the field {name!r} is there twice in one object"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(name if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)


_YamlLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
):
    _YamlLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first
    )


def _yaml(text: str, name: str) -> object:
    try:
        return yaml.load(text, _YamlLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1} column {mark.column + 1}: " if mark else ""
        problem = f"{place}{error.problem}"
    except yaml.reader.ReaderError as error:
        line_start = text.rfind("\n", 0, error.position) + 1
        line = text.count("\n", 0, error.position) + 1
        problem = f"line {line} column {error.position - line_start + 1}: {error.reason}"
    except RecursionError:
        problem = "is nested too deeply"
    raise StateError([Problem(name, "", problem)])
