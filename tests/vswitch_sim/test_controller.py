"""Packets for the controller: copies, and those that stop until it makes a new frame of them."""

import pytest
from attrs import evolve

from tests.vswitch_sim.test_fabric import mesh
from tests.vswitch_sim.test_features import switch_with, udp
from vswitch_sim import (
    Clone,
    Controller,
    Egress,
    Fabric,
    Flow,
    FlowError,
    FlowUpdate,
    Match,
    Output,
    PacketIn,
    Resubmit,
    SetField,
    Switch,
    TopologyError,
)


def test_copies_go_to_the_controller():
    switch = switch_with(Flow(0, 1, Match(), (SetField("eth_dst", 5), Controller("asked"))))
    switch.process(1, udp(1))
    (copy,) = switch.packet_ins()
    assert copy == PacketIn("asked", 1, bytes([0, 0, 0, 0, 0, 5]) + udp(1)[6:])
    assert switch.packet_ins() == []


def waiting_for_an_answer() -> Switch:
    """Stops UDP with some registers, and sends what goes on in table 5 back where it came from."""
    stop = Controller("answer me", 5)
    return switch_with(
        Flow(0, 1, Match(), (SetField("reg15", 7), SetField("metadata", 3), Resubmit(1))),
        Flow(1, 1, Match(), (SetField("reg0", 0x0A000001), SetField("eth_dst", 5), stop)),
        Flow(5, 1, Match.of(reg15=7, metadata=3, in_port=0), (Output(1), Output(2))),
    )


def test_a_packet_waits_for_what_the_controller_makes_of_it():
    switch = waiting_for_an_answer()
    assert switch.process(1, udp(1), tun_id=9) == ()
    assert switch.packet_ins() == []
    (asked,) = switch.waiting()
    assert switch.waiting() == []
    assert (asked.reason, asked.in_port, asked.tun_id) == ("answer me", 1, 9)
    assert asked.frame == bytes([0, 0, 0, 0, 0, 5]) + udp(1)[6:]
    assert asked.registers["reg0"] == asked.registers["xxreg0"] >> 96 == 0x0A000001
    assert (asked.registers["reg15"], asked.registers["metadata"]) == (7, 3)
    for hits in range(3):
        sent = switch.resume(asked, udp(2))
        assert sent == (Egress(1, udp(2), 9), Egress(2, udp(2), 9))
        assert switch.cache.exact_hits == hits
    assert switch.drops == {}


def test_what_waits_goes_on_in_the_tables_of_the_moment():
    switch = waiting_for_an_answer()
    switch.process(1, udp(1))
    (asked,) = switch.waiting()
    switch.resume(asked, udp(2))
    (flow,) = (flow for flow in switch.flows() if flow.table == 5)
    switch.apply(FlowUpdate(remove=[*switch.flows()], add=[evolve(flow, actions=(Output(3),))]))
    assert [egress.port for egress in switch.resume(asked, udp(2))] == [3]
    assert len(switch._slow.states) == 0, "no megaflow sends into it any more"


def test_an_answer_comes_from_no_port_whatever_was_written():
    asks = (SetField("in_port", 3), Controller("asked", 5))
    switch = switch_with(Flow(0, 1, Match(), asks), Flow(5, 1, Match.of(in_port=0), (Output(3),)))
    switch.process(1, udp(1))
    (asked,) = switch.waiting()
    assert [egress.port for egress in switch.resume(asked, udp(2))] == [3]


def test_a_trace_tells_what_waits_and_goes_on_with_an_answer():
    switch = waiting_for_an_answer()
    trace = switch.trace(1, udp(1))
    (asked,) = trace.waiting
    assert "waits for what the controller makes of it by 'answer me'" in str(trace)
    assert "userspace(controller(reason=answer me,recirc_id=0x1))" in str(trace)
    resumed = switch.trace_resumed(asked, udp(2))
    assert [table.table for table in resumed.tables] == [5]
    assert [egress.port for egress in resumed.egress] == [1, 2]
    assert switch.cache.misses == 0
    assert switch.process(1, udp(1)) == trace.egress
    assert switch.waiting() == [asked]


