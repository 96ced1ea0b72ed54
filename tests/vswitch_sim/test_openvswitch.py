"""Our switch against a real Open vSwitch: one pipeline in both, the same frames into both.

What is compared, after every frame: which copies leave by which port, in order, to the byte, with
which tunnel key; after the last frame: how many packets and bytes hit each flow. Two ports are
plain, one is a Geneve tunnel; the frames pass Open vSwitch's own datapath, caches and all. Of some
frames `ofproto/trace` is asked too, which knows the order of copies across ports.

A field, an action or a kind of frame is added to the comparison by adding it to the generators in
`flows` and `frames`.
"""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests import openvswitch
from tests.daemons import DaemonError
from tests.openvswitch import Bridge, Sent
from tests.vswitch_sim.flows import pipelines
from tests.vswitch_sim.frames import specs
from vswitch_sim import (
    FLOOD,
    Bucket,
    Clone,
    Flow,
    FlowUpdate,
    Group,
    GroupType,
    Match,
    Output,
    OutputRegister,
    Resubmit,
    SetField,
    Switch,
    flow_lines,
    group_lines,
)

pytestmark = openvswitch.installed

PIPELINES, FRAMES_EACH, TRACES_EACH = 220, 24, 4
CASES_MIN = 5000
TUNNEL = 3
LOCAL = 65534
ARRIVALS = ((1, 0), (2, 0), (TUNNEL, 0), (TUNNEL, 7))
ABANDONED = {"nested_too_deep", "too_many_steps"}
UNSHRUNK = settings(phases=[Phase.explicit, Phase.generate], database=None, derandomize=True)


@pytest.fixture(scope="module")
def bridge(real_openvswitch):
    return real_openvswitch.add_bridge("br-sim", (1, 2), {TUNNEL: "192.0.2.3"})


@pytest.fixture(scope="module")
def frames() -> list[bytes]:
    """Random frames, made once: making one takes longer than comparing it."""
    made: list[bytes] = []

    @settings(UNSHRUNK, max_examples=400)
    @given(specs())
    def make(spec):
        made.append(spec.build())

    make()
    return made


@st.composite
def comparable(draw: st.DrawFn) -> list:
    """A pipeline with what OpenFlow leaves open settled, its flows told apart by cookies.

    Of flows with one priority that cover a packet any may be hit: so none has another's. Most
    pipelines have no loop, or few packets would come out.
    """
    entries = [it for it in draw(pipelines(max_size=24)) if not isinstance(it, GroupType)]
    entries = [evolve(it, watch_port=None) if isinstance(it, Bucket) else it for it in entries]
    # Where these go into a tunnel, Open vSwitch counts bytes otherwise.
    odd = (Clone, OutputRegister)
    entries = [
        evolve(
            it,
            actions=tuple(
                act for act in it.actions if not isinstance(act, odd) and act != Output(FLOOD)
            ),
        )
        for it in entries
    ]
    if draw(st.integers(0, 7)):
        entries = [evolve(entry, actions=onward(entry)) for entry in entries]
    flows = [entry for entry in entries if isinstance(entry, Flow)]
    buckets = [entry for entry in entries if isinstance(entry, Bucket)]
    flows.sort(key=lambda flow: flow.priority)
    numbered = [evolve(flow, priority=n, cookie=n) for n, flow in enumerate(flows, 1)]
    return [*numbered, *buckets]


# A pipeline loops if a table or group leads to one that is not later in this list.
STAGES = [Resubmit(0), Resubmit(1), Group(1), Resubmit(2), Group(2)]


def onward(entry: Flow | Bucket) -> tuple:
    own = Resubmit(entry.table) if isinstance(entry, Flow) else Group(entry.group)
    later = STAGES[STAGES.index(own) + 1 :]
    return tuple(it for it in entry.actions if it not in STAGES or it in later)


def new_switch(entries: list) -> Switch:
    switch = Switch("hv1")
    for port in (1, 2, TUNNEL):
        switch.add_port(port, f"p{port}")
    switch.apply(FlowUpdate(add=entries))
    return switch


def install(bridge: Bridge, entries: list) -> None:
    bridge.replace(flow_lines(entries), group_lines(entries).values())


