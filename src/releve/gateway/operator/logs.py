"""One JSON object per line on standard error: time, level, text, and the record's extra fields."""

from __future__ import annotations

import json
import logging
import time

from aiohttp.http_exceptions import HttpProcessingError

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


def configure() -> None:
    """Send everything from INFO up to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
