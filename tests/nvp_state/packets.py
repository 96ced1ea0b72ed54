"""Match expressions and packets at random, and what it means that one matches the other.

Shares nothing with the product: an expression is a tree of plain tuples, a packet the fields it
has, and `matches` reads the definition off the manual, one packet at a time.

    ("compare", field, relation, [(value, mask or None), …])     several values are a set
    ("range", low, relation, field, relation, high)
    ("in", field, name, relation)          a named set, of those in SETS
    ("part", field, low, high, relation, value)
    ("predicate", name) · ("not", tree) · ("and", trees) · ("or", trees) · ("truth", 0 or 1)
"""

from ipaddress import IPv4Address, IPv6Address
from operator import eq, ge, gt, le, lt, ne

from hypothesis import strategies as st

RELATIONS = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
TURNED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

PORTS = ["a", "b", 'c"\\']
MACS = [0x0A0000000001, 0x0A0000000002, 0xFFFFFFFFFFFF, 0x01005E000001]
ADDRESSES = [0x0A000001, 0x0A000002, 0x0A0000FF, 0xE0000001]
ADDRESSES6 = [1, 0xFE80 << 112 | 1, 0xFD00 << 112 | 0xFF, 0xFF02 << 112 | 1]
NUMBERS = [0, 1, 2, 79, 80, 81, 443, 65535]
BYTES = [0, 1, 2, 5, 6, 17, 255]

# Each field: its OpenFlow name, its bits, what constants it is compared with.
FIELDS = {
    "inport": ("inport", 0, PORTS),
    "outport": ("outport", 0, PORTS),
    "eth.src": ("eth_src", 48, MACS),
    "eth.dst": ("eth_dst", 48, MACS),
    "eth.type": ("eth_type", 16, [0x800, 0x806, 0x86DD, 0x88CC]),
    "vlan.vid": ("vlan_vid", 12, [0, 1, 2, 4095]),
    "vlan.pcp": ("vlan_pcp", 3, [0, 3, 7]),
    "ip.proto": ("ip_proto", 8, BYTES),
    "ip.dscp": ("ip_dscp", 6, [0, 1, 46, 63]),
    "ip.ttl": ("ip_ttl", 8, BYTES),
    "ip.frag": ("ip_frag", 2, [0, 1, 3]),
    "ip4.src": ("ipv4_src", 32, ADDRESSES),
    "ip4.dst": ("ipv4_dst", 32, ADDRESSES),
    "ip6.src": ("ipv6_src", 128, ADDRESSES6),
    "ip6.dst": ("ipv6_dst", 128, ADDRESSES6),
    "ip6.label": ("ipv6_label", 20, [0, 5, 0xFFFFF]),
    "tcp.src": ("tcp_src", 16, NUMBERS),
    "tcp.dst": ("tcp_dst", 16, NUMBERS),
    "tcp.flags": ("tcp_flags", 12, [2, 16, 18]),
    "udp.src": ("udp_src", 16, NUMBERS),
    "udp.dst": ("udp_dst", 16, NUMBERS),
    "sctp.src": ("sctp_src", 16, NUMBERS),
    "sctp.dst": ("sctp_dst", 16, NUMBERS),
    "icmp6.type": ("icmpv6_type", 8, [0, 1, 128, 135]),
    "icmp6.code": ("icmpv6_code", 8, BYTES),
    "icmp4.type": ("icmpv4_type", 8, BYTES),
    "icmp4.code": ("icmpv4_code", 8, BYTES),
    "arp.op": ("arp_op", 16, [1, 2]),
    "arp.spa": ("arp_spa", 32, ADDRESSES),
    "arp.tpa": ("arp_tpa", 32, ADDRESSES),
    "arp.sha": ("arp_sha", 48, MACS),
    "arp.tha": ("arp_tha", 48, MACS),
}
UNMASKABLE = {"inport", "outport", "eth.type", "arp.op"}
PREDICATES = ["eth.bcast", "eth.mcast", "eth.mcastv6", "vlan.present", "ip", "ip4", "ip6", "arp",
              "tcp", "udp", "sctp", "icmp", "icmp4", "icmp6", "igmp", "nd_ns", "nd_rs",
              "ip.is_frag", "ip.later_frag", "ip.first_frag", "ip4.mcast", "ip4.src_mcast",
              "ip6.mcast"]  # fmt: skip
