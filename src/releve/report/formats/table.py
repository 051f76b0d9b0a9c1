"""The run as a table on the terminal, readable in 100 columns and without colours."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from releve.report.formats import words
from releve.report.schema import Calls, Probe, Report, Step

_STYLE = {
    "pass": "bold green",
    "rolled_back": "bold yellow",
    "waiting": "bold yellow",
    "failed": "bold red",
    None: "bold",
}
_OUTCOME = {"failed": "red", "skipped": "dim", "changed": "yellow", "ok": ""}


def render(report: Report, page: str) -> RenderableType:
    """The whole table; `page` is the path of report.html as the reader would type it."""
    run = report.run
    head = Text.assemble(
        (words.VERDICTS[run.verdict], _STYLE[run.verdict]),
        f"  {run.verb or 'run'} in {words.seconds(run.seconds)}" if run.seconds is not None else "",
    )
    parts: list[RenderableType] = ["", head, _facts(report, page)]
    if report.probes:
        parts += ["", _probes(report.probes)]
    if report.steps:
        parts += ["", _steps(report.steps)]
    return Group(*parts, "")


def calls_line(calls: Calls | None) -> str:
    """Calls in one line, the promise first."""
    if calls is None:
        return words.NOTHING
    return (
        f"{calls.dropped} of {calls.sentinels} dropped · {calls.opened_during_run} opened: "
        f"{calls.without_agent} without agent, {calls.with_two_agents} with two agents"
        f"{_sure(calls)} · "
        f"{words.heard(calls)}"
    )


def _sure(calls: Calls) -> str:
    most = calls.failure_rate_at_most
    return "" if most is None else f" (at most {most:.0%} fail, 95 % sure)"


def _facts(report: Report, page: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")

    def fact(name: str, text: str, style: str = "") -> None:
        table.add_row(name, Text(text, style=style))

    fact("run", report.run.id)
    if report.run.reason:
        fact("reason", report.run.reason, "red")
    versions = report.versions
    server = versions.server if versions else None
    fact(
        "server",
        words.server(server.wanted, server.running, server.substitute, server.ours)
        if server
        else words.NOTHING,
        "yellow" if server and server.substitute else "",
    )
    fact("blue", words.packages(versions.blue if versions else None))
    fact("green", words.packages(versions.green if versions else None))
    fact("harm", words.harm(report.harm))
    fact("calls", calls_line(report.calls))
    if report.calls and report.calls.held_why:
        fact("held", f"{words.times(report.calls.sentinels, 'call')}: {report.calls.held_why}")
    flip = report.flip
    fact("flip", f"{words.ms(flip.ms)} ({words.times(flip.count, 'flip')})" if flip else "–")
    fact("rollback", words.seconds(report.rollback.seconds if report.rollback else None))
    backup = report.backup
    fact(
        "backup",
        f"{backup.snapshot[:12]} · {words.size(backup.bytes)}, {words.size(backup.added_bytes)} "
        f"added · {words.seconds(backup.seconds)} · "
        f"{'verified' if backup.verified else 'NOT VERIFIED'}"
        if backup
        else words.NOTHING,
    )
    fact("report", page)
    return table


def _probes(probes: list[Probe]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("probe")
    table.add_column("colour")
    for name in ("valid", "p50", "p95", "p99", "floor", "silence"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gate", overflow="fold")
    for probe in probes:
        rtt = probe.rtt_ms
        table.add_row(
            Text(probe.name),
            Text(probe.colour, style=probe.colour),
            f"{probe.valid}/{probe.sent}",
            *(words.ms(value) for value in ((rtt.p50, rtt.p95, rtt.p99) if rtt else (None,) * 3)),
            words.ms(probe.floor_rtt_ms),
            words.ms(probe.longest_silence_ms),
            _verdict(probe),
        )
    return table


def _verdict(probe: Probe) -> Text:
    if probe.answer == "inconclusive":
        return Text(f"INCONCLUSIVE: {probe.reason or ''}", style="yellow")
    if not probe.passed:
        return Text(f"FAILED: {probe.reason or ''}", style="red")
    if probe.compared is not None and probe.compared.slower_ms is not None:
        than = words.other(probe.colour)
        return Text(f"passed, {probe.compared.slower_ms:+.0f} ms against {than}")
    return Text("passed")


def _steps(steps: list[Step]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("step", overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for step in steps:
        table.add_row(
            Text(step.name),
            words.seconds(step.seconds),
            Text(
                step.outcome.upper() if step.outcome == "failed" else step.outcome,
                style=_OUTCOME[step.outcome],
            ),
        )
    return table
