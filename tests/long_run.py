"""The long random run: many programs, long histories, and no difference anywhere.

    python -m tests.long_run                            # 250 programs, 12 events each
    python -m tests.long_run --programs 1 --seed 4711   # one of them again

Every program has a seed of its own, which counts up from the first. After every event, which is a
transaction or a change of the rules, each table is compared with the naive evaluator's, and now and
then with an engine computed anew and with clingo (see tests/engine/trial.py). The first failure
ends the run, is taken apart to the smallest that still fails, and gives the exit status 1. Cost:
about 0.05 s a program; a failure takes longer to shrink.
"""

import argparse
import secrets
import sys
import time
from collections.abc import Sequence

from tests.engine.trial import TrialError, run_seed

SHOW_EVERY_S = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and return the exit status."""
    parser = argparse.ArgumentParser(prog="long_run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--programs", type=int, default=250, metavar="COUNT")
    parser.add_argument("--events", type=int, default=12, metavar="COUNT")
    parser.add_argument("--seed", type=int, metavar="NUMBER", help="of the first program")
    options = parser.parse_args(arguments)
    first = secrets.randbelow(10**9) if options.seed is None else options.seed
    print(f"{options.programs} programs from seed {first}", flush=True)
    shown = time.monotonic()
    for number in range(options.programs):
        try:
            run_seed(first + number, options.events)
        except TrialError as error:
            print(f"\n{error}\n\nfailed: seed {first + number}", file=sys.stderr)
            return 1
        if time.monotonic() - shown > SHOW_EVERY_S:
            shown = time.monotonic()
            print(f"  {number + 1} programs, seed {first + number}", flush=True)
    count = options.programs * options.events
    print(f"{count} events over {options.programs} programs: engine = reference = clingo")
    return 0


if __name__ == "__main__":
    sys.exit(main())