DEFINITE = {"eth.bcast", "eth.mcast", "eth.mcastv6", "vlan.present"}
# Named sets: what is in them, each a value and a mask, or a name.
SETS = {
    "$four": [(0x0A000001, 0xFFFFFFFF), (0x0A000000, 0xFFFFFF00), (0xE0000000, 0xF0000000)],
    "$six": [(1, (1 << 128) - 1), (0xFD00 << 112, 0xFFFF << 112)],
    "$none": [],
    "$macs": [(0x0A0000000001, 0xFFFFFFFFFFFF)],
    "@pair": ["a", "b"],
}
FITTING = {0: ["@pair"], 32: ["$four", "$none"], 48: ["$macs"], 128: ["$six", "$none"]}


@st.composite
def _constant(draw, field, masked):
    _, width, values = FIELDS[field]
    value = draw(st.sampled_from(values))
    if not width:
        return (value, None)
    if not masked or field in UNMASKABLE or draw(st.booleans()):
        return (value, None)
    length = draw(st.integers(0, width))
    prefix = ((1 << width) - 1) ^ ((1 << (width - length)) - 1)
    mask = draw(st.sampled_from([prefix, 0b101, 0, 1 << (width - 1)]))
    return (value & mask, mask)


@st.composite
def _comparison(draw):
    field = draw(st.sampled_from(sorted(FIELDS)))
    relation = draw(st.sampled_from(["==", "==", "==", "!=", "<", "<=", ">", ">="]))
    if field in UNMASKABLE and relation not in {"==", "!="}:
        relation = "=="
    several = relation in {"==", "!="}
    count = draw(st.integers(1, 3)) if several else 1
    return ("compare", field, relation, [draw(_constant(field, several)) for _ in range(count)])


@st.composite
def _range(draw):
    field = draw(st.sampled_from(sorted(set(FIELDS) - UNMASKABLE)))
    values = st.sampled_from(FIELDS[field][2])
    first, second = draw(st.sampled_from([("<", "<="), ("<=", "<"), (">", ">="), ("<=", "<=")]))
    return ("range", draw(values), first, field, second, draw(values))


@st.composite
def _membership(draw):
    field = draw(st.sampled_from([name for name, it in FIELDS.items() if it[1] in FITTING]))
    return ("in", field, draw(st.sampled_from(FITTING[FIELDS[field][1]])), draw(_equality))


@st.composite
def _part(draw):
    wide = [it for it in sorted(set(FIELDS) - UNMASKABLE) if FIELDS[it][1] > 8 or it == "ip.frag"]
    field = draw(st.sampled_from(wide))
    low, high = sorted(draw(st.tuples(*[st.integers(0, FIELDS[field][1] - 1)] * 2)))
    value = draw(st.sampled_from(FIELDS[field][2])) >> low & ((2 << high - low) - 1)
    return ("part", field, low, high, draw(_equality), value)


_equality = st.sampled_from(["==", "==", "!="])
expressions = st.recursive(
    st.one_of(
        _comparison(),
        _comparison(),
        _range(),
        _membership(),
        _part(),
        st.tuples(st.just("predicate"), st.sampled_from(PREDICATES)),
        st.tuples(st.just("truth"), st.integers(0, 1)),
    ),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=6,
)


