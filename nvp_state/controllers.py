"""The two controllers: facts in, flows out, each with a program of nlog and no opinion of its own.

The logical controller turns tenants' networks into universal flows, the physical controller turns
those, and where the VMs are, into the flows of every host. They are separate engines joined
by deltas, so that each can be sharded; a delta goes from one to the other without a Python object
for a row. Both are prepared before either is committed (NetworkState.carry), and committed in one
step, so what either refuses has not happened. All they know about networks is in nlog/rules/.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from attrs import frozen

import nlog
from nvp_state.errors import Problem, StateError
from nvp_state.facts import PHYSICAL, FactDelta
from nvp_state.flows import to_bucket, to_flow, to_group, to_meter
from vswitch_sim import FlowError

Row = tuple[Any, ...]

RULES = Path(str(resources.files("nlog"))) / "rules"
SHIPPED = frozenset(str(path) for path in RULES.glob("*.nlog"))
OUTPUTS = {
    "physical_flow": "flows",
    "physical_bucket": "buckets",
    "physical_group": "groups",
    "physical_meter": "meters",
    "tunnel": "tunnels",
}
KEY_MAX = 0x7FFFFF
PASSED_ON = (
    "datapath",
    "datapath_link",
    "port_binding",
    "gateway_binding",
    "leaves_into",
    "universal_flow",
    "universal_bucket",
    "universal_group",
    "universal_meter",
)


@frozen
class HostDelta:
    """What one commit changed for one host.

    Rows are those of the physical program's outputs, without their first column, the host. Printed,
    it is a line for each flow and so on that goes (`-`) or comes (`+`).
    """

    flows_removed: tuple[Row, ...] = ()
    flows_added: tuple[Row, ...] = ()
    buckets_removed: tuple[Row, ...] = ()
    buckets_added: tuple[Row, ...] = ()
    groups_removed: tuple[Row, ...] = ()
    groups_added: tuple[Row, ...] = ()
    meters_removed: tuple[Row, ...] = ()
    meters_added: tuple[Row, ...] = ()
    tunnels_removed: tuple[Row, ...] = ()
    tunnels_added: tuple[Row, ...] = ()

    def lines(self) -> Iterator[str]:
        """What goes and comes, as Open vSwitch writes it."""
        for sign, change in (("-", "removed"), ("+", "added")):
            for name, shown in _SHOWN.items():
                rows: tuple[Row, ...] = getattr(self, f"{name}_{change}")
                yield from sorted(f"{sign} {text}" for row in rows if (text := shown(*row)))

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _flow_text(*row: Any) -> str:
    flow = to_flow(*row)
    return "" if flow is None else f"flow {flow}"


_SHOWN: dict[str, Callable[..., str]] = {
    "tunnels": lambda remote, ip, number: f"tunnel to {remote} at {ip}, port {number}",
    "groups": lambda *row: f"group {to_group(*row)}",
    "meters": lambda *row: f"meter {to_meter(*row)}",
    "flows": _flow_text,
    "buckets": lambda *row: f"{to_bucket(*row)}",
}


class Controller:
    """An engine and the way facts get into it.

    Raises StateError if a rule fails as it is, with no facts at all.
    """

    def __init__(self, program: nlog.Program) -> None:
        try:
            self.engine = nlog.Engine(program)
        except nlog.TransactionError as error:
            raise StateError([Problem("rules", "", str(error))]) from None

    def prepare(self, tx: nlog.Transaction, facts: Iterable[FactDelta]) -> nlog.Changes:
        """Stage all of `facts`, deletions first, and evaluate the rules.

        `tx` is an open transaction of the engine. Raises StateError if a rule fails on the facts.
        """
        facts = tuple(facts)
        try:
            for delta in facts:
                tx.delete_many(delta.table, delta.deleted)
            for delta in facts:
                tx.insert_many(delta.table, delta.inserted)
            return tx.prepare()
        except nlog.ConstraintError as error:
            raise StateError(_conflicts(error)) from None
        except nlog.TransactionError as error:
            raise StateError([Problem("rules", "", str(error))]) from None

    def rule_of(self, table: str, row: Row) -> str:
        """Where the rule that makes a row stands, `file:line`."""
        return _rule_of(self.engine, table, row)


class LogicalController(Controller):
    """Tenants' networks to universal flows; `rules` are the user's policy files.

    What policies make is looked at, row by row, before it is passed on; the rules that come with
    the project are known to make flows.
    """

    def __init__(self, rules: Iterable[str | PathLike[str]] = ()) -> None:
        policies = tuple(rules)
        shipped = RULES / "logical.nlog"
        super().__init__(nlog.load(shipped, *policies) if policies else _shipped(shipped))
        self._has_policies = bool(policies)
        self._require_flows(self.initial)

    @property
    def odd_rules(self) -> list[tuple[str, str, str]]:
        """What nlog warns of in policies: the rule's place, a code and a text."""
        found = (it for it in self.engine.warnings if it.primary.span.source.name not in SHIPPED)
        return [
            (f"rule at {it.primary.span}", it.slug, "; ".join([it.message, *it.helps]))
            for it in found
        ]

    @property
    def initial(self) -> tuple[FactDelta, ...]:
        """What the rules derive, as facts of the physical program.

        Flows of a policy need not rest on anything a tenant says, so there may be some at once.
        """
        return tuple(
            FactDelta(PHYSICAL, table, tuple(self.engine[table]), ()) for table in PASSED_ON
        )

    def prepare(self, tx: nlog.Transaction, facts: Iterable[FactDelta]) -> nlog.Changes:
        """Stage facts and evaluate the rules.

        Raises StateError if a rule fails, or makes what is no flow.
        """
        facts = tuple(facts)
        changes = super().prepare(tx, facts)
        if self._has_policies:
            self._require_flows(_passed_on(changes), lambda it: Controller.prepare(self, it, facts))
        return changes

    def prepare_policy(
        self, tx: nlog.Transaction, change: Callable[[nlog.Transaction], None]
    ) -> nlog.Changes:
        """Evaluate what changes when a policy comes or goes, as `change` has it in a transaction.

        Raises nlog.RuleError if the rules have mistakes, StateError as `prepare`.
        """
        change(tx)
        changes = super().prepare(tx, ())
        self._require_flows(_passed_on(changes), change)
        self._has_policies = True
        return changes

    def _require_flows(
        self,
        made: Iterable[FactDelta],
        change: Callable[[nlog.Transaction], object] = lambda _: None,
    ) -> None:
        """StateError names the rules whose rows become no flows that a switch accepts.

        The rows are those that `change` makes in a transaction. To name the rules of such a row all
        tables are computed from nothing.
        """
        faults: list[tuple[str, Row, str]] = []
        for delta in made:
            for row in delta.inserted:
                try:
                    _check(delta.table, row)
                except FlowError as error:
                    faults.append((delta.table, row, str(error)))
        if not faults:
            return
        trial = self.engine.recompute()
        with trial.transaction() as tx:
            change(tx)
        found: dict[str, Problem] = {}
        for table, row, text in faults:
            rule = _rule_of(trial, table, row)
            found.setdefault(rule, Problem(f"rule at {rule}", table, text))
        raise StateError(found.values())


