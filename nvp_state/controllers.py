"""The two controllers: facts in, flows out, each with a program of nlog and no opinion of its own.

The logical controller turns tenants' networks into universal flows, the physical controller turns
those, and where the VMs are, into the flows of every host. They are separate engines joined
by deltas, so that each can be sharded. All they know about networks is in nlog/rules/.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from attrs import frozen

import nlog
from nvp_state.errors import Problem, StateError
from nvp_state.facts import PHYSICAL, FactDelta
from nvp_state.flows import to_bucket, to_flow
from vswitch_sim import FlowError

Row = tuple[Any, ...]

RULES = Path(str(resources.files("nlog"))) / "rules"
OUTPUTS = {"physical_flow": "flows", "physical_bucket": "buckets", "tunnel": "tunnels"}
KEY_MAX = 0xFFFFFFFF
PASSED_ON = ("datapath", "port_binding", "universal_flow", "universal_bucket")


@frozen
class HostDelta:
    """What one commit changed for one host.

    Rows are those of the physical program's outputs, without their first column, the host.
    """

    flows_removed: tuple[Row, ...] = ()
    flows_added: tuple[Row, ...] = ()
    buckets_removed: tuple[Row, ...] = ()
    buckets_added: tuple[Row, ...] = ()
    tunnels_removed: tuple[Row, ...] = ()
    tunnels_added: tuple[Row, ...] = ()


class Controller:
    """An engine and the way facts get into it."""

    def __init__(self, program: nlog.Program) -> None:
        self.engine = nlog.Engine(program)

    def apply(self, facts: Iterable[FactDelta]) -> nlog.Changes:
        """Commit all of `facts`, deletions first. Raises StateError if a rule fails on them."""
        facts = tuple(facts)
        try:
            with self.engine.transaction() as tx:
                for delta in facts:
                    tx.delete_many(delta.table, delta.deleted)
                for delta in facts:
                    tx.insert_many(delta.table, delta.inserted)
        except nlog.TransactionError as error:
            raise StateError([Problem("rules", "", str(error))]) from None
        return tx.changes

    def undo(self, facts: Iterable[FactDelta]) -> None:
        """Take back facts that were applied last."""
        self.apply(
            FactDelta(fact.program, fact.table, fact.deleted, fact.inserted) for fact in facts
        )

    def rule_of(self, table: str, row: Row) -> str:
        """Where the rule that makes a row stands, `file:line`."""
        rule = self.engine.explain(table, row).rule
        return rule.name if rule else "input"


class LogicalController(Controller):
    """Tenants' networks to universal flows; `rules` are the user's policy files."""

    def __init__(self, rules: Iterable[str | PathLike[str]] = ()) -> None:
        policies = tuple(rules)
        shipped = RULES / "logical.nlog"
        super().__init__(nlog.load(shipped, *policies) if policies else _shipped(shipped))

    def apply(self, facts: Iterable[FactDelta]) -> nlog.Changes:
        """Commit facts. Raises StateError if a rule fails, or makes what is no flow."""
        facts = tuple(facts)
        changes = super().apply(facts)
        problems = self._malformed(changes)
        if problems:
            self.undo(facts)
            raise StateError(problems)
        return changes

    def _malformed(self, changes: nlog.Changes) -> list[Problem]:
        """Derived rows that become no flows a switch accepts, by the rules that made them."""
        found: dict[str, Problem] = {}
        for table in PASSED_ON:
            for row in changes[table].inserted:
                try:
                    _check(table, row)
                except FlowError as error:
                    rule = self.rule_of(table, row)
                    found.setdefault(rule, Problem(f"rule at {rule}", table, str(error)))
        return list(found.values())


class PhysicalController(Controller):
    """Universal flows and locations to the flows, buckets and tunnels of every host."""

    def __init__(self) -> None:
        super().__init__(_shipped(RULES / "physical.nlog"))

    def apply_all(self, facts: Iterable[FactDelta], logical: nlog.Changes) -> nlog.Changes:
        """Commit facts together with what the logical controller changed."""
        passed = [
            FactDelta(PHYSICAL, table, tuple(delta.inserted), tuple(delta.deleted))
            for table, delta in ((table, logical[table]) for table in PASSED_ON)
        ]
        return self.apply([*facts, *passed])


@cache
def _shipped(rules: Path) -> nlog.Program:
    """A program that comes with the project, read once: reading takes longer than all the rest."""
    return nlog.load(rules)


def by_host(
    inserted: Mapping[str, Iterable[Row]], deleted: Mapping[str, Iterable[Row]]
) -> dict[str, HostDelta]:
    """Rows of the physical program's outputs, by table, sorted to the hosts they concern."""
    parts: dict[str, dict[str, list[Row]]] = {}
    for table, name in OUTPUTS.items():
        _distribute(parts, f"{name}_removed", deleted.get(table, ()))
        _distribute(parts, f"{name}_added", inserted.get(table, ()))
    return {
        host: HostDelta(**{name: tuple(rows) for name, rows in lists.items()})
        for host, lists in sorted(parts.items())
    }


def _distribute(parts: dict[str, dict[str, list[Row]]], name: str, rows: Iterable[Row]) -> None:
    for host, *rest in rows:
        parts.setdefault(host, {}).setdefault(name, []).append(tuple(rest))


def _check(table: str, row: Row) -> None:
    match table:
        case "universal_flow":
            _, _, number, priority, match, actions = row
            to_flow(number, priority, match, actions)
        case "universal_bucket":
            to_bucket(*row[1:])
        case "datapath" | "port_binding":
            if not 0 < row[-1] <= KEY_MAX:
                raise FlowError(f"{row}: the key must be in 1..{KEY_MAX:#x}")
