"""docs/networks.md says what is so: its code runs, its policy works, its tables are complete."""

import re
from pathlib import Path

import yaml
from attrs import fields
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from nvp_state import Emulation, NetworkState
from nvp_state.entities import KINDS
from nvp_state.guest import Guests

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "networks.md").read_text("utf-8")
RULES = "\n".join(path.read_text("utf-8") for path in (ROOT / "nlog" / "rules").glob("*.nlog"))


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_api_does_what_its_comments_say(capsys):
    names = {}
    for block in blocks("python"):
        exec(block, names)
    printed = capsys.readouterr().out
    assert 'host "hv2": is still used by port "b"; ' in printed
    state, lab = names["state"], names["lab"]
    assert state.get("port", "b").host == "hv2"
    assert state.entities("acl") == []
    assert lab.send("a", names["frame"]) == []
    assert Guests(lab).ping("a", "b").answered


def test_the_policy_keeps_two_vms_apart(tmp_path):
    policy, _ = blocks("nlog")
    path = tmp_path / "apart.nlog"
    path.write_text(policy)
    for rules, answered in (((), True), (path, False)):
        state = NetworkState(rules)
        state.load(ROOT / "examples" / "three_tier.json")
        guests = Guests(Emulation(state))
        assert guests.ping("web-1", "web-2").answered is answered
        assert guests.ping("web-2", "web-1").answered is answered
        assert guests.ping("web-1", "app-1-front").answered


def test_the_other_policy_tells_who_sends_to_port_9(tmp_path):
    _, policy = blocks("nlog")
    path = tmp_path / "nobody.nlog"
    path.write_text(policy)
    for rules, heard_by in (((), "web-2"), (path, "web-1")):
        state = NetworkState(rules)
        state.load(ROOT / "examples" / "three_tier.json")
        lab = Emulation(state)
        vms = Guests(lab).vms
        head = Ether(src=vms["web-1"].mac, dst=vms["web-2"].mac)
        packet = IP(src=vms["web-1"].ip, dst=vms["web-2"].ip) / UDP(sport=4000, dport=9)
        (heard,) = lab.send("web-1", bytes(head / packet))
        assert heard.port == heard_by
        assert (ICMP in Ether(heard.frame)) == (heard_by == "web-1")


def test_the_services_of_the_text_are_a_document():
    services, balancers = map(yaml.safe_load, blocks("yaml"))
    router_port = {"name": "r0s0", "mac": "0e:00:00:00:00:01", "cidr6": "fd00::1/64"}
    port = {"name": "a", "mac": "0a:00:00:00:00:01", "ip": "10.0.0.10", "ip6": "fd00::10"}
    state = NetworkState()
    state.load(
        services
        | balancers
        | {
            "switches": [
                {"name": "s0", "tenant": "acme", "ports": [port]},
                {"name": "s1", "tenant": "acme"},
            ],
            "routers": [
                {"name": "r0", "ports": [router_port | {"switch": "s0"}]},
                {"name": "edge"},
            ],
        }
    )
    kinds = ("dhcp-options", "dns-record", "load-balancer")
    assert [len(state.entities(kind)) for kind in kinds] == [2, 1, 2]


def test_every_field_and_warning_is_documented():
    document = set(re.findall(r"`([\w-]+)`", TEXT))
    for kind in KINDS.values():
        assert {attribute.name for attribute in fields(kind)} - {kind.owner} <= document
    derived = set(re.findall(r'^warning\([^,]+,\s+"([\w-]+)"', RULES, re.MULTILINE))
    warnings = TEXT.split("## Warnings")[1]
    listed = set(re.findall(r"^\| `([\w-]+)` \| [^|]+ \|$", warnings, re.MULTILINE))
    assert derived == listed
    assert len(listed) >= 25
