"""Bundles: all or nothing, at once, for packets in other threads, too."""

import sys
import threading
from itertools import pairwise

import pytest

from vswitch_sim import (
    Bucket,
    Flow,
    FlowError,
    FlowUpdate,
    Group,
    GroupType,
    Match,
    Meter,
    MeterBand,
    Output,
    Resubmit,
    SetField,
    Switch,
)
from vswitch_sim.classifier import Classifier
from vswitch_sim.tables import Tables
from vswitch_sim.versions import Versioned

FRAMES = [bytes([2, 0, 0, 0, 0, n]) + bytes(54) for n in range(24)]


def new_switch(megaflows_max: int = 1000) -> Switch:
    switch = Switch("hv1", megaflows_max=megaflows_max)
    for port in range(1, 6):
        switch.add_port(port, f"p{port}")
    return switch


def state(number: int) -> list:
    """A pipeline every part of which says which it is of: a mixture would show.

    Of two that are there together the higher number has the packets, in the first table.
    """
    mark = SetField("reg0", number)
    return [
        Flow(0, 1 + number, Match(), (mark, Resubmit(1))),
        Flow(1, 1, Match.of(reg0=number), (SetField("eth_src", number), Group(1))),
        Flow(2, 1, Match.of(eth_src=number, reg0=number), (Output(2 + number),)),
        Bucket(1, number, (Resubmit(2),)),
        Bucket(1, 5, (SetField("eth_dst", number), Resubmit(2))),
    ]


@pytest.mark.parametrize("megaflows_max", [0, 1000])
def test_a_packet_sees_one_version_whole_whatever_thread_it_is_in(megaflows_max: int):
    switch = new_switch(megaflows_max)
    states = [state(0), state(1)]
    switch.apply(FlowUpdate(add=states[0]))
    done, seen, wrong = threading.Event(), [0, 0], []

    def send() -> None:
        n = 0
        while not done.is_set() or n < 100:
            n += 1
            frame = FRAMES[n % len(FRAMES)]
            egress = switch.process(1, frame) if n % 2 else switch.trace(1, frame).egress
            ports = {it.port for it in egress}
            number = min(ports, default=2) - 2
            expected = [(2 + number, number), (2 + number, number)]
            if [(it.port, it.frame[11]) for it in egress] != expected:
                wrong.append(egress)
                return
            seen[number] += 1

    threads = [threading.Thread(target=send) for _ in range(2)]
    interval_s = sys.getswitchinterval()
    # Threads take turns in the midst of everything.
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for toggle in range(301):
            before, after = states[toggle % 2], states[(toggle + 1) % 2]
            switch.apply(FlowUpdate(before, after))
            # What is cached by now is of this version.
            egress = switch.process(1, FRAMES[toggle % len(FRAMES)])
            assert {it.port for it in egress} == {2 + (toggle + 1) % 2}
        done.set()
    finally:
        done.set()
        sys.setswitchinterval(interval_s)
        for thread in threads:
            thread.join()
    assert wrong == []
    assert min(seen) > 0, "both states were met"


@pytest.mark.parametrize("megaflows_max", [0, 1000])
@pytest.mark.parametrize("first", [0, 1])
def test_nobody_sees_what_is_only_staged(first: int, megaflows_max: int, monkeypatch):
    """Packets that pass after each step of an update, before it is published."""
    switch = new_switch(megaflows_max)
    before, after = state(first), state(1 - first)
    switch.apply(FlowUpdate(add=before))
    expected = [switch.process(1, frame) for frame in FRAMES]
    steps: list[str] = []

    def watched(owner, name: str) -> None:
        function = getattr(owner, name)

        def call(*arguments):
            result = function(*arguments)
            steps.append(name)
            assert [switch.trace(1, frame).egress for frame in FRAMES] == expected
            assert [switch.process(1, frame) for frame in FRAMES] == expected
            return result

        monkeypatch.setattr(owner, name, call)

    for owner, name in ((Classifier, "insert"), (Versioned, "stage"), (Tables, "prepare")):
        watched(owner, name)
    switch.apply(FlowUpdate(before, after))
    assert steps == ["insert", "insert", "insert", "stage", "prepare"]
    assert {it.port for frame in FRAMES for it in switch.process(1, frame)} == {3 - first}


