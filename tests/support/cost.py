"""What a call costs for inputs of two sizes: parsers of outside text must be linear."""

import time

TRIES = 5
SMALLEST = 0.002  # seconds below which a measurement is noise


def seconds(call, argument):
    """The least CPU time of this thread that a few calls took."""
    taken = []
    for _ in range(TRIES):
        before = time.thread_time()
        call(argument)
        taken.append(time.thread_time() - before)
    return min(taken)


def growth(call, make, size):
    """How many times more ``call(make(4 * size))`` costs than ``call(make(size))``: linear is 4."""
    short, long = make(size), make(4 * size)
    return seconds(call, long) / max(seconds(call, short), SMALLEST)


def assert_linear(call, make, size):
    """Fail when the cost grows faster than the size: 4 times the text, at most 8 times the cost."""
    times = growth(call, make, size)
    assert times < 8, "4 times the text costs %.1f times as much" % times