class PhysicalController(Controller):
    """Universal flows and locations to the flows, buckets and tunnels of every host."""

    def __init__(self) -> None:
        super().__init__(_shipped(RULES / "physical.nlog"))

    def follow(
        self, tx: nlog.Transaction, facts: Iterable[FactDelta], logical: nlog.Changes
    ) -> nlog.Changes:
        """Prepare facts together with what the logical controller has changed."""
        for table in PASSED_ON:
            tx.apply(table, logical[table])
        return self.prepare(tx, facts)


def _passed_on(changes: nlog.Changes) -> list[FactDelta]:
    return [FactDelta(PHYSICAL, table, tuple(changes[table].inserted), ()) for table in PASSED_ON]


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


def _conflicts(error: nlog.ConstraintError) -> list[Problem]:
    """What rules say of why there cannot be such a network; else which constraint does not hold."""
    said = [Problem(name, "", text) for name, text in sorted(error.rows.get("conflict", ()))]
    return said or [Problem("rules", "", str(error))]


def _distribute(parts: dict[str, dict[str, list[Row]]], name: str, rows: Iterable[Row]) -> None:
    for host, *rest in rows:
        parts.setdefault(host, {}).setdefault(name, []).append(tuple(rest))


def _rule_of(engine: nlog.Engine, table: str, row: Row) -> str:
    rule = engine.explain(table, row).rule
    return rule.name if rule else "input"


def _check(table: str, row: Row) -> None:
    match table:
        case "universal_flow":
            _, _, number, priority, match, actions = row
            to_flow(number, priority, match, actions)
        case "universal_meter":
            to_meter(*row[1:])
        case "universal_bucket":
            to_bucket(*row[1:])
        case "universal_group":
            to_group(*row[1:])
        case "datapath" | "port_binding" | "gateway_binding":
            if not 0 < row[-1] <= KEY_MAX:
                raise FlowError(f"{row}: the key must be in 1..{KEY_MAX:#x}")
