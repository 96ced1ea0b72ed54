"""What hosts report: next hops that answered a router, tunnels, and when reports end."""

import pytest
from scapy.layers.inet6 import UDP, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from nvp_state import (
    Emulation,
    Host,
    NetworkState,
    Port,
    Route,
    RouterPort,
    StateError,
    StaticMacBinding,
)
from tests.nvp_state.test_gateways import FAR, GATE, NEAR, OUTSIDE, VM, edge, outbound, told

OTHER = "0c:00:00:00:00:02"


def strange_edge(*more):
    """The edge of a network whose next hop nobody has configured the MAC of."""
    state = edge(*more)
    with state.transaction() as tx:
        tx.remove(("static-mac-binding", ("gate", FAR)))
    return state


def frames(deliveries):
    return [(it.port, Ether(it.frame)) for it in deliveries]


def answer(mac=OUTSIDE, ip=FAR, asker=("203.0.113.1", GATE)):
    it = ARP(op=2, hwsrc=mac, psrc=ip, pdst=asker[0], hwdst=asker[1])
    return bytes(Ether(src=mac, dst=asker[1]) / it)


def test_a_router_asks_for_its_next_hop_and_learns_the_answer():
    state = strange_edge()
    lab = Emulation(state)
    ((where, question),) = frames(lab.send("vm", outbound()))
    assert (where, question[ARP].op, question[ARP].pdst) == ("net", 1, FAR)
    assert lab.send("net", answer()) == []
    assert told(lab.send("vm", outbound())) == [("net", "10.0.0.10", "198.51.100.7", 8)]
    assert frames(lab.send("vm", outbound()))[0][1].dst == OUTSIDE
    lab.send("net", answer(OTHER))
    assert frames(lab.send("vm", outbound()))[0][1].dst == OTHER
    state.report_neighbour("gate", FAR, None)
    assert ARP in frames(lab.send("vm", outbound()))[0][1]


def test_a_router_of_ipv6_learns_from_advertisements():
    state = strange_edge()
    with state.transaction() as tx:
        tx.replace(Port("vm", "s0", VM, "10.0.0.10", "h1", ip6="fd00::10"))
        tx.replace(RouterPort("near", "r0", NEAR, "10.0.0.1/24", "s0", cidr6="fd00::1/64"))
        gates = ("g1", "g2")
        tx.replace(
            RouterPort(
                "gate", "r0", GATE, "203.0.113.1/24", "out", cidr6="fd99::1/64", gateways=gates
            )
        )
        tx.add(Route("r0", "::/0", "fd99::fe", "gate"))
    lab = Emulation(state)
    packet = IPv6(src="fd00::10", dst="2001:db8::7", hlim=9) / UDP(sport=5, dport=6)
    sent = bytes(Ether(src=VM, dst=NEAR) / packet)
    ((_, question),) = frames(lab.send("vm", sent))
    assert question[ICMPv6ND_NS].tgt == "fd99::fe"
    told_back = ICMPv6ND_NA(R=1, S=1, O=1, tgt="fd99::fe") / ICMPv6NDOptDstLLAddr(lladdr=OUTSIDE)
    back = IPv6(src="fd99::fe", dst=question[IPv6].src, hlim=255) / told_back
    assert lab.send("net", bytes(Ether(src=OUTSIDE, dst=GATE) / back)) == []
    ((_, went),) = frames(lab.send("vm", sent))
    assert (went.dst, went[IPv6].dst, went[IPv6].hlim) == (OUTSIDE, "2001:db8::7", 8)


def test_what_is_configured_is_not_unlearned():
    state = edge()
    lab = Emulation(state)
    lab.send("net", answer(OTHER))
    assert frames(lab.send("vm", outbound()))[0][1].dst == OUTSIDE
    flows = state.flows("h1")
    assert len({flow.identity for flow in flows}) == len(flows)
    with state.transaction() as tx:
        tx.remove(StaticMacBinding("gate", FAR, OUTSIDE))
    assert frames(lab.send("vm", outbound()))[0][1].dst == OTHER


def test_answers_to_others_and_broken_ones_teach_nothing():
    state = strange_edge()
    lab = Emulation(state)
    good = answer()
    for frame in (
        answer(asker=("203.0.113.2", GATE)),
        good[:40],
        good[:14] + b"\0\6" + good[16:],
        good[:22] + b"\1" + good[23:],
    ):
        lab.send("net", frame)
    assert ARP in frames(lab.send("vm", outbound()))[0][1]
    assert not set(state.logical.engine["learned"])


def test_reports_go_with_what_they_are_about():
    state = strange_edge()
    Emulation(state).send("net", answer())
    state.report_tunnel("h1", "g1", up=False)
    engines = state.logical.engine, state.physical.engine
    (gate,) = [it for it in state.entities("router-port") if it.name == "gate"]
    routes = state.entities("route")
    with state.transaction() as tx:
        tx.remove(*routes, gate)
        tx.remove(("port", "vm"), ("host", "h1"))
        tx.preview()
    assert not set(engines[0]["learned"])
    assert not set(engines[1]["tunnel_down"])
    with state.transaction() as tx:
        tx.add(gate, *routes, Host("h1", "192.0.2.1"))
    assert not set(engines[0]["learned"])
    assert not set(engines[1]["tunnel_down"])
    state.report_tunnel("h1", "g1", up=False)
    assert set(engines[1]["tunnel_down"]) == {("h1", "g1")}


def test_a_change_that_is_refused_or_tried_ends_no_report():
    state = strange_edge()
    state.report_neighbour("gate", FAR, OUTSIDE)
    before = set(state.logical.engine["learned"])
    tx = state.transaction()
    tx.remove(("router-port", "gate"))
    with pytest.raises(StateError):
        tx.preview()
    tx = state.transaction()
    tx.remove(*state.entities("route"), ("router-port", "gate"))
    assert tx.preview()
    assert set(state.logical.engine["learned"]) == before
    assert len(before) == 1


@pytest.mark.parametrize(
    ("told_to", "text"),
    [
        (("gat", FAR, OUTSIDE), 'router-port "gat": does not exist; did you mean `gate`'),
        (("gate", "far", OUTSIDE), "'far' is not an IPv4 address"),
        (("gate", FAR, "01:00:00:00:00:01"), "multicast"),
    ],
)
def test_reports_of_what_cannot_be_are_refused(told_to, text):
    with pytest.raises(StateError, match=text):
        strange_edge().report_neighbour(*told_to)


def test_a_host_has_no_tunnel_to_itself():
    with pytest.raises(StateError, match='host "h1": has no tunnel to itself'):
        strange_edge().report_tunnel("h1", "h1", up=False)


def test_reports_that_are_no_news_change_nothing():
    state = strange_edge()
    heard = []
    state.follow(heard.append)
    for _ in range(2):
        state.report_neighbour("gate", FAR, OUTSIDE)
        state.report_backend("10.0.0.1:80", up=False)
    assert len(heard) == 2
    state.report_backend("10.0.0.2:80", up=True)
    assert len(heard) == 2
    assert NetworkState().warnings() == []
