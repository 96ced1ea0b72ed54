"""Functions written in Python: their types, how often they run, and what becomes of a failure."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest

import nlog
from nlog.engine import reference
from tests.engine.trial import contents

PAIR = Annotated[Any, "pair"]
SHAPE = Annotated[Any, "shape"]
TYPES = """
record pair(left: str, right: int)
union shape = dot | box(width: int, tag: str?)
"""
# A Python form of each type, under the name of the type.
VALUES: dict[str, tuple[Any, Any]] = {
    "bool": (bool, True),
    "int": (int, -7),
    "str": (str, "é"),
    "bytes": (bytes, b"\x00a"),
    "mac": (nlog.mac, "0a:00:00:00:00:01"),
    "ip4": (nlog.ip4, "10.0.0.1"),
    "ip6": (nlog.ip6, "2001:db8::1"),
    "prefix": (nlog.prefix, "10.0.0.0/8"),
    "pair": (PAIR, ("a", 1)),
    "shape": (SHAPE, {"box": {"width": 2, "tag": "t"}}),
    "[int]": (tuple[int, ...], (1, 2)),
    "[pair]": (tuple[PAIR, ...], (("a", 1),)),
    "int?": (int | None, None),
    "shape?": (SHAPE | None, {"dot": []}),
    "[[str]]": (tuple[tuple[str, ...], ...], (("a",), ())),
}


def defined(body: Callable[..., Any], *parameters: Any, result: Any) -> nlog.Function[..., Any]:
    names = body.__code__.co_varnames[: body.__code__.co_argcount]
    body.__annotations__ = {**dict(zip(names, parameters, strict=True)), "return": result}
    return nlog.function(body)


class Counted:
    """A program with a function `f(n: int) -> int` whose calls are counted."""

    def __init__(self, rules: str, body: Callable[[int], Any]) -> None:
        self.calls: list[int] = []

        @nlog.function
        def f(n: int) -> int:
            self.calls.append(n)
            return body(n)

        text = f"input table a(n: int)\noutput table b(n: int)\n{rules}\n"
        self.program = nlog.parse(text, "counted.nlog", [f])
        self.engine = nlog.Engine(self.program)

    def insert(self, *numbers: int) -> None:
        with self.engine.transaction() as tx:
            tx.insert("a", *[(number,) for number in numbers])

    def delete(self, *numbers: int) -> None:
        with self.engine.transaction() as tx:
            tx.delete("a", *[(number,) for number in numbers])

    @property
    def derived(self) -> set[int]:
        return {number for (number,) in self.engine["b"]}


@pytest.mark.parametrize("type_", VALUES)
def test_values_of_every_type_go_in_and_come_out(type_: str):
    annotation, value = VALUES[type_]
    seen = []

    def same(x: Any) -> Any:
        seen.append(x)
        return x

    text = f"{TYPES}input table a(x: {type_})\noutput table b(x: {type_})\nb(same(x)) :- a(x).\n"
    engine = nlog.Engine(nlog.parse(text, functions=[defined(same, annotation, result=annotation)]))
    with engine.transaction() as tx:
        tx.insert("a", (value,))
    assert list(engine["b"]) == list(engine["a"]) == [(seen[0],)]


def test_a_function_stands_wherever_an_expression_does():
    @nlog.function
    def twice(n: int) -> int:
        return 2 * n

    @nlog.function
    def is_even(n: int) -> bool:
        return n % 2 == 0

    @nlog.function
    def zero() -> int:
        return 0

    program = nlog.parse(
        """
        input table a(n: int)
        output table b(n: int, text: str, list: [int])
        output table total(n: int)
        b(twice(twice(n)), "{twice(n)}", [twice(m), zero()]) :-
            a(n), a(twice(n)), m = twice(n) + 1, is_even(m - 1), not a(twice(m)).
        total(sum(if is_even(n) then twice(n) else zero())) :- a(n).
        """,
        functions=[twice, is_even, zero],
    )
    engine = nlog.Engine(program)
    with engine.transaction() as tx:
        tx.insert("a", (1,), (2,), (4,), (10,))
    rows = {table: set(engine[table]) for table in ("a", "b", "total")}
    assert rows == reference.evaluate(program, {"a": rows["a"]})
    assert rows["b"] == {(4, "2", (6, 0))}
    assert rows["total"] == {(32,)}
    assert twice(4) == 8
    assert "a(2)" in str(engine.explain("b", (4, "2", (6, 0))))


def test_a_function_runs_once_for_the_same_arguments():
    counted = Counted("b(f(n)) :- a(n).\nb(m) :- a(n), f(n) > 2, m = f(n) + 100.", lambda n: n + 1)
    counted.insert(1, 2)
    assert sorted(counted.calls) == [1, 2]
    counted.delete(1)
    counted.insert(1)
    counted.engine.add_rules("output table c(n: int)\nc(f(n)) :- a(n).")
    assert sorted(counted.calls) == [1, 2]
    assert counted.derived == {2, 3, 103}
    assert set(counted.engine["c"]) == {(2,), (3,)}


def test_the_memo_forgets_what_was_not_asked_for_in_long():
    counted = Counted("b(f(n) % 2) :- a(n).", lambda n: n)
    counted.insert(-1)
    counted.insert(*range(200_000))
    assert len(counted.calls) == 200_001
    counted.delete(-1)
    assert counted.calls[-1] == -1
    assert counted.derived == {0, 1}


@pytest.mark.parametrize(
    ("body", "text", "cause"),
    [
        (lambda n: 1 // n, "f(0) raised ZeroDivisionError: ", ZeroDivisionError),
        (lambda n: [][n], "f(0) raised IndexError: list index out of range", IndexError),
        (lambda _: "one", "f(0) gave a wrong value: 'one' is not an int", type(None)),
        (lambda _: True, "f(0) gave a wrong value: True is not an int", type(None)),
        (lambda _: 2**63, "f(0) gave a wrong value: 9223372036854775808 does", type(None)),
    ],
)
def test_a_failure_names_function_rule_and_arguments(
    body: Callable[[int], Any], text: str, cause: type[Exception]
):
    counted = Counted("b(f(n)) :- a(n).", lambda n: body(n) if n == 0 else n)
    counted.insert(1)
    with pytest.raises(nlog.TransactionError) as caught:
        counted.insert(2, 0)
    assert str(caught.value).startswith("rule of `b` at counted.nlog:3: " + text)
    assert str(caught.value).endswith("; the transaction is rolled back")
    assert isinstance(caught.value.__cause__, cause)
    assert counted.derived == {1}
    assert len(counted.engine["a"]) == 1
    counted.insert(2)
    assert counted.derived == {1, 2}


def test_whether_a_rule_fails_depends_on_the_rows_alone():
    rules = "input table wanted(n: int)\nb(m) :- a(n), wanted(n), m = f(n), m > 0."
    counted = Counted(rules, lambda n: 1 // n)
    counted.insert(0, 1)
    for rows in ([(1,), (2,)], [(0,)]):
        try:
            with counted.engine.transaction() as tx:
                tx.insert_many("wanted", rows)
        except nlog.TransactionError as error:
            assert "f(0) raised" in str(error)
            assert rows == [(0,)]
    assert counted.derived == {1}
    assert contents(counted.engine.recompute()) == contents(counted.engine)


def test_a_failed_call_is_tried_anew_by_the_next_transaction():
    faults = [ValueError("not now")]
    counted = Counted("b(f(n)) :- a(n).", lambda n: _raise(faults.pop()) if faults else n)
    with pytest.raises(nlog.TransactionError, match="not now"):
        counted.insert(1)
    counted.insert(1)
    assert counted.derived == {1}


def test_an_exception_without_a_text_and_one_that_cannot_tell_it():
    class Silent(Exception):
        def __str__(self) -> str:
            raise ValueError("no")

    counted = Counted("b(f(n)) :- a(n).", lambda n: _raise(Silent() if n else KeyError()))
    with pytest.raises(nlog.TransactionError, match=r"raised Silent, which has no text;"):
        counted.insert(1)
    with pytest.raises(nlog.TransactionError, match=r"raised KeyError;"):
        counted.insert(0)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_goes_through_and_rolls_back(raised: type[BaseException]):
    faults = [raised()]
    counted = Counted("b(f(n)) :- a(n).", lambda n: _raise(faults.pop()) if faults else n)
    with pytest.raises(raised):
        counted.insert(1, 2)
    assert not counted.engine["a"]
    assert not counted.derived
    counted.insert(1)
    assert counted.derived == {1}


def test_endless_recursion_is_a_failure_like_any_other():
    def endless(n: int) -> int:
        return endless(n + 1)

    counted = Counted("b(f(n)) :- a(n).", endless)
    with pytest.raises(nlog.TransactionError, match=r"f\(1\) raised RecursionError") as caught:
        counted.insert(1)
    assert isinstance(caught.value.__cause__, RecursionError)
    assert not counted.engine["a"]


@pytest.mark.parametrize(
    "use",
    [
        lambda engine: list(engine["a"]),
        lambda engine: engine.snapshot(),
        lambda engine: engine.explain("a", (1,)),
        lambda engine: engine["b"].where(n=1),
        lambda engine: engine._core.rollback(),
        lambda engine: engine.transaction().__enter__(),
    ],
)
def test_a_function_cannot_use_the_engine(use: Callable[[nlog.Engine], Any]):
    engines: list[nlog.Engine] = []
    counted = Counted("b(f(n)) :- a(n).", lambda n: use(engines[0]) if engines else n)
    counted.insert(1)
    engines.append(counted.engine)
    refused = r"f\(2\) raised (RuntimeError: .*must be pure|TransactionError: .*inside another)"
    with pytest.raises(nlog.TransactionError, match=refused):
        counted.insert(2)
    assert counted.derived == {1}


def test_a_function_may_use_another_engine():
    other = nlog.Engine(nlog.parse("output table two(n: int)\ntwo(2)."))
    counted = Counted("b(f(n)) :- a(n).", lambda n: n + next(iter(other["two"]))[0])
    counted.insert(1)
    assert counted.derived == {3}


def test_an_engine_is_not_made_if_a_fact_fails():
    with pytest.raises(nlog.TransactionError, match=r"ZeroDivisionError.*with all inputs empty"):
        Counted("b(f(0)).", lambda n: 1 // n)


def test_a_function_of_a_value_of_its_own_recursion_keeps_no_order():
    rules = "b(min(n)) :- a(n).\nb(min(f(n))) :- b(n)."
    with pytest.raises(nlog.RuleError, match="goes through `f`, which may not keep its order"):
        Counted(rules, lambda n: n)


@pytest.mark.parametrize(
    ("parameter", "result", "text"),
    [
        (Any, int, "parameter `x`: typing.Any is no type"),
        (float, int, "parameter `x`: <class 'float'> is no type"),
        (int | str, int, "parameter `x`: int | str is no type"),
        (dict[str, int], int, "is no type that rules know"),
        (tuple[int, str], int, "is no type that rules know"),
        (list[int], int, "parameter `x`: a list comes as a tuple"),
        (int, None, "its result: <class 'NoneType'> is no type"),
        (int, "missing", "an annotation cannot be read: name 'missing'"),
    ],
)
def test_what_is_no_type_is_refused_by_the_decorator(parameter: Any, result: Any, text: str):
    def some_function(x: Any) -> Any:
        return x

    with pytest.raises(TypeError) as caught:
        defined(some_function, parameter, result=result)
    assert str(caught.value).startswith("function `some_function`")
    assert text in str(caught.value)


def test_the_decorator_refuses_what_rules_could_not_call():
    def measure(text, /) -> int:
        return len(text)

    def defaulted(n: int = 1) -> int:
        return n

    def named(*, n: int) -> int:
        return n

    def len() -> int:
        return 0

    def none() -> int:
        return 0

    for body, text in (
        (measure, "parameter `text`: it has no annotation"),
        (defaulted, "parameter `n`: rules give every argument"),
        (named, "parameter `n`: rules give arguments by position"),
        (len, "`len` is built into the language"),
        (none, "`none` is no name"),
        (lambda: 0, "`<lambda>` is no name"),
        (3, "3 is no function"),
    ):
        with pytest.raises(TypeError, match=text):
            nlog.function(body)


def test_programs_take_decorated_functions_of_different_names():
    def f(n: int) -> int:
        return n

    first, second = nlog.function(f), nlog.function(f)
    with pytest.raises(TypeError, match="decorate it with @nlog"):
        nlog.parse("", functions=[f])
    with pytest.raises(TypeError, match="two functions are named `f`"):
        nlog.parse("", functions=[first, second])
    assert nlog.parse("", functions=[first, first]).functions == (first,)


def _raise(error: BaseException) -> Any:
    raise error
