"""Versions: how an update becomes visible to packets all at once (as in OVS's lib/versions.h).

What a switch holds bears the version `since` which it is there and `until` which it is. A packet
reads one version from beginning to end, and sees what was there in that version. An update puts
what is new, and marks what is old, for the next version; then one assignment makes that the current
one. If the update fails half-way, what it did is undone, and no packet has seen it.

What is gone stays until no packet is under way in a version that could see it: so any thread may
read while one writes. Only writers need a lock among each other.

Cost: a reader costs one entry in a dictionary; a look-up in `Versioned` one probe.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Generic, TypeVar

from attrs import define, evolve, frozen

FOREVER = 1 << 62

Key = TypeVar("Key")
Value = TypeVar("Value")


class Versions:
    """The current version, and those that packets under way are in."""

    def __init__(self) -> None:
        self.current = 0
        self._readers: dict[int, int] = {}
        self._tickets = count()

    @contextmanager
    def reading(self) -> Iterator[int]:
        """The version to read in, which stays whole until the exit."""
        ticket = next(self._tickets)
        while True:
            version = self._readers[ticket] = self.current
            # A writer publishes first and looks for readers after: either it has seen this one,
            # or this one sees that it has published.
            if version == self.current:
                break
        try:
            yield version
        finally:
            del self._readers[ticket]

    def publish(self) -> None:
        """Make the next version the current one."""
        self.current += 1

    @property
    def oldest(self) -> int:
        """The oldest version in which anything is read."""
        return min([self.current, *list(self._readers.values())])


@frozen
class _Span(Generic[Value]):
    since: int
    until: int
    value: Value


@define(eq=False)
class Versioned(Generic[Key, Value]):
    """A mapping of which every version can be read."""

    _spans: dict[Key, tuple[_Span[Value], ...]]

    @classmethod
    def empty(cls) -> "Versioned[Key, Value]":
        """Nothing, in all versions."""
        return cls({})

    def get(self, key: Key, version: int) -> Value | None:
        """What was there in a version."""
        for span in self._spans.get(key, ()):
            if span.since <= version < span.until:
                return span.value
        return None

    def items(self, version: int) -> list[tuple[Key, Value]]:
        """All that was there in a version."""
        return [
            (key, span.value)
            for key, spans in list(self._spans.items())
            for span in spans
            if span.since <= version < span.until
        ]

    def stage(self, key: Key, version: int, value: Value | None) -> None:
        """Have a value, or none, from a version on that is yet to come."""
        kept = self._unstaged(key, version)
        ended = tuple(evolve(span, until=min(span.until, version)) for span in kept)
        new = () if value is None else (_Span(version, FOREVER, value),)
        self._spans[key] = new + ended

    def unstage(self, key: Key, version: int) -> None:
        """Take back what was staged for a version."""
        kept = self._unstaged(key, version)
        if kept:
            self._spans[key] = kept
        else:
            self._spans.pop(key, None)

    def collect(self, key: Key, oldest: int) -> None:
        """Forget what nothing that reads in version `oldest` or later can see."""
        kept = tuple(span for span in self._spans.get(key, ()) if span.until > oldest)
        if kept:
            self._spans[key] = kept
        else:
            self._spans.pop(key, None)

    def _unstaged(self, key: Key, version: int) -> tuple[_Span[Value], ...]:
        return tuple(
            evolve(span, until=FOREVER) if span.until == version else span
            for span in self._spans.get(key, ())
            if span.since < version
        )