@pytest.mark.parametrize("fails_at", range(6))
def test_an_update_that_fails_half_way_has_done_nothing(fails_at: int, monkeypatch):
    """Whatever step fails, with whatever error; and the next update is as if it never was."""
    switch = new_switch()
    switch.apply(FlowUpdate(add=[*state(0), MeterBand(1, 5)]))
    sent = [switch.process(1, frame) for frame in FRAMES]
    before = (switch.flows(), switch.groups(), switch.buckets(), switch.meters(), switch.cache)
    calls = 0

    def failing(function):
        def call(*arguments):
            nonlocal calls
            calls += 1
            if calls == fails_at + 1:
                raise MemoryError
            return function(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "insert", failing(Classifier.insert))
        patch.setattr(Versioned, "stage", failing(Versioned.stage))
        update = FlowUpdate([*state(0), MeterBand(1, 5)], [*state(1), MeterBand(2, 5)])
        with pytest.raises(MemoryError):
            switch.apply(update)
    now = (switch.flows(), switch.groups(), switch.buckets(), switch.meters(), switch.cache)
    assert now == before
    assert [switch.process(1, frame) for frame in FRAMES] == sent
    # Nor does it come to light with the next version.
    switch.apply(FlowUpdate(add=[Flow(9, 1, Match(), ())]))
    assert [switch.trace(1, frame).egress for frame in FRAMES] == sent
    assert [entry.flow for entry in switch._slow.tables.classifiers[1]] == [state(0)[1]]
    switch.apply(update)
    assert {it.port for frame in FRAMES for it in switch.process(1, frame)} == {3}


METERED = Flow(0, 1, Match(), (Meter(1), Output(2)))


@pytest.mark.parametrize(
    ("first", "update", "message"),
    [
        ([], FlowUpdate(add=[METERED]), "there is no meter 1; add it before"),
        ([MeterBand(1, 5), METERED], FlowUpdate([MeterBand(1, 5)]), "cannot remove meter 1: flows"),
        (
            [GroupType(1, "indirect"), Bucket(1, 1, ())],
            FlowUpdate(add=[Bucket(1, 2, ())]),
            "group 1 is indirect, and would have 2 buckets",
        ),
        (
            [Bucket(1, 1, ()), Bucket(1, 2, ())],
            FlowUpdate(add=[METERED, MeterBand(1, 5), GroupType(1, "indirect")]),
            "group 1 is indirect",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(first, update, message):
    switch = new_switch()
    switch.apply(FlowUpdate(add=first))
    before = (switch.flows(), switch.groups(), switch.buckets(), switch.meters())
    with pytest.raises(FlowError, match=message):
        switch.apply(update)
    assert (switch.flows(), switch.groups(), switch.buckets(), switch.meters()) == before


def test_what_nobody_can_see_is_forgotten():
    switch = new_switch()
    update = FlowUpdate(add=state(0))
    switch.apply(update)
    for old, new in pairwise([state(0), *[state(1), state(0)] * 20]):
        switch.apply(FlowUpdate(old, new))
    kept = [entry for it in switch._slow.tables.classifiers.values() for entry in it]
    assert len(kept) == len(switch.flows())
    # As long as somebody reads an old version, what it sees stays.
    with switch._slow.tables.versions.reading() as version:
        switch.apply(FlowUpdate(state(0), state(1)))
        view = switch._slow.view(version)
        entry = view.lookup(0, 0).entry
        assert entry is not None
        assert entry.flow == state(0)[0]
    switch.apply(FlowUpdate(state(1), state(0)))
    kept = [entry for it in switch._slow.tables.classifiers.values() for entry in it]
    assert len(kept) == len(switch.flows())
