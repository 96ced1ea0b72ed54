"""Access rules."""

from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked
from nvp_state.errors import Problem
from nvp_state.expression import normalise

DIRECTIONS = ("from-lport", "to-lport")
ACTIONS = ("allow", "drop")
_NOT_CARRIED = {
    "allow-related": "this version keeps no connection state; use `allow`",
    "allow-stateless": "every ACL of this version is stateless; use `allow`",
    "reject": "this version sends no replies of its own; use `drop`",
}


def _action(value: object) -> str:
    if isinstance(value, str) and value in _NOT_CARRIED:
        raise ValueError(f"{value!r} is not carried: {_NOT_CARRIED[value]}")
    return checks.choice(value, ACTIONS)


def _match(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    normalise(value)
    return value


@frozen
class Acl(Entity):
    """An access control rule of a switch.

    Args:
        switch: the name of the logical switch.
        direction: `from-lport` for what ports send, `to-lport` for what they receive.
        priority: 0 to 32767; of the ACLs that match, the one with the highest decides.
        match: an expression, see `nvp_state.expression`.
        action: `allow` or `drop`.
    """

    kind: ClassVar[str] = "acl"
    plural: ClassVar[str] = "ACLs"
    section: ClassVar[str] = "acls"
    key_fields: ClassVar[tuple[str, ...]] = ("switch", "direction", "priority", "match")

    switch: str = field(metadata=checked(checks.name, "switch"))
    direction: str = field(metadata=checked(checks.one_of(*DIRECTIONS)))
    priority: int = field(metadata=checked(checks.priority))
    match: str = field(metadata=checked(_match))
    action: str = field(metadata=checked(_action))

    def _contradictions(self) -> list[Problem]:
        if self.direction == "from-lport" and any(term.outport for term in normalise(self.match)):
            text = "`outport` is not known yet when a packet enters; use it with `to-lport`"
            return [Problem(self.title, "match", text)]
        return []