def compare_frame(bridge: Bridge, switch: Switch, arrival, frame: bytes) -> set[str]:
    """Compare what leaves; what kind of case it was."""
    in_port, tun_id = arrival
    left: dict[int, list[tuple[int, bytes]]] = {}
    for copy in switch.process(in_port, frame, tun_id):
        left.setdefault(copy.port, []).append((copy.tun_id * (copy.port == TUNNEL), copy.frame))
    bridge.send(in_port, frame, tun_id)
    payload = later_fragment_payload(frame)
    copies = [copy for copies in left.values() for _, copy in copies]
    assert not payload or all(copy.endswith(payload) for copy in copies)
    ours, theirs = without(payload, left), without(payload, bridge.sent())
    assert ours == theirs, both_traces(bridge, switch, arrival, frame)
    rewritten = any(copy != frame for copy in copies)
    return {"cases", *["left"] * bool(copies), *["rewritten"] * rewritten}


def later_fragment_payload(frame: bytes) -> bytes:
    """What a later fragment carries; nothing for any other frame.

    Open vSwitch 3.1 takes it for a TCP or UDP header when it changes an address, and corrects a
    checksum that is not there. Ours leaves it alone, which is asserted.
    """
    ip = 18 if frame[12:14] == b"\x81\0" else 14
    if frame[ip - 2 : ip] != b"\x08\0" or not int.from_bytes(frame[ip + 6 : ip + 8]) & 0x1FFF:
        return b""
    return frame[ip + 4 * (frame[ip] & 15) :]


def without(payload: bytes, left: dict) -> dict:
    return {
        port: [(key, one_zero(copy[: len(copy) - len(payload)])) for key, copy in copies]
        for port, copies in left.items()
    }


def one_zero(frame: bytes) -> bytes:
    """The frame; if it is an ICMP message of nothing but zeros, without its checksum.

    That is the one header whose words can add up to the zero of which the complement is 0xffff.
    Open vSwitch 3.1, once it rewrites the message, writes 0, which does not verify.
    """
    ip = 18 if frame[12:14] == b"\x81\0" else 14
    message = ip + 4 * (frame[ip] & 15) if len(frame) > ip else 0
    if frame[ip - 2 : ip] != b"\x08\0" or not message or frame[ip + 9] != 1:
        return frame
    blank = frame[: message + 2] + bytes(2) + frame[message + 4 :]
    return frame if any(blank[message:]) or len(frame) < message + 8 else blank


def compare_trace(bridge: Bridge, switch: Switch, arrival, frame: bytes) -> None:
    in_port, tun_id = arrival
    ours = [
        Sent(copy.port, copy.tun_id if copy.port == TUNNEL else None)
        for copy in switch.trace(in_port, frame, tun_id).egress
    ]
    theirs = bridge.trace(in_port, frame, tun_id if in_port == TUNNEL else None).outputs
    # Flooding goes to the port of the bridge itself, too, and in no order.
    theirs = [sent for sent in theirs if sent.port != LOCAL]
    if any("FLOOD" in str(entry) for entry in (*switch.flows(), *switch.buckets())):
        ours, theirs = (sorted(sent, key=repr) for sent in (ours, theirs))
    assert ours == theirs, both_traces(bridge, switch, arrival, frame)


def both_traces(bridge: Bridge, switch: Switch, arrival, frame: bytes) -> str:
    in_port, tun_id = arrival
    theirs = bridge.trace(in_port, frame, tun_id if in_port == TUNNEL else None)
    flows = "\n".join(map(str, (*switch.flows(), *switch.buckets())))
    told = f"{flows}\n{frame.hex()} by {in_port} with {tun_id:#x}"
    return f"{told}\n\nOURS\n{switch.trace(in_port, frame, tun_id)}\n\nREAL\n{theirs.text}"


def compare_counters(bridge: Bridge, switch: Switch) -> None:
    """Packets are compared always, bytes unless a walk was abandoned.

    Open vSwitch counts a packet that went into a tunnel with its outer headers from then on, and
    for once shows it: it sets the size back when the walk returns, not when it is abandoned.
    """
    counted = bridge.counters()
    abandoned = ABANDONED & {name for name, count in switch.drops.items() if count}
    for flow, ours in switch.flows().items():
        packets, octets = counted[flow.cookie]
        assert packets == ours.n_packets, flow
        assert octets == ours.n_bytes or abandoned, flow


def eventful(switch: Switch, frames: list) -> list:
    """Of (arrival, frame) those of which the switch rewrites most and passes most flows."""

    def events(it) -> int:
        (in_port, tun_id), frame = it
        trace = switch.trace(in_port, frame, tun_id)
        rewritten = {copy.frame for copy in trace.egress} - {frame}
        return len(set(trace.flows)) + 2 * len(rewritten)

    return sorted(frames, key=events, reverse=True)[:FRAMES_EACH]


