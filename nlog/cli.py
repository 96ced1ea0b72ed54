"""The command `nlog`: check rule files, run them over facts, ask questions, ask why.

Facts are a JSON file that gives each input table its rows: `{"edge": [["a", "b"], ["b", "c"]]}`.
Mistakes go to standard error and make the exit status 1; a traceback is a fault of ours.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from nlog.compile import load
from nlog.diagnostics import RuleError, TransactionError
from nlog.runtime import Engine

Command = Callable[..., Any]

_RULES = click.argument(
    "rules", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path)
)
_FACTS = click.option(
    "--facts",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help='JSON file of input rows: {"edge": [["a", "b"]]}.',
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Check and run nlog rule files."""


@main.command()
@_RULES
def check(rules: tuple[Path, ...]) -> None:
    """Read rule files and report every mistake, or what they declare."""
    program = _guard(load, *rules)
    recursive = sum(stratum.recursive for stratum in program.strata)
    click.echo(
        f"{len(program.tables)} tables, {len(program.rules)} rules, "
        f"{len(program.strata)} strata ({recursive} recursive): no mistakes"
    )


@main.command()
@_RULES
@_FACTS
def run(rules: tuple[Path, ...], facts: Path | None) -> None:
    """Run rules over facts and print every output table."""
    engine = _guard(_engine, rules, facts)
    for table in engine.program.tables.values():
        if table.kind == "output":
            for row in sorted(engine[table.name], key=repr):
                click.echo(f"{table.name}({_values(row)})")


@main.command()
@_RULES
@_FACTS
@click.option("--table", required=True, help="The table to read.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this value.")
def query(rules: tuple[Path, ...], facts: Path | None, table: str, where: tuple[str, ...]) -> None:
    """Run rules over facts and print the rows of one table."""
    engine = _guard(_engine, rules, facts)
    view = _guard(engine.__getitem__, table)
    wanted = dict(_guard(_condition, text) for text in where)
    for row in sorted(_guard(lambda: view.where(**wanted)), key=repr):
        click.echo(f"{table}({_values(row)})")


@main.command()
@_RULES
@_FACTS
@click.option("--table", required=True, help="The table the row is in.")
@click.option("--row", required=True, metavar="JSON", help='The row, as in \'["a", "c"]\'.')
def explain(rules: tuple[Path, ...], facts: Path | None, table: str, row: str) -> None:
    """Run rules over facts and show why a row is in a table."""
    engine = _guard(_engine, rules, facts)
    values = _guard(_json, row, "--row")
    if not isinstance(values, list):
        _fail(f"--row: {row} is not a JSON list of the row's values")
    click.echo(str(_guard(engine.explain, table, _plain(values))))


def _engine(rules: tuple[Path, ...], facts: Path | None) -> Engine:
    engine = Engine(load(*rules))
    tables = _json(facts.read_text(encoding="utf-8"), str(facts)) if facts else {}
    if not isinstance(tables, dict) or not all(isinstance(rows, list) for rows in tables.values()):
        raise ValueError(f'{facts}: facts are an object of lists, such as {{"edge": [["a", "b"]]}}')
    with engine.transaction() as tx:
        for table, rows in tables.items():
            tx.insert_many(table, [_plain(row) for row in rows])
    return engine


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not JSON: {error}") from None


def _plain(value: Any) -> Any:
    """JSON's lists as tuples, as rows have them."""
    return tuple(_plain(part) for part in value) if isinstance(value, list) else value


def _condition(text: str) -> tuple[str, Any]:
    column, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--where {text}: write COLUMN=VALUE")
    try:
        return column, _plain(json.loads(value))
    except json.JSONDecodeError:
        return column, value


def _values(row: tuple[Any, ...]) -> str:
    return ", ".join(json.dumps(value, ensure_ascii=False, default=str) for value in row)


def _guard(function: Command, *arguments: Any) -> Any:
    """Call a function; what the user can mend is printed without a traceback."""
    try:
        return function(*arguments)
    except (RuleError, TransactionError, LookupError, TypeError, ValueError, OSError) as error:
        _fail(str(error.args[0]) if isinstance(error, KeyError) else str(error))


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
