"""The command `nvp`: run a network document on simulated hosts, and ask what happens in it.

Mistakes go to standard error and make the exit status 1; a traceback is a fault of ours.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import hexdigits
from typing import Any, NoReturn, Self

import click
from rich.console import Console

import nlog
from nvp_state.document import dump_document, load_document, save_document
from nvp_state.emulation import Emulation, require
from nvp_state.entities import KINDS, Entity, Host, Port
from nvp_state.errors import StateError, did_you_mean
from nvp_state.names import Names
from nvp_state.network import NetworkState
from nvp_state.origin import origin_of, rows_of

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PROGRESS_AFTER_SECONDS = 1.0
DEMO_DOCUMENT = Path("examples/three_tier.json")

_DOCUMENT: Decorator = click.argument("document", type=click.Path(path_type=Path))
_RULES: Decorator = click.option(
    "--rules", multiple=True, type=click.Path(path_type=Path), help="A policy file of your own."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Networks of tenants, computed by rules and carried by simulated switches."""


@main.command()
@click.option(
    "--capture",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("demo.pcapng"),
    show_default=True,
    help="Where the underlay's frames go.",
)
def demo(capture: Path) -> None:
    """Show the main job on examples/three_tier.json, from configuration to packets."""
    if not DEMO_DOCUMENT.exists():
        _fail(f"{DEMO_DOCUMENT} is not here: run `nvp demo` in the project's folder")
    with _guard():
        from nvp_state.demo import Demo  # noqa: PLC0415 - loads scapy, which takes a while

        kept = Demo(DEMO_DOCUMENT, capture, Console()).run()
    sys.exit(0 if kept else 1)


@main.command()
@_DOCUMENT
@_RULES
@click.option("--host", help="Only this host.")
@click.option("--switch", help="Only what names this logical switch, or a port of it.")
@click.option("--router", help="Only what names this logical router, or a port of it.")
@click.option("--stage", help="Only flows of this stage, and no group buckets.")
@click.option("--why", is_flag=True, help="Also the rule of each, and what it rests on (slow).")
def flows(
    document: Path,
    rules: tuple[Path, ...],
    host: str | None,
    switch: str | None,
    router: str | None,
    stage: str | None,
    why: bool,
) -> None:
    """Print the flows and group buckets that rules compute for the hosts of DOCUMENT."""
    with _guard():
        state = _network(document, rules)
        names = Names(state)
        for kind, name in (("host", host), ("switch", switch), ("router", router)):
            if name is not None:
                require(state, kind, name)
        stages = names.stages.values()
        if stage is not None and stage not in stages:
            hint = did_you_mean(stage, stages)
            _fail(f'stage "{stage}": does not exist; there are {", ".join(stages)}{hint}')
        for here in [host] if host else [str(entity.key) for entity in state.entities("host")]:
            click.echo(f"{here}:")
            rows = rows_of(state, here) if why else {}
            for entry in state.flows(here):
                if not {switch, router} <= {None, *names.datapaths(here, entry)}:
                    continue
                if stage is not None and names.stage(entry) != stage:
                    continue
                click.echo(f"  {names.entry(here, entry)}")
                if why:
                    click.echo(f"      {origin_of(state, here, *rows[entry])}")


@main.command()
@_DOCUMENT
@_RULES
@click.option(
    "--port",
    required=True,
    help="The logical port whose VM sends the frame; or a physical network, with --frame.",
)
@click.option("--frame", metavar="HEX", help="The Ethernet frame, in hexadecimal.")
@click.option(
    "--to",
    metavar="PORT|ADDRESS",
    help="Instead of --frame: a ping to the VM at this port, or to this IPv4 address.",
)
@click.option("--tcp", type=click.IntRange(0, 0xFFFF), help="With --to: a TCP SYN to this number.")
@click.option("--arp", is_flag=True, help="With --to: an ARP request for the VM's address.")
@click.option("--all", "everything", is_flag=True, help="Also stages that only let it pass.")
def trace(
    document: Path,
    rules: tuple[Path, ...],
    port: str,
    frame: str | None,
    to: str | None,
    tcp: int | None,
    arp: bool,
    everything: bool,
) -> None:
    """Tell what happens to a frame: each table, the flow that hits, and the rule that made it.

    The last lines say where it came out, or what dropped it.
    """
    if (frame is None) == (to is None):
        _fail(
            "say which frame: either --frame HEX, or --to PORT|ADDRESS with --tcp, --arp or neither"
        )
    if (tcp is not None) + arp + (frame is not None) > 1:
        _fail("--frame, --tcp and --arp each say what is sent: give one of them")
    with _guard():
        lab = Emulation(_network(document, rules))
        content = _hex(frame) if frame is not None else _frame(lab, port, str(to), tcp, arp)
        told = lab.trace(port, content)
        if to is not None and to not in told.ports and lab.state.record("port", to) is not None:
            _note_distance(lab.state, port, to)
        for line in told.lines(everything=everything):
            click.echo(line)


