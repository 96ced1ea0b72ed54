"""Frames and packets of all kinds, for long, to all that reads them: nothing raises, nothing hangs.

    python -m tests.frames_run                            # two minutes
    python -m tests.frames_run --seconds 0 --seed 4711    # one seed again

Seconds are of processor time, so that a busy machine is not taken for a hang. Each seed is one
batch (tests/vswitch_sim/fuzzing.py). Whatever is raised ends the run, after the seed is shown; so
does a batch that takes longer than any should.
"""

import argparse
import secrets
import signal
import time
from collections.abc import Sequence
from types import FrameType

from tests.vswitch_sim.fuzzing import visit

BATCH_S_MAX = 60


def _hangs(_: int, __: FrameType | None) -> None:
    raise TimeoutError(f"a batch took more than {BATCH_S_MAX} s of processor time")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="frames_run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, metavar="NUMBER", help="the first")
    options = parser.parse_args(arguments)
    first = secrets.randbelow(10**9) if options.seed is None else options.seed
    signal.signal(signal.SIGPROF, _hangs)
    print(f"first seed {first}", flush=True)
    end_s = time.process_time() + options.seconds
    seed, fed, longest_s = first, 0, 0.0
    while seed == first or time.process_time() < end_s:
        begin_s = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, BATCH_S_MAX)
        try:
            fed += visit(seed)
        except BaseException:
            print(f"failed: seed {seed}", flush=True)
            raise
        longest_s = max(longest_s, time.process_time() - begin_s)
        seed += 1
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(
        f"{fed:,} frames and packets, seeds {first} to {seed - 1}, {time.process_time():.0f} s: "
        f"nothing raised, nothing hung; the longest batch took {longest_s:.2f} s"
    )


if __name__ == "__main__":
    main()
