"""The controller's answers in a real Open vSwitch: its text, and how a packet that stops goes on.

`ovs-ofctl monitor` is the controller there; with `resume` it gives each packet back as it is.
"""

import subprocess
import time

import pytest

from tests import openvswitch
from tests.vswitch_sim.test_features import switch_with, udp
from vswitch_sim import (
    Controller,
    Flow,
    Match,
    Output,
    Resubmit,
    SetField,
    flow_lines,
)

pytestmark = openvswitch.installed

WAIT_SECONDS_MAX = 20
REASON = "icmp4 11 0 from=10.0.0.1"


@pytest.fixture(scope="module")
def bridge(real_openvswitch):
    return real_openvswitch.add_bridge("br-ask", (1, 2, 3))


@pytest.fixture
def monitored(bridge, tmp_path):
    """The bridge, with a controller that lets all go on; what it was told is in the file."""
    bridge.replace(flow_lines(pipeline()))
    told = tmp_path / "told"
    command = ["ovs-ofctl", "-O", openvswitch.OPENFLOW, "-P", "nxt_packet_in2", "monitor"]
    command += [bridge.management, "65534", "resume", f"--unixctl={tmp_path}/ctl"]
    with told.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        until(lambda: bridge.send(3, udp(1)) or b"PACKET_IN" in told.read_bytes())
        yield bridge, told
    finally:
        process.kill()
        process.wait()


def until(holds) -> None:
    end = time.monotonic() + WAIT_SECONDS_MAX
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def pipeline() -> list[Flow]:
    stop = (SetField("eth_dst", 5), Controller(REASON, 5))
    fields = (SetField("reg0", 0x0A000001), SetField("reg15", 7), SetField("metadata", 3))
    return [
        Flow(0, 2, Match.of(in_port=3), (Controller("asked"),)),
        Flow(0, 1, Match(), (*fields, Resubmit(1))),
        Flow(1, 1, Match(), stop),
        Flow(5, 9, Match.of(reg0=0x0A000001, reg15=7, metadata=3, in_port=0), (Resubmit(6),)),
        Flow(5, 1, Match(), ()),
        Flow(6, 1, Match(), (Output(1), SetField("eth_src", 6), Output(2))),
    ]


def test_text_is_what_open_vswitch_prints(bridge):
    flows = pipeline()
    bridge.replace(flow_lines(flows))
    printed = bridge.ofctl("dump-flows", "--no-stats")
    assert str(Controller("asked")) in printed
    assert str(Controller(REASON, 5)) in printed
    assert bridge.ofctl("diff-flows", "/dev/stdin", text="\n".join(flow_lines(flows))) == ""


def test_a_packet_that_stops_goes_on_as_ours_does(monitored):
    """With the same registers, and from no port: it may leave by the one it came from."""
    bridge, told = monitored
    ours = switch_with(*pipeline())
    ours.process(1, udp(1))
    (asked,) = ours.waiting()
    resumed = {egress.port: [(0, egress.frame)] for egress in ours.resume(asked, asked.frame)}
    assert sorted(resumed) == [1, 2]
    left: dict[int, list[tuple[int, bytes]]] = {}

    def has_left() -> bool:
        for port, frames in bridge.sent().items():
            left.setdefault(port, []).extend(frames)
        return len(left) == len(resumed)

    bridge.send(1, udp(1))
    until(has_left)
    assert left == resumed
    assert REASON.encode().hex(".") in told.read_text()
