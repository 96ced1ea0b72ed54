"""The engine in a few lines: rows go in, what follows from them comes out, and so do changes.

python examples/reach.py
"""

from pathlib import Path

import nlog


def main() -> None:
    """Build a small map, close its circle, open it again, and ask why."""
    engine = nlog.Engine(nlog.load(Path(__file__).with_name("reach.nlog")))

    with engine.transaction() as tx:
        tx.insert("edge", ("a", "b"), ("b", "c"))
    print("reached:", *sorted(tx.changes["reach"].inserted))

    with engine.transaction() as tx:
        tx.insert("edge", ("c", "a"))
    print("no longer one-way:", *sorted(tx.changes["one_way"].deleted))

    with engine.transaction() as tx:
        tx.delete("edge", ("b", "c"))
    print("no longer reached:", *sorted(tx.changes["reach"].deleted))

    print("from c:", *sorted(dst for _, dst in engine["reach"].where(src="c")))
    print(engine.explain("reach", ("c", "b")))


if __name__ == "__main__":
    main()
