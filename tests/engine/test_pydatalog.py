"""A third voice: pyDatalog, which shares nothing with us, on the programs that its language has.

Random plain programs (numbers and texts, joins, constants, wildcards, `!=`, negation, recursion)
are told to pyDatalog in its own words, together with random inputs, and all three must agree: the
engine, after a history of transactions that led to these inputs, the naive evaluator, and
pyDatalog. It resolves goals top down and does not end on every recursion that is well founded
(0.22.4, right-recursive rules over cyclic data), and takes long over others, so it is only given
rules with at most one atom of their own stratum, told first, and some seconds of processor time.
Where it has no answer within them, the next program is put to it.
"""

import multiprocessing
import random
import resource
from collections.abc import Iterator
from itertools import islice

import pytest
from pyDatalog import pyDatalog

import nlog
from nlog.engine import reference
from nlog.program import Apply, Assign, Atom, Const, Filter, Program, Rule, Term, Var
from tests.engine.histories import State
from tests.engine.programs import RandomProgram, random_program, random_row
from tests.engine.trial import contents

SEEDS = range(100)
STATES = 4  # of each program's history
LIMIT_S = 3
FORK = multiprocessing.get_context("fork")
PROGRAMS_MAX = 8  # put to it for each seed


def ask_within_limit(program: Program, inputs: State) -> State | None:
    """What `ask` says, in a process of its own; None if it takes longer than LIMIT_S of CPU.

    Only a process can be ended for sure: pyDatalog catches what is raised within it.
    """
    here, there = FORK.Pipe(duplex=False)

    def answer() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        there.send(ask(program, inputs))

    process = FORK.Process(target=answer)
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        return None
    finally:
        here.close()
        process.join()


def is_within_reach(program: Program) -> bool:
    return all(
        sum(atom.table in stratum.tables for atom in rule.atoms) <= 1
        for stratum in program.strata
        for rule in program.rules
        if rule.head in stratum.tables
    )


def programs_within_reach(seed: int) -> Iterator[tuple[RandomProgram, Program, random.Random]]:
    """Programs that pyDatalog can be asked about, from a seed on."""
    order = random.Random(f"pyDatalog {seed}")
    while True:
        shape = random_program(order, plain=True)
        program = nlog.parse(shape.text)
        if is_within_reach(program):
            yield shape, program, random.Random(order.random())


def ask(program: Program, inputs: State) -> State:
    """What pyDatalog makes of the program and its inputs."""
    pyDatalog.clear()
    told = []
    for table in program.tables.values():
        nothing = ", ".join("0" for _ in table.columns)
        told += [f"+ {table.name}({nothing})", f"- {table.name}({nothing})"]
    for name, rows in inputs.items():
        told += [f"+ {name}({', '.join(map(repr, row))})" for row in rows]
    told += [tell(program, rule) for rule in program.rules]
    pyDatalog.load("\n".join(told))
    found = {}
    for table in program.tables.values():
        goal = ", ".join(f"X{place}" for place in range(len(table.columns)))
        answer = pyDatalog.ask(f"{table.name}({goal})")
        found[table.name] = frozenset(answer.answers if answer else ())
    return found


def tell(program: Program, rule: Rule) -> str:
    """A rule in pyDatalog's words: its own stratum first, what only tests last."""
    stratum = next(stratum for stratum in program.strata if rule.head in stratum.tables)
    fresh = iter(range(1000))

    def text(term: Term) -> str:
        if term is None:
            return f"W{next(fresh)}"
        return term.name.upper() if isinstance(term, Var) else repr(term.value)

    def said(atom: Atom) -> str:
        call = f"{atom.table}({', '.join(map(text, atom.terms))})"
        return f"~({call})" if atom.negated else call

    own = [said(a) for a in rule.atoms if a.table in stratum.tables]
    positive = [said(a) for a in rule.atoms if not a.negated and a.table not in stratum.tables]
    negative = [said(a) for a in rule.atoms if a.negated]
    tests = []
    for literal in rule.body:
        assert not isinstance(literal, Assign)
        if isinstance(literal, Filter):
            assert isinstance(literal.condition, Apply)
            assert literal.condition.function == "ne"
            left, right = literal.condition.arguments
            assert isinstance(left, Var | Const)
            assert isinstance(right, Var | Const)
            tests.append(f"({text(left)} != {text(right)})")
    head_terms = [term for term in rule.arguments if isinstance(term, Var | Const)]
    head = f"{rule.head}({', '.join(map(text, head_terms))})"
    body = [*own, *positive, *tests, *negative]
    return f"{head} <= {' & '.join(body)}" if body else f"+ {head}"


def agreed_states(shape: RandomProgram, program: Program, order: random.Random) -> int:
    """The states of a history on which all three agreed; it ends early without an answer."""
    engine = nlog.Engine(program)
    for state in range(STATES):
        with engine.transaction() as tx:
            for table in shape.inputs:
                tx.insert_many(table.name, [random_row(order, table) for _ in range(4)])
                tx.delete_many(table.name, [random_row(order, table) for _ in range(4)])
        inputs = {table.name: frozenset(engine[table.name]) for table in shape.inputs}
        told = ask_within_limit(program, inputs)
        if told is None:
            return state
        assert told == reference.evaluate(program, inputs)
        assert told == contents(engine)
    return STATES


@pytest.mark.parametrize("seed", SEEDS)
def test_three_voices_agree(seed: int):
    agreed = 0
    for chosen in islice(programs_within_reach(seed), PROGRAMS_MAX):
        agreed += agreed_states(*chosen)
        if agreed >= STATES:
            break
    assert agreed >= STATES, f"pyDatalog answers for {agreed} states of {PROGRAMS_MAX} programs"


def test_the_programs_asked_about_have_recursion_and_negation():
    programs = [next(programs_within_reach(seed))[1] for seed in SEEDS]
    assert len(SEEDS) * STATES >= 400
    assert sum(any(s.recursive for s in p.strata) for p in programs) > 15
    assert sum(any(a.negated for r in p.rules for a in r.atoms) for p in programs) > 15


def test_pydatalog_is_heard():
    """It must be possible for it to disagree."""
    text = "input table e(a: int, b: int)\ntable r(a: int, b: int)\nr(a, b) :- e(a, b).\n"
    program = nlog.parse(text + "r(a, c) :- r(a, b), e(b, c).\n")
    inputs: State = {"e": frozenset({(1, 2), (2, 1)})}
    assert ask_within_limit(program, inputs) == reference.evaluate(program, inputs)
    assert ask_within_limit(nlog.parse(text), inputs) != reference.evaluate(program, inputs)
