"""Keys, masks and the datapath's actions as text: `ofproto/trace` and `dpctl dump-flows`."""

from collections.abc import Iterator, Mapping, Sequence

from vswitch_sim.fields import FIELDS, PLAIN_FIELDS, TAG_SHIFT, Field, has_layer
from vswitch_sim.match import format_rows
from vswitch_sim.subject import DatapathAction
from vswitch_sim.values import format_masked

Rows = list[tuple[str, int, int]]

_ALWAYS_TOLD = frozenset({"in_port", "vlan_vid", "eth_src", "eth_dst", "eth_type"})

# Of the datapath's text: header, and its fields with their names there.
_HEADERS: Mapping[str, Mapping[str, str]] = {
    "tunnel": {"tun_id": "tun_id"},
    "eth": {"eth_src": "src", "eth_dst": "dst"},
    "vlan": {"vlan_vid": "vid", "vlan_pcp": "pcp"},
    "ipv4": {"ipv4_src": "src", "ipv4_dst": "dst"},
    "ipv6": {"ipv6_src": "src", "ipv6_dst": "dst", "ipv6_label": "label"},
    "arp": {
        "arp_spa": "sip",
        "arp_tpa": "tip",
        "arp_op": "op",
        "arp_sha": "sha",
        "arp_tha": "tha",
    },
    "tcp": {"tcp_src": "src", "tcp_dst": "dst"},
    "udp": {"udp_src": "src", "udp_dst": "dst"},
    "sctp": {"sctp_src": "src", "sctp_dst": "dst"},
    "icmp": {"icmpv4_type": "type", "icmpv4_code": "code"},
    "icmpv6": {"icmpv6_type": "type", "icmpv6_code": "code"},
    "nd": {"nd_target": "target", "nd_sll": "sll", "nd_tll": "tll"},
}
_IP = {"ip_proto": "proto", "ip_dscp": "dscp", "ip_ecn": "ecn", "ip_ttl": "ttl", "ip_frag": "frag"}
_SINGLE = ("recirc_id", "ct_state", "ct_zone", "ct_mark", "ct_label")


def rows_of(key: int, mask: int) -> Rows:
    """The fields that a packet has, of those with bits in the mask: (name, value, mask)."""
    rows = []
    for known in PLAIN_FIELDS:
        bits = known.of(mask)
        # A tag that is not there is told, too.
        there = known.needs == "vlan" or has_layer(key, known.needs)[0]
        if bits and there:
            rows.append((known.name, known.of(key) & bits, bits))
    return rows


def format_key(key: int) -> str:
    """A flow key as `ofproto/trace` shows it: what the packet has, and metadata that is not 0."""
    rows = [
        row for row in rows_of(key, -1) if row[1] or FIELDS[row[0]].needs or row[0] in _ALWAYS_TOLD
    ]
    return ",".join(format_rows(rows))


def format_megaflow(key: int, mask: int) -> str:
    """A megaflow's match as `ofproto/trace` shows it."""
    rows = rows_of(key, mask)
    front = [f"recirc_id={FIELDS['recirc_id'].of(key):#x}".replace("0x0", "0")]
    rest = list(format_rows(row for row in rows if row[0] != "recirc_id"))
    n_tracked = sum(row[0].startswith("ct_") for row in rows)
    return ",".join([*front, *rest[:n_tracked], "eth", *rest[n_tracked:]])


def format_datapath_flow(key: int, mask: int) -> str:
    """A megaflow's match as `dpctl dump-flows` shows it."""
    rows = {name: (value, bits) for name, value, bits in rows_of(key, mask)}
    parts = [
        f"{name}({format_masked(FIELDS[name], *rows[name])})" for name in _SINGLE if name in rows
    ]
    parts.extend(_headers(rows, ("tunnel",)))
    parts.append(f"in_port({FIELDS['in_port'].of(key)})")
    parts.extend(_headers(rows, ("eth", "vlan")))
    parts.append(f"eth_type({FIELDS['eth_type'].of(key):#06x})")
    rest = [name for name in _HEADERS if name not in ("tunnel", "eth", "vlan")]
    parts.extend(_headers(rows, rest))
    if "tcp_flags" in rows:
        parts.append(f"tcp_flags({format_masked(FIELDS['tcp_flags'], *rows['tcp_flags'])})")
    return ",".join(parts)


