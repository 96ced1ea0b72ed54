"""The shape of a table of a random program."""

from attrs import frozen


@frozen
class TableShape:
    """A table: `level` 0 is for inputs, and a rule reads up to the level of its head.

    `key` has the places of an input table's key, ascending.
    """

    name: str
    kind: str
    types: tuple[str, ...]
    level: int
    key: tuple[int, ...] = ()

    @property
    def columns(self) -> list[str]:
        return [f"c{place}" for place in range(len(self.types))]

    def declaration(self) -> str:
        columns = enumerate(zip(self.columns, self.types, strict=True))
        shape = ", ".join(
            f"{name}: {type_}{' key' if place in self.key else ''}"
            for place, (name, type_) in columns
        )
        prefix = "" if self.kind == "internal" else f"{self.kind} "
        return f"{prefix}table {self.name}({shape})"