@st.composite
def packets(draw):
    """A packet as the fields it has, close to the constants of expressions."""

    def value(field):
        _, width, values = FIELDS[field]
        near = draw(st.sampled_from(values)) + draw(st.sampled_from([0, 0, 0, -1, 1, 4, 256]))
        return near % (1 << width)

    packet = {name: draw(st.sampled_from([*PORTS, "z"])) for name in ("inport", "outport")}
    packet |= {name: value(name) for name in ("eth.src", "eth.dst")}
    packet["eth.type"] = draw(st.sampled_from([0x800, 0x800, 0x800, 0x806, 0x86DD, 0x88CC]))
    if draw(st.booleans()):
        packet |= {name: value(name) for name in ("vlan.vid", "vlan.pcp")}
    if packet["eth.type"] == 0x806:
        packet |= {name: value(name) for name in FIELDS if name.startswith("arp.")}
    version = {0x800: "ip4.", 0x86DD: "ip6."}.get(packet["eth.type"])
    if version:
        packet |= {name: value(name) for name in FIELDS if name.startswith(("ip.", version))}
        packet["ip.ttl"] = draw(st.sampled_from([1, 64, 255]))
        packet["ip.proto"] = draw(st.sampled_from([6, 6, 17, 132, 1, 58, 5, 2]))
        packet["ip.frag"] = draw(st.sampled_from([0, 0, 0, 1, 3]))
        layers = {6: "tcp.", 17: "udp.", 132: "sctp."}
        layers |= {1: "icmp4."} if version == "ip4." else {58: "icmp6."}
        layer = layers.get(packet["ip.proto"], "none")
        if packet["ip.frag"] != 3:
            packet |= {name: value(name) for name in FIELDS if name.startswith(layer)}
    return packet


def matches(tree, packet, negated=False):
    """Whether a packet matches an expression, or with `negated` its `!`."""
    match tree:
        case ("not", inner):
            return matches(inner, packet, not negated)
        case (("and" | "or") as operator, trees):
            every = (operator == "and") != negated
            return (all if every else any)(matches(inner, packet, negated) for inner in trees)
        case ("truth", value):
            return bool(value) != negated
        case ("predicate", ("ip.is_frag" | "ip.later_frag") as name):
            # Bits of a field: what has none has neither one nor the other.
            return "ip.frag" in packet and _holds(name, packet) != negated
        case ("predicate", name):
            return _holds(name, packet) != negated
        case ("range", low, first, field, second, high):
            trees = [
                ("compare", field, TURNED[first], [(low, None)]),
                ("compare", field, second, [(high, None)]),
            ]
            return matches(("and", trees), packet, negated)
        case ("compare", field, relation, constants):
            if field not in packet:
                return False
            tests = [
                RELATIONS[relation](packet[field] if mask is None else packet[field] & mask, value)
                for value, mask in constants
            ]
            return (all(tests) if relation == "!=" else any(tests)) != negated
        case ("in", field, name, relation):
            return field in packet and (is_in(packet[field], name) == (relation == "==")) != negated
        case ("part", field, low, high, relation, value):
            if field not in packet:
                return False
            part = packet[field] >> low & ((2 << high - low) - 1)
            return RELATIONS[relation](part, value) != negated
    raise AssertionError(tree)


def is_in(value, name):
    """Whether a named set has a value."""
    if name.startswith("@"):
        return value in SETS[name]
    return any((value ^ it) & mask == 0 for it, mask in SETS[name])


