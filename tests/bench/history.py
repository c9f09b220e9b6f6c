"""What the history file costs: a minute's write, a week's query, the size of a week.

Prints figures. All but the last two hours are written ten minutes at a time: that the rows of an
hour grow step by step shapes the file, how many steps there are does not.

python tests/bench/history.py [NODES] [DAYS] [PATH]
"""

import itertools
import math
import os
import random
import sys
import time
from array import array

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import lmcache_frontend as lf  # noqa: E402

FIGURES = 70  # columns of the history
MEASURED = 25  # of them, what a node has a value for
ASKED = 17  # figures of the query
AT_ONCE = 10  # minutes of a write before
MEASURED_WRITES = 120  # minutes that are written one by one


def minutes(nodes, days, end):
    """A cluster's minutes: figures that wander, as real ones do, and those that stand still."""
    columns = tuple("figure_%d" % index for index in range(FIGURES))
    series = ("", *("node:node%04d" % index for index in range(nodes)))
    noise = [random.gauss(1.0, 0.2) for _ in range(10007)]
    count = int(days * 1440)
    for number in range(count):
        minute = end - count + number
        wave = 1.5 + math.sin(minute / 700.0)
        cells = array("f")
        for index in range(len(series)):
            start = (number * 7919 + index * 104729) % 9000
            moving = [wave * value * (1 + index) for value in noise[start : start + MEASURED - 10]]
            cells.extend(moving + [float(index)] * 5 + [0.0] * 5)
            cells.extend([math.nan] * (FIGURES - MEASURED))
        yield lf.Minute(minute, columns, series, cells)


def main():
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    days = float(sys.argv[2]) if len(sys.argv) > 2 else 7.0
    path = sys.argv[3] if len(sys.argv) > 3 else "/tmp/history-bench.db"
    file = lf.HistoryFile(path)
    file.open()
    end = 29_000_000
    spent, took = [], []
    every = minutes(nodes, days, end)
    for number in range(0, int(days * 1440) - MEASURED_WRITES, AT_ONCE):
        at_once = list(itertools.islice(every, AT_ONCE))
        file.write(at_once[-1].minute * 60.0 + 62, at_once)
    for minute in every:
        cpu, wall = time.process_time(), time.monotonic()
        file.write(minute.minute * 60.0 + 62, [minute])
        spent.append(time.process_time() - cpu)
        took.append(time.monotonic() - wall)
    spent.sort()
    took.sort()
    print("%d nodes, %g days, %d of %d figures measured" % (nodes, days, MEASURED, FIGURES))
    print("CPU of a minute's write: median %.1f ms, p99 %.1f ms, most %.1f ms" % percentiles(spent))
    print("time of a minute's write: median %.1f ms, p99 %.1f ms, most %.1f ms" % percentiles(took))
    sizes = [os.path.getsize(path + suffix) / lf.MIB for suffix in ("", "-wal")]
    print("file %.1f MiB and write-ahead log %.1f MiB of %d MiB" % (*sizes, lf.HISTORY_SIZE))
    reader = lf.HistoryReader(path)
    reader.note_extent()
    print("goes back %.2f days" % ((end - reader.first() / 60.0) / 1440.0))
    query(reader, nodes, end * 60.0)
    file.close()


def percentiles(values):
    ranks = (len(values) // 2, int(len(values) * 0.99), len(values) - 1)
    return tuple(values[rank] * 1000 for rank in ranks)


def query(reader, nodes, end):
    columns = ["figure_%d" % index for index in range(ASKED)]
    times = []
    for turn in range(20):
        began = time.monotonic()
        name = "node:node%04d" % (turn * 37 % nodes)
        start = end - 7 * 86400
        buckets = [lf.CoarseSeries(start, end, 600, index > 12) for index in range(ASKED)]
        for _, hour, values in reader.hours([name], columns, start, end):
            for bucket, column in zip(buckets, values):
                bucket.add_hour(hour, column, end)
        answer = lf.dumps([list(map(lf.rounded, bucket.values())) for bucket in buckets])
        times.append(time.monotonic() - began)
    times.sort()
    print(
        "a week of one node, %d figures: median %.1f ms, most %.1f ms, %d KiB of JSON"
        % (ASKED, times[10] * 1000, times[-1] * 1000, len(answer) // 1024)
    )


if __name__ == "__main__":
    main()
