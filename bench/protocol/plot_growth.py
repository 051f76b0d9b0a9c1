"""Draw var/bench/gateway-growth.json as docs/gateway-growth.svg."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

ROOT = Path(__file__).resolve().parents[2]
PANELS = (
    ("ms per dispatch", (("p50_ms", "p50"), ("p99_ms", "p99"), ("direct_p99_ms", "direct, p99"))),
    ("MB resident", (("memory_mb", "memory"),)),
    ("% of a core", (("core_percent", "processor"),)),
)


def main() -> None:
    grown = json.loads((ROOT / "var" / "bench" / "gateway-growth.json").read_text())
    matplotlib.rcParams["svg.hashsalt"] = "releve"
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(11, 3.2), layout="constrained")
    workers = [row["workers"] for row in grown["rows"]]
    for axis, (unit, lines) in zip(axes, PANELS, strict=True):
        for name, label in lines:
            axis.plot(workers, [row[name] for row in grown["rows"]], marker="o", label=label)
        axis.set(xscale="log", xlabel="workers", title=unit)
        if axis is axes[0]:
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.suptitle(f"The gateway at {grown['rate']} dispatches a second ({grown['machine']})")
    figure.savefig(ROOT / "docs" / "gateway-growth.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
