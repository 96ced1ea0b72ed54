"""Random matches, flows, buckets and updates over the domain of `frames`, so that they collide."""

from attrs import evolve
from hypothesis import strategies as st

from tests.vswitch_sim.frames import IPS, MACS, PORTS
from vswitch_sim import (
    FIELDS,
    FLOOD,
    IN_PORT,
    OFPVID_PRESENT,
    Action,
    Bucket,
    Clone,
    Conjunction,
    DecTtl,
    Flow,
    FlowError,
    FlowUpdate,
    Group,
    GroupType,
    Match,
    Move,
    Output,
    OutputRegister,
    Resubmit,
    SetField,
)
from vswitch_sim.subfield import Subfield

TABLES = (0, 1, 2)
GROUPS = (1, 2)
SWITCH_PORTS = (1, 2, 3)

_IP = {"eth_type": 0x0800}
_BASES = (
    {},
    {},
    _IP,
    {"eth_type": 0x0806},
    {**_IP, "ip_proto": 6},
    {**_IP, "ip_proto": 17},
    {**_IP, "ip_proto": 1},
)
_VALUES: dict[str, tuple] = {
    "in_port": (1, 2),
    "tun_id": (0, 7, (0, 1)),
    "reg0": (0, 1, (1, 1), (0, 2)),
    "metadata": (0, 1),
    "eth_dst": (*MACS, (1 << 40, 1 << 40)),
    "eth_src": MACS,
    "vlan_vid": (0, 0x1005, (0x1000, 0x1000)),
    "arp_op": (1, 2),
    "arp_tpa": IPS,
    "ipv4_src": (*IPS, (0x0A000000, 0xFF000000)),
    "ipv4_dst": (*IPS, (0x0A000000, 0xFFFFFFFE)),
    "ip_ttl": (1, 63),
    "ip_frag": (0, 1, 3, (0, 2), (1, 1)),
    "xreg0": (0, (1 << 32, 1 << 32)),
    "ip_dscp": (0, 46),
    "tcp_dst": (*PORTS, (0, 1)),
    "tcp_src": PORTS,
    "tcp_flags": (0x002, (0x010, 0x010)),
    "udp_dst": (*PORTS, (0, 1)),
    "icmpv4_type": (0, 8),
}
_SETS = (
    SetField("reg0", 1),
    SetField("reg0", 2),
    SetField("metadata", 1),
    SetField("tun_id", 7),
    SetField("in_port", 0),
    SetField("reg0", 2, 2),
    SetField("eth_src", 0, 1 << 40),
    SetField("eth_dst", MACS[1]),
    SetField("eth_src", MACS[2]),
    Move("eth_src", "eth_dst"),
    SetField("vlan_vid", 0x1007),
    SetField("vlan_pcp", 7),
    SetField("arp_op", 2),
    SetField("arp_spa", IPS[0]),
    SetField("arp_tha", MACS[0]),
    SetField("ipv4_src", IPS[2]),
    SetField("ipv4_dst", IPS[0]),
    SetField("ip_dscp", 10),
    SetField("ip_ecn", 1),
    SetField("ip_ttl", 200),
    SetField("tcp_dst", 8080),
    SetField("udp_src", 0),
    SetField("icmpv4_type", 0),
    SetField("icmpv4_code", 3),
    Move("ipv4_src", "ipv4_dst"),
    Move("reg0", "metadata"),
    Move("arp_spa", "reg1"),
    Move("reg0[0..1]", "eth_dst[40..41]"),
    Move("tcp_dst[0..3]", "reg1[4..7]"),
    DecTtl(),
)

outputs = st.sampled_from(
    [
        *(Output(port) for port in (*SWITCH_PORTS, 9, IN_PORT, FLOOD)),
        OutputRegister("reg0[0..7]"),
    ]
)
actions: st.SearchStrategy[Action] = st.one_of(
    outputs,
    st.sampled_from(_SETS),
    st.sampled_from(_SETS[:10]),  # that any packet has
    st.sampled_from(TABLES).map(Resubmit),
    st.sampled_from(GROUPS).map(Group),
    st.builds(Clone, st.lists(outputs | st.sampled_from(_SETS[:10]), max_size=2)),
)


