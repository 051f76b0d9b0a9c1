"""What report.html promises: it stands alone, says the verdict first and hides nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from releve.report import evidence, words
from releve.report.story import tell
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
    story = tell(evidence.read(made.passing(tmp_path)))
    assert story.bands[0].start == 0.5
    assert story.length == pytest.approx(61.5)
    assert story.flip_at == pytest.approx(35.4)
    first = next(bar for bar in story.bars if bar.room == "arrival-4")
    assert (first.start, first.end) == (pytest.approx(8.5), pytest.approx(14.5))
    assert [piece.tint for piece in first.pieces] == ["none", "blue"]


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
    story = tell(evidence.read(run))
    bar = next(bar for bar in story.bars if bar.room == "held-1")
    assert [(piece.tint, round(piece.end, 1)) for piece in bar.pieces] == [
        ("blue", 40.0),
        ("green", 61.5),
    ]
    assert [(round(gap.start, 1), gap.end) for gap in bar.gaps] == [(25.8, 30.0)]
    heard = {sample.tint for sample in story.samples if sample.ms == 157.0}
    assert heard == {"blue", "green"}


def test_story_never_draws_two_open_calls_in_one_lane(tmp_path: Path) -> None:
    story = tell(evidence.read(made.passing(tmp_path)))
    for one in story.bars:
        for other in story.bars:
            if one is not other and one.lane == other.lane:
                assert one.end <= other.start or other.end <= one.start
    assert story.lanes == 3 + 3


def test_story_leaves_calls_out_when_their_place_is_not_known(tmp_path: Path) -> None:
    run = made.passing(tmp_path)
    (run / "evidence" / "run.json").unlink()
    story = tell(evidence.read(run))
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
        (words.server("v1.9.0", None, False), "wanted v1.9.0, running unknown"),
    ],
)
def test_figures_are_written_for_people(said: str, figure: str) -> None:
    assert said == figure
