"""One JSON object per line on standard error: time, level, text, and the record's extra fields.

Lines are written by a thread of their own. Who reads standard error (an engine's log driver) may
stop reading: then lines are dropped and counted, and nothing else waits.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import threading
import time
from collections.abc import Iterable

from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

STANDARD_ERROR = 2
LINES_WAITING = 2000
"""Lines kept for a reader that is slow; those that do not fit are dropped."""
END_SECONDS = 1.0
"""At its end the process waits so long for lines to be written."""

_PLAIN = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record with its `extra` fields; times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; exceptions stay readable inside it."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _PLAIN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class NoStrangersBytes(logging.Filter):
    """What is no HTTP is told without its bytes: they may hold a token, and be as long as they
    like."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record stays, such a one without its exception."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.exc_info = None
        return True


http = logging.getLogger("releve.gateway.http")
"""For aiohttp's servers."""
http.addFilter(NoStrangersBytes())


class LineWriter(logging.Handler):
    """Writes formatted records to a file descriptor without making anybody wait."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.dropped = 0
        self._told = 0
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes] = queue.Queue(LINES_WAITING)
        # No file object: the interpreter would wait at its end for the lock of one that is stuck.
        threading.Thread(target=self._write_all, name="log lines", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the line to the thread, or drop it."""
        try:
            if self.dropped > self._told:
                self._put(self._about(self.dropped - self._told))
                self._told = self.dropped
            self._put(record)
        except queue.Full:
            self.dropped += 1

    def drain(self, seconds: float = END_SECONDS) -> None:
        """Wait until all is written, or so long."""
        until = time.monotonic() + seconds
        while self._lines.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)

    def _put(self, record: logging.LogRecord) -> None:
        self._lines.put_nowait((self.format(record) + "\n").encode(errors="replace"))

    def _about(self, lines: int) -> logging.LogRecord:
        record = logging.LogRecord(__name__, logging.WARNING, "", 0, "log lines dropped", (), None)
        record.lines = lines
        return record

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            try:
                self._write(line)
            except OSError:
                self.dropped += 1  # nobody reads any more, and there is nowhere to say so
            finally:
                self._lines.task_done()

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:  # whoever shares the descriptor has made it so
                select.select([], [self._descriptor], [])


class DroppedLines(Collector):
    """How many lines were dropped, for Prometheus."""

    def collect(self) -> Iterable[Metric]:
        """One counter."""
        family = CounterMetricFamily("releve_log_lines_dropped", "Log lines that nobody read")
        family.add_metric([], sum(writer.dropped for writer in _writers()))
        yield family


def _writers() -> list[LineWriter]:
    return [item for item in logging.getLogger().handlers if isinstance(item, LineWriter)]


def configure() -> None:
    """Send everything from INFO up to standard error."""
    handler = LineWriter(STANDARD_ERROR)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def drain() -> None:
    """Wait a moment for the last lines."""
    for writer in _writers():
        writer.drain()
