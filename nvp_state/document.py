"""Network documents: JSON or YAML text, the plain data it stands for, and the entities in it.

    load_document(path or data)      -> entities
    parse_document(text, name)       -> entities
    dump_document(entities)          -> plain data, canonical
    save_document(path, entities)

A document says all there is; fields and sections it does not know are errors, so that a misspelt
`enabled` is not read as its default. All problems of a document are reported at once, each with
the object it is in.

In a canonical document everything stands in the order of the entities, ports inside their switch
or router; addresses are canonical text; fields that have their default value are left out, and so
are empty sections. So a document that is written this way comes back as it was, and loading any
dump gives equal entities in the same order.
"""

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import attrs

from nvp_state.entities import KINDS, Entity, title
from nvp_state.errors import Problem, StateError, did_you_mean
from nvp_state.plain_data import parse_data, read_data, write_data

Document = dict[str, list[dict[str, Any]]]

_SECTIONS: dict[str, type[Entity]] = {
    kind.section: kind for kind in KINDS.values() if not kind.owner
}
_NESTED: dict[type[Entity], type[Entity]] = {
    KINDS[kind.owner]: kind for kind in KINDS.values() if kind.owner
}


def load_document(source: str | PathLike[str] | Mapping[str, Any]) -> tuple[Entity, ...]:
    """Return the entities of a document, in document order: each switch before its ports.

    Args:
        source: the path of a JSON or YAML file (its suffix tells), or the document as plain data,
            as `json.loads` gives it. Text is for `parse_document`.

    Raises:
        StateError: the file cannot be read, is no document, or has problems: all of them.
    """
    if isinstance(source, Mapping):
        return _Reading("the document").document(source)
    path = Path(source)
    return _Reading(str(path)).document(read_data(path))


def parse_document(text: str, name: str = "network.json") -> tuple[Entity, ...]:
    """Return the entities of a document given as text.

    `name` is what messages call it; its suffix tells the form, `.json`, `.yaml` or `.yml`.

    Raises:
        StateError: the text is no document, or has problems: all of them.
    """
    return _Reading(name).document(parse_data(text, name))


def save_document(path: str | PathLike[str], entities: Iterable[Entity]) -> None:
    """Write the canonical document of `entities`; the suffix tells the form.

    Raises:
        StateError: the suffix is unknown, or the file cannot be written; it is as it was.
    """
    write_data(Path(path), dump_document(entities))


def dump_document(entities: Iterable[Entity]) -> Document:
    """Return the canonical document of entities, which refer to nothing outside of them."""
    document: Document = {section: [] for section in _SECTIONS}
    owners: dict[tuple[str, Any], dict[str, Any]] = {}
    for entity in entities:
        fields = _fields_of(entity)
        if entity.owner:
            owner = owners[entity.owner, getattr(entity, entity.owner)]
            owner.setdefault(entity.section, []).append(fields)
        else:
            owners[entity.kind, entity.key] = fields
            document[entity.section].append(fields)
    return {section: objects for section, objects in document.items() if objects}


def _fields_of(entity: Entity) -> dict[str, Any]:
    """What a document says of an entity: the fields that are not as they would be anyway."""
    return {
        field.name: _plain(getattr(entity, field.name))
        for field in attrs.fields(type(entity))
        if field.name != entity.owner
        and getattr(entity, field.name)
        != (None if field.name in entity.alternatives else field.default)
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


class _Reading:
    """One document on its way to entities: what is found, and what is wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entities: list[Entity] = []
        self.places: dict[tuple[str, Any], str] = {}
        self.problems: list[Problem] = []

    def document(self, data: object) -> tuple[Entity, ...]:
        if not isinstance(data, Mapping):
            text = f"is {_shape(data)}; a document is an object of {', '.join(_SECTIONS)}"
            raise StateError([Problem(self.name, "", text)])
        for section in data:
            if section not in _SECTIONS:
                hint = did_you_mean(section, _SECTIONS)
                self.problem(self.name, str(section), f"there is no such section{hint}")
        for section, kind in _SECTIONS.items():
            for place, value in self.listed(data, section, self.name, section):
                self.entity(kind, value, place)
        if self.problems:
            raise StateError(self.problems)
        return tuple(self.entities)

    def listed(
        self, data: Mapping[str, Any], field: str, owner: str, path: str
    ) -> list[tuple[str, Any]]:
        """The members of a list, with their places; a missing list is empty."""
        values = data.get(field, [])
        if not isinstance(values, list):
            self.problem(owner, field, f"is {_shape(values)}, not a list")
            return []
        return [(f"{path}[{index}]", value) for index, value in enumerate(values)]

    def entity(self, kind: type[Entity], value: Any, place: str, **context: Any) -> None:
        """One object of a document, and those inside it."""
        if not isinstance(value, Mapping):
            self.problem(place, "", f"is {_shape(value)}, not an object with named fields")
            return
        called = _named(kind.kind, value) or place
        nested = _NESTED.get(kind)
        fields = {field.name: field for field in attrs.fields(kind) if field.name not in context}
        known = [*fields, *([nested.section] if nested else [])]
        for field in value:
            if field not in known:
                self.problem(
                    called, str(field), f"there is no such field{did_you_mean(field, known)}"
                )
        required = [name for name, field in fields.items() if field.default is attrs.NOTHING]
        lacking = [name for name in required if name not in value]
        missing = [name for name in lacking if name not in kind.alternatives]
        for name in missing:
            self.problem(called, name, "is missing")
        given = {name: value[name] for name in fields if name in value}
        self.build(kind, called, place, {**dict.fromkeys(lacking), **given, **context}, missing)
        if nested:
            path = f"{place}.{nested.section}"
            for inner_place, inner in self.listed(value, nested.section, called, path):
                self.entity(nested, inner, inner_place, **{nested.owner: value.get("name")})

    def build(
        self,
        kind: type[Entity],
        called: str,
        place: str,
        fields: dict[str, Any],
        missing: list[str],
    ) -> None:
        """Make the entity, or note its problems but for those of fields that are missing."""
        try:
            entity = kind(**fields)
        except StateError as error:
            silent = {*missing, kind.owner}
            for problem in error.problems:
                if problem.field not in silent:
                    self.problem(called, problem.field, problem.text)
            return
        earlier = self.places.setdefault((entity.kind, entity.key), place)
        if earlier != place:
            self.problem(entity.title, "", f"is there twice: {earlier} and {place}")
        self.entities.append(entity)

    def problem(self, called: str, field: str, text: str) -> None:
        self.problems.append(Problem(called, field, text))


def _named(kind: str, value: object) -> str:
    """The title of an object that has a usable name, or nothing."""
    name = value.get("name") if isinstance(value, Mapping) else None
    return title(kind, name) if isinstance(name, str) and name else ""


def _shape(value: object) -> str:
    """The kind of a plain value, in the words of JSON."""
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return f"the value {json.dumps(value)}"
        case str():
            return "a text"
        case Mapping():
            return "an object"
    return "a list"
