"""What holds for every test: no deadlines, and nothing skipped unnoticed.

Hypothesis profiles: `search`, the default, tries new examples at every run; `ci`, chosen where
CI=true, tries the same ones, so that a change lands or fails by its own merit. Neither has a
deadline: how long an example takes says more about the machine than about the code.

Where CI=true a test that is skipped, or that is expected to fail and does, has failed: it would
otherwise stop testing without anybody hearing of it.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.openvswitch import OpenVSwitch
from tests.ovn import Ovn

NOTHING_SKIPPED = os.environ.get("CI", "").lower() == "true"

settings.register_profile(
    "search", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("ci" if NOTHING_SKIPPED else "search")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NOTHING_SKIPPED and report.outcome == "skipped":
        if hasattr(report, "wasxfail"):
            reason = f"expected to fail: {report.wasxfail}"
            del report.wasxfail
        elif isinstance(report.longrepr, tuple):
            reason = report.longrepr[2]
        else:
            reason = str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid} did not run to its end ({reason}), and where CI=true nothing may be "
            "skipped: provide what it needs, in .ci/run if it is a package, or mend it."
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture(scope="session")
def real_openvswitch(tmp_path_factory: pytest.TempPathFactory) -> Generator[OpenVSwitch]:
    """A private Open vSwitch, one for each process that runs tests."""
    with OpenVSwitch(tmp_path_factory.mktemp("ovs")) as real:
        yield real


@pytest.fixture(scope="session")
def real_ovn(tmp_path_factory: pytest.TempPathFactory) -> Generator[Ovn]:
    """A private OVN, one for each process that runs tests."""
    with Ovn(tmp_path_factory.mktemp("ovn")) as real:
        yield real
