"""Programs of several files: what is private, what is shown, and what is called how."""

from pathlib import Path

import pytest

import nlog
from nlog.engine import reference

HELPER = "table helper(n: int)\nhelper({n}).\noutput table {out}(n: int)\n{out}(n) :- helper(n).\n"


@pytest.fixture
def write(tmp_path: Path):
    def write_all(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.nlog").write_text(text)
        return tmp_path

    return write_all


def slugs(caught: pytest.ExceptionInfo[nlog.RuleError]) -> list[str]:
    return [diagnostic.slug for diagnostic in caught.value.diagnostics]


def test_private_tables_of_one_name_are_apart(write):
    folder = write(
        a=HELPER.format(n=1, out="one"), b='import "a.nlog"\n' + HELPER.format(n=2, out="two")
    )
    program = nlog.load(folder / "b.nlog")
    engine = nlog.Engine(program)
    assert set(engine["one"]) == {(1,)}
    assert set(engine["two"]) == {(2,)}
    assert set(engine["helper"]) == {(1,)}
    assert set(engine["b::helper"]) == {(2,)}
    assert {name: set(rows) for name, rows in reference.evaluate(program, {}).items()} == {
        name: set(engine[name]) for name in program.tables
    }
    assert "b::helper(2)" in str(engine.explain("two", (2,)))


def test_files_of_one_name_in_two_folders_are_apart(write, tmp_path: Path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "b.nlog").write_text(HELPER.format(n=3, out="three"))
    folder = write(
        a=HELPER.format(n=1, out="one"),
        b='import "a.nlog"\nimport "c/b.nlog"\n' + HELPER.format(n=2, out="two"),
    )
    engine = nlog.Engine(nlog.load(folder / "b.nlog"))
    assert set(engine["b::helper"]) == {(3,)}
    assert set(engine[f"{folder / 'b.nlog'}::helper"]) == {(2,)}


def test_what_is_shown_keeps_its_name_before_what_is_private(write):
    folder = write(a=HELPER.format(n=1, out="one"), b="output table helper(n: int)\nhelper(2).\n")
    (folder / "c.nlog").write_text('import "a.nlog"\nimport "b.nlog"\n')
    engine = nlog.Engine(nlog.load(folder / "c.nlog"))
    assert set(engine["helper"]) == {(2,)}
    assert set(engine["a::helper"]) == {(1,)}


def test_records_of_one_name_are_apart(write):
    text = "record r({field}: int)\noutput table {out}(r: r)\n{out}(r({field}: 1)).\n"
    folder = write(a=text.format(field="x", out="one"), b=text.format(field="y", out="two"))
    engine = nlog.Engine(nlog.load(folder / "a.nlog", folder / "b.nlog"))
    assert [row[0].x for row in engine["one"]] == [1]
    assert [row[0].y for row in engine["two"]] == [1]


def test_an_import_is_not_passed_on_unless_it_is_exported(write):
    folder = write(
        a="export table t(n: int)\nt(1).\n",
        b='import "a.nlog"\n',
        c='import "b.nlog"\noutput table u(n: int)\nu(n) :- t(n).\n',
    )
    with pytest.raises(nlog.RuleError, match="import that file here") as caught:
        nlog.load(folder / "c.nlog")
    assert slugs(caught) == ["unknown-name", "ungrounded-variable"][: len(slugs(caught))]
    write(b='export import "a.nlog"\n')
    assert set(nlog.Engine(nlog.load(folder / "c.nlog"))["u"]) == {(1,)}


def test_exports_go_round_a_circle_of_imports(write):
    folder = write(
        a='export import "b.nlog"\nexport table t(n: int)\nt(n) :- u(n).\n',
        b='export import "a.nlog"\nexport table u(n: int)\nu(1).\n',
        c='import "a.nlog"\noutput table v(n: int)\nv(n) :- t(n), u(n).\n',
    )
    assert set(nlog.Engine(nlog.load(folder / "c.nlog"))["v"]) == {(1,)}


def test_files_loaded_together_import_each_other(write):
    folder = write(
        a="export open table t(n: int)\n", b="t(1).\n", c="output table u(n: int)\nu(n) :- t(n).\n"
    )
    engine = nlog.Engine(nlog.load(*(folder / f"{name}.nlog" for name in "cba")))
    assert set(engine["u"]) == {(1,)}


@pytest.mark.parametrize("kind", ["input table", "output table", "export table"])
def test_two_files_cannot_show_one_name(kind: str, write):
    folder = write(a=f"{kind} t(n: int)\n", b=f"{kind} t(n: int)\n", c="")
    for importer in ("", 'import "b.nlog"\n'):
        write(c='import "a.nlog"\n' + importer)
        paths = [folder / "c.nlog", folder / "b.nlog"]
        with pytest.raises(nlog.RuleError) as caught:
            nlog.load(*paths)
        assert slugs(caught) == ["duplicate-declaration"]


def test_a_text_sees_what_it_imports(write):
    folder = write(a="export table t(n: int)\nt(1).\ntable u(n: int)\n")
    program = nlog.parse(
        'import "a.nlog"\ntable u(n: int)\nu(n) :- t(n).\n', str(folder / "text.nlog")
    )
    assert set(nlog.Engine(program)["text::u"]) == {(1,)}


def test_modifiers_are_names_elsewhere():
    program = nlog.parse(
        "input table open(key: int key, export: int)\noutput table input(open: int)\n"
        "input(key) :- open(key, export), export > 0.\n"
    )
    engine = nlog.Engine(program)
    with engine.transaction() as tx:
        tx.insert("open", (1, 1), (2, 0))
    assert tx.changes["input"].inserted == {(1,)}