@main.command()
@_DOCUMENT
@_RULES
@click.option("--host", required=True, help="Which of DOCUMENT's hosts the switch is.")
@click.option(
    "--switch",
    required=True,
    metavar="ovs:FOLDER[,bridge=NAME][,datapath=TYPE]",
    help="The switch: an Open vSwitch by the folder of its sockets, such as /var/run/openvswitch. "
    "NAME is br-int unless you say otherwise; the bridge is made if need be, with TYPE as its "
    "datapath (netdev is the userspace one; without it, the kernel's).",
)
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
def apply(document: Path, rules: tuple[Path, ...], host: str, switch: str, dry_run: bool) -> None:
    """Give a real Open vSwitch the ports, tunnels, groups and flows of a host of DOCUMENT.

    Only differences are made, so applying again changes nothing. Flows and groups change in one
    bundle: a packet sees all of it or nothing, and a refused flow undoes the rest.

    A VIF is the interface with the logical port's name in external_ids:iface-id; where there is
    none, one of type internal is made. Tunnels are Geneve, to the other hosts' IPs. Flows that
    are not DOCUMENT's are removed from the bridge, interfaces that others attached stay.
    """
    with _guard():
        from nvp_state import openvswitch  # noqa: PLC0415 - needs ovs, which others do not

        target = openvswitch.Target.of(switch)
        with Progress() as progress:
            progress.tell(f"computing the flows of {document}")
            state = _network(document, rules)
            done = openvswitch.apply(state, host, target, dry_run=dry_run, tell=progress.tell)
    if dry_run:
        for line in done.lines():
            click.echo(line)
    counts = ", ".join(
        f"{count} {name if count > 1 else name.replace('s ', ' ')}"
        for name, count in done.counts().items()
    )
    would = "would be: " if dry_run and counts else ""
    click.echo(f"{host} on {target}: {would}{counts or 'nothing to change'}")


@main.command()
@_DOCUMENT
@_RULES
def check(document: Path, rules: tuple[Path, ...]) -> None:
    """Read DOCUMENT and say what is wrong with it, and what the rules find odd about it."""
    with _guard():
        state = _network(document, rules)
    for name, code, text in state.warnings():
        click.echo(f"warning[{code}]: {name}: {text}")
    click.echo(f"{document}: {len(state.entities('port'))} ports, no mistakes")


@main.command("import-ovn")
@click.argument("database", metavar="DB")
@click.option("--tenant", default="imported", show_default=True, help="Whose switches are.")
@click.option(
    "--hosts",
    type=click.Path(path_type=Path),
    help="A network document whose hosts are those that DB names: OVN has them elsewhere.",
)
@click.option("--to", type=click.Path(path_type=Path), help="Write the document to this file.")
def import_ovn(database: str, tenant: str, hosts: Path | None, to: Path | None) -> None:
    """Print the network of an OVN northbound database as a network document.

    DB is the unix socket of its server, such as /var/run/ovn/ovnnb_db.sock, or the file it keeps.
    What is not supported is listed on standard error, one thing a line.
    """
    with _guard():
        from nvp_state.ovn import import_northbound  # noqa: PLC0415 - needs ovs, others do not

        known = [it for it in load_document(hosts) if isinstance(it, Host)] if hosts else []
        told = import_northbound(database, tenant=tenant, hosts=known)
        NetworkState().load(told.document)
        _export(told.entities, to)
    for each in told.unsupported:
        click.echo(f"not supported: {each}", err=True)


@main.command()
@_DOCUMENT
@click.option("--to", type=click.Path(path_type=Path), help="Write it to this file, JSON or YAML.")
def export(document: Path, to: Path | None) -> None:
    """Print DOCUMENT as a state gives it back: canonical, whole, and known to be taken."""
    with _guard():
        state = NetworkState()
        state.load(document)
        _export((entity for kind in KINDS for entity in state.entities(kind)), to)


def _export(entities: Iterable[Entity], to: Path | None) -> None:
    if to is not None:
        save_document(to, entities)
    else:
        click.echo(json.dumps(dump_document(entities), indent=2, ensure_ascii=False))


def _hex(text: str) -> bytes:
    digits = "".join(text.split())
    if not digits:
        _fail("--frame: is empty; an Ethernet frame begins with two MAC addresses and a type")
    for place, digit in enumerate(digits):
        if digit not in hexdigits:
            _fail(f"--frame: {digit!r} at position {place} is not a hexadecimal digit")
    if len(digits) % 2:
        _fail(f"--frame: {len(digits)} hexadecimal digits are no whole number of bytes")
    return bytes.fromhex(digits)


def _note_distance(state: NetworkState, source: str, destination: str) -> None:
    """Say up front that two VMs are of different networks, if that is why they do not meet."""
    ports = [require(state, "port", name).entity for name in (source, destination)]
    here, there = (port.switch for port in ports if isinstance(port, Port))
    joined: dict[str, int] = dict(state.physical.engine["connected"])
    if joined[here] != joined[there]:
        click.echo(
            f"note: {destination} is on {there}, {source} on {here}: no logical network joins them"
        )


def _frame(lab: Emulation, source: str, destination: str, tcp: int | None, arp: bool) -> bytes:
    from nvp_state.guest import Guests  # noqa: PLC0415 - loads scapy, which takes a while

    guests = Guests(lab)
    if arp:
        return guests.arp_frame(source, destination)
    if tcp is not None:
        return guests.tcp_frame(source, destination, tcp)
    return guests.ping_frame(source, destination)


class Progress:
    """Says on standard error what is being done, from when it has taken a second."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._status = Console(stderr=True).status("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def tell(self, what: str) -> None:
        """Name what is done next."""
        self._status.update(f"{what} …")
        if time.monotonic() - self._start > PROGRESS_AFTER_SECONDS:
            self._status.start()


def _network(document: Path, rules: tuple[Path, ...]) -> NetworkState:
    state = NetworkState(rules)
    state.load(document)
    return state


@contextmanager
def _guard() -> Iterator[None]:
    """Print what the user can mend, without a traceback."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads has enough: click ends quietly
    except (StateError, nlog.RuleError, nlog.TransactionError, OSError) as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        extra = "openvswitch" if (error.name or "").startswith("ovs") else "demo"
        way_out = f"{sys.executable} -m pip install -e '.[{extra}]'"
        _fail(f"{error}: in the project's folder, `{way_out}` fetches what this command needs")


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
