"""What report.html promises: it stands alone, says the verdict first and hides nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from releve.browser import CHROMIUM, browsing
from releve.probe.judgement import gates
from releve.report import evidence
from releve.report.formats import words
from releve.report.formats.timeline import place
from releve.report.write import write
from unit import report_evidence as made

Builder = Callable[[Path], Path]


class Page(HTMLParser):
    """Collects the text a person sees, and checks that what is opened is closed."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(markup)
        self.close()
        self.text = " ".join(" ".join(self.seen).split())

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """An SVG element without content."""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.seen.append(data)


@pytest.mark.parametrize("build", [made.passing, made.rolled_back, made.run_dir])
def test_page_stands_alone_and_is_whole(tmp_path: Path, build: Builder) -> None:
    markup = write(build(tmp_path)).page.read_text()
    page = Page(markup)
    assert page.open == []
    assert not re.search(r"https?:|//|<script|url\(|@import", markup)
    assert not re.search(r"undefined|None|nan|Infinity|&lt;|{{|{%", markup)
    # Positions are percentages of the axis: nothing is drawn off it.
    assert all(0 <= float(x) <= 100 for x in re.findall(r'x[12]?="([\d.-]+)%"', markup))


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("build", [made.passing, made.rolled_back])
async def test_page_opens_from_disk_at_any_width_in_light_and_dark(
    tmp_path: Path, build: Builder
) -> None:
    run = build(tmp_path)
    made.put(run, "probe-green-compare.json", made.compare())
    paper = set()
    async with browsing(write(run).page.as_uri(), tmp_path / "browser") as tab:
        for width, scheme in ((400, "light"), (400, "dark"), (1000, "dark")):
            dark = [{"name": "prefers-color-scheme", "value": scheme}]
            await tab.call("Emulation.setEmulatedMedia", features=dark)
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": True}
            await tab.call("Emulation.setDeviceMetricsOverride", **size)
            assert await tab.js("document.documentElement.scrollWidth") <= width
            paper.add(await tab.js("getComputedStyle(document.body).backgroundColor"))
        assert len(paper) == 2
        assert tab.complaints == []


def test_verdict_comes_first_then_the_reason(tmp_path: Path) -> None:
    text = Page(write(made.rolled_back(tmp_path)).page.read_text()).text
    verdict = text.index("ROLLED BACK", text.index("Relève"))
    assert verdict < text.index("RTT p95 is 231 ms, below 200 ms is needed", verdict)
    assert text.index("Failures") < text.index("media_probe : the gate holds (demo)")


def test_page_says_that_the_server_is_a_substitute(tmp_path: Path) -> None:
    text = Page(write(made.passing(tmp_path)).page.read_text()).text
    assert "substitute: wanted v1.9.0, running v1.8.4" in text
    assert "Red line: the limit, 200 ms" in text
    assert "the floor, 103 ms" in text


