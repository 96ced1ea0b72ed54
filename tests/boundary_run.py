"""The boundary for long: mutilated rule files, and random Python values at every door.

    python -m tests.boundary_run                            # two minutes
    python -m tests.boundary_run --seconds 0 --seed 4711    # one seed again

Each seed is one visit (tests/nlog/boundary.py) and a mutilation of every rule file of the corpus
(tests/nlog/test_mutilated.py). Whatever is raised there that should not be ends the run, after the
seed is shown.
"""

import argparse
import random
import secrets
import time
from collections.abc import Sequence

from tests.nlog.boundary import visit
from tests.nlog.test_mutilated import TEXTS, answer, mutilated


def main(arguments: Sequence[str] | None = None) -> None:
    """Run."""
    parser = argparse.ArgumentParser(
        prog="boundary_run", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, metavar="NUMBER", help="the first")
    options = parser.parse_args(arguments)
    first = secrets.randbelow(10**9) if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    seed, calls, texts = first, 0, 0
    while seed == first or time.monotonic() < end:
        order = random.Random(seed)
        try:
            calls += sum(visit(order).values())
            for text in TEXTS:
                answer(mutilated(order, text))
        except BaseException:
            print(f"failed: seed {seed}", flush=True)
            raise
        seed, texts = seed + 1, texts + len(TEXTS)
    print(f"{calls} calls and {texts} rule files from seed {first}: answers and clear refusals")


if __name__ == "__main__":
    main()
