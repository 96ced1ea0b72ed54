"""What all entities share: they check their fields, have a key, and say what they refer to.

An entity is an immutable value. It exists only if each of its fields is good, and its addresses
are canonical text, so that equal things compare equal however they were written. A constructor
given bad values raises one `StateError` with a problem for every bad field. What holds between
entities (a port's switch exists) is the store's business, not theirs.
"""

from typing import ClassVar, cast

from attrs import fields, frozen

from nvp_state.errors import Problem, StateError

Key = str | tuple[str | int, ...]
"""A natural key: a name, or for an ACL its switch, direction, priority and match."""

Reference = tuple[str, Key]
"""The kind and the key of an entity, present or not."""


@frozen
class Entity:
    """What all kinds of entities share: a kind, a key, and a title to be called by in messages.

    Class attributes:
        kind, plural: what messages call them.
        key_fields: the fields whose values are the natural key.
        numbered: the pool of tunnel keys that gives each one; "" for none. Names of entities
            that share a pool are unique among all of these.
        section: where documents list them; within their owner's object, if there is an `owner`.
        owner: the field that names the entity they belong to; documents tell it by the place.
        alternatives: the fields that may be None, and that documents then leave out.
    """

    kind: ClassVar[str]
    plural: ClassVar[str]
    key_fields: ClassVar[tuple[str, ...]] = ("name",)
    numbered: ClassVar[str] = ""
    section: ClassVar[str] = ""
    owner: ClassVar[str] = ""
    alternatives: ClassVar[frozenset[str]] = frozenset()

    def __attrs_post_init__(self) -> None:
        problems = []
        for attribute in fields(type(self)):
            try:
                value = attribute.metadata["check"](getattr(self, attribute.name))
            except ValueError as error:
                problems.append(Problem(self.title, attribute.name, str(error)))
            else:
                object.__setattr__(self, attribute.name, value)
        if not problems:
            problems += self._contradictions()
        if problems:
            raise StateError(problems)

    @property
    def key(self) -> Key:
        """The natural key, unique among entities of this kind."""
        values = tuple(getattr(self, name) for name in self.key_fields)
        return cast(Key, values[0] if len(values) == 1 else values)

    @property
    def title(self) -> str:
        """The name in messages, such as `port "web-1"`."""
        return title(self.kind, self.key)

    def _contradictions(self) -> list[Problem]:
        """Problems between fields that are good one by one."""
        return []


def references(entity: Entity) -> tuple[tuple[str, Reference], ...]:
    """Return what an entity refers to: the field that names it, its kind and its key."""
    found: list[tuple[str, Reference]] = []
    for attribute in fields(type(entity)):
        kind, value = attribute.metadata.get("refers"), getattr(entity, attribute.name)
        if kind is not None and value is not None:
            names = value if isinstance(value, tuple) else (value,)
            found.extend((attribute.name, (kind, name)) for name in names)
    return tuple(found)


def readable(key: Key) -> str:
    r"""Return a key as one text; an ACL's reads `switch:direction:priority:match`.

    No two keys of a kind have one text: in all texts but the last a colon is written `\:`, a
    backslash twice.
    """
    if not isinstance(key, tuple):
        return key
    *others, last = map(str, key)
    quoted = [text.replace("\\", r"\\").replace(":", r"\:") for text in others]
    return ":".join([*quoted, last])


def title(kind: str, key: Key) -> str:
    """Return what messages call the entity of this kind and key, such as `port "web-1"`."""
    return f'{kind} "{readable(key)}"'
