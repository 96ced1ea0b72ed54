"""Style as a test: the tree keeps the rules of tests/tidy.py, and each rule can fail.

The samples are the smallest texts that break a rule, beside the like that keeps it.
"""

from pathlib import Path

import pytest

from tests import tidy
from tests.tidy import Rule, Source

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("rule", tidy.RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule):
    faults = sorted(rule(tidy.read_tree(ROOT)), key=lambda fault: (fault.path, fault.line))
    assert not faults, "\n" + "\n".join(map(str, faults))


def test_the_tree_is_read():
    paths = {source.path for source in tidy.read_tree(ROOT)}
    assert {"setup.cfg", "Makefile", ".ci/run", "nlog/types.py", "tests/test_tidy.py"} <= paths
    assert not any(path.startswith(".venv") for path in paths)


def test_outside_git_the_way_out_is_named(tmp_path: Path):
    with pytest.raises(RuntimeError, match="in a git checkout"):
        tidy.read_tree(tmp_path)


def faults(rule: Rule, *sources: tuple[str, str]) -> list[str]:
    return [f"{fault.path}:{fault.line}" for fault in rule([Source(*source) for source in sources])]


@pytest.mark.parametrize(
    ("rule", "path", "text", "lines"),
    [
        (tidy.line_width, "nlog/a.py", "#" * 100 + "\n" + "#" * 101 + "\n", [2]),
        (tidy.line_width, "nlog/a.py", "é" * 100 + "\n", []),
        (tidy.line_width, "docs/a.md", "#" * 101 + "\n", []),
        (tidy.whitespace, "nlog/a.py", "a\tb\n", [1]),
        (tidy.whitespace, "Makefile", "a:\n\tb\n", []),
        (tidy.whitespace, "docs/a.md", "fine\nblank \n", [2]),
        (tidy.whitespace, "nlog/a.py", "a\r\n", [1]),
        (tidy.whitespace, "nlog/a.py", "a", [1]),
        (tidy.whitespace, "nlog/a.py", "a\n\n", [3]),
        (tidy.whitespace, "nlog/a.py", "", []),
        (tidy.file_length, "nlog/a.py", "a\n" * 499, []),
        (tidy.file_length, "nlog/a.py", "a\n" * 500, [500]),
        (tidy.file_length, "docs/a.md", "a\n" * 500, []),
        (tidy.function_length, "nlog/a.py", "\ndef f():\n" + "    1\n" * 68, []),
        (tidy.function_length, "nlog/a.py", "\ndef f():\n" + "    1\n" * 69, [2]),
        (tidy.function_length, "nlog/a.py", "async def f():\n" + "    1\n" * 69, [1]),
        (tidy.function_length, "nlog/a.cc", "int f() {\n" + "  g();\n" * 67 + "}\n", []),
        (tidy.function_length, "nlog/a.cc", "int f() {\n" + "  g();\n" * 68 + "}\n", [1]),
        (tidy.function_length, "nlog/a.md", "int f() {\n" + "  g();\n" * 68 + "}\n", []),
        (tidy.essay, "nlog/a.py", '"""What for."""\n', []),
        (tidy.essay, "nlog/a.py", "import os\n", [1]),
        (tidy.essay, "nlog/__init__.py", "", [1]),
        (tidy.essay, "nlog/engine/core/a.h", "// What for.\n#pragma once\n", []),
        (tidy.essay, "nlog/engine/core/a.h", "#pragma once\n// What for.\n", [1]),
        (tidy.essay, "nlog/rules/a.nlog", "table a(b: int)\n", [1]),
        (tidy.essay, "tests/nlog/a.nlog", "table a(b: int)\n", []),
        (tidy.promises, "nlog/a.py", "# TO" + "DO: more\n", [1]),
        (tidy.promises, "nlog/a.cc", "\n// FIX" + "ME\n", [2]),
        (tidy.promises, "nlog/a.py", "mastodon\n", []),
        (tidy.suppressions, "nlog/a.py", "f()  # type: ignore[misc]\n", [1]),
        (tidy.suppressions, "nlog/a.py", "f()  # noqa: E501\n", [1]),
        (tidy.suppressions, "nlog/a.py", "f()  # noqa: B018  # asks for the error\n", []),
        (tidy.suppressions, "nlog/a.py", "f('# noqa')\n", []),
        (tidy.suppressions, "nlog/a.cc", "f();  // NOLINT\n", [1]),
        (tidy.suppressions, "nlog/a.cc", "f();  // NOLINT(x): a table, aligned\n", []),
        (tidy.python_in_core, "nlog/engine/core/a.h", "// A.\n#include <pybind11/cast.h>\n", [2]),
        (tidy.python_in_core, "nlog/engine/core/a.cc", "#include <Python.h>\n", [1]),
        (tidy.python_in_core, "nlog/engine/bindings.cc", "#include <pybind11/cast.h>\n", []),
        (tidy.row_meanings, "nlog/rules/a.nlog", "table a(b: int)\n", [1]),
        (tidy.row_meanings, "nlog/rules/a.nlog", "// A.\n\n  output table a(b: int)\n", [3]),
        (tidy.row_meanings, "nlog/rules/a.nlog", "// Each row means: b.\n\ntable a(b: int)\n", [3]),
        (tidy.row_meanings, "nlog/rules/a.nlog", "// Each row means: b,\n// c.\ntable a()\n", []),
        (tidy.row_meanings, "nlog/rules/a.nlog", "tables(a) :- b(a).\n", []),
        (tidy.row_meanings, "tests/nlog/a.nlog", "table a(b: int)\n", []),
    ],
)
def test_a_rule_finds_these_lines(rule: Rule, path: str, text: str, lines: list[int]):
    assert faults(rule, (path, text)) == [f"{path}:{line}" for line in lines]


