"""What each mistake in a rule file is answered with, word for word.

`errors/` holds a program for each mistake, named by the slug it must be answered with (and a word
on the variant), and beside it the answer. After a change of wording

    NLOG_WRITE_EXPECTED=1 python -m pytest tests/nlog/test_errors.py

writes the answers anew, to be read in the diff with the eyes of who made the mistake.
"""

import ast
import os
from pathlib import Path
from typing import Annotated, Any

import pytest

import nlog

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "errors").glob("*.nlog"))
WRITE = "NLOG_WRITE_EXPECTED" in os.environ


@nlog.function
def hash_bucket(name: str, buckets: int) -> int:
    """A function that programs may call wrongly."""
    return sum(name.encode()) % buckets


@nlog.function
def path_cost(path: Annotated[Any, "hop_path"]) -> int:
    """A function whose type no program declares."""
    return len(path)


FUNCTIONS = (hash_bucket, path_cost)


def slugs_in_source(*, warnings: bool = False) -> set[str]:
    """The first argument of every `Diagnostic(…)` under nlog/ that is an error, or a warning."""
    found = set()
    for path in (HERE.parent.parent / "nlog").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Diagnostic":
                slug = node.args[0]
                assert isinstance(slug, ast.Constant), f"{path}:{node.lineno}: a slug is a literal"
                if any(keyword.arg == "severity" for keyword in node.keywords) == warnings:
                    found.add(slug.value)
    return found


SLUGS = slugs_in_source()
WARNINGS = slugs_in_source(warnings=True)
WARNED = sorted((HERE / "warnings").glob("*.nlog"))


def slug_of(program: Path) -> str:
    return max((slug for slug in SLUGS if program.stem.startswith(slug)), key=len, default="")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_answer_is_the_expected_one(program: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(program.parent)
    with pytest.raises(nlog.RuleError) as caught:
        nlog.load(program.name, functions=FUNCTIONS)
    answer = f"{caught.value}\n"
    expected = program.with_suffix(".expected")
    if WRITE:
        expected.write_text(answer)
    assert answer == expected.read_text()
    assert slug_of(program) in {diagnostic.slug for diagnostic in caught.value.diagnostics}


def test_every_slug_has_a_program():
    assert {slug_of(program) for program in PROGRAMS} == SLUGS


def test_every_answer_has_a_program():
    answers = {path.stem for path in (HERE / "errors").glob("*.expected")}
    assert answers == {program.stem for program in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_label_lies_in_its_source(program: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(program.parent)
    with pytest.raises(nlog.RuleError) as caught:
        nlog.load(program.name, functions=FUNCTIONS)
    for diagnostic in caught.value.diagnostics:
        for label in (diagnostic.primary, *diagnostic.secondary):
            assert 0 <= label.span.start <= label.span.end <= len(label.span.source.text) + 1


@pytest.mark.parametrize("program", WARNED, ids=lambda program: program.stem)
def test_the_warnings_are_the_expected_ones(program: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(program.parent)
    found = nlog.Engine(nlog.load(program.name)).warnings
    answer = "\n\n".join(map(str, found)) + "\n"
    expected = program.with_suffix(".expected")
    if WRITE:
        expected.write_text(answer)
    assert answer == expected.read_text()
    assert {(warning.slug, warning.severity) for warning in found} == {(program.stem, "warning")}


def test_every_warning_has_a_program():
    assert {program.stem for program in WARNED} == WARNINGS


def test_shipped_rules_have_no_warnings():
    root = HERE.parent.parent
    for path in [*(root / "nlog" / "rules").glob("*.nlog"), root / "examples" / "reach.nlog"]:
        assert not nlog.Engine(nlog.load(path)).warnings, path
