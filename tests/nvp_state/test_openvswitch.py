"""`nvp apply`: networks in real Open vSwitches, held to what our own switches do with them.

Each host is an Open vSwitch of its own. Networks follow each other there, so that each is made by
the differences from the one before.
"""

import re
from random import Random

import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import Phase, given, settings

from nvp_state import Emulation, NetworkState, Port, StateError, cli, openvswitch
from nvp_state.guest import Guests
from nvp_state.openvswitch.openflow import OpenFlow
from tests import openvswitch as harness
from tests.nvp_state import labs
from tests.nvp_state.networks import networks
from tests.nvp_state.small import change, network
from tests.openvswitch import UNDERLAY, Bridge, OpenVSwitch, Sent
from tests.vswitch_sim.flows import pipelines
from vswitch_sim import Flow, flow_lines, group_lines

pytestmark = harness.installed

THREE_TIER = "examples/three_tier.json"
BRIDGE = "br-int"
GENEVE_KEY = 0xFFFFFF  # what of a context ID it has room for
FRAMES_EACH = 16
CASES_MIN = 900


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Four hosts, with the IPs that the networks of the tests give to their first four."""
    folder = tmp_path_factory.mktemp("hosts")
    started: list[OpenVSwitch] = []
    try:
        for number in range(1, 5):
            started.append(OpenVSwitch(folder / f"h{number}", f"192.0.2.{number}"))
        yield started
    finally:
        for real in started:
            real.stop()


@pytest.fixture
def real(hosts):
    """An Open vSwitch without bridges."""
    for name in {*hosts[0].vsctl("list-br").split()} - {UNDERLAY}:
        hosts[0].vsctl("del-br", name)
    return hosts[0]


def target(real, bridge=BRIDGE):
    return openvswitch.Target(real.folder, bridge, "dummy")


def state_of(members):
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*members)
    return state


def bridge_of(real, state, host):
    bridge = Bridge(real, BRIDGE)
    bridge.know_tunnels({number: str(ip) for _, ip, number in state.tunnels(host)})
    return bridge


def compare_host(real, lab, host, random):
    """Compare traces of random frames at every port of a host; how many."""
    bridge, switch = bridge_of(real, lab.state, host), lab.fabric.switch(host)
    ports = [entity for entity in lab.state.entities("port") if isinstance(entity, Port)]
    keys = [lab.state.record("port", port.name).tunnel_key for port in ports]
    contexts = [
        0,
        999,
        *(to | by << 24 | random.choice([0, 1]) << 56 for to in keys for by in keys),
    ]
    compared = 0
    for number in switch.ports:
        for _ in range(FRAMES_EACH):
            frame = labs.a_frame(random, random.choice(ports), ports)
            if len(frame) < 14:
                continue
            tunnelled = number in bridge.tunnels
            key = random.choice(contexts) if tunnelled else 0
            ours = switch.trace(number, frame, key)
            theirs = bridge.trace(number, frame, key if tunnelled else None)
            expected = [
                Sent(copy.port, copy.tun_id & GENEVE_KEY if copy.port in bridge.tunnels else None)
                for copy in ours.egress
            ]
            about = f"{frame.hex()} at {number} of {host}\n{ours}\n\n{theirs.text}"
            assert theirs.outputs == expected, about
            compared += 1
    return compared


def apply_and_compare(hosts, state, random):
    lab, compared = Emulation(state), 0
    for real, entity in zip(hosts, state.entities("host"), strict=False):
        openvswitch.apply(state, entity.name, target(real))
        assert not openvswitch.apply(state, entity.name, target(real), dry_run=True)
        compared += compare_host(real, lab, entity.name, random)
    return compared


def test_traces_of_networks_agree(hosts):
    """Of the example, of networks of the labs, and of networks with nasty names."""
    state, random = NetworkState(), Random(4)
    state.load(THREE_TIER)
    compared = apply_and_compare(hosts, state, random)
    for _ in range(8):
        compared += apply_and_compare(hosts, state_of(labs.a_network(random)), random)
    assert compared >= CASES_MIN

    @settings(phases=[Phase.generate], database=None, max_examples=8)
    @given(networks())
    def nasty(members):
        # Of several tenants, who must not be joined.
        one = [evolve(it, tenant="acme") if hasattr(it, "tenant") else it for it in members]
        apply_and_compare(hosts, state_of(one), random)

    nasty()


def nvp(*arguments):
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def apply_command(real, host, bridge, *more, document=THREE_TIER):
    switch = f"ovs:{real.folder},bridge={bridge},datapath=dummy"
    return nvp("apply", document, "--host", host, "--switch", switch, *more)


def dump(real, bridge):
    """Flows and groups of a bridge; both in an order that says nothing."""
    found = Bridge(real, bridge)
    flows, groups = found.ofctl("dump-flows", "--no-stats"), found.ofctl("dump-groups")
    return sorted(flows.splitlines()[1:]), sorted(groups.splitlines()[1:])


def test_the_command_says_what_it_changes_and_changes_nothing_twice(real):
    bridge = "cli"
    there = f"hv1 on ovs:{real.folder},bridge={bridge}"
    flows = len([it for it in state_of_three_tier().flows("hv1") if isinstance(it, Flow)])
    status, out, err = apply_command(real, "hv1", bridge, "--dry-run")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"+bridge {bridge}"
    assert '+port 1 (cli-1), port "web-1"' in out.splitlines()
    would = f"1 bridge added, 5 ports added, {flows} flows added, 9 groups added"
    assert out.splitlines()[-1] == f"{there}: would be: {would}"
    assert bridge not in real.vsctl("list-br").split()

    status, out, err = apply_command(real, "hv1", bridge)
    assert (status, out, err) == (0, f"{there}: {would}, 1 fragment mode changed\n", "")
    assert real.vsctl("get", "interface", "cli-2", "ofport").strip() == "2"
    assert real.vsctl("get", "interface", "cli-32771", "type").strip() == "geneve"
    for more in ((), ("--dry-run",)):
        assert apply_command(real, "hv1", bridge, *more) == (0, f"{there}: nothing to change\n", "")


def state_of_three_tier():
    state = NetworkState()
    state.load(THREE_TIER)
    return state


def test_a_change_by_hand_is_put_right(real):
    bridge = "drift"
    state, here = network(), target(real, bridge)
    openvswitch.apply(state, "h0", here)
    good = dump(real, bridge)
    by_hand = Bridge(real, bridge)
    by_hand.ofctl("add-flow", "table=7,priority=3,in_port=1,actions=drop")
    by_hand.ofctl("mod-flows", "table=56,actions=output:9")
    by_hand.ofctl("del-flows", "table=0,in_port=1")
    by_hand.ofctl("add-group", "group_id=77,type=all,bucket=bucket_id:1,actions=output:1")
    real.vsctl("set", "interface", f"{bridge}-1", "ofport_request=41", "--", "del-port", bridge,
               f"{bridge}-32770")  # fmt: skip
    done = openvswitch.apply(state, "h0", here)
    assert done.counts() == {
        "ports added": 1,
        "ports changed": 1,
        "flows added": 1,
        "flows removed": 1,
        "flows changed": 1,
        "groups removed": 1,
    }
    assert dump(real, bridge) == good
    assert not openvswitch.apply(state, "h0", here, dry_run=True)


def test_a_move_changes_what_it_changes(real):
    """A VM leaves a host: its port and its flows go, and no other is touched."""
    more = [Port(f"p{n}", "s0", f"0a:00:00:00:00:0{n}", host="h0") for n in (3, 4)]
    state, here = network(*more), target(real)
    openvswitch.apply(state, "h0", here)
    change(state, "replace", evolve(state.get("port", "p4"), host="h1"))
    counts = openvswitch.apply(state, "h0", here).counts()
    assert counts["ports removed"] == 1
    assert set(counts) == {"ports removed", "flows added", "flows removed"}
    assert counts["flows added"] == 1
    assert counts["flows removed"] <= 16


def test_frames_cross_real_switches_as_they_cross_ours(real, hosts):
    """VIFs that a hypervisor attached are found by their names, and carry frames to the byte."""
    state = state_of_three_tier()
    lab = Emulation(state)
    guests = Guests(lab)
    vifs: dict[str, tuple[Bridge, int]] = {}
    bridges = []
    for here, host in zip((real, *hosts[1:]), ("hv1", "hv2", "hv3"), strict=False):
        here.vsctl("--if-exists", "del-br", BRIDGE)
        bridge = here.add_bridge(BRIDGE)
        for port in state.entities("port"):
            if port.host == host:
                number = state.record("port", port.name).ofport
                bridge.add_port(number, port.name)
                vifs[port.name] = bridge, number
        counts = openvswitch.apply(state, host, target(here)).counts()
        assert (counts["ports added"], counts["ports changed"]) == (2, 3)
        bridge.know_tunnels({number: str(ip) for _, ip, number in state.tunnels(host)})
        bridges.append(bridge)

    frames = [
        ("web-1", guests.ping_frame("web-1", "web-2")),
        ("web-1", guests.arp_frame("web-1", "app-1-front")),
        ("web-1", guests.tcp_frame("web-1", "app-1-front", 80)),
        ("web-1", guests.tcp_frame("web-1", "app-1-front", 22)),
        ("app-1-back", guests.tcp_frame("app-1-back", "db-1", 5432)),
        ("db-2", guests.ping_frame("db-2", "db-1")),
        ("web-1", guests.ping_frame("web-1", "app-1-back")),
        ("globex-web", guests.ping_frame("globex-web", "globex-app")),
    ]
    delivered = 0
    for source, frame in frames:
        ours = sorted((it.port, it.frame) for it in lab.send(source, frame))
        assert ours == sorted(carried(vifs, bridges, source, frame)), source
        delivered += len(ours)
    assert delivered == 6


def carried(vifs, bridges, source, frame):
    """Send a frame into a VIF, and carry what leaves by tunnels until all is at VIFs."""
    bridge, number = vifs[source]
    bridge.send(number, frame)
    names = {(place.real.ip, port): name for name, (place, port) in vifs.items()}
    moving = True
    while moving:
        moving = False
        for bridge in bridges:
            for number, copies in bridge.sent().items():
                for key, copy in copies:
                    if number not in bridge.tunnels:
                        yield names[bridge.real.ip, number], copy
                        continue
                    moving = True
                    there = next(it for it in bridges if it.real.ip == bridge.tunnels[number])
                    back = {ip: port for port, ip in there.tunnels.items()}
                    there.send(back[bridge.real.ip], copy, key)


def test_what_others_attached_stays_and_its_number_is_respected(real):
    name = "guest"
    state, here = network(), target(real, name)
    bridge = real.add_bridge(name)
    bridge.add_port(1)
    before = dump(real, name)
    with pytest.raises(StateError, match='port "p0": number: 1 is taken by interface guest-1, '):
        openvswitch.apply(state, "h0", here)
    assert dump(real, name) == before
    real.vsctl("set", "interface", "guest-1", "ofport_request=9")
    with pytest.raises(StateError, match='port "p0": name: an interface guest-1 is there'):
        openvswitch.apply(state, "h0", here)
    real.vsctl("set", "interface", "guest-1", "external_ids:iface-id=p0")
    assert openvswitch.apply(state, "h0", here).counts()["ports changed"] == 1
    change(state, "remove", state.get("port", "p0"))
    assert openvswitch.apply(state, "h0", here).counts()["ports removed"] == 1
    assert real.vsctl("list-ports", name).split() == ["guest-1"]


def test_a_flow_that_open_vswitch_cannot_have_is_named(real, monkeypatch):
    """Whether its own parser or the switch refuses it, the bridge is as it was, or not at all."""
    state, here = network(), target(real)
    refused = {
        "table=3,priority=7,in_port=70000 actions=drop": (
            "70000: invalid or unknown port for in_port: table=3,priority=7,in_port=70000 "
        ),
        "table=3,priority=7,arp actions=group:99": (
            "refuses a flow with OFPBAC_BAD_OUT_GROUP: ADD table:3 priority=7,arp actions=group:99"
        ),
    }

    def with_refused(line):
        return lambda entries: [*flow_lines(entries), line]

    for line, message in refused.items():
        with monkeypatch.context() as patch:
            patch.setattr("nvp_state.openvswitch.reconcile.flow_lines", with_refused(line))
            with pytest.raises(StateError, match=message):
                openvswitch.apply(state, "h0", here)
        assert BRIDGE not in real.vsctl("list-br").split()
    openvswitch.apply(state, "h0", here)
    before = dump(real, BRIDGE)
    change(state, "add", Port("new", "s0", "0a:00:00:00:00:07", host="h0"))
    for line, message in refused.items():
        with monkeypatch.context() as patch:
            patch.setattr("nvp_state.openvswitch.reconcile.flow_lines", with_refused(line))
            with pytest.raises(StateError, match=message):
                openvswitch.apply(state, "h0", here)
        assert dump(real, BRIDGE) == before
        assert f"{BRIDGE}-2" not in real.vsctl("list-ports", BRIDGE).split()


def test_flows_are_taken_back_if_the_database_refuses_the_ports(real, monkeypatch):
    state, here = network(), target(real)
    openvswitch.apply(state, "h0", here)
    before = dump(real, BRIDGE)
    change(state, "add", Port("new", "s0", "0a:00:00:00:00:07", host="h0"))
    # A name that the database's schema has no room for.
    monkeypatch.setattr("nvp_state.openvswitch.ports.PREFIX_MAX", 0)
    real.vsctl("add-br", "-2")
    monkeypatch.setattr("nvp_state.openvswitch.database.Database.others", lambda _: set())
    with pytest.raises(StateError, match="the database refuses: "):
        openvswitch.apply(state, "h0", here)
    assert dump(real, BRIDGE) == before


def test_a_device_that_cannot_be_opened_is_named(real):
    """Open vSwitch has no two tunnels to one place; what else was applied stays."""
    state = network()
    openvswitch.apply(state, "h0", target(real, "one"))
    for _ in range(2):
        with pytest.raises(
            StateError, match=r"cannot open port 32770 \(two-32770\), the tunnel to"
        ):
            openvswitch.apply(state, "h0", target(real, "two"))
    real.vsctl("del-br", "one")
    assert not openvswitch.apply(state, "h0", target(real, "two"))


def test_what_has_no_room_in_open_vswitch_is_told_before_anything_is_done(real, tmp_path):
    rules = tmp_path / "policy.nlog"
    rules.write_text(
        'universal_flow(s, "", 254, 9, [], [SetField("tun_id", 16777216)]) :-\n'
        "    logical_switch(name: s).\n"
    )
    status, out, err = apply_command(real, "hv1", BRIDGE, "--rules", rules)
    assert (status, out) == (1, "")
    assert "Open vSwitch has tables 0 to 253 for flows: table=254, priority=9,metadata=0x1 " in err
    assert "a key of a Geneve tunnel has 24 bits, 0x1000000 does not fit: table=254" in err
    assert BRIDGE not in real.vsctl("list-br").split()


def test_a_new_database_is_initialized(tmp_path):
    with OpenVSwitch(tmp_path / "ovs") as fresh:
        fresh.vsctl("--no-wait", "destroy", "Open_vSwitch", ".")
        status, out, _ = apply_command(fresh, "hv1", BRIDGE)
        assert (status, out.split(": ")[1][:14]) == (0, "1 bridge added")
        assert BRIDGE in fresh.vsctl("list-br").split()


def test_a_daemon_that_does_not_run_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("nvp_state.openvswitch.database.ANSWER_SECONDS_MAX", 0.2)
    with OpenVSwitch(tmp_path / "ovs") as stopped:
        stopped.end("ovs-vswitchd")
        status, out, err = apply_command(stopped, "hv1", BRIDGE)
        assert (status, out) == (1, "")
        assert "ovs-vswitchd does nothing, waited for 0.2 s: does it run?" in err
        stopped.end("ovsdb-server")
        status, out, err = apply_command(stopped, "hv1", BRIDGE)
        assert (status, out) == (1, "")
        assert f"no database Open_vSwitch answers at {stopped.folder}/db.sock" in err


def test_any_pipeline_is_made_by_differences_and_taken_back(real):
    """Random flows and groups after each other: what the bridge has is what was asked for."""
    bridge = real.add_bridge("pipe")
    openflow = OpenFlow(target(real, "pipe"))

    before = dump(real, "pipe")

    @settings(phases=[Phase.generate], database=None, max_examples=25, deadline=None)
    @given(pipelines(max_size=10))
    def follow(entries):
        flows, groups = flow_lines(entries), group_lines(entries)
        difference = openflow.difference(flows, groups)
        openflow.change(difference)
        after = dump(real, "pipe")
        openflow.change(difference.reversed())
        assert dump(real, "pipe") == before
        bridge.replace(flows, groups.values())
        assert dump(real, "pipe") == after
        bridge.replace(())

    follow()


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ("vpp:/x", "there is no such kind of switch; write ovs:FOLDER"),
        ("ovs:", "names no folder; write ovs:FOLDER"),
        ("ovs:/x,brige=a", "'brige=a' is no option of it; .*; did you mean `bridge`?"),
        ("ovs:/x,bridge=", "'bridge=' is no option of it"),
        ("ovs:/x,bridge=a/b", "'a/b' is no name of a bridge"),
        ("ovs:/nowhere", "/nowhere/db.sock is no socket: name the folder"),
    ],
)
def test_a_switch_that_is_none_says_why(switch, message):
    status, out, err = nvp("apply", THREE_TIER, "--host", "hv1", "--switch", switch)
    assert (status, out) == (1, "")
    assert re.search(message, err), err
