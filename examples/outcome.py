"""How an example ends: its curves in a PNG, and a number that is checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PLOTS = Path(__file__).parent / "plots"


def check(what: str, value: float, limit: float) -> None:
    """Print a number, and end with exit code 1 if it is larger than its limit, or no number."""
    print(f"{what}: {value:.2g}, expected at most {limit:.2g}")
    if not value <= limit:
        raise SystemExit(1)


def plot(
    path: Path, title: str, curves: Mapping[str, Sequence[float]], y: str, x: str = "step", log: bool = False
) -> None:
    """Draw curves over their numbers, each a little thinner than the one before, so that equal ones can be seen.

    Without matplotlib there is no plot, and a line that says so.
    """
    try:
        import matplotlib
    except ImportError:
        print(f"no plot {path.name}: matplotlib is not installed, pip install matplotlib", file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for number, (label, values) in enumerate(curves.items()):
        axes.plot(values, label=label, linewidth=max(1.0, 4 - 2 * number), alpha=0.6 if number == 0 else 1)
    axes.set(title=title, xlabel=x, ylabel=y, yscale="log" if log else "linear")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    print(f"plot: {path}")
