"""The floor's program, compiled by the Makefile when its sources are newer."""

import fcntl
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "floor"


def built() -> Path:
    """The program. One process at a time compiles; RuntimeError says why it could not."""
    PROGRAM.parent.mkdir(exist_ok=True)
    with PROGRAM.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["make", "--no-print-directory", str(PROGRAM.relative_to(ROOT))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the floor does not compile: {done.stdout}{done.stderr}")
    return PROGRAM