def _holds(predicate, packet):
    proto, version = packet.get("ip.proto"), packet["eth.type"]
    message = proto == 58 and version == 0x86DD and packet["ip.ttl"] == 255
    message = message and packet.get("icmp6.code") == 0
    fragment = packet.get("ip.frag", 0)
    return {
        "eth.mcastv6": packet["eth.dst"] >> 32 == 0x3333,
        "sctp": proto == 132,
        "igmp": proto == 2 and version == 0x800,
        "icmp6": proto == 58 and version == 0x86DD,
        "icmp": (proto, version) in {(1, 0x800), (58, 0x86DD)},
        "nd_ns": message and packet["icmp6.type"] == 135,
        "nd_rs": message and packet["icmp6.type"] == 133,
        "ip.is_frag": bool(fragment & 1),
        "ip.later_frag": bool(fragment & 2),
        "ip.first_frag": fragment == 1,
        "ip4.src_mcast": packet.get("ip4.src", 0) >> 28 == 14,
        "ip6.mcast": packet["eth.dst"] >> 32 == 0x3333 and packet.get("ip6.dst", 0) >> 120 == 255,
        "eth.bcast": packet["eth.dst"] == 0xFFFFFFFFFFFF,
        "eth.mcast": bool(packet["eth.dst"] >> 40 & 1),
        "vlan.present": "vlan.vid" in packet,
        "ip": packet["eth.type"] in {0x800, 0x86DD},
        "ip4": packet["eth.type"] == 0x800,
        "ip6": packet["eth.type"] == 0x86DD,
        "arp": packet["eth.type"] == 0x806,
        "tcp": proto == 6,
        "udp": proto == 17,
        "icmp4": proto == 1 and version == 0x800,
        "ip4.mcast": packet.get("ip4.dst", 0) >> 28 == 14 and bool(packet["eth.dst"] >> 40 & 1),
    }[predicate]


def negative(tree, negated=False):
    """Whether some part asks, all `!` considered, that an unmaskable thing differ."""
    match tree:
        case ("not", inner):
            return negative(inner, not negated)
        case ("and" | "or", trees):
            return any(negative(inner, negated) for inner in trees)
        case ("predicate", name):
            return negated and name not in DEFINITE
        case ("in", field, _, relation):
            return FIELDS[field][1] in {0, 48} and (relation == "!=") != negated
        case ("compare", field, relation, _):
            return field in UNMASKABLE and (relation == "!=") != negated
    return False


def written(tree):
    """The expression as text."""
    match tree:
        case ("not", ("predicate", name)):
            return f"!{name}"
        case ("not", inner):
            return f"! ({written(inner)})"
        case (("and" | "or") as operator, trees):
            sign = {"and": "&&", "or": "||"}[operator]
            return f" {sign} ".join(f"({written(inner)})" for inner in trees)
        case ("truth", value):
            return str(value)
        case ("predicate", name):
            return name
        case ("in", field, name, relation):
            return f"{field} {relation} {name}"
        case ("part", field, low, high, relation, value):
            part = f"{low}" if low == high else f"{low}..{high}"
            return f"{field}[{part}] {relation} {value:#x}"
        case ("range", low, first, field, second, high):
            return f"{_shown(field, low)} {first} {field} {second}{_shown(field, high)}"
        case ("compare", field, relation, [(value, mask)]):
            constant = _masked(field, value, mask)
            if len(field) % 2:
                return f"{constant} {TURNED[relation]} {field}"
            return f"{field}{relation}{constant}"
        case ("compare", field, relation, constants):
            listed = ", ".join(_masked(field, *constant) for constant in constants)
            return f"{field} {relation} {{{listed}}} // a set\n"
    raise AssertionError(tree)


def _masked(field, value, mask):
    if mask is None:
        return _shown(field, value)
    inverse = mask ^ 0xFFFFFFFF
    if FIELDS[field][1] == 32 and inverse & (inverse + 1) == 0:
        return f"{_shown(field, value)}/{32 - inverse.bit_length()}"
    return f"{_shown(field, value)} / {_shown(field, mask)}"


def _shown(field, value):
    match FIELDS[field][1]:
        case 0:
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case 48:
            return value.to_bytes(6).hex(":")
        case 32:
            return str(IPv4Address(value))
        case 128:
            return str(IPv6Address(value))
        case 16:
            return hex(value)
    return str(value)


def on_the_wire(packet):
    """The packet's fields as OpenFlow has them."""
    fields = {FIELDS[name][0]: value for name, value in packet.items()}
    fields["vlan_vid"] = packet["vlan.vid"] | 0x1000 if "vlan.vid" in packet else 0
    return fields
