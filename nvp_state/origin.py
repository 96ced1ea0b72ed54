"""Where a physical flow comes from: the rules that made it, and what a tenant said for it.

Two programs have a part in most flows: the physical one, and the logical one that made the
universal flow behind it. Their explanations end in rows that stand for entities (nvp_state.facts),
and those are named: an operator who asks why a packet was dropped is told the access rule. Rows
that a policy file states are named as they stand there.

Cost: two explanations, which read in proportion to the size of the derivation.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nlog import Derivation
from nvp_state.controllers import RULES
from nvp_state.entities import title
from nvp_state.flows import to_bucket, to_flow, to_group
from vswitch_sim import Bucket, Flow, GroupType

if TYPE_CHECKING:
    from nvp_state.network import NetworkState

Row = tuple[Any, ...]

UNIVERSAL = ("universal_flow", "universal_bucket", "universal_group")

# Those of which a flow is one's own only if it rests on the row itself.
_DIRECT = frozenset(("own_flow",))

# The tables whose rows stand for an entity, named in their first column, and of which kind it is:
# the first of these that there is.
_KINDS = {
    "acl": ("acl",),
    "acl_term": ("acl",),
    "address_set": ("address-set",),
    "address_set_mac": ("address-set",),
    "address_set_prefix": ("address-set",),
    "advertised": ("router-advertisement",),
    "advertised_option": ("router-advertisement",),
    "child": ("port",),
    "child_zone": ("port",),
    "datapath": ("switch", "router"),
    "backend": ("load-balancer",),
    "backend6": ("load-balancer",),
    "balancer_router": ("load-balancer",),
    "balancer_switch": ("load-balancer",),
    "dhcp4": ("dhcp-options",),
    "dhcp6": ("dhcp-options",),
    "dhcp_option": ("dhcp-options",),
    "dhcp_stateless": ("dhcp-options",),
    "dnat": ("nat",),
    "dnat6": ("nat",),
    "dns_record": ("dns-record",),
    "gateway": ("uplink", "router-port"),
    "gateway_binding": ("router-port",),
    "gateway_port": ("router-port",),
    "host": ("host",),
    "load_balancer": ("load-balancer",),
    "leaves_into": ("router-port", "nat"),
    "logical_port": ("port",),
    "logical_router": ("router",),
    "logical_switch": ("switch",),
    "nat_mac": ("nat",),
    "mirror_sink": ("mirror",),
    "mirror_source": ("mirror",),
    "mirrored": ("mirror",),
    "nested": ("port",),
    "nic": ("host",),
    "own_flow": ("logical-flow",),
    "physical_network": ("physical-network",),
    "pipeline": ("pipeline",),
    "pipeline_switch": ("pipeline",),
    "policy": ("policy",),
    "port_address": ("port",),
    "qos": ("qos",),
    "port_address6": ("port",),
    "port_binding": ("port", "uplink"),
    "port_enabled": ("port",),
    "port_security": ("port",),
    "port_unknown": ("port",),
    "port_group": ("port-group",),
    "port_group_port": ("port-group",),
    "route": ("route",),
    "route6": ("route",),
    "route_discard": ("route",),
    "router_address": ("router-port",),
    "router_address6": ("router-port",),
    "router_link": ("router-port",),
    "router_peer": ("router-port",),
    "router_port": ("router-port",),
    "served": ("switch",),
    "service_node": ("host",),
    "snat": ("nat",),
    "snat6": ("nat",),
    "static_mac": ("static-mac-binding",),
    "static_mac6": ("static-mac-binding",),
    "uplink": ("uplink",),
    "uplink_network": ("uplink",),
    "vif": ("port",),
    "vip": ("load-balancer",),
    "vip6": ("load-balancer",),
}


@frozen
class Origin:
    """What made a flow or bucket.

    Attributes:
        rules: where the rules stand, `file:line`: the physical program's, then, where there is
            one, the logical program's.
        because: what the last of them rests on: titles of entities such as `port "web-1"`, of
            each kind the nearest, the switch or router only where there is nothing more telling,
            and the facts of policy files.
    """

    rules: tuple[str, ...] = ()
    because: tuple[str, ...] = ()

    def __str__(self) -> str:
        because = f" because of {', '.join(self.because)}" if self.because else ""
        return f"[{' via '.join(reversed(self.rules))}]{because}"


OLD = Origin(("an earlier configuration, or the rollout of this one",))


def origin_of(state: "NetworkState", host: str, table: str, row: Row) -> Origin:
    """The origin of a row of `physical_flow` or `physical_bucket`, given without its host."""
    physical = state.physical.engine.explain(table, (host, *row))
    logical = [
        state.logical.engine.explain(source.table, source.row)
        for source in physical.inputs()
        if source.table in UNIVERSAL
    ]
    rules = tuple(_place(made) for made in (physical, *logical))
    return Origin(rules, _because(state, (logical or [physical])[-1]))


def rows_of(state: "NetworkState", host: str) -> dict[Flow | Bucket | GroupType, tuple[str, Row]]:
    """The flows and buckets of a host, each with its table and its row, without the host."""
    engine = state.physical.engine
    found: dict[Flow | Bucket | GroupType, tuple[str, Row]] = {}
    for _, *row in engine["physical_flow"].where(host=host):
        flow = to_flow(*row)
        if flow is not None:
            found[flow] = ("physical_flow", tuple(row))
    for _, *row in engine["physical_bucket"].where(host=host):
        found[to_bucket(*row)] = ("physical_bucket", tuple(row))
    for _, *row in engine["physical_group"].where(host=host):
        found[to_group(*row)] = ("physical_group", tuple(row))
    return found


def _because(state: "NetworkState", derivation: Derivation) -> tuple[str, ...]:
    """What is told, of each kind what is nearest: what is farther is why some helper holds."""
    nearest: dict[str, tuple[int, dict[str, None]]] = {}
    for depth, leaf in _leaves(derivation):
        is_near = depth == 1 or (depth > 1 and leaf.table not in _DIRECT)
        told = _told(state, leaf) if is_near else ""
        kind = told.partition(" ")[0].partition("(")[0]
        if told and depth < nearest.get(kind, (depth + 1, None))[0]:
            nearest[kind] = (depth, {})
        if told and depth == nearest[kind][0]:
            nearest[kind][1][told] = None
    least = [text for _, texts in nearest.values() for text in texts]
    telling = [text for text in least if not text.startswith(("switch ", "router "))]
    return tuple(telling or least)


def _leaves(derivation: Derivation) -> Iterator[tuple[int, Derivation]]:
    """The leaves, with their distances from the root."""
    rest = [(0, derivation)]
    while rest:
        depth, node = rest.pop()
        if not node.premises:
            yield depth, node
        rest += [(depth + 1, premise) for premise in reversed(node.premises)]


def _told(state: "NetworkState", leaf: Derivation) -> str:
    """What a leaf says to a person; nothing for rows of the shipped rules such as `stage`."""
    if leaf.rule is not None:
        shipped = leaf.rule.name.startswith(str(RULES))
        values = ", ".join(
            f'"{value}"' if isinstance(value, str) else f"{value}" for value in leaf.row
        )
        return "" if shipped else f"{leaf.table}({values})"
    kinds = _KINDS.get(leaf.table, ())
    name = str(leaf.row[0])
    there = (kind for kind in kinds if len(kinds) == 1 or state.record(kind, name) is not None)
    return next((title(kind, name) for kind in there), "")


def _place(derivation: Derivation) -> str:
    """Where the rule stands, without the folders of its file."""
    rule = derivation.rule
    return rule.name.rsplit("/", 1)[-1] if rule else "input"
