"""junit.xml: the run, its steps, its gates and its promises as test cases for a CI system."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from releve.report.schema import Report

# Characters XML 1.0 has no way to write; a terminal's colour codes bring them in.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Case:
    suite: str
    name: str
    seconds: float | None = None
    failure: str | None = None
    skipped: str | None = None


def render(report: Report) -> bytes:
    """Returns a JUnit document (UTF-8). What was not measured is a skipped case."""
    cases = list(_cases(report))
    root = ElementTree.Element("testsuites", {"name": _clean(report.run.id), **_counts(cases)})
    for suite in dict.fromkeys(case.suite for case in cases):
        mine = [case for case in cases if case.suite == suite]
        skipped = str(sum(case.skipped is not None for case in mine))
        element = ElementTree.SubElement(
            root, "testsuite", {"name": suite, **_counts(mine), "skipped": skipped}
        )
        for case in mine:
            _add(element, case)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _counts(cases: Sequence[_Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": "0",
        "time": f"{sum(case.seconds or 0 for case in cases):.3f}",
    }


def _add(suite: ElementTree.Element, case: _Case) -> None:
    element = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"releve.{case.suite}",
        name=_clean(case.name),
        time=f"{case.seconds or 0:.3f}",
    )
    if case.failure is not None:
        ElementTree.SubElement(element, "failure", message=_clean(case.failure))
    if case.skipped is not None:
        ElementTree.SubElement(element, "skipped", message=_clean(case.skipped))


def _cases(report: Report) -> Iterator[_Case]:
    run = report.run
    ended_well = run.verdict == "pass"
    yield _Case(
        "run",
        run.verb or run.id,
        run.seconds,
        None if ended_well else run.reason or (run.verdict or "the run did not come to its end"),
    )
    for step in report.steps or ():
        yield _Case(
            "steps",
            step.name,
            step.seconds,
            (run.reason or "the step failed") if step.outcome == "failed" else None,
            "skipped" if step.outcome == "skipped" else None,
        )
    for probe in report.probes or ():
        failure = None if probe.passed else probe.reason or "the gate does not hold"
        if failure is not None and probe.evidence is not None:
            failure += f"; evidence: {probe.evidence}"
        yield _Case("gates", f"{probe.name} ({probe.colour})", None, failure)
    calls = report.calls
    for promise, count, broken in (
        ("no call is dropped", calls and calls.dropped, "calls dropped"),
        ("no room stays silent", calls and calls.without_agent, "rooms without an agent"),
        ("no room gets two agents", calls and calls.with_two_agents, "rooms with two agents"),
    ):
        yield _Case(
            "calls",
            promise,
            None,
            f"{broken}: {count}" if count else None,
            "not measured" if calls is None else None,
        )


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)
