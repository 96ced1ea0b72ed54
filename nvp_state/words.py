"""The words of a reason: a kind, values in order, then options `name=value` and flags.

A reader takes what it knows, then calls `end`, which refuses what is left.
"""

from collections.abc import Callable
from typing import TypeVar

from nvp_state.errors import did_you_mean

Value = TypeVar("Value")


class Words:
    """What follows the kind in a reason. All that take something raise ValueError."""

    def __init__(self, text: str) -> None:
        self.kind, *words = text.split() or [""]
        self._values = [word for word in words if "=" not in word]
        self._options: dict[str, str] = {}
        self._known: list[str] = []
        for name, _, value in (word.partition("=") for word in words if "=" in word):
            if name in self._options:
                raise ValueError(f"{name} is said twice")
            self._options[name] = value

    def number(self, name: str, most: int) -> int:
        """The next value, from 0 to `most`."""
        if not self._values:
            raise ValueError(f"{name} is missing")
        return number(self._values.pop(0), most, name)

    def flag(self, name: str) -> bool:
        """Whether a word is there."""
        self._known.append(name)
        if name not in self._values:
            return False
        self._values.remove(name)
        return True

    def option(
        self, name: str, check: Callable[[str], Value], default: Value | None = None
    ) -> Value | None:
        """An option's value as `check` has it; `default` if it is not there."""
        self._known.append(f"{name}=")
        if name not in self._options:
            return default
        try:
            return check(self._options.pop(name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def required(self, name: str, check: Callable[[str], Value]) -> Value:
        """The value of an option that must be there."""
        value = self.option(name, check)
        if value is None:
            raise ValueError(f"{name}= is missing")
        return value

    def others(self) -> tuple[tuple[str, str], ...]:
        """The options that nobody took so far, in order."""
        taken, self._options = self._options, {}
        return tuple(taken.items())

    def end(self) -> None:
        """ValueError names a word that nobody took."""
        left = [*self._values, *(f"{name}=" for name in self._options)]
        if left:
            raise ValueError(f"{left[0]!r} is unknown{did_you_mean(left[0], self._known)}")


def number(text: str, most: int, name: str = "") -> int:
    """A number from 0 to `most`; ValueError else."""
    if not text.isdecimal() or not text.isascii() or int(text) > most:
        front = f"{name}: " if name else ""
        raise ValueError(f"{front}{text!r} is not a number from 0 to {most}")
    return int(text)


def up_to(most: int) -> Callable[[str], int]:
    """The check of an option that is a number."""
    return lambda text: number(text, most)
