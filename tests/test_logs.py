"""A line that cannot be written ends nothing."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TextIO

import pytest
import structlog

from api.logs import configure


@pytest.fixture
def configured() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@contextlib.contextmanager
def _closed() -> Iterator[TextIO]:
    stream = io.StringIO()
    stream.close()
    yield stream


@contextlib.contextmanager
def _pipe_that_nobody_reads() -> Iterator[TextIO]:
    reading, writing = os.pipe()
    os.close(reading)
    with _unbuffered(writing) as stream:
        yield stream


@contextlib.contextmanager
def _full_disk() -> Iterator[TextIO]:
    with _unbuffered(os.open("/dev/full", os.O_WRONLY)) as stream:
        yield stream


@contextlib.contextmanager
def _unbuffered(descriptor: int) -> Iterator[TextIO]:
    stream = io.TextIOWrapper(io.FileIO(descriptor, "w"), write_through=True)
    yield stream
    # What was not written is still in it, and cannot be written now either.
    with contextlib.suppress(OSError):
        stream.close()


@pytest.mark.parametrize(
    "stream",
    [
        _closed,
        _pipe_that_nobody_reads,
        pytest.param(_full_disk, marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux has /dev/full")),
    ],
)
def test_a_log_that_cannot_be_written_raises_nothing(
    stream: Callable[[], AbstractContextManager[TextIO]], configured: None
) -> None:
    with stream() as opened:
        configure("info", opened)
        for level in ("info", "warning", "error", "critical"):
            getattr(structlog.get_logger(), level)("something", of="importance")


def test_a_line_is_one_json_object_and_levels_below_the_setting_are_left_out(configured: None) -> None:
    written = io.StringIO()
    configure("warning", written)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud", endpoint="ep_1")
    [line] = written.getvalue().splitlines()
    assert '"event": "loud"' in line
    assert '"endpoint": "ep_1"' in line
