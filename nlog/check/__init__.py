"""The checker: syntax trees to a checked program, one pass a file.

`declare` collects records and tables and says which file sees them (scopes.py) and whether their
modifiers make sense (modifiers.py); `check_rule` resolves and types a rule, `ground` sees that its
variables are bound, `stratify` orders the tables. Each reports every mistake it finds.
`warnings` has what is no mistake, but looks like one.
"""

from nlog.check.declarations import Declarations, declare
from nlog.check.grounding import ground
from nlog.check.rules import check_rule
from nlog.check.strata import stratify
from nlog.check.warnings import warnings

__all__ = ["Declarations", "check_rule", "declare", "ground", "stratify", "warnings"]
