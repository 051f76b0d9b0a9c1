"""What a run's report promises: everything that was measured, nothing that was not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from typer.testing import CliRunner

from releve.report import evidence
from releve.report.build import build
from releve.report.cli import app
from releve.report.formats import table
from releve.report.journal import shorten
from releve.report.schema import Report
from releve.report.write import write
from unit import report_evidence as made


def shown(report: Report) -> str:
    """The table as a terminal of 100 columns without colours gets it."""
    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table.render(report, "var/reports/latest/report.html"))
    return capture.get()


def test_report_json_is_the_contract_and_reads_back_the_same(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    written = write(run)

    text = (run / "report.json").read_text()
    content = json.loads(text)
    assert list(content) == [
        *(
            "schema",
            "run",
            "versions",
            "harm",
            "calls",
            "flip",
            "rollback",
            "probes",
            "backup",
            "steps",
        )
    ]
    assert content["schema"] == 1
    assert content["run"] == {
        "id": run.name,
        "verb": "migrate",
        "started": "2025-06-01T10:15:00Z",
        "seconds": 62.4,
        "verdict": "pass",
        "reason": None,
    }
    assert content["calls"]["sentinels"] == 3
    assert content["calls"]["dropped"] == 0
    assert content["calls"]["opened_during_run"] == 27
    assert content["flip"] == {"ms": 0.42, "count": 1}
    assert content["rollback"] is None
    assert [probe["colour"] for probe in content["probes"]] == ["blue", "green"]
    assert content["probes"][0]["gate"] == {"valid_fraction_min": 0.95, "rtt_p95_ms_max": 200}
    assert content["probes"][0]["calls"][0]["room"] == "probe-0"
    assert content["steps"][3] == {"name": made.STEPS[3][0], "seconds": 0.6, "outcome": "changed"}
    assert Report.model_validate_json(text) == written.report


def test_without_evidence_every_part_is_null(tmp_path: Path) -> None:
    written = write(made.run_dir(tmp_path, "server-replace"))

    content = json.loads(written.report.to_json())
    run = content.pop("run")
    assert run.pop("id").endswith("-server-replace-0a1b")
    assert run.pop("verb") == "server-replace"
    assert set(run.values()) == {None}
    assert content.pop("schema") == 1
    assert set(content.values()) == {None}
    assert written.problems == []
    assert "NOT FINISHED" in shown(written.report)
    assert "NOT FINISHED" in written.page.read_text()


def test_calls_are_counted_in_the_window_of_the_run_only(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    late = {"t": made.TARGET + 62, "event": "dropped", "call": "held-0", "why": "cleaned up"}
    made.put(run, "sentinels.jsonl", [*made.sentinels(61), late])
    report = build(evidence.read(run))
    assert report.calls is not None and report.calls.dropped == 0

    made.put(run, "sentinels.jsonl", [*made.sentinels(61), late | {"t": made.TARGET + 61}])
    report = build(evidence.read(run))
    assert report.calls is not None and report.calls.dropped == 1


def test_what_an_earlier_run_left_says_nothing_about_this_one(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    earlier = [event | {"t": event["t"] - 3600} for event in made.sentinels(61)]
    made.put(run, "sentinels.jsonl", earlier)
    assert build(evidence.read(run)).calls is None


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("backup.json", "{oops", "evidence/backup.json cannot be used"),
        ("flip.json", '{"ms": -1, "count": 1}', "evidence/flip.json cannot be used: ms"),
        ("steps.jsonl", '{"name": "a"}\n', "evidence/steps.jsonl cannot be used: line 1"),
        ("sentinels.jsonl", '{"t": 1, "event": "closed"}\n', "a 'closed' event names no call"),
    ],
)
def test_bad_evidence_is_named_exits_2_and_costs_only_its_own_part(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    run = made.passing(tmp_path)
    (run / "evidence" / name).write_text(content)

    result = CliRunner().invoke(app, ["write", str(run)])

    assert result.exit_code == 2
    assert sentence in result.stderr
    parts = json.loads((run / "report.json").read_text())
    lost = {"sentinels.jsonl": "calls"}.get(name, name.split(".")[0])
    absent = {part for part, value in parts.items() if value is None}
    assert absent - {"harm"} == {lost, "rollback"}
    assert ("harm" in absent) == (lost == "calls")
    assert sentence in (run / "report.html").read_text().replace("&#39;", "'")


def test_a_last_line_cut_by_a_crash_does_not_cost_the_lines_before(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    path = run / "evidence" / "steps.jsonl"
    path.write_text(path.read_text() + '{"name": "(6/')
    found = evidence.read(run)
    assert found.problems == []
    assert found.steps is not None and len(found.steps) == len(made.STEPS)


def test_latest_points_at_the_run_written_last(tmp_path: Path) -> None:
    first, second = made.run_dir(tmp_path, "probe"), made.run_dir(tmp_path, "rollback")
    for run in (first, second):
        write(run)
    assert (tmp_path / "latest").readlink() == Path(second.name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name, "latest"]


def test_writing_again_through_latest_keeps_the_run_s_own_id(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    write(run)
    result = CliRunner().invoke(app, ["write", str(tmp_path / "latest")])
    assert result.exit_code == 0
    assert (tmp_path / "latest").resolve() == run


def test_table_says_what_happened_in_100_columns_without_colours(tmp_path: Path) -> None:
    text = shown(build(evidence.read(made.passing(tmp_path))))
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "PASS  migrate in 62 s" in text
    assert "substitute: wanted v1.9.0, running v1.8.4" in text
    assert "0 of 3 dropped · 27 opened: 0 without agent, 0 with two agents" in text
    assert "0.4 ms (1 flip)" in text
    assert "325 MB, 1.2 MB added · 8.5 s · verified" in text
    assert re.search(r"echo +green +40/40 +160 ms +178 ms +187 ms +103 ms +62 ms +passed", text)
    assert re.search(r"\(4/5\) FLIP: new calls go to green +0.6 s +changed", text)
    assert "var/reports/latest/report.html" in text


def test_table_tells_how_green_did_beside_blue(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "probe-green-compare.json", made.compare())
    text = " ".join(shown(build(evidence.read(run))).split())
    assert "passed, +12 ms against blue" in text


def test_table_of_a_rolled_back_run_names_the_gate_with_its_figure(tmp_path: Path) -> None:
    text = shown(build(evidence.read(made.rolled_back(tmp_path))))
    assert "ROLLED BACK  migrate in 38 s" in text
    assert "reason    RTT p95 is 231 ms, below 200 ms is needed" in text
    assert re.search(r"rollback +2.3 s", text)
    assert "FAILED: RTT p95 is 231 ms" in text


def test_junit_fails_what_failed_and_skips_what_was_not_measured(tmp_path: Path) -> None:
    run = made.rolled_back(tmp_path)
    (run / "evidence" / "sentinels.jsonl").unlink()
    write(run)
    root = ElementTree.parse(run / "junit.xml").getroot()  # noqa: S314 - our own file
    failed = {
        case.get("name"): case.find("failure").get("message")  # type: ignore[union-attr]
        for case in root.iter("testcase")
        if case.find("failure") is not None
    }
    reason = "RTT p95 is 231 ms, below 200 ms is needed"
    proof = "; evidence: evidence/probe-green.json"
    assert failed == {
        "migrate": reason,
        made.STEPS[2][0]: reason,
        "echo (green)": reason + proof,
    }
    assert len(root.findall("testsuite[@name='calls']/testcase/skipped")) == 3


def test_junit_is_what_ci_systems_read(tmp_path: Path) -> None:
    """The rules of junit-10.xsd, which Jenkins and pytest go by: names, and what must be there."""
    allowed = {
        "testsuites": {"name", "tests", "failures", "errors", "time"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
        "testcase": {"name", "classname", "time"},
        "failure": {"message", "type"},
        "skipped": {"message", "type"},
    }
    write(run := made.rolled_back(tmp_path))
    root = ElementTree.parse(run / "junit.xml").getroot()  # noqa: S314 - our own file
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= allowed[element.tag]
    for suite in root:
        assert set(suite.attrib) == allowed["testsuite"]
        cases = list(suite)
        assert int(suite.attrib["tests"]) == len(cases)
        for count, child in (("failures", "failure"), ("skipped", "skipped")):
            assert int(suite.attrib[count]) == sum(case.find(child) is not None for case in cases)
        assert len({case.attrib["name"] for case in cases}) == len(cases)
        assert all(re.fullmatch(r"\d+\.\d{3}", case.attrib["time"]) for case in cases)
    totals = {
        name: sum(int(suite.attrib[name]) for suite in root) for name in ("tests", "failures")
    }
    assert totals == {name: int(root.attrib[name]) for name in totals}


def test_junit_stays_xml_when_a_reason_holds_terminal_codes(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    end = {"verdict": "failed", "reason": "\x1b[31mno\x1b[0m <&>", "seconds": 1}
    made.put(run, "end.json", end)
    write(run)
    root = ElementTree.parse(run / "junit.xml").getroot()  # noqa: S314 - our own file
    failure = root.find(".//failure")
    assert failure is not None and failure.get("message") == "[31mno[0m <&>"


def test_show_prints_a_report_again(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    write(run)
    result = CliRunner().invoke(app, ["show", str(run)])
    assert result.exit_code == 0
    assert "PASS  migrate in 62 s" in result.stdout


def test_show_and_write_say_what_to_do_when_there_is_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["show", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "releve report write" in result.stderr
    result = CliRunner().invoke(app, ["write", str(tmp_path / "no")])
    assert result.exit_code == 2
    assert "is not a directory" in result.stderr


def test_a_long_reason_is_cut_before_the_file_that_proves_it() -> None:
    proof = "; evidence: evidence/probe-green-echo.json"
    assert shorten("short" + proof) == "short" + proof
    said = shorten("a gate " * 60 + "failed" + proof)
    assert len(said) == 240
    assert said.startswith("a gate a gate ")
    assert said.endswith("…" + proof)
