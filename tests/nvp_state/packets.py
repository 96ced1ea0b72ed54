"""Match expressions and packets at random, and what it means that one matches the other.

Shares nothing with the product: an expression is a tree of plain tuples, a packet the fields it
has, and `matches` reads the definition off the manual, one packet at a time.

    ("compare", field, relation, [(value, mask or None), …])     several values are a set
    ("range", low, relation, field, relation, high)
    ("predicate", name) · ("not", tree) · ("and", trees) · ("or", trees) · ("truth", 0 or 1)
"""

from ipaddress import IPv4Address
from operator import eq, ge, gt, le, lt, ne

from hypothesis import strategies as st

RELATIONS = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
TURNED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

PORTS = ["a", "b", 'c"\\']
MACS = [0x0A0000000001, 0x0A0000000002, 0xFFFFFFFFFFFF, 0x01005E000001]
ADDRESSES = [0x0A000001, 0x0A000002, 0x0A0000FF, 0xE0000001]
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
    "ip.proto": ("ip_proto", 8, BYTES),
    "ip.dscp": ("ip_dscp", 6, [0, 1, 46, 63]),
    "ip.ttl": ("ip_ttl", 8, BYTES),
    "ip4.src": ("ipv4_src", 32, ADDRESSES),
    "ip4.dst": ("ipv4_dst", 32, ADDRESSES),
    "tcp.src": ("tcp_src", 16, NUMBERS),
    "tcp.dst": ("tcp_dst", 16, NUMBERS),
    "udp.src": ("udp_src", 16, NUMBERS),
    "udp.dst": ("udp_dst", 16, NUMBERS),
    "icmp4.type": ("icmpv4_type", 8, BYTES),
    "icmp4.code": ("icmpv4_code", 8, BYTES),
    "arp.op": ("arp_op", 16, [1, 2]),
    "arp.spa": ("arp_spa", 32, ADDRESSES),
    "arp.tpa": ("arp_tpa", 32, ADDRESSES),
    "arp.sha": ("arp_sha", 48, MACS),
    "arp.tha": ("arp_tha", 48, MACS),
}
UNMASKABLE = {"inport", "outport", "eth.type", "arp.op"}
PREDICATES = ["eth.bcast", "eth.mcast", "vlan.present", "ip", "ip4", "ip6", "arp", "tcp", "udp",
              "icmp4", "ip4.mcast"]  # fmt: skip
DEFINITE = {"eth.bcast", "eth.mcast", "vlan.present"}


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


expressions = st.recursive(
    st.one_of(
        _comparison(),
        _comparison(),
        _range(),
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
        packet["vlan.vid"] = value("vlan.vid")
    if packet["eth.type"] == 0x806:
        packet |= {name: value(name) for name in FIELDS if name.startswith("arp.")}
    if packet["eth.type"] == 0x800:
        packet |= {name: value(name) for name in FIELDS if name.startswith(("ip.", "ip4."))}
        packet["ip.proto"] = draw(st.sampled_from([6, 6, 17, 1, 5]))
        layer = {6: "tcp.", 17: "udp.", 1: "icmp4."}.get(packet["ip.proto"], "none")
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
    raise AssertionError(tree)


def _holds(predicate, packet):
    return {
        "eth.bcast": packet["eth.dst"] == 0xFFFFFFFFFFFF,
        "eth.mcast": bool(packet["eth.dst"] >> 40 & 1),
        "vlan.present": "vlan.vid" in packet,
        "ip": packet["eth.type"] in {0x800, 0x86DD},
        "ip4": packet["eth.type"] == 0x800,
        "ip6": packet["eth.type"] == 0x86DD,
        "arp": packet["eth.type"] == 0x806,
        "tcp": "tcp.src" in packet,
        "udp": "udp.src" in packet,
        "icmp4": "icmp4.type" in packet,
        "ip4.mcast": packet.get("ip4.dst", 0) >> 28 == 14,
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
        case 16:
            return hex(value)
    return str(value)


def on_the_wire(packet):
    """The packet's fields as OpenFlow has them."""
    fields = {FIELDS[name][0]: value for name, value in packet.items()}
    fields["vlan_vid"] = packet["vlan.vid"] | 0x1000 if "vlan.vid" in packet else 0
    return fields
