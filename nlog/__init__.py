"""nlog: an incremental Datalog engine.

    program = nlog.load("reach.nlog")
    engine = nlog.Engine(program)
    with engine.transaction() as tx:
        tx.insert("edge", ("a", "b"), ("b", "c"))
    tx.changes["reach"].inserted

Rules are checked when they are loaded (`RuleError` has every mistake, with its place and the way
out); a transaction that cannot be done is rolled back (`TransactionError`). docs/language.md
is the language's reference.
"""

from nlog.changes import Changes, Delta
from nlog.compile import load, parse
from nlog.diagnostics import Diagnostic, RuleError, TransactionError
from nlog.explain import Derivation
from nlog.profile import Profile, RuleProfile, TableProfile
from nlog.program import Program
from nlog.python_functions import Function, function, ip4, ip6, mac, prefix
from nlog.refusals import ConstraintError, Limits
from nlog.runtime import Engine, Work
from nlog.tables import Snapshot, TableView
from nlog.transaction import Transaction, publish

__all__ = [
    "Changes",
    "ConstraintError",
    "Delta",
    "Derivation",
    "Diagnostic",
    "Engine",
    "Function",
    "Limits",
    "Profile",
    "Program",
    "RuleError",
    "RuleProfile",
    "Snapshot",
    "TableProfile",
    "TableView",
    "Transaction",
    "TransactionError",
    "Work",
    "function",
    "ip4",
    "ip6",
    "load",
    "mac",
    "parse",
    "prefix",
    "publish",
]
