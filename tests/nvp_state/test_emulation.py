"""The emulation on underlays of any form, while hosts and VMs come, go and move."""

import pytest
from attrs import evolve
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket
from scapy.layers.l2 import Ether

from nvp_state import Emulation, Host, NetworkState, Port, StateError, Switch
from tests.nvp_state.small import arrivals, change, frame, network
from vswitch_sim import Link, Underlay

EVERYBODY = "ff:ff:ff:ff:ff:ff"


def both_ways(lab):
    return arrivals(lab, "p0", "p1") == ["p1"] and arrivals(lab, "p1", "p0") == ["p0"]


@pytest.mark.parametrize(
    "underlay",
    [
        Underlay.star(["h0", "h1"], link=Link(576)),
        Underlay.star(["h0"]),
        Underlay.leaf_spine(["h0", "h1"]),
        Underlay.leaf_spine(["x", "h1", "y", "h0"], leaves=3, spines=4, spine_link=Link(300)),
    ],
    ids=["small-mtu", "a-host-missing", "leaf-spine", "uneven"],
)
def test_frames_cross_any_underlay_whole(underlay):
    lab = Emulation(network(), underlay)
    for payload_bytes in (0, 46, 1500, 9000, 60000):
        sent = frame("p0", "p1", payload_bytes)
        (delivery,) = lab.send("p0", sent)
        assert (delivery.port, delivery.frame) == ("p1", sent)
    assert not lab.fabric.drops


def test_an_underlay_without_a_way_loses_frames_and_the_trace_says_so():
    lab = Emulation(network())
    lab.fabric.underlay.remove_link("h1", "core")
    assert arrivals(lab, "p0", "p1") == []
    assert lab.fabric.drops["no_route"] == 1
    trace = lab.trace("p0", frame("p0", "p1"))
    assert trace.ports == ()
    assert "lost: the underlay has no route to h1" in str(trace)


def test_a_host_may_be_named_as_the_router():
    state = NetworkState()
    lab = Emulation(state)
    change(state, "add", Host("core", "192.0.2.1"), Host("h1", "192.0.2.2"), Switch("s0", "acme"))
    change(state, "add", Port("p0", "s0", "0a:00:00:00:00:01", host="core"))
    change(state, "add", Port("p1", "s0", "0a:00:00:00:00:02", host="h1"))
    assert both_ways(lab)


def test_a_host_changes_its_address():
    state = network()
    lab = Emulation(state)
    change(state, "replace", Host("h1", "192.0.2.77"))
    assert both_ways(lab)
    change(state, "replace", Host("h0", "192.0.2.77"), Host("h1", "192.0.2.1"))
    assert both_ways(lab)
    assert str(lab.fabric.hosts["h0"].ip) == "192.0.2.77"


def test_a_host_takes_the_address_of_one_that_goes():
    state = network()
    lab = Emulation(state)
    with state.transaction() as tx:
        tx.remove(("host", "h1"))
        tx.add(Host("h2", "192.0.2.2"))
        tx.replace(evolve(state.get("port", "p1"), host="h2"))
    assert both_ways(lab)
    assert set(lab.fabric.hosts) == {"h0", "h2"}


def test_a_new_host_takes_the_address_that_another_gives_up():
    state = network()
    lab = Emulation(state)
    with state.transaction() as tx:
        tx.replace(Host("h1", "192.0.2.9"))
        tx.add(Host("h2", "192.0.2.2"))
    assert both_ways(lab)


def test_a_host_goes_and_comes_back():
    state = network()
    lab = Emulation(state)
    with state.transaction() as tx:
        tx.remove(("port", "p1"), ("host", "h1"))
    assert arrivals(lab, "p0", "p1") == []
    assert not lab.fabric.hosts["h0"].tunnels
    with state.transaction() as tx:
        tx.add(Host("h1", "192.0.2.3"), Port("p1", "s0", "0a:00:00:00:00:02", host="h1"))
    assert both_ways(lab)


def test_no_frame_is_lost_while_a_vm_moves_to_and_fro():
    state = network(Host("h2", "192.0.2.3"))
    lab = Emulation(state)
    for host in ("h0", "h2", "h1", "h2", "h0", "h1"):
        change(state, "replace", evolve(state.get("port", "p1"), host=host))
        assert both_ways(lab)
        assert arrivals(lab, "p0", EVERYBODY) == ["p1"]
        tunnels = {name: len(it.tunnels) for name, it in lab.fabric.hosts.items()}
        assert tunnels == {name: int(host != "h0" and name in {"h0", host}) for name in tunnels}
    assert not lab.fabric.drops["unknown_tunnel"]


