"""Tenants' own logical datapaths: flow tables that a tenant brings, as part of its switches.

Flows are written as OVN's Logical_Flow has them (ovn-sb(5)), with a part of its actions.
"""

from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, listed
from nvp_state.errors import Problem
from nvp_state.plain_match import checked_match, plain_terms
from nvp_state.steps import TABLE_MAX, Steps, steps_of
from nvp_state.terms import Term

STAGES = ("ingress", "egress")


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
    match: str = field(metadata=checked(checked_match))
    actions: str = field(metadata=checked(_text))

    @property
    def terms(self) -> list[Term]:
        """What it matches, each without clauses: as one flow."""
        return plain_terms(self.match)

    @property
    def steps(self) -> Steps:
        """What it does."""
        return steps_of(self.actions, self.match)

    def _contradictions(self) -> list[Problem]:
        try:
            steps = self.steps
        except ValueError as error:
            return [Problem(self.title, "actions", str(error))]
        if 0 <= steps.table <= self.table:
            text = f"next({steps.table}) leads back; tables are passed in their order"
            return [Problem(self.title, "actions", text)]
        return []
