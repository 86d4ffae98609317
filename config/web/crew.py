"""A few threads for short requests: mostly one of them is awake, with many requests under way.

A request that writes waits most of its time for a commit that it shares with others (group commit). Threads that
sleep meanwhile have to be many, and many that are awake hand the interpreter's lock around, which cost more than the
requests did. So a request is a greenlet of its thread: where it waits for a ``Flag`` the thread goes on with another
request.

For anything else a request blocks its thread, and every greenlet the thread has begun. So a crew is for requests that
do little else (``config.web.rsgi`` selects them). One thread at a time begins new requests; if it has begun nothing for
``PATIENCE`` seconds although something waits, another thread takes over, and the first finishes what it has begun.
"""

import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

import structlog
from greenlet import getcurrent, greenlet

PATIENCE = 0.001  # seconds
MOST = 1024  # requests under way: each has a stack of its own

Work = Callable[[], object]

log = structlog.get_logger("waypost.web")
_here = threading.local()


class Crew:
    """So many threads. ``put`` is for the loop's own thread."""

    def __init__(self, threads: int, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._new: deque[Work] = deque()
        self._begun = self._seen = self._under_way = 0
        self._is_watched = False
        self._resting: list[Hand] = []
        self._on_duty = Hand(self)
        for hand in (self._on_duty, *(Hand(self) for _ in range(threads - 1))):
            threading.Thread(target=hand.run, daemon=True).start()

    def put(self, work: Work) -> None:
        """Have this done; what it raises is logged."""
        with self._lock:
            self._new.append(work)
            self._call(self._on_duty)
        if not self._is_watched:
            self._is_watched = True
            self._loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        """See to it that something is begun."""
        with self._lock:
            if self._new and self._begun == self._seen and self._under_way < MOST and self._resting:
                self._on_duty = self._resting[-1]
                self._call(self._on_duty)
            self._seen = self._begun
            self._is_watched = bool(self._new)
        if self._is_watched:
            self._loop.call_later(PATIENCE, self._look)

    def _call(self, hand: "Hand") -> None:
        if hand in self._resting:
            self._resting.remove(hand)
            hand.inbox.put(None)

    # In a thread of the crew.

    def next_for(self, hand: "Hand") -> Work | None:
        """Return the request to begin; None when there is one to resume, or nothing to do yet."""
        with self._lock:
            if not hand.inbox.empty():
                return None
            if hand is self._on_duty and self._new and self._under_way < MOST:
                self._begun += 1
                self._under_way += 1
                return self._new.popleft()
            self._resting.append(hand)
            return None

    def ended(self) -> None:
        """Note the end of a request."""
        with self._lock:
            self._under_way -= 1

    def go_on(self, hand: "Hand", work: Work) -> None:
        """Resume a request in its thread. May be called from any thread."""
        with self._lock:
            if hand in self._resting:
                self._resting.remove(hand)
            hand.inbox.put(work)


class Hand:
    """A thread of the crew."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.inbox: SimpleQueue[Work | None] = SimpleQueue()  # what it has begun and can go on

    def run(self) -> None:
        """Begin and resume requests, for ever."""
        _here.hand = self
        self.hub = getcurrent()
        while True:
            if work := self.crew.next_for(self):
                greenlet(self._do).switch(work)
            elif go_on := self.inbox.get():
                go_on()

    def _do(self, work: Work) -> None:
        try:
            work()
        except BaseException:  # it would end the thread, with all that it has begun
            log.exception("request.broke")
        finally:
            self.crew.ended()


class Flag:
    """Wait as ``threading.Event`` does, for one greenlet, while its thread runs others."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._lock = threading.Lock()
        self._is_set = False
        self._go_on: Work | None = None

    def wait(self) -> None:
        """Wait until the flag is set."""
        with self._lock:
            if self._is_set:
                return
            self._go_on = getcurrent().switch
        self._hand.hub.switch()

    def set(self) -> None:
        """Set the flag and resume the greenlet that waits."""
        with self._lock:
            self._is_set = True
            go_on, self._go_on = self._go_on, None
        if go_on is not None:
            self._hand.crew.go_on(self._hand, go_on)


def new_flag() -> Flag | threading.Event:
    """Return a flag for the current thread: a greenlet's in a crew, a thread's elsewhere."""
    hand = getattr(_here, "hand", None)
    return threading.Event() if hand is None else Flag(hand)
