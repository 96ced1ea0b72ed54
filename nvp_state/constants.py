"""Constants of match expressions: what is written after `==`, as numbers and masks.

A constant is a number, an IP address, a MAC address or a quoted text, and may have a mask after
a slash: in the same form, or for an IP address the number of leading bits. It must fit its field,
and its value may have no bits outside its mask, since no packet could match those. The name of a
set, `$name` or `@name`, stands for what is in it.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from json import JSONDecodeError, loads
from typing import NoReturn

from lark import Token, Tree

from nvp_state.boxes import NamedSet, Test
from nvp_state.symbols import NOMINAL, ORDINAL, TEXT, WRITTEN_OUT_WIDTH_MAX, Field

Fail = Callable[[str, str, Token, str], NoReturn]
"""Raises the error with this slug, text, place and help."""

_FORMS = {
    "MAC": (48, "a MAC address"),
    "IP4": (32, "an IPv4 address"),
    "IP6": (128, "an IPv6 address"),
}
_ADDRESS_WIDTHS = (32, 48, 128)


def constant_of(tree: Tree[Token], name: str, field: Field, fail: Fail) -> Test | NamedSet:
    """Return the value and the mask, or the set, that `tree` stands for, compared with `name`.

    The mask has all of the field's bits if there is none in the text; a text has the mask -1.
    """
    token, mask_token = (*tree.children, None)[:2]
    assert isinstance(token, Token)
    if token.type in _SETS:
        return _named_set(token, mask_token, name, field, fail)
    if field.level == TEXT or token.type == "STRING":
        return _text(token, name, field, fail), -1
    full = (1 << field.width) - 1
    value = _number(token, name, field, fail)
    if not isinstance(mask_token, Token):
        return value, full
    if field.level == NOMINAL and field.width > WRITTEN_OUT_WIDTH_MAX:
        fail("mask", f"`{name}` is matched as a whole, not under a mask", mask_token, "")
    if token.type in {"IP4", "IP6"} and mask_token.type == "INTEGER":
        length = int(mask_token)
        if length > field.width:
            fail("mask", f"a prefix has at most {field.width} bits", mask_token, "")
        mask = full ^ (full >> length)
    elif mask_token.type != token.type and {token.type, mask_token.type} & set(_FORMS):
        fail(
            "mask",
            "a mask has the form of its value",
            mask_token,
            f"such as `{_shown(full, token)}`",
        )
    else:
        mask = _number(mask_token, name, field, fail)
    if value & ~mask:
        right = f"{_shown(value & mask, token)}/{mask_token}"
        fail("unmasked-bits", "the value has bits outside its mask", token, f"write `{right}`")
    return value, mask


_SETS = {"ADDRESS_SET": "an address set", "PORT_GROUP": "a port group"}


def _named_set(token: Token, mask_token: object, name: str, field: Field, fail: Fail) -> NamedSet:
    wanted = "PORT_GROUP" if field.level == TEXT else "ADDRESS_SET"
    whole = field.level == TEXT or (
        field.level == ORDINAL and field.width in _ADDRESS_WIDTHS and not field.offset
    )
    if token.type != wanted or not whole:
        fail("constant-type", f"{_SETS[token.type]} is not a value of `{name}`", token, "")
    if mask_token is not None:
        fail("mask", "a set has no mask", token, "")
    return NamedSet(token.value)


def _text(token: Token, name: str, field: Field, fail: Fail) -> str:
    if field.level != TEXT:
        fail("constant-type", f"`{name}` is a number, not a text", token, "leave out the quotes")
    if token.type != "STRING":
        fail("constant-type", f"`{name}` is the name of a port", token, "put it in double quotes")
    try:
        text: str = loads(token)
    except JSONDecodeError as error:
        fail("text", f"the quoted text is not a JSON string: {error.msg}", token, "")
    if not text:
        fail("text", "a port name is not empty", token, "")
    return text


def _number(token: Token, name: str, field: Field, fail: Fail) -> int:
    width, form = _FORMS.get(token.type, (field.width, ""))
    if width != field.width or (form and field.level != ORDINAL):
        fail("constant-type", f"{form} is not a value of `{name}`", token, "")
    try:
        value = _READERS[token.type](token)
    except (KeyError, ValueError):
        fail("constant-type", f"`{token}` is not a value of `{name}`", token, "")
    if value >> field.width:
        text = f"{token} does not fit the {field.width} bits of `{name}`"
        fail("constant-width", text, token, f"the largest value is {(1 << field.width) - 1}")
    return value


_READERS: dict[str, Callable[[str], int]] = {
    "INTEGER": int,
    "HEXADECIMAL": lambda text: int(text, 16),
    "IP4": lambda text: int(IPv4Address(text)),
    "IP6": lambda text: int(IPv6Address(text)),
    "MAC": lambda text: int("".join(part.zfill(2) for part in text.split(":")), 16),
}


def _shown(value: int, like: Token) -> str:
    """The number in the form of `like`."""
    match like.type:
        case "IP4":
            return str(IPv4Address(value))
        case "IP6":
            return str(IPv6Address(value))
        case "MAC":
            return value.to_bytes(6).hex(":")
        case "HEXADECIMAL":
            return hex(value)
    return str(value)