def test_a_vm_on_no_host_is_not_reached_and_cannot_send():
    state = network()
    lab = Emulation(state)
    change(state, "replace", evolve(state.get("port", "p1"), host=None))
    assert arrivals(lab, "p0", "p1") == arrivals(lab, "p0", EVERYBODY) == []
    with pytest.raises(StateError, match='port "p1": host: is on no host; give its port a `host`'):
        lab.send("p1", frame("p1", "p0"))
    with pytest.raises(StateError, match='port "p11": does not exist; did you mean `p1`'):
        lab.trace("p11", frame("p1", "p0"))


def test_two_labs_of_one_state_and_one_of_another_go_side_by_side():
    state, other = network(), network()
    early = Emulation(state)
    change(state, "replace", evolve(state.get("port", "p1"), host="h0"))
    late = Emulation(state, Underlay.leaf_spine(["h0", "h1"]))
    apart = Emulation(other)
    change(state, "add", Port("p2", "s0", "0a:00:00:00:00:03", host="h1"))
    for lab in (early, late):
        assert arrivals(lab, "p0", EVERYBODY) == ["p1", "p2"]
    assert arrivals(apart, "p0", EVERYBODY) == ["p1"]
    for name in ("h0", "h1"):
        switches = [lab.fabric.switch(name) for lab in (early, late)]
        assert set(switches[0].flows()) == set(switches[1].flows())
        assert switches[0].ports == switches[1].ports


def test_a_broadcast_reaches_hundreds_once_each_and_so_does_its_trace():
    ports = [Port(f"q{n}", "s0", f"0a:00:00:00:01:{n:02x}", host=f"h{n % 2}") for n in range(200)]
    lab = Emulation(network(*ports))
    delivered = arrivals(lab, "p0", EVERYBODY)
    assert sorted(delivered) == sorted(["p1", *(port.name for port in ports)])
    assert lab.trace("p0", frame("p0", EVERYBODY)).ports == tuple(delivered)


def test_a_vm_may_be_named_as_a_tunnel_is():
    tunnel = "stt-192.0.2.2"
    lab = Emulation(network(Port(tunnel, "s0", "0a:00:00:00:00:03", host="h0")))
    assert arrivals(lab, "p1", "0a:00:00:00:00:03") == [tunnel]
    assert arrivals(lab, "p0", "p1") == ["p1"]


def test_a_packet_object_is_no_frame():
    lab = Emulation(network())
    for send in (lab.send, lab.trace):
        with pytest.raises(
            TypeError, match=r"frame must be bytes, not Ether; bytes\(…\) makes them"
        ):
            send("p0", Ether())


def test_it_says_what_it_is():
    assert repr(Emulation(network())) == "<Emulation: 2 hosts, 2 VIFs>"


def test_hosts_tell_the_state_of_tunnels_that_do_not_work():
    state = network()
    lab = Emulation(state, Underlay.star(["h0", "h1"]), health_interval_s=0.1)
    lab.run(5)
    assert state.warnings() == []
    lab.fabric.underlay.fail_link("h1", "core")
    lab.run(1)
    assert state.warnings() == [
        ("s0", "tunnel-down", "its ports on h0 hear nothing of those on h1"),
        ("s0", "tunnel-down", "its ports on h1 hear nothing of those on h0"),
    ]
    lab.fabric.underlay.restore_link("h1", "core")
    lab.run(2)
    assert state.warnings() == []
    lab.fabric.underlay.fail_link("h1", "core")
    lab.run(1)
    change(state, "replace", evolve(state.get("port", "p1"), host="h0"))
    assert state.warnings() == []


def test_reports_on_hosts_that_are_not_there_are_refused():
    state = network()
    with pytest.raises(StateError, match='host "h9": does not exist'):
        state.report_tunnel("h0", "h9", up=False)
    state.report_tunnel("h0", "h1", up=True)
    state.report_tunnel("h0", "h1", up=False)
    state.report_tunnel("h0", "h1", up=False)
    assert [(thing, code) for thing, code, _ in state.warnings()] == [("s0", "tunnel-down")]


def test_a_capture_at_a_port_has_what_its_vm_sends_and_gets(tmp_path):
    lab = Emulation(network())
    path = tmp_path / "port.pcapng"
    with lab.capture(path, ports=["p1"], links=[("h0", "core")]):
        assert both_ways(lab)
    with path.open("rb") as file:
        packets = [block for block in FileScanner(file) if isinstance(block, EnhancedPacket)]
    assert [block.options["epb_flags"].inout for block in packets] == [
        "outbound",
        "outbound",
        "inbound",
        "inbound",
    ]