def test_the_switch_does_what_open_vswitch_does(bridge, frames):
    counted: Counter = Counter()

    @settings(UNSHRUNK, max_examples=PIPELINES)
    @given(comparable(), st.integers(0, 1 << 32))
    def compare(entries, seed):
        rng = random.Random(seed)
        offered = [(rng.choice(ARRIVALS), rng.choice(frames)) for _ in range(4 * FRAMES_EACH)]
        switch = new_switch(entries)
        install(bridge, entries)
        sent = eventful(switch, offered)
        for arrival, frame in sent[:TRACES_EACH]:
            compare_trace(bridge, switch, arrival, frame)
        for arrival, frame in sent:
            counted.update(compare_frame(bridge, switch, arrival, frame))
        compare_counters(bridge, switch)

    compare()
    assert counted["cases"] >= CASES_MIN
    assert counted["left"] >= CASES_MIN // 4
    assert counted["rewritten"] >= CASES_MIN // 10


PING = bytes.fromhex(
    "0a00000000020a000000000108004500001c00000000400166df0a0000010a0000020800f7ff00000000"
)


def test_a_frame_passes_both_alike(bridge):
    """The comparison by one example: a tunnel's key, a rewritten frame, a group, counters."""
    entries = [
        Flow(0, 1, Match.of(in_port=1), (SetField("tun_id", 9), Output(TUNNEL), Group(1)), 1),
        Flow(0, 1, Match.of(tun_id=7), (Output(2),), 2),
        Bucket(1, 1, (SetField("eth_dst", 5), Output(2))),
    ]
    switch = new_switch(entries)
    install(bridge, entries)
    compare_frame(bridge, switch, (1, 0), PING)
    bridge.send(1, PING)
    assert bridge.sent() == {TUNNEL: [(9, PING)], 2: [(0, bytes([0, 0, 0, 0, 0, 5]) + PING[6:])]}
    trace = bridge.trace(1, PING)
    assert trace.outputs == [Sent(TUNNEL, 9), Sent(2)]
    assert (
        trace.megaflow
        == "recirc_id=0,eth,ip,in_port=1,dl_dst=0a:00:00:00:00:02,nw_ecn=0,nw_frag=no"
    )
    bridge.send(TUNNEL, PING, 7)
    assert bridge.sent() == {2: [(0, PING)]}
    assert any("tun_id=0x7" in flow for flow in bridge.datapath_flows())
    assert bridge.counters() == {1: (2, 84), 2: (1, 42)}


def rewritten_by_both(bridge, match: Match, action: SetField, frame: bytes) -> list[bytes]:
    entries = [Flow(0, 1, match, (action, Output(2)))]
    switch = new_switch(entries)
    install(bridge, entries)
    bridge.send(1, frame)
    ((_, theirs),) = bridge.sent()[2]
    return [switch.process(1, frame)[0].frame, theirs]


def test_open_vswitch_still_miscounts_a_message_of_zeros(bridge):
    """Why `one_zero` is needed; when this fails, it is not any more."""
    action = SetField("icmpv4_type", 0)
    match = Match.of(eth_type=0x0800, ip_proto=1)
    ours, theirs = rewritten_by_both(bridge, match, action, PING)
    assert ours[34:] == bytes.fromhex("0000ffff00000000")
    assert theirs[34:] == bytes.fromhex("0000000000000000")


def test_open_vswitch_still_damages_later_fragments(bridge):
    """Why `later_fragment_payload` is needed; when this fails, it is not any more."""
    payload = b"\xaa" * 40
    frame = PING[:14] + bytes.fromhex("4500003c000000644006664b0a0000010a000002") + payload
    action = SetField("ipv4_dst", 0x0A000003)
    ours, theirs = rewritten_by_both(bridge, Match.of(eth_type=0x0800), action, frame)
    assert ours[:34] == theirs[:34]
    assert ours[34:] == payload
    assert [place for place in range(40) if theirs[34 + place] != 0xAA] == [17]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.openvswitch import OpenVSwitch

real = OpenVSwitch(Path(sys.argv[1]))
print(*[process.pid for process in real.processes.values()], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_outlives_the_process_that_started_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    running = {Path("/proc", number) for number in done.stdout.split()}
    assert len(running) == 2
    end = time.monotonic() + 10
    while any(map(alive, running)):
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(process: Path) -> bool:
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_refused_flow_is_named(bridge):
    with pytest.raises(DaemonError, match=r"OFPBAC_BAD_OUT_GROUP.*group:9"):
        bridge.replace(["table=0,actions=group:9"])