@pytest.mark.parametrize(
    ("text", "functions"),
    [
        ("int f(int a) {\n}\n", [(1, 2)]),
        ("int f(int a);\n", []),
        ("namespace nlog {\n\nint f() {\n}\n\n}\n", [(3, 4)]),
        ("class A : public B {\n public:\n  int f() const {\n  }\n};\n", [(3, 4)]),
        ("struct alignas(64) A {\n  int a = 0;\n};\n", []),
        ("enum class A : uint8_t { kOne, kTwo };\n", []),
        ("A::A(int a)\n    : a_(a), b_{a} {\n}\n", [(1, 3)]),
        ("template <typename T>\nvoid f(T a) {\n}\n", [(1, 3)]),
        ("template <class T>\nclass A {\n  T f() {\n  }\n};\n", [(3, 4)]),
        ("const int kA[] = {\n    1,\n    f(2),\n};\nint g() {\n}\n", [(5, 6)]),
        ("void f() {\n  auto g = [](int a) {\n  };\n  if (a) {\n  }\n}\n", [(1, 6)]),
        ("void f() {\n  g(\"}\", '}');  // }\n  /* } */\n}\n", [(1, 4)]),
        ('const char* a = R"x(void f() {)x";\nvoid g() {\n}\n', [(2, 3)]),
        ("#define F(a) {\nint f() {\n  return 1'000'000;\n}\n", [(2, 4)]),
        ("bool operator<(const A& a) const {\n}\nint f() {\n}\n", [(1, 2), (3, 4)]),
        ("std::map<int, A> f() {\n  return {1, {2}};\n}\nvoid g() {\n}\n", [(1, 3), (4, 5)]),
    ],
)
def test_functions_of_cxx_are_found(text: str, functions: list[tuple[int, int]]):
    assert list(tidy.cxx_functions(text)) == functions


FACES = [(f"{room}/__init__.py", '"""A room."""\n') for room in tidy.ROOMS]
STT = ("vswitch_sim/stt.py", '"""STT."""\n')


