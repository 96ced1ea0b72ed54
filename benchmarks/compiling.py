"""From source text to a running engine: how long 200 rules take.

    .venv/bin/python benchmarks/compiling.py [rules]

The rules are those of the network workload again and again, each time over the tables of the time
before, so that strata, plans and indexes are as many as in a program of that size.
"""

import statistics
import sys
import time

import nlog

PART = """
table host_ls{n}(h: int, s: int)
table needs{n}(h: int, s: int)
table lport{m}(p: int, s: int, m: int)
output table tunnel{n}(a: int, b: int)
output table drop_flow{n}(h: int, s: int)
host_ls{n}(h, s) :- vif(p, h), lport{n}(p, s, _).
needs{n}(h, t) :- host_ls{n}(h, s), rport(r, s), rport(r, t).
tunnel{n}(a, b) :- needs{n}(a, s), host_ls{n}(b, s), a != b.
drop_flow{n}(h, s) :- needs{n}(h, s), not allowed(s).
lport{m}(p, s, m) :- lport{n}(p, s, m), needs{n}(h, s), vif(p, h).
"""


def source(rules: int) -> str:
    """A program of so many rules, a multiple of five."""
    lines = [
        "input table lport0(p: int, s: int, m: int)",
        "input table vif(p: int, h: int)",
        "input table rport(r: int, s: int)",
        "input table allowed(s: int)",
    ]
    return "\n".join(lines) + "".join(
        PART.replace("{n}", str(part)).replace("{m}", str(part + 1)) for part in range(rules // 5)
    )


def compile_s(rules: int, rounds: int = 5) -> float:
    """The median time from the text to an engine."""
    text = source(rules)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        nlog.Engine(nlog.parse(text))
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{count} rules: {compile_s(count) * 1e3:.0f} ms")
