"""Actions of tenants' own flows, from text to what rules can read.

`steps_of(text, match)` reads OVN's form (ovn-sb(5), column `actions` of Logical_Flow), of which a
few are here: those that can do harm to nobody but the tenant.

    >>> steps_of("ip4.dst = 10.0.0.9; ip.ttl--; next(3);", "ip4")
    Steps(changes=(('ipv4_dst', 167772169), ('', 0)), verdict='next', table=3, port='')

- `next;` goes on in the next table of the pipeline that has flows, or behind the pipeline;
  `next(N);` in table N.
- `drop;` stands alone.
- `outport = "web-1"; output;` sends the packet to a port.
- `field = value;` sets a field of the packet, in which it must exist: the match says so.
- `ip.ttl--;` takes one from it, and drops the packet if none is left.

The last one is `next`, `drop` or `output`, and only the last. Registers, marks and the number of
the datapath have no names here.
"""

import re
from collections.abc import Iterator

from attrs import frozen

from nvp_state.errors import ExpressionError, did_you_mean
from nvp_state.expression import normalise
from nvp_state.symbols import FIELDS

SETTABLE = (
    *("eth.src", "eth.dst", "ip4.src", "ip4.dst", "ip6.src", "ip6.dst"),
    *("ip.ttl", "ip.dscp", "ip.ecn", "tcp.src", "tcp.dst", "udp.src", "udp.dst"),
    *("sctp.src", "sctp.dst", "arp.op", "arp.spa", "arp.tpa", "arp.sha", "arp.tha"),
)
TABLE_MAX = 31
CHANGES_MAX = 16

Change = tuple[str, int]
"""A field's OXM name and its new value; ("", 0) takes one from the TTL."""

_NEXT = re.compile(r"next\s*\(\s*(\d+)\s*\)")
_ASSIGNMENT = re.compile(r"([\w.]+)\s*=\s*(.+)", re.DOTALL)
_PORT = re.compile(r'"((?:[^"\\;]|\\.)+)"')
_TTL = re.compile(r"ip\.ttl\s*--")


@frozen
class Steps:
    """What a flow does: `changes` in order, then its `verdict`, `next`, `drop` or `output`.

    `table` is where it goes on, or -1 for the next one; `port` is where it is output.
    """

    changes: tuple[Change, ...]
    verdict: str
    table: int = -1
    port: str = ""


def steps_of(text: str, match: str) -> Steps:
    """Read the actions of a flow whose match is `match`.

    Raises:
        ValueError: they are no such actions, or set what a packet that matches need not have.
    """
    *others, last = _statements(text)
    changes: list[Change] = []
    port = ""
    for statement in others:
        if statement in {"next", "drop", "output"} or _NEXT.fullmatch(statement):
            raise ValueError(f"`{statement};` is the end: nothing can follow it")
        name, value = _assigned(statement)
        if name == "outport":
            port = _port(value)
        else:
            changes.append(_change(statement, name, value, match))
    if len(changes) > CHANGES_MAX:
        raise ValueError(f"{len(changes)} fields are set; {CHANGES_MAX} are the most")
    jump = _NEXT.fullmatch(last)
    if jump:
        last, table = "next", int(jump[1])
        if table > TABLE_MAX:
            raise ValueError(f"next({table}): the tables are 0 to {TABLE_MAX}")
    else:
        table = -1
    if last not in {"next", "drop", "output"}:
        raise ValueError(f"`{last};` is no end: the last is `next;`, `drop;` or `output;`")
    if (last == "output") != bool(port):
        raise ValueError('`outport = "…";` and `output;` go together')
    if last == "drop" and changes:
        raise ValueError("`drop;` stands alone")
    return Steps(tuple(changes), last, table, port)


def _statements(text: str) -> list[str]:
    found = [part.strip() for part in text.split(";")]
    if found[-1]:
        raise ValueError(f"`{found[-1]}` does not end with `;`")
    if not all(found[:-1]) or len(found) == 1:
        raise ValueError("has no action between two `;`" if len(found) > 1 else "is empty")
    return found[:-1]


def _assigned(statement: str) -> tuple[str, str]:
    """The field and the value of an assignment; `ip.ttl--` has the value `--`."""
    if _TTL.fullmatch(statement):
        return "ip.ttl", "--"
    parts = _ASSIGNMENT.fullmatch(statement)
    if parts is None:
        raise ValueError(f"`{statement}` is no action{did_you_mean(statement, _WORDS)}")
    return parts[1], parts[2].strip()


_WORDS = ("next", "drop", "output", "outport", "ip.ttl--", *SETTABLE)


def _port(value: str) -> str:
    name = _PORT.fullmatch(value)
    if name is None:
        raise ValueError(f"`outport` is a port's name in double quotes, not `{value}`")
    return re.sub(r"\\(.)", r"\1", name[1])


def _change(statement: str, name: str, value: str, match: str) -> Change:
    if name not in SETTABLE:
        known = did_you_mean(name, SETTABLE)
        raise ValueError(f"`{name}` cannot be set; {', '.join(SETTABLE)} can{known}")
    needs = FIELDS[name].requires
    if needs and not implies(match, needs):
        raise ValueError(f"`{statement}` needs a match that says `{needs}`")
    if value == "--":
        return "", 0
    field = FIELDS[name]
    told = [dict(_whole(term.fields)) for term in normalise(f"{name} == {value}")]
    values = {fields.get(field.oxm) for fields in told}
    number = values.pop() if len(values) == 1 else None
    if number is None:
        raise ValueError(f"`{name}` is set to one value, not to `{value}`")
    return field.oxm, number


def _whole(fields: tuple[tuple[str, int, int], ...]) -> Iterator[tuple[str, int]]:
    return ((name, value) for name, value, mask in fields if mask == -1)


def implies(match: str, predicate: str) -> bool:
    """Whether every packet that matches is of a kind."""
    try:
        return not normalise(f"({match}) && !{predicate}")
    except ExpressionError:
        return False