@pytest.mark.parametrize(
    ("path", "text", "allowed"),
    [
        ("nlog/a.py", "import attrs, nlog.types\n", True),
        ("nlog/a.py", "import nvp_state\n", False),
        ("nlog/a.py", "from vswitch_sim import Switch\n", False),
        ("nlog/a.py", "def f():\n    from tests import tidy\n", False),
        ("nlog/engine/a.py", "from .. import types\n", True),
        ("vswitch_sim/a.py", "import nlog\n", False),
        ("vswitch_sim/a.py", "from vswitch_sim.stt import Reassembler\n", True),
        ("nvp_state/a.py", "from nlog.types import Type\nfrom vswitch_sim import Switch\n", True),
        ("nvp_state/a.py", "from vswitch_sim.stt import Reassembler\n", False),
        ("nvp_state/a.py", "from vswitch_sim import stt\n", False),
        ("nvp_state/a.py", "import vswitch_sim.stt\n", False),
        ("examples/a.py", "import nlog\nfrom nvp_state import NetworkState\n", True),
        ("examples/a.py", "from nlog.parser import parse\n", False),
        ("tests/a.py", "from nlog.parser import parse\nfrom vswitch_sim import stt\n", True),
        ("setup.py", "import pybind11\n", True),
    ],
)
def test_imports_follow_the_directions(path: str, text: str, allowed: bool):
    found = faults(tidy.import_directions, *FACES, STT, (path, text))
    assert bool(found) is not allowed
    assert all(fault.startswith(f"{path}:") for fault in found)


@pytest.mark.parametrize(
    ("sources", "dead"),
    [
        ([("nlog/a.py", "")], ["nlog/a.py:1"]),
        ([("nlog/a.py", ""), ("nlog/__init__.py", "from nlog.a import f\n")], []),
        ([("nlog/a.py", ""), ("nlog/__init__.py", "from nlog import a\n")], []),
        ([("nlog/b/a.py", ""), ("nlog/b/__init__.py", "from . import a\n")], []),
        ([("nlog/a.py", "import nlog.a\n")], ["nlog/a.py:1"]),
        ([("nlog/a.py", ""), ("tests/test_a.py", "import nlog.a\n")], ["nlog/a.py:1"]),
        ([("nlog/engine/reference.py", ""), ("tests/test_a.py", "")], []),
        ([("benchmarks/a.py", '\nif __name__ == "__main__":\n    pass\n')], []),
        ([("tests/twin.py", "")], ["tests/twin.py:1"]),
        (
            [
                ("setup.cfg", "[options.entry_points]\nconsole_scripts =\n    n = nlog.cli:main\n"),
                ("nlog/cli.py", ""),
            ],
            [],
        ),
        ([("nlog/engine/core/a.h", "")], ["nlog/engine/core/a.h:1"]),
        ([("nlog/engine/core/a.h", ""), ("nlog/engine/core/a.cc", '#include "a.h"\n')], []),
        ([("nlog/a.lark", ""), ("nlog/__init__.py", 'read("data.lark")\n')], ["nlog/a.lark:1"]),
        ([("nlog/a.lark", ""), ("nlog/__init__.py", 'read("a.lark")\n')], []),
        ([("nlog/rules/a.nlog", "")], ["nlog/rules/a.nlog:1"]),
        (
            [("nlog/rules/a.nlog", ""), ("nlog/rules/b.nlog", 'import "a"\n')],
            ["nlog/rules/b.nlog:1"],
        ),
    ],
)
def test_dead_files_are_found(sources: list[tuple[str, str]], dead: list[str]):
    assert faults(tidy.dead_files, *sources) == dead


def test_a_fault_names_the_place_the_fault_and_the_way_out():
    (fault,) = tidy.whitespace([Source("nlog/a.py", "a \n")])
    assert str(fault) == "nlog/a.py:1: trailing whitespace: remove it"
