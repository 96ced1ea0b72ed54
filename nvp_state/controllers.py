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
    """An engine and the way facts get into it.

    Raises StateError if a rule fails as it is, with no facts at all.
    """

    def __init__(self, program: nlog.Program) -> None:
        try:
            self.engine = nlog.Engine(program)
        except nlog.TransactionError as error:
            raise StateError([Problem("rules", "", str(error))]) from None

    def commit(self, facts: Iterable[FactDelta]) -> nlog.Changes:
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
        """Take back facts that were committed last; no change if they were not committed."""
        self.commit(
            FactDelta(fact.program, fact.table, fact.deleted, fact.inserted) for fact in facts
        )

    def rule_of(self, table: str, row: Row) -> str:
        """Where the rule that makes a row stands, `file:line`."""
        rule = self.engine.explain(table, row).rule
        return rule.name if rule else "input"


class LogicalController(Controller):
    """Tenants' networks to universal flows; `rules` are the user's policy files.

    `initial` is what its rules derive of no facts, as facts of the physical program: flows of a
    policy need not rest on anything a tenant says.
    """

    def __init__(self, rules: Iterable[str | PathLike[str]] = ()) -> None:
        policies = tuple(rules)
        shipped = RULES / "logical.nlog"
        super().__init__(nlog.load(shipped, *policies) if policies else _shipped(shipped))
        self.initial = tuple(
            FactDelta(PHYSICAL, table, tuple(self.engine[table]), ()) for table in PASSED_ON
        )
        self._require_flows(self.initial)

    def apply(self, facts: Iterable[FactDelta]) -> tuple[FactDelta, ...]:
        """Commit facts; what that changes, as facts of the physical program.

        Raises StateError if a rule fails, or makes what is no flow; nothing has changed then.
        """
        facts = tuple(facts)
        changes = self.commit(facts)
        passed = tuple(
            FactDelta(PHYSICAL, table, tuple(delta.inserted), tuple(delta.deleted))
            for table, delta in ((table, changes[table]) for table in PASSED_ON)
        )
        try:
            self._require_flows(passed)
        except StateError:
            self.undo(facts)
            raise
        return passed

    def _require_flows(self, passed: Iterable[FactDelta]) -> None:
        """StateError names the rules whose rows become no flows that a switch accepts."""
        found: dict[str, Problem] = {}
        for delta in passed:
            for row in delta.inserted:
                try:
                    _check(delta.table, row)
                except FlowError as error:
                    rule = self.rule_of(delta.table, row)
                    found.setdefault(rule, Problem(f"rule at {rule}", delta.table, str(error)))
        if found:
            raise StateError(found.values())


class PhysicalController(Controller):
    """Universal flows and locations to the flows, buckets and tunnels of every host."""

    def __init__(self) -> None:
        super().__init__(_shipped(RULES / "physical.nlog"))


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
