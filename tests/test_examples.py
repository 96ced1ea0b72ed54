"""Each example runs, and prints or does what its reader is told to expect."""

import importlib
import json
import re
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

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


POLICIES = EXAMPLES / "policies"


def carried(policy, document, *more):
    """A network under a policy, on hosts."""
    state = NetworkState(rules=[] if policy is None else [POLICIES / policy])
    state.load(document)
    with state.transaction() as tx:
        tx.add(*more)
    return Emulation(state)


def guests(*network):
    return Guests(carried(*network))


def test_every_policy_is_short_and_is_tested_here():
    text = Path(__file__).read_text("utf-8")
    policies = list(POLICIES.glob("*.nlog"))
    assert len(policies) >= 3
    for path in policies:
        lines = path.read_text("utf-8").splitlines()
        assert sum(bool(line) and not line.startswith("//") for line in lines) < 25
        assert f'"{path.name}"' in text


@pytest.mark.parametrize("generous", [False, True])
def test_quarantine(generous):
    """Also where tenants allow it all."""
    ways = ("from-lport", "to-lport") if generous else ()
    acls = [Acl("acme-frontend", way, 32767, "1", "allow") for way in ways]
    vms = guests("quarantine.nlog", EXAMPLES / "three_tier.json", *acls)
    assert not vms.ping("web-2", "web-1").answered
    assert not vms.ping("web-1", "web-2").answered
    assert vms.ping("web-2", "app-1-front").answered
    assert vms.ping("app-1-front", "web-2").answered
    assert vms.ping("web-1", "app-1-front").answered
    assert vms.ping("globex-web", "globex-app").answered


def test_quarantine_reaches_no_router():
    vms, free = (guests(it, POLICIES / "shop.json") for it in ("quarantine.nlog", None))
    assert free.ping("web-2", "db-1").answered
    assert free.ping("db-1", "web-2").answered
    assert not vms.ping("web-2", "db-1").answered
    assert not vms.ping("db-1", "web-2").answered
    assert vms.ping("web-1", "db-1").answered


def test_segmentation_by_labels():
    vms = guests("segmentation.nlog", POLICIES / "shop.json")
    for web in ("web-1", "web-2"):
        assert vms.connect(web, "db-1", 5432, b"select 1").answered
        assert vms.connect("admin", web, 22, b"uptime").answered
        assert not vms.connect(web, "db-1", 22).answered
        assert not vms.connect("db-1", web, 5432).answered
        assert not vms.connect("admin", web, 80).answered
    assert not vms.ping("web-1", "web-2").answered
    assert not vms.connect("db-1", "db-2", 5432).answered
    assert vms.connect("admin", "db-2", 22).answered
    assert vms.ping("web-1", "firewall").answered is False  # the answer is not for a web server
    assert guests(None, POLICIES / "shop.json").ping("web-1", "web-2").answered


def test_insertion_of_a_firewall():
    lab = carried("insertion.nlog", POLICIES / "shop.json")
    vms = Guests(lab)
    ways = {("web-1", "db-1"), ("db-2", "web-1"), ("web-2", "db-2")}
    for source, target in sorted(ways):
        frame = vms.ping_frame(source, target)
        (heard,) = lab.send(source, frame)
        assert heard.port == "firewall"
        packet = Ether(heard.frame)
        assert packet.dst == vms.vm("firewall").mac
        packet.src = packet.dst
        packet.dst = "0e:00:00:00:00:01" if target.startswith("db") else vms.vm(target).mac
        (arrived,) = lab.send("firewall", bytes(packet))
        assert arrived.port == target
        assert Ether(arrived.frame)[IP].dst == vms.vm(target).ip
    assert vms.ping("web-1", "web-2").answered
    assert vms.ping("admin", "web-1").answered


def test_three_tier_is_what_loading_and_dumping_gives():
    text = (EXAMPLES / "three_tier.json").read_text("utf-8")
    state = NetworkState()
    state.load(json.loads(text))
    again = NetworkState()
    again.load(state.dump())
    assert again.dump() == state.dump()
    assert state.warnings() == []
