"""The engine's face: what it refuses and how it says so, and that a refusal leaves no trace."""

import threading

import pytest

import nlog
from tests.engine.trial import contents

PROGRAM = """
record point(x: int, y: int)
input table edge(src: str, dst: str)
input table limit(n: int)
input table place(name: str, at: point, mac: mac, ip: ip4, net: prefix, tags: [str], up: bool)
output table reach(src: str, dst: str)
output table share(n: int)
table inner(src: str)
reach(a, b) :- edge(a, b).
reach(a, c) :- reach(a, b), edge(b, c).
share(12 / n) :- limit(n).
inner(a) :- reach(a, _).
"""
PLACE = ("p", (1, 2), "0a:00:00:00:00:01", "10.0.0.1", "10.0.0.0/8", ("a", "b"), True)


@pytest.fixture
def engine() -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(PROGRAM, "face.nlog"))
    with engine.transaction() as tx:
        tx.insert("edge", ("a", "b"), ("b", "c"))
        tx.insert("limit", (3,))
    return engine


class StopHereError(Exception):
    pass


def test_changes_are_known_for_all_output_tables_and_only_for_them(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.delete("edge", ("a", "b"))
        tx.insert("edge", ("c", "a"))
    assert dict(tx.changes) == {"reach": tx.changes["reach"], "share": tx.changes["share"]}
    assert tx.changes["reach"].inserted == {("c", "a"), ("b", "a")}
    assert tx.changes["reach"].deleted == {("a", "b"), ("a", "c")}
    assert not tx.changes["share"]
    assert tx.changes["share"].inserted == tx.changes["share"].deleted == frozenset()
    with pytest.raises(KeyError, match="no output table `raech`; did you mean `reach`"):
        tx.changes["raech"]
    with pytest.raises(KeyError, match="no output table `edge`"):
        tx.changes["edge"]


def test_changes_stay_what_they_were_when_they_are_read_late(engine: nlog.Engine):
    with engine.transaction() as first:
        first.insert("edge", ("c", "d"))
    with engine.transaction() as second:
        second.delete("edge", ("a", "b"), ("b", "c"), ("c", "d"))
    assert first.changes["reach"].inserted == {("a", "d"), ("b", "d"), ("c", "d")}
    assert len(second.changes["reach"].deleted) == 6


def test_the_last_word_on_a_row_counts(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("edge", ("x", "y"))
        tx.delete("edge", ("x", "y"))
        tx.delete("edge", ("a", "b"))
        tx.insert("edge", ("a", "b"), ("a", "b"))
    assert not tx.changes["reach"]
    assert set(engine["edge"]) == {("a", "b"), ("b", "c")}


def test_everything_prints_itself_in_short(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.delete("edge", ("a", "b"))
        tx.insert("edge", ("c", "d"), ("d", "e"))
    assert repr(engine) == "<Engine: 6 tables, 4 rules>"
    assert repr(engine.program) == "<Program: 6 tables, 4 rules>"
    assert repr(tx.changes) == "<Changes reach: Delta(+5, -2)>"
    assert repr(tx.changes["share"]) == "Delta(+0, -0)"
    assert repr(engine["limit"]) == "<table limit: 1 row>"
    assert repr(engine.work).startswith("Work(rows_read=")
    assert repr(engine.work).endswith(", inserted=9, deleted=4)")
    with engine.transaction() as tx:
        pass
    assert repr(tx.changes) == "<Changes of nothing>"


def test_what_is_no_program_no_text_and_no_path_names_the_way_out():
    with pytest.raises(TypeError, match=r"'my\.nlog' is no Program: nlog\.load\(path\)"):
        nlog.Engine("my.nlog")
    with pytest.raises(TypeError, match=r"rules as str, not bytes: load\(\) reads files"):
        nlog.parse(b"table t()")
    with pytest.raises(TypeError, match=r"load\(\) takes the paths of rule files"):
        nlog.load()
    with pytest.raises(TypeError, match=r"write load\(\*paths\)"):
        nlog.load(["a.nlog", "b.nlog"])


def test_what_changes_nothing_is_no_work(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("edge", ("a", "b"))
        tx.delete("edge", ("x", "y"))
    assert not tx.changes["reach"]
    work = engine.work
    assert work.rows_read == work.probes == work.derived == work.inserted == work.deleted == 0


def test_a_table_is_a_set_of_rows(engine: nlog.Engine):
    reach = engine["reach"]
    rows: object = {("a", "b"), ("b", "c"), ("a", "c")}
    assert reach == rows
    assert len(reach) == 3
    assert ("a", "c") in reach
    for form in [("a", "c"), ["a", "c"]]:
        assert form in reach
    for stranger in [("c", "a"), ("a",), ("a", 1), "ab", 7, None, ("a", "b", "c")]:
        assert stranger not in reach
    assert reach & {("a", "b"), ("z", "z")} == {("a", "b")}
    assert reach - {("a", "b")} == {("b", "c"), ("a", "c")}
    assert reach.columns == ("src", "dst")
    assert repr(reach) == "<table reach: 3 rows>"


def test_where_selects_by_columns(engine: nlog.Engine):
    reach = engine["reach"]
    assert reach.where(src="a") == {("a", "b"), ("a", "c")}
    assert reach.where(src="a", dst="c") == {("a", "c")}
    assert reach.where(dst="nowhere") == frozenset()
    assert reach.where() == set(reach)
    with pytest.raises(TypeError, match="table `reach` has no column `scr`; did you mean `src`"):
        reach.where(scr="a")
    with pytest.raises(TypeError, match="column `dst: str`: 1 is not a str"):
        reach.where(dst=1)


def test_an_unknown_table_is_named_with_the_nearest(engine: nlog.Engine):
    with pytest.raises(KeyError, match="there is no table `raech`; did you mean `reach`"):
        engine["raech"]
    text = "no table `egde`; did you mean `edge`"
    with pytest.raises(nlog.TransactionError, match=text), engine.transaction() as tx:
        tx.insert("egde", ("a", "b"))


@pytest.mark.parametrize("table", ["reach", "share", "inner"])
@pytest.mark.parametrize("method", ["insert", "delete"])
def test_only_input_tables_are_written(engine: nlog.Engine, table: str, method: str):
    before = contents(engine)
    text = f"`{table}` is an .* table: rules derive it"
    with pytest.raises(nlog.TransactionError, match=text), engine.transaction() as tx:
        getattr(tx, method)(table, ("a", "b"))
    assert contents(engine) == before


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("name", 5, "`name`: 5 is not a str"),
        ("at", (1,), "`at`: .* is not a record point"),
        ("at", (1, "2"), "`at`: field `y` of point: '2' is not an int"),
        ("at", {"x": 1}, "`at`: .* is not a record point"),
        ("mac", "0a:00", "`mac`: '0a:00' is not a mac such as"),
        ("ip", "10.0.0", "`ip`: '10.0.0' is not an ip4 address such as"),
        ("net", "10.0.0.1/8", "`net`: .* write 10.0.0.0/8"),
        ("tags", "ab", "`tags`: 'ab' is not a list"),
        ("tags", ["a", 1], "`tags`: element 1: 1 is not a str"),
        ("up", 1, "`up`: 1 is not a bool"),
    ],
)
def test_a_row_that_does_not_fit_names_its_column(
    engine: nlog.Engine, column: str, value: object, text: str
):
    row = list(PLACE)
    row[engine["place"].columns.index(column)] = value
    for method in ("insert", "delete"):
        with pytest.raises(nlog.TransactionError, match=text), engine.transaction() as tx:
            getattr(tx, method)("place", PLACE, tuple(row))
    assert not engine["place"]


@pytest.mark.parametrize("row", [(), ("a",), ("a", "b", "c"), "ab", 5, None])
def test_a_row_of_another_shape_names_the_table_and_its_columns(engine: nlog.Engine, row: object):
    text = r"does not fit `edge\(src: str, dst: str\)`: a row of table `edge` is"
    with pytest.raises(nlog.TransactionError, match=text), engine.transaction() as tx:
        tx.insert_many("edge", [("x", "y"), row])  # type: ignore[list-item]  # on purpose
    assert len(engine["edge"]) == 2


def test_of_a_call_that_was_refused_nothing_is_kept(engine: nlog.Engine):
    """Whoever goes on after the error commits the other calls, and only these."""
    with engine.transaction() as tx:
        tx.insert("edge", ("c", "d"))
        with pytest.raises(nlog.TransactionError):
            tx.insert("edge", ("d", "e"), ("d", 5))
        with pytest.raises(nlog.TransactionError):
            tx.delete("edge", ("a", "b"), ("a",))
    assert set(engine["edge"]) == {("a", "b"), ("b", "c"), ("c", "d")}


def test_rows_from_a_generator_that_fails_are_not_kept(engine: nlog.Engine):
    def rows():
        yield ("x", "y")
        raise StopHereError

    with engine.transaction() as tx:
        with pytest.raises(StopHereError):
            tx.insert_many("edge", rows())
        tx.insert_many("edge", (row for row in [("c", "d")]))
    assert set(engine["edge"]) == {("a", "b"), ("b", "c"), ("c", "d")}


def test_values_come_back_canonical_whatever_form_they_were_given_in(engine: nlog.Engine):
    given = ["p", {"y": 2, "x": 1}, 0x0A0000000001, 0x0A000001, "10.0.0.0/8", ["a", "b"], True]
    with engine.transaction() as tx:
        tx.insert("place", given)
    (row,) = engine["place"]
    assert (row[1].x, row[1].y) == (1, 2)
    assert row == PLACE
    assert PLACE in engine["place"]
    assert [row for row in (given, PLACE) if row in engine["place"]] == [given, PLACE]
    assert engine["place"].where(mac="0A:00:00:00:00:01", at=(1, 2)) == {PLACE}
    with engine.transaction() as tx:
        tx.delete("place", PLACE)
    assert not engine["place"]


@pytest.mark.parametrize("failure", ["exception", "evaluation"])
def test_a_rollback_leaves_no_trace(engine: nlog.Engine, failure: str):
    before, work = contents(engine), engine.work
    figures = (work.rows_read, work.probes, work.derived, work.inserted, work.deleted)
    tx = engine.transaction()
    with pytest.raises((StopHereError, nlog.TransactionError)), tx:
        tx.insert("edge", ("c", "a"), ("new", "newer"))
        tx.delete("edge", ("a", "b"))
        if failure == "exception":
            raise StopHereError
        tx.insert("limit", (0,))
    assert contents(engine) == before
    work = engine.work
    assert (work.rows_read, work.probes, work.derived, work.inserted, work.deleted) == figures
    with pytest.raises(nlog.TransactionError, match="is rolled back: it has no changes"):
        _ = tx.changes
    with engine.transaction() as later:
        later.insert("edge", ("c", "d"))
    assert later.changes["reach"].inserted == {("c", "d"), ("b", "d"), ("a", "d")}
    assert not later.changes["share"]
    assert contents(engine.recompute()) == contents(engine)


def test_a_failure_of_evaluation_names_the_rule_and_the_values(engine: nlog.Engine):
    text = r"rule of `share` at face\.nlog:11: division by zero: 12 / 0; .* rolled back"
    with pytest.raises(nlog.TransactionError, match=text), engine.transaction() as tx:
        tx.insert("limit", (0,))


def test_a_row_that_would_fail_and_goes_in_the_same_transaction_does_no_harm(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("limit", (0,))
        tx.delete("limit", (0,))
    assert set(engine["share"]) == {(4,)}


def test_rules_that_fail_on_nothing_are_refused_with_their_place():
    program = nlog.parse("output table t(n: int)\nt(1 / 0).\n", "bad.nlog")
    with pytest.raises(
        nlog.TransactionError, match=r"rule of `t` at bad\.nlog:2: division by zero"
    ):
        nlog.Engine(program)


def test_a_transaction_is_used_once_and_in_a_with(engine: nlog.Engine):
    tx = engine.transaction()
    with pytest.raises(nlog.TransactionError, match="is new: rows are written inside"):
        tx.insert("edge", ("x", "y"))
    with pytest.raises(nlog.TransactionError, match="is new: it has no changes"):
        _ = tx.changes
    with tx:
        with pytest.raises(nlog.TransactionError, match="is open: it has no changes"):
            _ = tx.changes
        with pytest.raises(nlog.TransactionError, match="is open, and can be used once"), tx:
            pass
    with pytest.raises(nlog.TransactionError, match="is committed: rows are written inside"):
        tx.delete("edge", ("x", "y"))
    with pytest.raises(nlog.TransactionError, match="is committed, and can be used once"), tx:
        pass
    assert len(engine["edge"]) == 2


def test_transactions_do_not_nest(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("edge", ("c", "d"))
        inner = engine.transaction()
        with pytest.raises(nlog.TransactionError, match="inside another of its engine"), inner:
            inner.insert("edge", ("lost", "row"))
    assert set(engine["edge"]) == {("a", "b"), ("b", "c"), ("c", "d")}
    with engine.transaction() as after:
        after.delete("edge", ("c", "d"))
    assert len(after.changes["reach"].deleted) == 3


def test_engines_do_not_know_each_other(engine: nlog.Engine):
    other = nlog.Engine(engine.program)
    with engine.transaction() as tx, other.transaction() as other_tx:
        tx.insert("edge", ("c", "d"))
        other_tx.insert("edge", ("only", "here"))
    assert set(other["edge"]) == {("only", "here")}
    assert len(engine["edge"]) == 3


def test_reading_inside_a_transaction_shows_the_last_commit(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("edge", ("c", "d"))
        assert len(engine["edge"]) == 2
        assert ("c", "d") not in engine["reach"]
    assert ("c", "d") in engine["reach"]


def test_a_small_change_is_small_work():
    """The point of it all, in figures that do not depend on the machine."""
    figures = set()
    for length in (10, 400):
        engine = nlog.Engine(nlog.parse(PROGRAM))
        with engine.transaction() as tx:
            tx.insert_many("edge", [(f"{n}", f"{n + 1}") for n in range(length)])
        with engine.transaction() as tx:
            tx.insert("edge", ("3", "aside"), ("x", "y"))
        inserted = engine.work
        with engine.transaction() as tx:
            tx.delete("edge", ("3", "aside"), ("x", "y"))
        deleted = engine.work
        assert inserted.inserted == deleted.deleted == 2 + 5 + 1
        figures.add((inserted.rows_read, inserted.derived, deleted.rows_read, deleted.retracted))
    assert len(figures) == 1


def test_a_reader_in_another_thread_sees_a_commit_whole_or_not_at_all():
    chain = [(f"{n}", f"{n + 1}") for n in range(60)]
    engine = nlog.Engine(nlog.parse(PROGRAM))
    done = threading.Event()
    seen: list[tuple[int, int]] = []

    def read() -> None:
        while not done.is_set():
            seen.append((len(engine["reach"]), len(set(engine["reach"]))))
            assert len(engine["edge"].where(src="0")) in {0, 1}

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(30):
            with engine.transaction() as tx:
                tx.insert_many("edge", chain)
            with engine.transaction() as tx:
                tx.delete_many("edge", chain)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    whole = len(chain) * (len(chain) + 1) // 2
    assert {count for pair in seen for count in pair} <= {0, whole}


def test_writers_in_several_threads_take_turns():
    engine = nlog.Engine(
        nlog.parse("input table n(thread: int, k: int)\noutput table m(k: int)\nm(k) :- n(_, k).")
    )
    announced: list[frozenset] = []

    def write(thread: int) -> None:
        for k in range(40):
            with engine.transaction() as tx:
                tx.insert("n", (thread, k))
            announced.append(tx.changes["m"].inserted)

    writers = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(engine["n"]) == 160
    assert sorted(row for rows in announced for row in rows) == [(k,) for k in range(40)]


def test_what_empty_inputs_would_be_refused_for_is_computed_again_all_the_same():
    rules = """
        input table port(name: str)
        input table owner(port: str)
        constraint table lost(port: str)
        lost(p) :- port(p), not owner(p).
        constraint table empty()
        empty() :- not some().
        table some()
        some() :- port(_).
    """
    with pytest.raises(nlog.TransactionError, match="with all inputs empty"):
        nlog.Engine(nlog.parse(rules))
    engine = nlog.Engine(nlog.parse(rules.split("constraint table empty", maxsplit=1)[0]))
    with engine.transaction() as tx:
        tx.insert("port", ("a",))
        tx.insert("owner", ("a",))
    engine.add_rules("constraint table empty() empty() :- not port(_).")
    assert set(engine.recompute()["port"]) == {("a",)}
    assert len(engine.recompute()["empty"]) == 0
