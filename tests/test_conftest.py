"""Where CI=true nothing is skipped: shown on a small suite of its own, run in another process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

SUITE = {
    "test_cases.py": """
        import pytest

        def test_runs(): pass

        @pytest.mark.skip(reason="no reason")
        def test_marked(): pass

        def test_gives_up(): pytest.skip("no tshark")

        @pytest.mark.xfail(reason="known")
        def test_expected_to_fail(): assert False
        """,
    "test_not_collected.py": """
        import pytest

        pytest.importorskip("no_such_module")
        """,
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    shutil.copy(CONFTEST, tmp_path)
    for name, text in SUITE.items():
        (tmp_path / name).write_text("if True:" + text)
    return tmp_path


def run(suite: Path, environment: dict[str, str], *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(suite)]
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    result = subprocess.run(
        [*command, *options, str(suite)],
        capture_output=True,
        text=True,
        check=False,
        cwd=suite,
        env=inherited | environment,
    )
    return result.returncode, result.stdout


def test_elsewhere_a_test_may_be_skipped(suite: Path):
    status, output = run(suite, {})
    assert status == pytest.ExitCode.OK, output
    assert "1 passed, 3 skipped, 1 xfailed" in output


def test_where_ci_is_true_a_skipped_test_has_failed(suite: Path):
    status, output = run(suite, {"CI": "true"}, "--continue-on-collection-errors")
    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert "2 failed, 1 passed, 2 errors" in output
    for reason in ("no reason", "no tshark", "expected to fail: known", "no_such_module"):
        assert reason in output


def test_on_many_cores_too(suite: Path):
    status, output = run(suite, {"CI": "true"}, "--numprocesses", "2", "-k", "test_gives_up")
    assert status != pytest.ExitCode.OK, output
    assert "no tshark" in output
    assert "no_such_module" in output
