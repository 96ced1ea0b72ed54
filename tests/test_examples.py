"""Each example runs, and prints or does what its reader is told to expect."""

import importlib
import json
import re
from pathlib import Path

import pytest

from nvp_state import Acl, Emulation, NetworkState
from nvp_state.guest import Guests

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPTS = ("reach", "two_hosts")


def printed(name, capsys):
    importlib.import_module(f"examples.{name}").main()
    return capsys.readouterr().out.splitlines()


def test_every_example_is_tested_here():
    text = Path(__file__).read_text("utf-8")
    names = {path.stem for path in EXAMPLES.iterdir() if path.is_file()}
    assert not {name for name in names if f'"{name}' not in text and f"{name}." not in text}


def test_reach(capsys):
    lines = printed("reach", capsys)
    assert lines[:4] == [
        "reached: ('a', 'b') ('a', 'c') ('b', 'c')",
        "no longer one-way: ('a', 'b') ('a', 'c') ('b', 'c')",
        "no longer reached: ('a', 'a') ('a', 'c') ('b', 'a') ('b', 'b') ('b', 'c') ('c', 'c')",
        "from c: a b",
    ]
    shape = [re.sub(r"\[\S*/reach.nlog:\d+", "[reach.nlog", line) for line in lines[4:]]
    assert shape == [
        'reach("c", "b")  [reach.nlog]',
        '  reach("c", "a")  [reach.nlog]',
        '    edge("c", "a")  [input]',
        '  edge("a", "b")  [input]',
    ]


def test_two_hosts(capsys):
    lines = printed("two_hosts", capsys)
    assert lines[0] == "vm-2 got hello"
    headed = (re.match(r"  (\w+):( |$)|(\w+, in by .+):$", line) for line in lines[1:-2])
    assert [head[1] or head[3] for head in headed if head] == [
        "hv1, in by vm-1",
        "classify",
        "stamp",
        "in_admission",
        "in_l2",
        "carry",
        "hv2, in by stt-192.0.2.1, from vm-1 to vm-2",
        "classify",
        "out_security",
        "deliver",
    ]
    assert lines[-2:] == ["delivered at: vm-2", "with an access rule: 0 copies"]


@pytest.fixture(params=[False, True], ids=["plain", "generous"])
def quarantine(request):
    """The guests of the three-tier network under the policy, also where tenants allow it all."""
    state = NetworkState(rules=[EXAMPLES / "quarantine.nlog"])
    state.load(EXAMPLES / "three_tier.json")
    if request.param:
        with state.transaction() as tx:
            for direction in ("from-lport", "to-lport"):
                tx.add(Acl("acme-frontend", direction, 32767, "1", "allow"))
    return Guests(Emulation(state))


def test_quarantine(quarantine):
    assert not quarantine.ping("web-2", "web-1").answered
    assert not quarantine.ping("web-1", "web-2").answered
    assert quarantine.ping("web-2", "app-1-front").answered
    assert quarantine.ping("app-1-front", "web-2").answered
    assert quarantine.ping("web-1", "app-1-front").answered
    assert quarantine.ping("globex-web", "globex-app").answered


def test_quarantine_is_short():
    lines = (EXAMPLES / "quarantine.nlog").read_text("utf-8").splitlines()
    assert sum(bool(line) and not line.startswith("//") for line in lines) <= 25


def test_three_tier_is_what_loading_and_dumping_gives():
    text = (EXAMPLES / "three_tier.json").read_text("utf-8")
    state = NetworkState()
    state.load(json.loads(text))
    again = NetworkState()
    again.load(state.dump())
    assert again.dump() == state.dump()
    assert state.warnings() == []