@st.composite
def matches(draw: st.DrawFn) -> Match:
    fields: dict = dict(draw(st.sampled_from(_BASES)))
    for name in draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=3, unique=True)):
        fields[name] = draw(st.sampled_from(_VALUES[name]))
        try:
            Match.of(**fields)
        except FlowError:
            del fields[name]
    return Match.of(**fields)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    # Often a match on everything, or walks would end at the first miss.
    table, match = draw(st.sampled_from(TABLES)), draw(st.just(Match()) | matches())
    priority = draw(st.sampled_from([1, 2]))
    chosen: list = []
    for action in draw(st.lists(actions, min_size=1, max_size=4)):
        for fields in ({}, _needs(action)):
            try:
                promised = Match.of(**fields | {name: match[name] for name in match})
                Flow(table, priority, promised, (*chosen, action))
            except FlowError:
                continue
            match = promised
            chosen.append(action)
            break
    return Flow(table, priority, match, tuple(chosen))


def _needs(action: Action) -> dict[str, tuple[int, int]]:
    """What a match must say so that a flow may set the action's field."""
    match action:
        case SetField(field="vlan_vid"):
            return {"vlan_vid": (OFPVID_PRESENT, OFPVID_PRESENT)}
        case SetField(field=name) | Move(destination=Subfield(name=name)):
            pass
        case _:
            name = "ip_ttl"
    return {name: (value, mask) for name, value, mask in FIELDS[name].conditions[0]}


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    chosen: tuple = ()
    for action in draw(st.lists(actions, max_size=3)):
        try:
            chosen = Bucket(1, 1, (*chosen, action)).actions
        except FlowError:
            continue
    watch_port = draw(st.sampled_from([None, *SWITCH_PORTS]))
    group, number = draw(st.sampled_from(GROUPS)), draw(st.sampled_from([1, 2]))
    return Bucket(group, number, chosen, watch_port=watch_port)


group_types: st.SearchStrategy = st.builds(
    GroupType, st.sampled_from(GROUPS), st.sampled_from(["all", "ff"])
)
entries = st.one_of(flows(), flows(), flows(), buckets(), group_types)


@st.composite
def conjunctions(draw: st.DrawFn, number: int) -> list[Flow]:
    """A conjunctive match, whole or not: flows with its clauses, and most often one for its sum."""
    table, n_clauses = draw(st.sampled_from(TABLES)), draw(st.sampled_from([2, 2, 3]))
    chosen = []
    for clause in range(1, n_clauses + 1):
        for match in draw(st.lists(matches(), min_size=1, max_size=2)):
            parts = [Conjunction(number, clause, n_clauses)]
            if draw(st.booleans()):
                parts.append(Conjunction(9, 1 + clause % 2, 2))
            chosen.append(Flow(table, 1 + number, match, tuple(parts)))
    if draw(st.integers(0, 4)):
        match = Match.of(conj_id=draw(st.sampled_from([number, number, 9])))
        chosen.append(Flow(table, draw(st.sampled_from([1, 3])), match, (draw(outputs),)))
    return chosen


@st.composite
def pipelines(draw: st.DrawFn, max_size: int) -> list:
    """Entries of distinct identity, most often with a flow for every packet in a table."""
    chosen: list = draw(st.lists(entries, max_size=max_size))
    for number in (1, 2) if draw(st.integers(0, 2)) == 0 else ():
        chosen += draw(conjunctions(number))
    for table in TABLES:
        if draw(st.integers(0, 3)):
            some = tuple(draw(st.lists(st.sampled_from(_SETS[:10]), max_size=1)))
            then = (Resubmit(table + 1),) if table < max(TABLES) and draw(st.booleans()) else ()
            flood = (Group(draw(st.sampled_from(GROUPS))),) if draw(st.booleans()) else ()
            chosen.append(Flow(table, 0, Match(), (*some, *then, *flood, draw(outputs))))
    if draw(st.booleans()):
        setting = draw(st.sampled_from(_SETS[:10]))
        chosen.append(Bucket(1, 1, (setting, Output(draw(st.sampled_from(SWITCH_PORTS))))))
        chosen.append(Bucket(1, 2, (draw(st.sampled_from(_SETS[:10])), Resubmit(2))))
    chosen = distinct(chosen)
    watching = {it.group for it in chosen if isinstance(it, GroupType) and it.kind == "ff"}
    return [
        evolve(it, watch_port=it.watch_port or 1 if it.group in watching else None)
        if isinstance(it, Bucket)
        else it
        for it in chosen
    ]


def update_between(has: list, wanted: list) -> FlowUpdate:
    """The update that turns the entries `has` into `wanted`."""
    return FlowUpdate(
        remove=tuple(entry for entry in has if entry not in wanted),
        add=tuple(entry for entry in wanted if entry not in has),
    )


def distinct(chosen: list) -> list:
    """Of entries with one identity, the last."""
    return list({(type(entry), entry.identity): entry for entry in chosen}.values())
