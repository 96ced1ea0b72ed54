"""Values of fields as text, the way `ovs-ofctl` writes them."""

from collections.abc import Mapping
from ipaddress import IPv6Address

from vswitch_sim.fields import Field

CT_STATES = ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat")
TCP_FLAGS = (
    "fin",
    "syn",
    "rst",
    "psh",
    "ack",
    "urg",
    "ece",
    "cwr",
    "ns",
    "[200]",
    "[400]",
    "[800]",
)
_FRAGMENTS: Mapping[tuple[int, int], str] = {
    (0, 3): "no",
    (1, 3): "first",
    (3, 3): "later",
    (1, 1): "yes",
    (0, 2): "not_later",
    (0, 1): "no",
    (2, 2): "later",
}


def format_value(field: Field, value: int) -> str:
    """One value of a field."""
    match field.form:
        case "mac":
            return ":".join(f"{octet:02x}" for octet in value.to_bytes(6, "big"))
        case "ip":
            return ".".join(str(octet) for octet in value.to_bytes(4, "big"))
        case "ipv6":
            return str(IPv6Address(value))
        case "hex":
            return f"{value:#x}" if value else "0"
        case "eth_type":
            return f"{value:#06x}"
        case "label":
            return f"{value:#07x}"
        case "ct_state":
            return _flags(CT_STATES, value)
        case "tcp_flags":
            return _flags(TCP_FLAGS, value)
        case "frag":
            return _FRAGMENTS.get((value, 3), str(value))
        case _:
            return str(value)


def format_masked(field: Field, value: int, mask: int) -> str:
    """A value with the mask of the bits that count; without the mask if all do."""
    if field.form == "frag":
        return _FRAGMENTS.get((value, mask), f"{value:#x}/{mask:#x}")
    if field.name == "ip_dscp":
        value, mask = value << 2, mask << 2
        return str(value) if mask == 0xFC else f"{value:#x}/{mask:#x}"
    if mask == field.maximum:
        return format_value(field, value)
    if field.form in ("ct_state", "tcp_flags"):
        names = CT_STATES if field.form == "ct_state" else TCP_FLAGS
        return _masked_flags(names, value, mask)
    if field.form in ("ip", "ipv6"):
        ones = mask.bit_count()
        if mask == prefix_mask(field, ones):
            return f"{format_value(field, value)}/{ones}"
    if field.form in ("number", "eth_type"):
        return f"{value:#x}/{mask:#x}"
    return f"{format_value(field, value)}/{format_value(field, mask)}"


def prefix_mask(field: Field, length: int) -> int:
    """The mask of a field's highest `length` bits."""
    return field.maximum & ~(field.maximum >> length)


def _flags(names: tuple[str, ...], value: int) -> str:
    return "|".join(name for place, name in enumerate(names) if value >> place & 1) or "0"


def _masked_flags(names: tuple[str, ...], value: int, mask: int) -> str:
    return "".join(
        ("+" if value >> place & 1 else "-") + name
        for place, name in enumerate(names)
        if mask >> place & 1
    )
