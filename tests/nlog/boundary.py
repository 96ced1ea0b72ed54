"""Random Python values at every door of the engine, for test_boundary.py.

`visit(order)` makes an engine whose tables have columns of every type, and calls its methods with
values of every kind: right ones, nearly right ones, and objects that have nothing to do with it.
A call may do its work or raise what ALLOWED has for its door, and nothing else; after each round
the engine still equals a recomputation, so that what was refused has left no trace.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import nlog
from tests.engine.trial import contents

ALLOWED: dict[str, tuple[type[Exception], ...]] = {
    "write": (nlog.TransactionError, TypeError, KeyError),
    "read": (LookupError, TypeError),
    "rules": (nlog.RuleError, nlog.TransactionError, TypeError),
    "open": (nlog.RuleError, nlog.TransactionError, TypeError, ValueError),
}
ROUNDS = 8

PROGRAM = """
record pair(number: int, name: str)
union action = stop | send(number: int, to: ip4?)
input table scalars(a: bool, b: int, c: str, d: mac, e: ip4, f: ip6, g: prefix, h: bytes)
input table parts(p: pair, u: action, l: [int], o: int?, n: [pair])
input table keyed(k: int key, v: str, w: str key)
input table single(k: prefix key, v: action)
input table nothing()
open output table seen(text: str)
output table lists(l: [int], n: int)
seen("{b} {c} {d} {e} {f} {g} {h}") :- scalars(a, b, c, d, e, f, g, h).
seen("{p} {u} {l} {o} {n}") :- parts(p, u, l, o, n).
seen(v) :- keyed(v: v, k: k), not nothing(), 10 / k < 9.
lists(set(len(l)), count()) :- parts(l: l).
constraint table odd(k: int)
odd(k) :- keyed(k: k), k > 100.
"""


class HostileError(Exception):
    """What hostile objects raise; whoever gave them gets it back."""


class Hostile:
    """Raises in every special method that somebody may call."""

    def _raise(self, *_: object) -> Any:
        raise HostileError

    __iter__ = __len__ = __getitem__ = __index__ = _raise


for _method in ("__str__", "__eq__", "__hash__"):
    setattr(Hostile, _method, Hostile._raise)


SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 2**31, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**200, 0.5,
    float("nan"), 1e300, 1j, "", "a", "\ud800", "a\0b", "é𝄞", "x" * 5000, "00:00:00:00:00:01",
    "0A:00:00:00:00:01", "0a:0:0:0:0:1", "10.0.0.1", "10.0.0.300", "::1", "2001:db8::1", ":::",
    "10.0.0.0/8", "10.0.0.1/8", "::/0", "::/129", "10.0.0.0/-1", "0aff", "0AF", b"", b"ab", b"\0",
    bytearray(b"ab"), memoryview(b"ab"), ip_address("10.0.0.1"), ip_address("::1"),
    ip_network("10.0.0.0/8"), ip_network("::/0"), object(), int, len, ..., range(3), slice(1),
)  # fmt: skip


def value(order: random.Random, depth: int = 3) -> Any:
    """A value of any kind, with parts down to a depth."""
    dice = order.randrange(20)
    if depth == 0 or dice < 11:
        return order.choice(SCALARS)
    if dice == 11:
        return Hostile()
    inner = [value(order, depth - 1) for _ in range(order.choice((0, 1, 2, 2, 3, 5, 8)))]
    if dice == 12:
        return dict.fromkeys(("number", "name", "send", "stop", "to")[: len(inner)], inner)
    if dice == 13:
        return dict(zip(("number", "name", "to", "x"), inner, strict=False))
    if dice == 14:
        return {order.choice(("send", "stop", "go", 3)): inner}
    return order.choice((list, tuple, tuple, iter, lambda xs: (x for x in xs)))(inner)


RIGHT: dict[str, tuple[tuple[Any, ...], ...]] = {
    "scalars": (
        (True, 5, "a", "00:00:00:00:00:01", "10.0.0.1", "::1", "10.0.0.0/8", b"ab"),
        (False, -5, "é", 7, 9, ip_address("::2"), ip_network("::/0"), "0aff"),
    ),
    "parts": (
        ((1, "a"), {"send": [1, None]}, (1, 2), None, ()),
        ({"number": 1, "name": "b"}, {"stop": []}, [], 3, [(1, "a"), (2, "b")]),
    ),
    "keyed": ((1, "a", "x"), (1, "b", "x"), (0, "a", "x"), (101, "a", "b"), (2, "c", "")),
    "single": (("10.0.0.0/8", {"stop": {}}), ("::/0", {"send": {"number": 1, "to": "10.0.0.1"}})),
    "nothing": ((),),
    "seen": (("a",),),
    "lists": (((1,), 1),),
    "odd": ((101,),),
}


def name(order: random.Random) -> Any:
    """The name of a table, most often."""
    return order.choice([*RIGHT] * 3 + ["sean", "", None, 3, "$unit", Hostile(), ["seen"]])


def row(order: random.Random, table: Any) -> Any:
    """A row that fits, nearly fits, or does not fit at all."""
    if not isinstance(table, str) or table not in RIGHT or order.random() < 0.15:
        return value(order)
    right = list(order.choice(RIGHT[table]))
    for _ in range(order.choice((0, 0, 1, 1, 2))):
        if right:
            right[order.randrange(len(right))] = value(order)
    if order.random() < 0.1:
        right.append(value(order))
    return order.choice((tuple, tuple, list))(right)


def rows(order: random.Random, table: Any) -> Any:
    """Some rows, or something else."""
    if order.random() < 0.1:
        return value(order)
    return [row(order, table) for _ in range(order.randrange(4))]


Call = Callable[[], Any]


def writes(order: random.Random, tx: nlog.Transaction) -> Iterator[Call]:
    """Calls of a transaction, one after the other."""
    for _ in range(order.randint(1, 5)):
        table = name(order)
        one, many = row(order, table), rows(order, table)
        key = order.choice((1, (1, "x"), "10.0.0.0/8", value(order)))
        calls: list[Call] = [
            partial(tx.insert, table, one),
            partial(tx.insert_many, table, many),
            partial(tx.delete, table, one),
            partial(tx.delete_many, table, many),
            partial(tx.put, table, one),
            partial(tx.put_many, table, many),
            partial(tx.remove, table, key),
            partial(_changes, tx, table),
            tx.__enter__,
        ]
        yield order.choice([*calls * 3, tx.prepare])


def _changes(tx: nlog.Transaction, table: str) -> nlog.Delta:
    return tx.changes[table]


def reads(order: random.Random, engine: nlog.Engine) -> Iterator[Call]:
    """Calls of views, snapshots and the engine."""
    table = name(order)
    one = row(order, table)
    columns = ["a", "b", "k", "v", "l", "n", "text", "zzz"]
    where = {order.choice(columns): value(order) for _ in range(order.randrange(3))}
    for source in (engine, engine.snapshot()):
        yield partial(source.__getitem__, table)
        if not isinstance(table, str) or table not in engine.program.tables:
            continue
        view = source[table]
        yield partial(view.__contains__, one)
        yield partial(view.where, **where)
        yield partial(_look_at, view, one)
    yield lambda: engine.explain(table, one)
    yield lambda: str(engine.explain(table, order.choice(RIGHT[table])))
    yield lambda: (engine.work.by_rule, repr(engine), engine.rules)


def _look_at(view: nlog.TableView, row: Any) -> tuple[Any, ...]:
    return ([*view], len(view), repr(view), bool(view), view == row)


def changes_of_rules(order: random.Random, engine: nlog.Engine) -> Iterator[Call]:
    """Calls that change the program."""
    texts = (
        'seen("more") :- nothing().', "output table more(n: int)\nmore(k) :- keyed(k: k).", "",
        "seen(1).", "more(", "input table extra(n: int key)", "\0", "\ud800", "seen(str(1 / 0)).",
    )  # fmt: skip
    text = order.choice([*texts, *texts, value(order), Path("/nowhere/x.nlog")])
    called = order.choice(("one", "two", None, None, value(order)))
    yield lambda: engine.add_rules(text, called)
    yield lambda: engine.remove_rules(order.choice([*engine.rules, "one", "two", value(order)]))


def openings(order: random.Random) -> Iterator[Call]:
    """Calls of what makes programs and engines."""
    program = nlog.parse(PROGRAM)
    yield lambda: nlog.parse(value(order))
    yield lambda: nlog.parse(PROGRAM, value(order))
    yield lambda: nlog.Engine(program, nlog.Limits(rows=order.choice((1, 99, None))))
    yield lambda: nlog.load(value(order))
    yield lambda: nlog.load(value(order), value(order))
    yield lambda: nlog.Engine(order.choice([program, value(order)]), value(order))
    yield lambda: nlog.Engine(program, nlog.Limits(rows=value(order), seconds=value(order)))


def visit(order: random.Random) -> Counter[str]:
    """Knock at every door; how many calls were answered and refused, by door."""
    answers: Counter[str] = Counter()
    engine = nlog.Engine(nlog.parse(PROGRAM))
    for _ in range(ROUNDS):
        _knock("write", lambda: _transact(order, engine, answers), answers)
        for read in reads(order, engine):
            _knock("read", read, answers)
        for change in changes_of_rules(order, engine):
            _knock("rules", change, answers)
        assert contents(engine) == contents(engine.recompute())
    for opening in openings(order):
        _knock("open", opening, answers)
    return answers


def _transact(order: random.Random, engine: nlog.Engine, answers: Counter[str]) -> None:
    begin = order.choice((engine.transaction, engine.transaction, engine.what_if))
    with begin() as tx:
        for write in writes(order, tx):
            _knock("write", write, answers)


def _knock(door: str, call: Call, answers: Counter[str]) -> None:
    try:
        call()
    except HostileError:
        pass
    except ALLOWED[door]:
        answers[f"{door} refused"] += 1
    else:
        answers[f"{door} answered"] += 1