def test_only_what_waits_can_be_answered():
    switch = switch_with(Flow(0, 1, Match(), (Controller("asked"),)))
    switch.process(1, udp(1))
    (copy,) = switch.packet_ins()
    assert copy.registers == {}
    with pytest.raises(TopologyError, match="'asked' waits for no answer"):
        switch.resume(copy, udp(1))


@pytest.mark.parametrize(
    "actions",
    [
        (Controller("x", 5), Output(1)),
        (Clone((Controller("x", 5), Output(1))), Output(2)),
    ],
)
def test_nothing_follows_where_the_packet_stops(actions):
    with pytest.raises(FlowError, match=r"stops at controller\(x\).* into table 5"):
        Flow(0, 1, Match(), actions)
    with pytest.raises(FlowError, match=r"controller\(x\): table must be in 0\.\.254"):
        Controller("x", 255)


def test_a_batch_keeps_what_goes_to_the_controller():
    switch = waiting_for_an_answer()
    switch.apply(FlowUpdate(add=[Flow(0, 2, Match.of(in_port=2), (Controller("asked"),))]))
    assert switch.process_batch([1, 2, 1], [udp(1), udp(2), udp(3)]) == []
    assert [copy.frame for copy in switch.packet_ins()] == [udp(2)]
    assert [asked.frame[6:] for asked in switch.waiting()] == [udp(1)[6:], udp(3)[6:]]


def ask_again(*actions) -> Fabric:
    """Two hosts with a tunnel; what a VM sends is asked about, and answers do `actions`."""
    fabric = mesh(2)
    asks = (SetField("reg0", 7), Controller("swap", 5))
    flows = [Flow(0, 1, Match.of(in_port=1), asks), Flow(5, 1, Match.of(reg0=7), actions)]
    fabric.switch("hv0").apply(FlowUpdate(add=flows))
    fabric.switch("hv1").apply(FlowUpdate(add=[Flow(0, 1, Match.of(in_port=100), (Output(1),))]))
    return fabric


def swapped(asked: PacketIn) -> bytes:
    return asked.frame[6:12] + asked.frame[:6] + asked.frame[12:]


def test_what_a_hosts_controller_makes_goes_on_there_and_through_tunnels():
    fabric = ask_again(Output(1), Output(101))
    asked: list[PacketIn] = []

    def answer(packet_in: PacketIn) -> bytes:
        asked.append(packet_in)
        return swapped(packet_in)

    fabric.hosts["hv0"].answer = answer
    sent = fabric.send("hv0", 1, udp(1))
    assert [(it.host, it.frame) for it in sent] == [
        ("hv0", swapped(asked[0])),
        ("hv1", swapped(asked[0])),
    ]
    assert (asked[0].reason, asked[0].frame, len(asked)) == ("swap", udp(1), 1)
    fabric.hosts["hv0"].answer = lambda _: None
    assert fabric.send("hv0", 1, udp(1)) == []
    assert fabric.drops == {"no_answer": 1}


def test_without_a_controller_there_is_no_answer():
    fabric = ask_again(Output(1))
    assert fabric.send("hv0", 1, udp(1)) == []
    assert fabric.drops == {"no_answer": 1}


def test_answers_to_answers_end():
    fabric = ask_again(Output(1), Resubmit(6))
    again = Flow(6, 1, Match(), (Controller("again", 5),))
    fabric.switch("hv0").apply(FlowUpdate(add=[again]))
    fabric.hosts["hv0"].answer = swapped
    assert len(fabric.send("hv0", 1, udp(1))) == 16
    assert fabric.drops == {"loop": 1}


def test_answers_that_multiply_end():
    fabric = ask_again(Clone((Resubmit(6),)), Clone((Resubmit(6),)), Clone((Resubmit(6),)))
    again = Flow(6, 1, Match(), (Controller("again", 5),))
    fabric.switch("hv0").apply(FlowUpdate(add=[again]))
    fabric.hosts["hv0"].answer = swapped
    assert fabric.send("hv0", 1, udp(1)) == []
    assert fabric.drops["loop"] > 0
