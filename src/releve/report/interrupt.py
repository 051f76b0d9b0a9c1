"""Ctrl-C in a run of ansible-playbook, which Ansible reports to no callback.

Seen with ansible-core 2.19: of 160 interrupted plays three went on to their end (the exception was
raised where Python may only print it), and one hung for good while it waited for a worker that had
been killed while it held the result queue's lock.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

EXIT_CODE = 99  # ansible-playbook's own for "User interrupted execution"
PATIENCE_SECONDS = 5.0


class Interrupt:
    """Records a Ctrl-C before Ansible handles it, and makes sure that the run ends."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        """`give_up` is called in a thread if Ansible has not ended after 5 s."""
        self.seen = False
        self.gave_up = False
        self._give_up = give_up
        self._pid = os.getpid()
        self._timer: threading.Timer | None = None

    def watch(self) -> None:
        ansible = signal.getsignal(signal.SIGINT)
        if not callable(ansible):
            return

        def note(signum: int, frame: FrameType | None) -> None:
            if os.getpid() != self._pid:
                os._exit(1)  # a worker just forked, which must not act as if it were Ansible
            self.seen = True
            self._timer = threading.Timer(PATIENCE_SECONDS, self._end_it)
            self._timer.daemon = True
            self._timer.start()
            ansible(signum, frame)

        signal.signal(signal.SIGINT, note)

    def raise_if_interrupted(self) -> None:
        """Raise KeyboardInterrupt again if Ansible goes on. For the main thread only."""
        if self.seen:
            raise KeyboardInterrupt

    def cancel(self) -> None:
        """The run ended by itself: cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Ignore Ctrl-C inside, also in child processes."""
        if self.gave_up:
            yield  # in a thread, where signals cannot be set
            return
        heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, heard)

    def _end_it(self) -> None:
        self.gave_up = True
        for worker in multiprocessing.active_children():
            with suppress(OSError):
                os.killpg(worker.pid or 0, signal.SIGKILL)  # each leads a group, with its module
        try:
            self._give_up()
        finally:
            os._exit(EXIT_CODE)
