"""The command `nvp`: run a network document on simulated hosts, and ask what happens in it.

Mistakes go to standard error and make the exit status 1; a traceback is a fault of ours.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
@click.option("--frame", required=True, metavar="HEX", help="The Ethernet frame, in hexadecimal.")
def trace(document: Path, rules: tuple[Path, ...], port: str, frame: str) -> None:
    """Tell what happens to a frame: each table, the flow that hits, and the rule that made it."""
    with _guard():
        try:
            content = bytes.fromhex(frame)
        except ValueError as error:
            _fail(f"--frame: {error}")
        click.echo(str(Emulation(_network(document, rules)).trace(port, content)))


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


def _fail(message: str) -> None:
    click.echo(message, err=True)
    sys.exit(1)
