"""The boundary for long: mutilated rule files, random Python values at every door, falsified plans.

    python -m tests.boundary_run                            # two minutes of its own time
    python -m tests.boundary_run --seconds 0 --seed 4711    # one seed again

Each seed is one visit (tests/nlog/boundary.py), a mutilation of every rule file of the corpus
(tests/nlog/test_mutilated.py), and PLANS falsified plans (tests/nlog/falsified.py). Whatever is
raised there that should not be ends the run, after the seed is shown. The seed at hand is always
the last thing on stderr, for should the process go down, that is where to begin: faulthandler then
tells where it was.
"""

import argparse
import faulthandler
import random
import secrets
import sys
import time
from collections.abc import Sequence

from tests.nlog import falsified
from tests.nlog.boundary import visit
from tests.nlog.test_mutilated import TEXTS, answer, mutilated

PLANS = 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Run."""
    parser = argparse.ArgumentParser(
        prog="boundary_run", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="how long, of the processor's own time (120)"
    )
    parser.add_argument("--seed", type=int, metavar="NUMBER", help="the first")
    options = parser.parse_args(arguments)
    first = secrets.randbelow(10**9) if options.seed is None else options.seed
    begin = time.process_time()
    seed, calls, texts, plans = first, 0, 0, 0
    while seed == first or time.process_time() - begin < options.seconds:
        print(f"\rseed {seed} ", end="", file=sys.stderr, flush=True)
        order = random.Random(seed)
        try:
            calls += sum(visit(order).values())
            for text in TEXTS:
                answer(mutilated(order, text))
            for _ in range(PLANS):
                falsified.visit(order)
        except BaseException:
            print(f"\nfailed: seed {seed}", flush=True)
            raise
        seed, texts, plans = seed + 1, texts + len(TEXTS), plans + PLANS
    done = f"{calls} calls, {texts} rule files and {plans} plans"
    spent = time.process_time() - begin
    print(f"\n{done}, from seed {first}: answers and clear refusals, in {spent:.0f} s")


if __name__ == "__main__":
    faulthandler.enable()
    main()
