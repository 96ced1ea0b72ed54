"""The demonstration: the main job, start to end, on examples/three_tier.json.

Loads the document, shows what the rules computed for each host, sends pings and TCP between VMs on
different hosts, shows what access rules drop and that tenants never meet, moves a VM while frames
flow, and leaves the underlay's frames in a capture. Each outcome is checked against what the
document promises; `run` is False if any differs.
"""

from collections.abc import Iterator
from pathlib import Path

from attrs import define, evolve, field, frozen
from rich.console import Console
from rich.table import Table

from nvp_state.emulation import Emulation
from nvp_state.entities import Port, Switch
from nvp_state.guest import Guests
from nvp_state.network import NetworkState

HTTP, SSH, POSTGRES = 80, 22, 5432
LARGE_BYTES = 9000
PINGS = 20
MOVED, MOVED_TO, PEER = "web-1", "hv2", "app-1-front"


@frozen
class Probe:
    """A conversation, and whether the document lets it happen. `port` None is a ping."""

    source: str
    destination: str
    port: int | None
    allowed: bool
    why: str
    payload_bytes: int = 0


PROBES = (
    Probe("web-1", "web-2", None, True, "same switch, other host"),
    Probe("web-1", "app-1-front", None, True, "allowed by an access rule"),
    Probe("web-1", "app-1-front", HTTP, True, "allowed by an access rule"),
    Probe("web-2", "app-1-front", HTTP, True, f"{LARGE_BYTES} bytes in one frame", LARGE_BYTES),
    Probe("web-1", "app-1-front", SSH, False, "dropped: only HTTP may come in"),
    Probe("app-1-back", "db-1", POSTGRES, True, "allowed by an access rule"),
    Probe("db-2", "db-1", POSTGRES, False, "dropped: only the app may ask"),
    Probe("app-1-back", "db-1", None, False, "dropped: no pings to databases"),
    Probe("web-1", "app-1-back", None, True, "other switch: through acme's router"),
    Probe("web-1", "db-1", POSTGRES, False, "routed, then dropped: only the app may ask"),
    Probe("globex-web", "globex-app", None, True, "globex's own, at acme's addresses"),
    Probe("globex-app", "globex-db", POSTGRES, True, "globex's own"),
    Probe("globex-web", "globex-db", POSTGRES, False, "dropped by globex's access rule"),
)


