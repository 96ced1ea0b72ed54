"""Tenants' own logical datapaths: flow tables that a tenant brings, as part of its switches.

Flows are written as OVN's Logical_Flow has them (ovn-sb(5)), with a part of its actions.
"""

from itertools import product
from typing import ClassVar

from attrs import evolve, field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, listed
from nvp_state.errors import Problem
from nvp_state.expression import normalise
from nvp_state.steps import TABLE_MAX, Steps, steps_of
from nvp_state.terms import Term

STAGES = ("ingress", "egress")
FLOWS_MAX = 256
_STATE = "ct_state"


@frozen
class Pipeline(Entity):
    """A sequence of flow tables of a tenant, through which its switches send every packet.

    Args:
        name: its name.
        tenant: whose it is; so are the switches.
        stage: `ingress`, behind port security and before all else that the switch does, or
            `egress`, at the host of the port a packet goes to, just before port security.
        switches: the switches; each has at most one pipeline at each stage.
    """

    kind: ClassVar[str] = "pipeline"
    plural: ClassVar[str] = "pipelines"
    section: ClassVar[str] = "pipelines"

    name: str = field(metadata=checked(checks.name))
    tenant: str = field(metadata=checked(checks.name))
    stage: str = field(default="ingress", metadata=checked(checks.one_of(*STAGES)))
    switches: tuple[str, ...] = field(default=(), metadata=checked(listed(checks.name), "switch"))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


@frozen
class LogicalFlow(Entity):
    """A flow of a pipeline: of those of a table that match, the one with the highest priority acts.

    A packet that matches no flow of a table is dropped.

    Args:
        pipeline: the pipeline's name.
        table: 0 to 31.
        priority: 0 to 32767; of equal ones any acts.
        match: an expression, see `nvp_state.expression`; without sets by name and connections.
        actions: what is done, see `nvp_state.steps`.
    """

    kind: ClassVar[str] = "logical-flow"
    plural: ClassVar[str] = "logical flows"
    section: ClassVar[str] = "flows"
    owner: ClassVar[str] = "pipeline"
    key_fields: ClassVar[tuple[str, ...]] = ("pipeline", "table", "priority", "match")

    pipeline: str = field(metadata=checked(checks.name, "pipeline"))
    table: int = field(metadata=checked(checks.number(0, TABLE_MAX)))
    priority: int = field(metadata=checked(checks.priority))
    match: str = field(metadata=checked(_text))
    actions: str = field(metadata=checked(_text))

    @property
    def terms(self) -> list[Term]:
        """What it matches, each without clauses: as one flow."""
        return [plain for term in normalise(self.match) for plain in _plain(term)]

    @property
    def steps(self) -> Steps:
        """What it does."""
        return steps_of(self.actions, self.match)

    def _contradictions(self) -> list[Problem]:
        problem = self._wrong_match()
        if problem:
            return [Problem(self.title, "match", problem)]
        try:
            steps = self.steps
        except ValueError as error:
            return [Problem(self.title, "actions", str(error))]
        if 0 <= steps.table <= self.table:
            text = f"next({steps.table}) leads back; tables are passed in their order"
            return [Problem(self.title, "actions", text)]
        return []

    def _wrong_match(self) -> str:
        try:
            terms = normalise(self.match)
        except ValueError as error:
            return str(error)
        if any(clause.sets for term in terms for clause in term.clauses):
            return "address sets and port groups are for ACLs: write out what is in them"
        if any(name == _STATE for term in terms for name, _, _ in term.fields):
            return "connections are tracked elsewhere: `ct` says nothing here"
        if any(clause.field == _STATE for term in terms for clause in term.clauses):
            return "connections are tracked elsewhere: `ct` says nothing here"
        n_flows = 0
        for term in terms:
            n_ways = 1
            for clause in term.clauses:
                n_ways *= len(clause.values)
            n_flows += n_ways
        if n_flows > FLOWS_MAX:
            return f"comes to {n_flows:,} flows; {FLOWS_MAX} are the most: split it over two tables"
        return ""


def _plain(term: Term) -> list[Term]:
    """The term once for each way to meet its clauses."""
    found = []
    for chosen in product(*(clause.values for clause in term.clauses)):
        plain = evolve(term, clauses=())
        for clause, (value, mask) in zip(term.clauses, chosen, strict=True):
            if isinstance(value, str):
                plain = evolve(plain, **{clause.field: value})
            else:
                plain = evolve(plain, fields=(*plain.fields, (clause.field, value, mask)))
        found.append(plain)
    return found
