"""Entities as facts: the rows that the logical and the physical program read.

`facts_of(change)` gives the rows that a change of the store brings and takes. Nothing else goes
into the programs, and nothing here decides anything: what a flow does with a row is the rules'
business.

    logical    logical_switch(name, key)
               logical_port(name, ls, key, mac)
               port_address(port, ip)                        ports with an IP address
               port_security(port)  port_enabled(port)  port_unknown(port)    where the flag is set
               acl(id, ls, direction, priority, action)
               acl_term(acl, number, inport, outport, match) one for each term of its expression;
                                                             match is a list of (name, value, mask)
    physical   host(name, ip, key)
               vif(port, host, ofport)                       ports on a host

`key` is the tunnel key. An ACL's id reads `switch:direction:priority:match`.

Invariant: the deltas of successive changes add up to the facts of all records; a row is never in
two of them at once, since each carries its entity's name. Cost: in proportion to the change.
"""

from collections.abc import Iterator

from attrs import frozen

from nvp_state.entities import Acl, Host, Port, Switch, readable
from nvp_state.expression import normalise
from nvp_state.records import Change, Record

LOGICAL, PHYSICAL = "logical", "physical"

Value = str | int | tuple["Value", ...]
Row = tuple[Value, ...]


@frozen
class Fact:
    """A row of an input table of one of the two programs."""

    program: str
    table: str
    row: Row


@frozen
class FactDelta:
    """The rows that come into and go from one table."""

    program: str
    table: str
    inserted: tuple[Row, ...]
    deleted: tuple[Row, ...]


def facts_of_record(record: Record) -> tuple[Fact, ...]:
    """Return the facts that stand for an entity."""
    match record.entity:
        case Host(name=name, ip=ip):
            return (Fact(PHYSICAL, "host", (name, ip, record.tunnel_key)),)
        case Switch(name=name):
            return (Fact(LOGICAL, "logical_switch", (name, record.tunnel_key)),)
        case Port() as port:
            return tuple(_port_facts(port, record))
        case Acl() as acl:
            return tuple(_acl_facts(acl))
    raise AssertionError(record)


def facts_of(change: Change) -> tuple[FactDelta, ...]:
    """Return what a change does to the tables: each changed table once, in order of appearance."""
    deltas: dict[tuple[str, str], tuple[list[Row], list[Row]]] = {}
    pairs: list[tuple[Record | None, Record | None]] = [(old, None) for old in change.removed]
    pairs += change.replaced
    pairs += [(None, new) for new in change.added]
    for old, new in pairs:
        before = dict.fromkeys(facts_of_record(old) if old else ())
        after = dict.fromkeys(facts_of_record(new) if new else ())
        for side, facts, others in ((0, after, before), (1, before, after)):
            for fact in facts:
                if fact not in others:
                    table = deltas.setdefault((fact.program, fact.table), ([], []))
                    table[side].append(fact.row)
    return tuple(
        FactDelta(program, table, tuple(inserted), tuple(deleted))
        for (program, table), (inserted, deleted) in deltas.items()
    )


def _port_facts(port: Port, record: Record) -> Iterator[Fact]:
    row = (port.name, port.switch, record.tunnel_key, port.mac)
    yield Fact(LOGICAL, "logical_port", row)
    if port.ip is not None:
        yield Fact(LOGICAL, "port_address", (port.name, port.ip))
    for table, flag in (
        ("port_security", port.port_security),
        ("port_enabled", port.enabled),
        ("port_unknown", port.unknown),
    ):
        if flag:
            yield Fact(LOGICAL, table, (port.name,))
    if port.host is not None:
        yield Fact(PHYSICAL, "vif", (port.name, port.host, record.ofport))


def _acl_facts(acl: Acl) -> Iterator[Fact]:
    name = readable(acl.key)
    yield Fact(LOGICAL, "acl", (name, acl.switch, acl.direction, acl.priority, acl.action))
    for number, term in enumerate(normalise(acl.match)):
        yield Fact(LOGICAL, "acl_term", (name, number, term.inport, term.outport, term.fields))
