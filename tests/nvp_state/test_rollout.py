"""Commits while packets are under way: each packet meets one configuration, and none is lost.

Packets are sent at random times into a network whose configuration changes at random times, with
links and messages to hosts that take random times. What comes out of each is compared with what
comes out of it, at rest, in the networks of every configuration that there was: it must be that
of one of them. Networks at rest are compared with the real OVN and the oracle elsewhere.
"""

import random
from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given, settings

from nvp_state import Acl, Emulation, Host, NetworkState, Port, Router, RouterPort, Switch
from tests.nvp_state import labs
from vswitch_sim import Link, Underlay

HOSTS = ["h0", "h1", "h2"]
PORTS = [f"p{number}" for number in range(6)]
GRACE_S = 2.0
ETHERNET_BYTES = 14


def members():
    """Three hosts, two switches of three VMs each, and a router between them."""
    yield from (Host(name, f"192.0.2.{n}") for n, name in enumerate(HOSTS, 1))
    yield from (Switch(name, "acme") for name in ("s0", "s1"))
    yield Router("r0")
    for n in (0, 1):
        yield RouterPort(f"r0s{n}", "r0", f"0e:00:00:00:00:0{n}", f"10.0.{n}.1/24", f"s{n}")
    for n, name in enumerate(PORTS):
        switch = n // 3
        yield Port(name, f"s{switch}", mac(n), f"10.0.{switch}.{10 + n}", HOSTS[n % 3])


def mac(number):
    return f"0a:00:00:00:00:0{number}"


def frame(source, target, tag):
    """A UDP packet, or a broadcast; `tag` tells it from all others."""
    me, you = PORTS.index(source), PORTS.index(target) if target else None
    if you is None:
        ethernet, destination = "ff" * 6, "ffffffff"
    else:
        near = me // 3 == you // 3
        ethernet = (mac(you) if near else f"0e:00:00:00:00:0{me // 3}").replace(":", "")
        destination = f"0a00{you // 3:02x}{10 + you:02x}"
    own = f"0a00{me // 3:02x}{10 + me:02x}"
    header = bytes.fromhex(f"45000020000000004011 0000 {own} {destination}")
    total = sum(int.from_bytes(header[at : at + 2]) for at in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2)
    udp = bytes.fromhex("0035003500 0c 0000") + tag.to_bytes(4)
    return (
        bytes.fromhex(ethernet + mac(me).replace(":", "") + "0800")
        + header[:10] + checksum + header[12:] + udp
    )  # fmt: skip


def tag_of(delivered):
    return int.from_bytes(delivered[42:46])


def a_change(choose, state):
    """One commit: an access rule comes or goes, a VM moves, a port or the router changes."""
    acls = state.entities("acl")
    kind = choose.choice(["acl", "acl", "no acl", "move", "move", "flag", "gate"])
    port = state.get("port", choose.choice(PORTS))
    with state.transaction() as tx:
        if kind == "acl" or (kind == "no acl" and not acls):
            direction = choose.choice(["from-lport", "to-lport"])
            match = choose.choice(["ip4", "udp", f"eth.src == {port.mac}", "eth.bcast"])
            acl = Acl(port.switch, direction, choose.randrange(32767), match, "drop")
            tx.add(acl)
        elif kind == "no acl":
            tx.remove(choose.choice(acls))
        elif kind == "move":
            tx.replace(evolve(port, host=choose.choice([it for it in HOSTS if it != port.host])))
        elif kind == "flag":
            tx.replace(evolve(port, enabled=not port.enabled))
        else:
            gate = state.get("router-port", f"r0s{choose.randrange(2)}")
            ttl_apart = (
                "10.0.9.1/24" if gate.cidr != "10.0.9.1/24" else f"10.0.{gate.name[-1]}.1/24"
            )
            tx.replace(evolve(gate, cidr=ttl_apart))


def copies(deliveries, tag):
    return Counter((it.port, it.frame[:-4]) for it in deliveries if tag_of(it.frame) == tag)


def at_rest(document, sent):
    """What comes out of each packet in a network that nothing changes."""
    state = NetworkState()
    state.load(document)
    lab = Emulation(state)
    return {
        tag: copies(lab.send(source, frame(source, target, tag)), tag)
        for tag, (source, target) in sent.items()
    }


def underlay(latency_s):
    net = Underlay()
    net.add_router("core")
    for name in HOSTS:
        net.add_host(name, "core", Link(latency_s=latency_s()))
    return net


@settings(labs.SEEDED, max_examples=8)
@given(labs.randoms)
def test_each_packet_meets_one_configuration(choose):
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*members())
    net = underlay(lambda: choose.choice([0.001, 0.02, 0.2]))
    lab = Emulation(state, net, latency=lambda _: choose.uniform(0.0, 0.5), grace_s=GRACE_S)
    lab.run(10)
    documents, sent, window = [state.dump()], {}, {}
    with lab.listening() as deliveries:
        for _ in range(4):
            for _ in range(choose.randrange(3, 10)):
                source = choose.choice(PORTS)
                target = choose.choice([None, *(it for it in PORTS if it != source)])
                tag = len(sent) + 1
                sent[tag], window[tag] = (source, target), len(documents)
                lab.inject(source, frame(source, target, tag))
                lab.run(choose.choice([0.0, 0.01, 0.1, 0.3]))
            a_change(choose, state)
            documents.append(state.dump())
        lab.run(60)
    known = [at_rest(document, sent) for document in documents]
    for tag, (source, target) in sent.items():
        got = copies(deliveries, tag)
        possible = [outcomes[tag] for outcomes in known[: window[tag]]]
        assert got in possible, (tag, source, target, window[tag], got, possible)
    for tag, (source, target) in sent.items():
        assert copies(lab.send(source, frame(source, target, tag)), tag) == known[-1][tag]


@pytest.mark.parametrize("latency_s", [0.0, 0.05])
def test_a_vm_that_moves_loses_nothing(latency_s):
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*members())
    net = underlay(lambda: 0.05)
    choose = random.Random(1)
    lab = Emulation(state, net, latency=lambda _: choose.uniform(0, latency_s), grace_s=GRACE_S)
    lab.run(10)
    count = 0
    with lab.listening() as deliveries:
        for turn in range(60):
            for source in ("p0", "p2", "p3"):
                count += 1
                lab.inject(source, frame(source, "p1", count))
            lab.run(0.01)
            if turn % 20 == 10:
                host = state.get("port", "p1").host
                to = HOSTS[(HOSTS.index(host) + 1) % 3]
                with state.transaction() as tx:
                    tx.replace(evolve(state.get("port", "p1"), host=to))
        lab.run(60)
    assert sorted(tag_of(it.frame) for it in deliveries if it.port == "p1") == [
        *range(1, count + 1)
    ]
    assert {it.port for it in deliveries} == {"p1"}