@define
class Demo:
    """The steps, in order, each printing itself and noting what was not as promised."""

    document: Path
    capture: Path
    console: Console
    surprises: list[str] = field(factory=list)

    def run(self) -> bool:
        """Run all steps; whether everything was as promised."""
        with self.console.status("compiling the rules"):
            state = NetworkState()
        with self.console.status(f"loading {self.document}"):
            state.load(self.document)
            lab = Emulation(state)
            guests = Guests(lab)
        with lab.capture(self.capture):
            self._flows(state)
            self._conversations(guests)
            self._drop(lab, guests)
            self._isolation(lab, guests)
            self._move(lab, guests)
        self._summary()
        return not self.surprises

    def _flows(self, state: NetworkState) -> None:
        tenants = {e.tenant for e in state.entities("switch") if isinstance(e, Switch)}
        self._title(f"1. {self.document.name}: what the rules computed")
        counts = [f"{len(tenants)} tenants"]
        for kind, word in (
            ("switch", "switches"),
            ("router", "routers"),
            ("port", "ports"),
            ("acl", "access rules"),
            ("host", "hosts"),
        ):
            counts.append(f"{len(state.entities(kind))} {word}")
        universal = len(state.logical.engine["universal_flow"])
        self.console.print(f"{', '.join(counts)} -> {universal} universal flows; on the hosts:")
        table = Table("host", "VIFs", "tunnels to", "flows", "group buckets")
        physical = state.physical.engine
        for host, _, _ in sorted(physical["host"]):
            table.add_row(
                host,
                ", ".join(sorted(port for port, _, _ in physical["vif"].where(host=host))),
                ", ".join(
                    sorted(remote for _, remote, _, _ in physical["tunnel"].where(host=host))
                ),
                str(len(physical["physical_flow"].where(host=host))),
                str(len(physical["physical_bucket"].where(host=host))),
            )
        self.console.print(table)
        for _, code, text in state.warnings():
            self.console.print(f"warning\\[{code}]: {text}")

    def _conversations(self, guests: Guests) -> None:
        self._title("2. Conversations: ARP first, then real frames, both ways")
        table = Table("from", "to", "what", "outcome", "why")
        for probe in PROBES:
            what = "ping" if probe.port is None else f"TCP {probe.port}"
            if probe.port is None:
                outcome = guests.ping(probe.source, probe.destination)
            else:
                payload = bytes(probe.payload_bytes)
                outcome = guests.connect(probe.source, probe.destination, probe.port, payload)
            name = f"{what} from {probe.source} to {probe.destination}"
            self._expect(outcome.answered == probe.allowed, f"{name}: {outcome}")
            source, destination = guests.vms[probe.source], guests.vms[probe.destination]
            colour = "green" if outcome.answered else "yellow"
            table.add_row(
                f"{source.name} ({source.host})",
                f"{destination.name} ({destination.host})",
                what,
                f"[{colour}]{outcome}[/]",
                probe.why,
            )
        self.console.print(table)

    def _drop(self, lab: Emulation, guests: Guests) -> None:
        self._title("3. Why was it dropped? A trace names the flow and the rule that made it")
        frame = guests.tcp_frame("web-1", "app-1-front", SSH)
        trace = lab.trace("web-1", frame)
        for line in trace.lines():
            self.console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        self._expect(not trace.ports, "the trace of TCP 22 delivers")

    def _isolation(self, lab: Emulation, guests: Guests) -> None:
        self._title("4. Isolation: every VM to every address and to everybody")
        tenant = {e.name: e.tenant for e in lab.state.entities("switch") if isinstance(e, Switch)}
        sent = delivered = crossed = 0
        for source, frame in _everything(guests):
            sent += 1
            for delivery in lab.send(source, frame):
                delivered += 1
                ends = guests.vms[source].switch, guests.vms[delivery.port].switch
                crossed += tenant[ends[0]] != tenant[ends[1]]
        self.console.print(
            f"{sent} frames sent, {delivered} copies delivered, "
            f"[{'green' if crossed == 0 else 'red'}]{crossed} to another tenant[/]"
        )
        self._expect(crossed == 0 and delivered > 0, f"{crossed} frames crossed tenants")

    def _move(self, lab: Emulation, guests: Guests) -> None:
        vm = guests.vms[MOVED]
        self._title(f"5. {vm.name} moves from {vm.host} to {MOVED_TO} while {PEER} pings it")
        answered = 0
        for number in range(PINGS):
            if number == PINGS // 2:
                with lab.state.transaction() as tx:
                    tx.replace(evolve(vm, host=MOVED_TO))
            answered += guests.ping(PEER, MOVED).answered
        engines = {"logical": lab.state.logical.engine, "physical": lab.state.physical.engine}
        self.console.print(f"{answered} of {PINGS} pings answered. The move, in rows:")
        table = Table("controller", "", "read", "derived", "retracted", "look-ups")
        for name, engine in engines.items():
            for label, work in (
                ("the move", engine.work),
                ("from nothing", engine.recompute().work),
            ):
                counters = (work.rows_read, work.derived, work.retracted, work.probes)
                table.add_row(name, label, *(f"{counter:,}" for counter in counters))
        self.console.print(table)
        self._expect(answered == PINGS, f"{PINGS - answered} pings were lost by the move")

    def _summary(self) -> None:
        self._title("6. The underlay")
        self.console.print(
            f"{self.capture} has the STT frames of the underlay; to read it:\n"
            f"  tshark -o ip.try_heuristic_first:TRUE -r {self.capture}"
        )
        for surprise in self.surprises:
            self.console.print(f"[red]not as promised:[/] {surprise}")
        if not self.surprises:
            self.console.print("[green]Everything was as the document promises.[/]")

    def _title(self, text: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{text}", align="left")

    def _expect(self, promised: bool, otherwise: str) -> None:
        if not promised:
            self.surprises.append(otherwise)


def _everything(guests: Guests) -> Iterator[tuple[str, bytes]]:
    """From every VM: broadcasts, and unicast to every MAC and IP there is."""
    others: list[Port] = list(guests.vms.values())
    for source in guests.vms:
        for other in others:
            yield source, guests.arp_frame(source, other.name)
            yield source, guests.tcp_frame(source, other.name, HTTP)
            yield source, guests.ping_frame(source, other.name)