def test_page_and_table_say_that_a_server_is_not_the_stacks_own(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    versions = {"wanted": "v1.9.0", "running": "v1.13.5", "substitute": False, "ours": False}
    made.put(run, "versions.json", {"server": versions, "blue": {}, "green": {}})
    text = Page(write(run).page.read_text()).text
    assert "v1.13.5 not of this stack: neither pinned nor in the backup" in " ".join(text.split())
    assert "wanted v1.9.0" not in text
    assert words.server(**versions) == (
        "v1.13.5, not of this stack: neither pinned nor in the backup"
    )


def test_evidence_cannot_put_markup_into_the_page(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    evil = "<script>alert(1)</script>"
    made.put(run, "end.json", {"verdict": "failed", "reason": evil, "seconds": 1.0})
    made.put(
        run, "sentinels.jsonl", [{"t": made.TARGET, "event": "open", "call": evil, "kind": "held"}]
    )
    markup = write(run).page.read_text()
    assert "<script" not in markup
    assert evil in Page(markup).text


def test_story_puts_both_clocks_on_one_axis(tmp_path: Path) -> None:
    """The first step begins half a second after run.json was written, and that is on the axis."""
    story = place(evidence.read(made.passing(tmp_path)))
    assert story.bands[0].start == 0.5
    assert story.length == pytest.approx(61.5)
    assert story.flip_at == pytest.approx(35.4)
    first = next(bar for bar in story.bars if bar.room == "arrival-4")
    assert (first.start, first.end) == (pytest.approx(8.5), pytest.approx(14.5))
    assert [segment.tint for segment in first.segments] == ["none", "blue"]


def test_story_shows_a_handover_as_two_colours_and_silence_where_it_was(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "sentinels.jsonl", made.sentinels(61, silence_ms=4200))
    job = {"worker": "w", "state": "ended", "room": "held-1"}
    t = made.TARGET
    made.put(
        run,
        "jobs.json",
        [
            job | {"job": "a", "colour": "blue", "started": t - 5, "ended": t + 40},
            job | {"job": "b", "colour": "green", "started": t + 40, "ended": None},
        ],
    )
    story = place(evidence.read(run))
    bar = next(bar for bar in story.bars if bar.room == "held-1")
    assert [(segment.tint, round(segment.end, 1)) for segment in bar.segments] == [
        ("blue", 40.0),
        ("green", 61.5),
    ]
    assert [(round(gap.start, 1), gap.end) for gap in bar.gaps] == [(25.8, 30.0)]
    heard = {sample.tint for sample in story.samples if sample.ms == 157.0}
    assert heard == {"blue", "green"}


def test_story_shows_the_calls_that_a_soak_held(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    t = made.TARGET
    events = [
        {"t": t + 3, "event": "open", "call": "soak-1", "kind": "held"},
        {"t": t + 4, "event": "memory", "bytes": 200_000_000},
        {"t": t + 9, "event": "rtt", "call": "soak-1", "ms": [133.0], "said": 1},
        {"t": t + 33, "event": "closed", "call": "soak-1"},
    ]
    made.put(run, "soak-green.jsonl", events)
    jobs = json.loads((run / "evidence" / "jobs.json").read_text())
    job = jobs[0] | {"job": "s", "room": "soak-1", "colour": "green"}
    made.put(run, "jobs.json", [*jobs, job | {"started": t + 3.5, "ended": t + 33}])
    found = evidence.read(run)
    story = place(found)
    bar = next(bar for bar in story.bars if bar.room == "soak-1")
    assert (bar.start, bar.end) == (pytest.approx(3), pytest.approx(33))
    assert [(s.at, s.tint) for s in story.samples if s.ms == 133.0] == [(pytest.approx(9), "green")]
    calls = write(run).report.calls
    assert calls is not None
    assert calls.sentinels == 3, "the sentinels' alone"


def test_story_never_draws_two_open_calls_in_one_lane(tmp_path: Path) -> None:
    story = place(evidence.read(made.passing(tmp_path)))
    for one in story.bars:
        for other in story.bars:
            if one is not other and one.lane == other.lane:
                assert one.end <= other.start or other.end <= one.start
    assert story.lanes == 3 + 3


def test_story_leaves_calls_out_when_their_place_is_not_known(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    (run / "evidence" / "run.json").unlink()
    story = place(evidence.read(run))
    assert len(story.bands) == len(made.STEPS)
    assert (story.bars, story.samples, story.flip_at) == ([], [], None)


@pytest.mark.parametrize(
    ("said", "figure"),
    [
        (words.ms(None), "–"),
        (words.ms(0.42), "0.4 ms"),
        (words.ms(153.6), "154 ms"),
        (words.ms(12_300), "12 s"),
        (words.seconds(4.21), "4.2 s"),
        (words.seconds(82.6), "83 s"),
        (words.seconds(725), "12 min 5 s"),
        (words.seconds(3840), "1 h 4 min"),
        (words.size(812), "812 B"),
        (words.size(1_200_000_000), "1.2 GB"),
        (words.size(999_999), "1.0 MB"),
        (words.server("v1.9.0", "v1.9.0", False), "v1.9.0"),
        (words.figure(0.97619), "0.9762"),
        (words.figure(153.42, " ms"), "153.4 ms"),
        (words.figure(10_000.0, " ms"), "10000 ms"),
        (words.figure(None, " ms"), "–"),
        (words.server("v1.9.0", None, False), "wanted v1.9.0, running unknown"),
    ],
)
def test_figures_are_written_for_people(said: str, figure: str) -> None:
    assert said == figure


def test_what_connect_and_soak_measured_is_on_the_page_and_in_junit(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "probe-green-connect.json", made.connect("green", passed=False))
    made.put(run, "probe-green-soak.json", made.soak("green"))
    written = write(run)
    text = Page(written.page.read_text()).text
    assert "join p50 0.20 s, p95 0.31 s, max 0.40 s" in text
    assert "the probe took 6% of a core per call" in text
    assert "drift -0.20 ms/min (-0.90 to 0.40, by chance 43%)" in text
    assert "memory 201 MB to 203 MB, 1.10 MB/min (0.70 to 1.40, by chance < 1%)" in text
    junit = (run / "junit.xml").read_text()
    assert 'name="connect (green)"' in junit
    assert "no agent came within 10 s of opening releve-connect-1" in junit
    assert 'name="soak (green)"' in junit


def test_green_is_drawn_beside_the_blue_it_was_compared_with(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "probe-green-compare.json", made.compare())
    text = Page(write(run).page.read_text()).text
    assert "compare · green p50 162 ms, p95 180 ms" in text
    assert "compare · blue p50 150 ms, p95 168 ms" in text
    assert "+12 ms against blue (+4 to +19 ms)" in text


def test_every_gate_is_a_row_with_figure_limit_and_evidence(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "probe-green-compare.json", made.compare(70.0))
    markup = write(run).page.read_text()
    assert '<a href="evidence/probe-green-compare.json">compare · green</a>' in markup
    text = Page(markup).text
    gate = gates.of("compare")[0]
    row = f"{gate.metric} {gate.reason} compare · green 70 ms at most {gate.limit:g} ms failed"
    assert row in text
    assert "dropped no call may be cut by us calls 0 at most 0 holds" in text


def test_the_end_of_a_log_that_was_kept_is_on_the_page(tmp_path: Path) -> None:
    run = made.rolled_back(tmp_path)
    lines = [f"<line {n}>" for n in range(300)]
    (run / "evidence" / "green.log").write_text("\n".join(lines))
    text = Page(write(run).page.read_text()).text
    assert "Last lines of green" in text
    assert "<line 299>" in text
    assert "<line 9>" not in text


def test_what_webrtc_counted_is_on_the_page_and_in_the_report(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "probe-green.json", made.echo_told_by_webrtc("green"))
    written = write(run)
    text = Page(written.page.read_text()).text
    heard = "heard: jitter 2.3 ms, 4 of 900 packets lost, 1.2% concealed in 7 pieces"
    assert f"{heard} said: jitter 0.2 ms, 0 of 910 packets lost" in text
    told = [probe.webrtc for probe in written.report.probes or []]
    assert told[0] is None
    assert told[1] is not None
    assert told[1].heard is not None
    assert told[1].heard.concealments == 7


def test_how_many_calls_were_held_is_on_the_page(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "probe-green-load.json", made.load("green"))
    text = Page(write(run).page.read_text()).text
    assert "6 calls held at once at 8 calls: RTT p95 is 231 ms, below 200 ms is needed" in text
    assert "the host spent 0.11 cores on each and 64 MB" in text


def test_what_became_of_a_caller_with_a_bad_network_is_on_the_page(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    made.put(run, "probe-green-network.json", made.network("green"))
    text = Page(write(run).page.read_text()).text
    assert "TURN: not offered" in text
    assert "no UDP: prflx tcp, heard after 1.2 s" in text


def test_a_run_that_only_joined_calls_has_no_empty_plot(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path, "probe")
    made.put(run, "probe-green-connect.json", made.connect("green"))
    markup = write(run).page.read_text()
    assert "Distribution of round trips" not in markup
    assert "connect" in Page(markup).text
