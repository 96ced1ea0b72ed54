"""Rollouts: a commit reaches all hosts so that every packet meets one configuration, never two.

A packet passes two hosts, and no two hosts change at one instant. So each packet carries the
version of the configuration under which it came in (see `versions`), and a commit goes out in
three steps, the next of which begins when all hosts have done the last:

    prepare    what is new is put beside what is old, each for packets of its version;
    switch     packets that come in belong to the new version;
    clean      once none of the old version can be under way, what was old goes.

This is the two-phase update of Reitblatt et al., "Abstractions for Network Update", SIGCOMM 2012,
for the flows that a commit changes and no others. What no packet in a tunnel can notice, because
there is none and hosts change at once, is done at once.

Cost: what the commit changes, twice for a while, and one flow in every host, which stamps packets.
"""

from collections.abc import Callable, Mapping

from nvp_state.agent import Agent
from nvp_state.controllers import HostDelta
from nvp_state.versions import VERSIONS
from vswitch_sim import Fabric

Latency = Callable[[str], float]


class Rollout:
    """Brings commits to the agents of a fabric, one after the other.

    Args:
        fabric: whose clock tells time.
        agents: of each host.
        latency: how long a message to a host takes, in seconds, asked anew for each.
        grace_s: how long a packet may be under way, in seconds.
    """

    def __init__(
        self,
        fabric: Fabric,
        agents: Mapping[str, Agent],
        latency: Latency | None,
        grace_s: float,
    ) -> None:
        self._fabric = fabric
        self._agents = agents
        self._latency = latency
        self._grace_s = grace_s
        self.version = 0
        self.is_under_way = False

    def greet(self, agent: Agent) -> None:
        """Have a new host's packets belong to the version that is current."""
        if self.version:
            agent.switch(self.version)

    def start(
        self,
        deltas: Mapping[str, HostDelta],
        ready: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        """Bring a commit to the hosts it changes.

        No other may be under way.

        Args:
            deltas: what changes on each.
            ready: called when all packets that come in belong to the new version.
            done: called when nothing is old any more.
        """
        assert not self.is_under_way
        deltas = {host: delta for host, delta in deltas.items() if host in self._agents}
        if self._latency is None and not self._fabric.underlay.is_busy():
            for host, delta in deltas.items():
                self._agents[host].apply(delta)
            ready()
            done()
            return
        self.is_under_way = True
        old, self.version = self.version, (self.version + 1) % VERSIONS

        def prepare(host: str) -> None:
            self._agents[host].prepare(deltas[host], old, self.version)

        def clean() -> None:
            self._everywhere(deltas, lambda host: self._agents[host].clean(), end)

        def end() -> None:
            self.is_under_way = False
            done()

        def wait() -> None:
            ready()
            self._after(self._grace_s, clean)

        def switch() -> None:
            self._everywhere(
                self._agents, lambda host: self._agents[host].switch(self.version), wait
            )

        self._everywhere(deltas, prepare, switch)

    def _everywhere(
        self, hosts: Mapping[str, object], step: Callable[[str], None], then: Callable[[], None]
    ) -> None:
        """Take a step on each host when the message comes there, and go on after the last."""
        left = {*hosts}
        if not left:
            then()

        def arrive(host: str) -> None:
            if host in self._agents:
                step(host)
            left.discard(host)
            if not left:
                then()

        for host in [*hosts]:
            self._after(0.0 if self._latency is None else self._latency(host), arrive, host)

    def _after(self, delay_s: float, action: Callable[..., None], *arguments: str) -> None:
        if delay_s <= 0:
            action(*arguments)
        else:
            self._fabric.clock.after(delay_s, lambda: action(*arguments))
