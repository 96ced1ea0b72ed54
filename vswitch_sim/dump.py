"""What a switch holds, as the tools of Open vSwitch list it."""

from collections.abc import Iterable, Mapping

from vswitch_sim.actions import format_actions
from vswitch_sim.datapath._core import Megaflow
from vswitch_sim.flow import Flow, format_timeouts
from vswitch_sim.statistics import FlowStatistics
from vswitch_sim.tables import GroupEntry
from vswitch_sim.text import format_datapath_actions, format_datapath_flow
from vswitch_sim.walk import Walk


def dump_flows(flows: Mapping[Flow, FlowStatistics]) -> str:
    """Flows with their counters, as `ovs-ofctl dump-flows`."""
    return "\n".join(_flow_line(flow, counted) for flow, counted in flows.items())


def dump_groups(groups: Iterable[GroupEntry]) -> str:
    """Groups with their buckets, as `ovs-ofctl dump-groups`."""
    return "\n".join(
        ",".join([str(entry.type), *(it.bucket.text for it in entry.buckets)]) for entry in groups
    )


def dump_megaflows(megaflows: Iterable[Megaflow], walks: Mapping[int, Walk], now_s: float) -> str:
    """Megaflows with their counters, as `ovs-appctl dpctl/dump-flows`."""
    lines = []
    for megaflow in megaflows:
        key = walks[megaflow.number].root.key_before
        match = format_datapath_flow(key, megaflow.mask)
        used = f"{now_s - megaflow.used_s:.3f}s" if megaflow.n_packets else "never"
        actions = format_datapath_actions(walks[megaflow.number].actions, key)
        lines.append(
            f"{match}, packets:{megaflow.n_packets}, bytes:{megaflow.n_bytes}, "
            f"used:{used}, actions:{actions}"
        )
    return "\n".join(lines)


def _flow_line(flow: Flow, counted: FlowStatistics) -> str:
    timeouts = "".join(f"{text}, " for text in format_timeouts(*flow.timeouts))
    comma = "," if flow.match.fields else ""
    return (
        f" cookie={flow.cookie:#x}, duration={counted.duration_s:.3f}s, table={flow.table}, "
        f"n_packets={counted.n_packets}, n_bytes={counted.n_bytes}, {timeouts}"
        f"idle_age={int(counted.idle_s)}, priority={flow.priority}{comma}{flow.match} "
        f"actions={format_actions(flow.actions)}"
    )