def format_datapath_actions(actions: Sequence[DatapathAction], key: int) -> str:
    """The datapath's actions, for packets like the one with this key."""
    return ",".join(_actions(actions, key)) or "drop"


def _actions(actions: Sequence[DatapathAction], key: int) -> Iterator[str]:
    for action in actions:
        match action:
            case ("set", int(value), int(mask)):
                yield from _sets(value, mask, key)
            case ("push_vlan", int(tpid), int(tci)):
                at = "" if tpid == 0x8100 else f"tpid={tpid:#06x},"
                yield f"push_vlan({at}vid={tci & 0xFFF},pcp={tci >> 13})"
                key = key & ~(0xFFFF << TAG_SHIFT) | tci << TAG_SHIFT
            case ("output", port):
                yield str(port)
            case ("clone", tuple(inner)):
                yield f"clone({format_datapath_actions(inner, key)})"
            case ("ct", dict(connection)):
                yield _connection(connection)
            case ("recirc", int(number)):
                yield f"recirc({number:#x})"
            case ("meter", number):
                yield f"meter({number})"
            case ("controller", reason, int(number)):
                resumes = f",recirc_id={number:#x}" if number else ""
                yield f"userspace(controller(reason={reason}{resumes}))"
            case ("drop", _):
                pass
            case (name, *_):
                yield str(name)


def _sets(value: int, mask: int, key: int) -> Iterator[str]:
    rows = {
        known.name: (known.of(value), known.of(mask))
        for known in PLAIN_FIELDS
        if known.of(mask) and has_layer(key, known.needs)[0]
    }
    # Tells what IP versions have in common apart.
    rows["eth_type"] = (FIELDS["eth_type"].of(key), 0)
    return (f"set({header})" for header in _headers(rows, _HEADERS))


def _headers(
    rows: Mapping[str, tuple[int, int]],
    headers: Iterator[str] | Sequence[str] | Mapping[str, object],
) -> Iterator[str]:
    for header in headers:
        names = _HEADERS[header]
        version = {"ipv4": "ipv4_", "ipv6": "ipv6_"}.get(header)
        if version is not None and _is_of(rows, header):
            names = {**names, **_IP}
        shown = [
            f"{text}={_format(FIELDS[name], *rows[name])}"
            for name, text in names.items()
            if name in rows
        ]
        if shown:
            yield f"{header}({','.join(shown)})"


def _is_of(rows: Mapping[str, tuple[int, int]], header: str) -> bool:
    """Whether what IP versions have in common belongs to a header of this one."""
    return rows["eth_type"][0] == (0x0800 if header == "ipv4" else 0x86DD)


def _format(known: Field, value: int, mask: int) -> str:
    if known.name == "vlan_vid":
        return str(value & 0xFFF) if value else "none"
    if known.name == "ip_dscp":
        return str(value) if mask == known.maximum else f"{value:#x}/{mask:#x}"
    return format_masked(known, value, mask)


def _connection(connection: Mapping[str, object]) -> str:
    parts = [name for name in ("commit", "force") if connection.get(name)]
    parts.append(f"zone={connection['zone']}")
    for name in ("mark", "label"):
        match connection.get(name):
            case (int(value), int(mask)):
                parts.append(f"{name}={value:#x}/{mask:#x}")
    match connection.get("nat"):
        case dict(nat):
            parts.append(_nat(nat))
    if "alg" in connection:
        parts.append(f"helper={connection['alg']}")
    return f"ct({','.join(parts)})"


def _nat(nat: Mapping[str, object]) -> str:
    if "source" not in nat:
        return "nat"
    text = "src" if nat["source"] else "dst"
    if "address_min" in nat:
        text += f"={nat['address_min']}"
        text += "" if nat["address_max"] == nat["address_min"] else f"-{nat['address_max']}"
    if "port_min" in nat:
        text += f":{nat['port_min']}-{nat['port_max']}"
    return f"nat({text}{',persistent' if 'persistent' in nat else ''})"
