"""Whatever comes, what reads it neither raises nor hangs; `python -m tests.frames_run` for long."""

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vswitch_sim.fuzzing import TUNNELS, mutated, visit
from vswitch_sim.datapath._core import parse
from vswitch_sim.tunnel import Nic, Offload, TunnelEnd, Work, finish
from vswitch_sim.tunnel.inner import read_inner, verify


@settings(max_examples=30)
@given(st.integers(0, 1 << 40))
def test_a_batch_of_right_and_wrong_packets_is_survived(seed):
    assert visit(seed, rounds=15) >= 15


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x45", b"\x60" + bytes(5)]))
@example(b"\x81\x00" * 60, b"")
@example(b"\x86\xdd" * 60, b"")
def test_noise_is_survived(noise, head):
    for data in (head + noise, bytes(12) + head + noise, bytes(12) + b"\x86\xdd" + head + noise):
        parse(data)
        verify(data, read_inner(data), Work())
        finish(data, Offload(partial=True, mss=1), Work())
        end = TunnelEnd(Nic())
        end.receive([data, data[::-1]])
        assert sum(end.drops.values()) == 2


def test_mutations_reach_every_reader():
    drops: set[str] = set()
    for seed in range(60):
        end, chance = TunnelEnd(Nic()), random.Random(seed)
        for tunnel in TUNNELS:
            packets = TunnelEnd(Nic()).transmit(bytes(200), tunnel, 1)
            end.receive([mutated(chance, packet) for packet in packets])
        drops |= set(end.drops)
    assert {"bad_ip_header", "bad_tcp_checksum", "bad_udp_checksum", "not_stt"} <= drops
