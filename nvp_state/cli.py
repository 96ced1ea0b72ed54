"""The command `nvp`: run a network document on simulated hosts, and ask what happens in it.

Mistakes go to standard error and make the exit status 1; a traceback is a fault of ours.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import hexdigits
from typing import Any, NoReturn

import click
from rich.console import Console

import nlog
from nvp_state.emulation import Emulation, require
from nvp_state.entities import Port
from nvp_state.errors import StateError, did_you_mean
from nvp_state.names import Names
from nvp_state.network import NetworkState
from nvp_state.origin import origin_of, rows_of

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

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
        from nvp_state.demo import Demo  # noqa: PLC0415 - needs scapy, which others do not

        kept = Demo(DEMO_DOCUMENT, capture, Console()).run()
    sys.exit(0 if kept else 1)


@main.command()
@_DOCUMENT
@_RULES
@click.option("--host", help="Only this host.")
@click.option("--switch", help="Only what names this logical switch, or a port of it.")
@click.option("--stage", help="Only flows of this stage, and no group buckets.")
@click.option("--why", is_flag=True, help="Also the rule of each, and what it rests on (slow).")
def flows(
    document: Path,
    rules: tuple[Path, ...],
    host: str | None,
    switch: str | None,
    stage: str | None,
    why: bool,
) -> None:
    """Print the flows and group buckets that rules compute for the hosts of DOCUMENT."""
    with _guard():
        state = _network(document, rules)
        names = Names(state)
        for kind, name in (("host", host), ("switch", switch)):
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
                if switch is not None and switch not in names.switches(here, entry):
                    continue
                if stage is not None and names.stage(entry) != stage:
                    continue
                click.echo(f"  {names.entry(here, entry)}")
                if why:
                    click.echo(f"      {origin_of(state, here, *rows[entry])}")


@main.command()
@_DOCUMENT
@_RULES
@click.option("--port", required=True, help="The logical port whose VM sends the frame.")
@click.option("--frame", metavar="HEX", help="The Ethernet frame, in hexadecimal.")
@click.option("--to", metavar="PORT", help="Instead of --frame: a ping to the VM at this port.")
@click.option("--tcp", type=click.IntRange(0, 0xFFFF), help="With --to: a TCP SYN to this number.")
@click.option("--arp", is_flag=True, help="With --to: an ARP request for the VM's address.")
def trace(
    document: Path,
    rules: tuple[Path, ...],
    port: str,
    frame: str | None,
    to: str | None,
    tcp: int | None,
    arp: bool,
) -> None:
    """Tell what happens to a frame: each table, the flow that hits, and the rule that made it."""
    if (frame is None) == (to is None):
        _fail("say which frame: either --frame HEX, or --to PORT with --tcp, --arp or neither")
    if (tcp is not None) + arp + (frame is not None) > 1:
        _fail("--frame, --tcp and --arp each say what is sent: give one of them")
    with _guard():
        lab = Emulation(_network(document, rules))
        content = _hex(frame) if frame is not None else _frame(lab, port, str(to), tcp, arp)
        told = lab.trace(port, content)
        if to is not None and to not in told.ports:
            _note_distance(lab.state, port, to)
        click.echo(str(told))


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
    if here != there:
        click.echo(
            f"note: {destination} is on {there}, {source} on {here}: no logical network joins them"
        )


def _frame(lab: Emulation, source: str, destination: str, tcp: int | None, arp: bool) -> bytes:
    from nvp_state.guest import Guests  # noqa: PLC0415 - needs scapy, which others do not

    guests = Guests(lab)
    if arp:
        return guests.arp_frame(source, destination)
    if tcp is not None:
        return guests.tcp_frame(source, destination, tcp)
    return guests.ping_frame(source, destination)


def _network(document: Path, rules: tuple[Path, ...]) -> NetworkState:
    state = NetworkState(rules)
    state.load(document)
    return state


@contextmanager
def _guard() -> Iterator[None]:
    """Print what the user can mend, without a traceback."""
    try:
        yield
    except (StateError, nlog.RuleError, nlog.TransactionError, OSError) as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        _fail(f"{error}: install the demonstration's libraries with `pip install 'nlog[demo]'`")


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
