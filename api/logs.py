"""Where log lines go: one JSON object a line, and a line that cannot be written is dropped."""

import contextlib
import logging
from collections.abc import Callable
from typing import Any, TextIO

import structlog


class Lines(structlog.PrintLogger):
    """A full disk, a closed pipe or a stream that is gone ends no work: what is done matters more than what is told."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def lines_to(stream: TextIO | None) -> Callable[..., Lines]:
    """What structlog makes its loggers with; None is standard output."""

    def make(*_: Any) -> Lines:
        return Lines(stream)

    return make


def configure(level_name: str, to: TextIO | None) -> None:
    """One JSON object a line. Tracebacks are without local variables: those hold keys and bodies."""
    logging.basicConfig(level=logging.WARNING)
    structlog.configure(
        logger_factory=lines_to(to),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level_name.upper())),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
