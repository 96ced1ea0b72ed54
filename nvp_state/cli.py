"""The command `nvp`: run a network document on simulated hosts, and ask what happens in it.

Mistakes go to standard error and make the exit status 1; a traceback is a fault of ours.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

import nlog
from nvp_state.emulation import Emulation
from nvp_state.errors import StateError
from nvp_state.network import NetworkState

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
def flows(document: Path, rules: tuple[Path, ...], host: str | None) -> None:
    """Print the flows and group buckets that rules compute for the hosts of DOCUMENT."""
    with _guard():
        state = _network(document, rules)
        names = [host] if host else [str(entity.key) for entity in state.entities("host")]
        for name in names:
            click.echo(f"{name}:")
            for entry in state.flows(name):
                click.echo(f"  {entry}")


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
    with _guard():
        lab = Emulation(_network(document, rules))
        content = _hex(frame) if frame is not None else _frame(lab, port, str(to), tcp, arp)
        click.echo(str(lab.trace(port, content)))


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
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        _fail(f"--frame: {error}")


def _frame(lab: Emulation, source: str, destination: str, tcp: int | None, arp: bool) -> bytes:
    from nvp_state.guest import Guests  # noqa: PLC0415 - needs scapy, which others do not

    guests = Guests(lab)
    for name in (source, destination):
        if name not in guests.vms:
            _fail(f'port "{name}": there is no VM with an IP address on a host')
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
    except (StateError, nlog.RuleError, OSError) as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        _fail(f"{error}: install the demonstration's libraries with `pip install 'nlog[demo]'`")


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
