"""The Python of docs/switch.md runs as it stands there, and prints what stands there.

A block without a language that follows one of Python is what that one prints, in part: its lines
come in this order, and `…` stands for whatever was left out.
"""

import re
from pathlib import Path

import pytest

MANUAL = Path(__file__).parents[2] / "docs" / "switch.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", MANUAL.read_text(), re.MULTILINE | re.DOTALL)


def pattern_of(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in line.split("…")))


def test_it_runs_and_prints_what_stands_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    printed: list[str] = []
    checked = 0
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, str(MANUAL), "exec"), names)
            printed = capsys.readouterr().out.splitlines()
            continue
        for line in text.splitlines():
            fitting = [n for n, one in enumerate(printed) if pattern_of(line).fullmatch(one)]
            assert fitting, f"not printed, or not in this order: {line}; left: {printed}"
            del printed[: fitting[0] + 1]
            checked += 1
    assert checked > 30
    assert (tmp_path / "fabric.pcapng").stat().st_size > 0
