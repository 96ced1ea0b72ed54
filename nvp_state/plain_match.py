"""Matches that are told in full: without sets by name, and without the state of connections.

Flows of tenants' tables, routing policies and quality-of-service rules have such. What could be met
in several ways is written out, a term for each: so there is a limit to how many there may be.
"""

from itertools import product
from math import prod

from attrs import evolve

from nvp_state.expression import normalise
from nvp_state.terms import Term

FLOWS_MAX = 256
_STATE = "ct_state"


def plain_terms(match: str) -> list[Term]:
    """The terms of an expression, each without clauses: a flow each."""
    return [plain for term in normalise(match) for plain in _plain(term)]


def checked_match(value: object) -> str:
    """The expression, if it is one that can be told in full.

    Raises:
        ValueError: it is not; says why.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    terms = normalise(value)
    if any(clause.sets for term in terms for clause in term.clauses):
        raise ValueError("address sets and port groups are for ACLs: write out what is in them")
    fields = {name for term in terms for name, _, _ in term.fields}
    fields |= {clause.field for term in terms for clause in term.clauses}
    if _STATE in fields:
        raise ValueError("connections are tracked elsewhere: `ct` says nothing here")
    n_flows = sum(prod(len(clause.values) for clause in term.clauses) for term in terms)
    if n_flows > FLOWS_MAX:
        raise ValueError(f"comes to {n_flows:,} flows; {FLOWS_MAX} are the most: split it")
    return value


def _plain(term: Term) -> list[Term]:
    """The term once for each way to meet its clauses."""
    found = []
    for chosen in product(*(clause.values for clause in term.clauses)):
        ports = {"inport": term.inport, "outport": term.outport}
        fields = list(term.fields)
        for clause, (value, mask) in zip(term.clauses, chosen, strict=True):
            if isinstance(value, str):
                ports[clause.field] = value
            else:
                fields.append((clause.field, value, mask))
        found.append(evolve(term, **ports, fields=tuple(fields), clauses=()))
    return found
