"""Make a bridge have what the rules want of a host; see the package for what holds."""

from collections.abc import Callable, Iterable

from attrs import frozen

from nvp_state.agent import installed
from nvp_state.errors import Problem, StateError
from nvp_state.network import NetworkState
from nvp_state.openvswitch.database import Database
from nvp_state.openvswitch.openflow import Difference, OpenFlow
from nvp_state.openvswitch.ports import PortPlan, plan_ports, wanted_ports
from nvp_state.openvswitch.target import Target
from nvp_state.wanted import Entry
from vswitch_sim import Bucket, Flow, SetField, flow_lines, group_lines

GENEVE_KEY_MAX = 0xFFFFFF
# Open vSwitch keeps table 254 for itself.
TABLE_MAX = 253


@frozen
class Applied:
    """What was changed, or would be.

    Attributes:
        target: where.
        bridge_added: whether there was no bridge.
        ports: what became of ports.
        flows: what became of flows and groups.
    """

    target: Target
    bridge_added: bool
    ports: PortPlan
    flows: Difference

    def __bool__(self) -> bool:
        return bool(self.bridge_added or self.ports or self.flows)

    def counts(self) -> dict[str, int]:
        """How much of each kind came, went and changed; zeros are left out."""
        bridges = {"bridges added": 1} if self.bridge_added else {}
        return {**bridges, **self.ports.counts(), **self.flows.counts()}

    def lines(self) -> list[str]:
        """A line for each, `-` for what goes, `+` for what comes, `~` for a changed port."""
        bridges = [f"+bridge {self.target.bridge}"] if self.bridge_added else []
        return [*bridges, *self.ports.lines(), *self.flows.lines()]


def apply(
    state: NetworkState,
    host: str,
    target: Target,
    *,
    dry_run: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Applied:
    """Make the bridge of `target` the switch of `host`, by the differences.

    Args:
        state: the network.
        host: a host of it.
        target: the Open vSwitch.
        dry_run: only say what would change.
        tell: is called with what is being done, before it is.

    Raises:
        StateError: there is no such host, nothing answers at the target, a number is taken, or a
            flow is refused; names it. Nothing has changed, unless it says that a device cannot be
            opened.
    """
    entries = installed(state.rows(host))
    _require_fit(host, entries)
    flows, groups = flow_lines(entries), group_lines(entries)
    tell(f"asking {target.database}")
    database = Database(target)
    try:
        plan = plan_ports(wanted_ports(state, host, target), database.present(), database.others())
        bridge_added = not database.has_bridge
        if bridge_added and dry_run:
            come = {text.partition(" actions=")[0]: text for text in flows}
            difference = Difference(flows_come=come, groups_come=groups)
            return Applied(target, True, plan, difference)
        if bridge_added:
            tell(f"making bridge {target.bridge}")
            database.add_bridge()
        try:
            openflow = OpenFlow(target)
            tell(f"comparing {len(flows)} flows and {len(groups)} groups")
            difference = openflow.difference(flows, groups)
            applied = Applied(target, bridge_added, plan, difference)
            if not dry_run:
                tell(f"changing {len(difference.lines())} flows and groups")
                openflow.change(difference)
                tell(f"changing {len(plan.lines())} ports")
                _change_ports(database, plan, openflow, difference)
        except StateError:
            if bridge_added:
                database.remove_bridge()
            raise
        if not dry_run:
            database.require_numbers(plan)
        return applied
    finally:
        database.close()


def _change_ports(
    database: Database, plan: PortPlan, openflow: OpenFlow, difference: Difference
) -> None:
    try:
        database.change(plan)
    except StateError:
        openflow.change(difference.reversed())
        raise


def _require_fit(host: str, entries: Iterable[Entry]) -> None:
    """StateError names each flow that Open vSwitch or Geneve has no room for."""
    problems = []
    for entry in entries:
        actions = entry.actions if isinstance(entry, Flow | Bucket) else ()
        sets = [action for action in actions if isinstance(action, SetField)]
        keys = [action.value for action in sets if action.field == "tun_id"]
        if isinstance(entry, Flow):
            keys.append(entry.match.get("tun_id")[0])
            if entry.table > TABLE_MAX:
                text = f"Open vSwitch has tables 0 to {TABLE_MAX} for flows: {entry}"
                problems.append(Problem(f'host "{host}"', "", text))
        if max(keys, default=0) > GENEVE_KEY_MAX:
            text = f"a key of a Geneve tunnel has 24 bits, {max(keys):#x} does not fit: {entry}"
            problems.append(Problem(f'host "{host}"', "", text))
    if problems:
        raise StateError(problems)
