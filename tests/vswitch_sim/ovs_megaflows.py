"""The megaflow lines of `ofproto/trace`, read back into masks of our flow key."""

import re
from ipaddress import IPv6Address

from vswitch_sim import FIELDS
from vswitch_sim.fields import TAG_BITS, TAG_SHIFT
from vswitch_sim.values import CT_STATES, TCP_FLAGS

_SHORTHANDS = {
    "ip": ("eth_type",),
    "ipv6": ("eth_type",),
    "arp": ("eth_type",),
    **dict.fromkeys(("tcp", "udp", "icmp", "tcp6", "udp6", "icmp6"), ("eth_type", "ip_proto")),
}
_NAMES = {
    field.match_name: field
    for field in FIELDS.values()
    if field.name not in ("udp_src", "udp_dst", "icmpv6_type", "icmpv6_code")
}
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


def mask_of(line: str) -> int:
    """The mask of our key that has the bits of a megaflow of Open vSwitch."""
    mask = 0
    for part in line.split(","):
        name, _, text = part.partition("=")
        if name == "eth":
            continue
        if name in _SHORTHANDS:
            for field_name in _SHORTHANDS[name]:
                mask |= FIELDS[field_name].key_mask
        else:
            mask |= _bits(name, text)
    return mask


def _bits(name: str, text: str) -> int:
    if name.startswith(("dl_vlan", "vlan_tci")):
        inner = TAG_BITS if name.endswith("1") else 0
        if name.startswith("vlan_tci"):
            tci = int(text.partition("/")[2] or "0xffff", 16)
        else:
            tci = 0xF000 if "pcp" in name else 0x1FFF
        return tci << TAG_SHIFT + inner
    field = _NAMES[name]
    if field.form in ("tcp_flags", "ct_state") and text[:1] in "+-":
        names = TCP_FLAGS if field.form == "tcp_flags" else CT_STATES
        told = re.findall(r"[+-](\[?\w+\]?)", text)
        return sum(1 << names.index(flag) for flag in told) << field.shift
    if field.form == "frag":
        return {"not_later": 2, "yes": 1}.get(text, 3) << field.shift
    _, slash, mask = text.partition("/")
    if not slash:
        return field.key_mask
    return _number(field.form, mask, field.width) << field.shift


def _number(form: str, text: str, width: int) -> int:
    if form in ("ip", "ipv6") and text.isdecimal():
        ones = int(text)
        return ((1 << ones) - 1) << (width - ones)
    if form == "ip":
        return int.from_bytes(bytes(map(int, text.split("."))), "big")
    if form == "ipv6":
        return int(IPv6Address(text))
    if form == "mac":
        return int(text.replace(":", ""), 16)
    assert _NUMBER.fullmatch(text), text
    return int(text, 0)
