"""The history file: what it keeps, gives back and gives up; broken files and hostile disks."""

import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from array import array

import pytest

import lmcache_frontend as lf
from support.frontend import run, wait_for

HOUR = 480_000  # of the tests: Unix seconds // 3600
COLUMNS = ("hit_rate", "tokens")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "history.db")


@pytest.fixture
def file(path):
    made = lf.HistoryFile(path)
    made.open()
    yield made
    made.close()


def minute(number, rows, columns=COLUMNS):
    """A minute of ``rows``: series -> values."""
    cells = array("f", [value for row in rows.values() for value in row])
    return lf.Minute(number, columns, tuple(rows), cells)


def write_hours(file, hours, first=HOUR, value=float):
    """Whole hours of w0 and w1, a write a minute."""
    count = hours * 60
    for index in range(count):
        number = first * 60 + index
        rows = {"node:w0": (value(index), index * 2.0), "node:w1": (math.nan, 7.0)}
        file.write(number * 60 + 61, [minute(number, rows)])
    return count


def read(path, series, column, start, end):
    """The minutes of a series, as a list."""
    reader = lf.HistoryReader(path)
    values = []
    for _, _, (found,) in reader.hours([series], [column], start, end):
        values += found
    return values


def rows_of_hours(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT count(*) FROM hour").fetchone()[0]
    finally:
        connection.close()


# -- what it keeps


def test_every_minute_can_be_read_back_at_once(file, path):
    count = write_hours(file, 1)
    file.write((HOUR + 1) * 3600 + 61, [minute((HOUR + 1) * 60, {"node:w0": (60.0, 120.0)})])
    values = read(path, "node:w0", "hit_rate", HOUR * 3600, (HOUR + 3) * 3600 - 1)
    assert values[: count + 1] == [float(number) for number in range(count + 1)]
    assert all(math.isnan(value) for value in values[count + 1 :])


def test_what_was_not_measured_stays_unknown(file, path):
    write_hours(file, 1)
    values = read(path, "node:w1", "hit_rate", HOUR * 3600, HOUR * 3600 + 3599)
    assert len(values) == 60 and all(math.isnan(value) for value in values)
    assert read(path, "node:w1", "tokens", HOUR * 3600, HOUR * 3600 + 3599) == [7.0] * 60


def test_a_series_that_was_never_written_has_no_hours(file, path):
    write_hours(file, 1)
    assert read(path, "node:other", "tokens", HOUR * 3600, HOUR * 3600 + 7199) == []


def test_the_file_has_a_row_for_each_series_and_hour_and_knows_how_many(file, path):
    write_hours(file, 2)
    file.reader.note_extent()
    assert rows_of_hours(path) == file.reader.rows == 4


def test_the_file_says_from_which_minute_on_it_knows_something(file):
    number = HOUR * 60 + 17
    file.write(number * 60 + 61, [minute(number, {"": (1.0, 2.0)})])
    file.reader.note_extent()
    assert file.reader.first() == number * 60.0


def test_columns_that_come_with_a_new_version_do_not_mix_up_the_old_ones(file, path):
    first = HOUR * 60
    file.write(first * 60, [minute(first, {"": (1.0, 2.0)})])
    wider = minute(first + 1, {"": (5.0, 3.0, 4.0)}, ("new", "hit_rate", "tokens"))
    file.write((HOUR + 1) * 3600, [wider])
    assert rows_of_hours(path) == 1
    values = read(path, "", "tokens", HOUR * 3600, HOUR * 3600 + 3599)
    assert values[:2] == [2.0, 4.0]
    assert read(path, "", "new", HOUR * 3600, HOUR * 3600 + 3599)[1] == 5.0


def test_a_clock_that_was_set_back_loses_only_what_is_written_twice(file, path):
    write_hours(file, 1)
    number = HOUR * 60 + 30
    file.write((HOUR + 1) * 3600 + 1800, [minute(number, {"node:w0": (999.0, 0.0)})])
    assert rows_of_hours(path) == 2
    values = read(path, "node:w0", "hit_rate", HOUR * 3600, HOUR * 3600 + 3599)
    assert values[29:32] == [29.0, 999.0, 31.0]


def test_events_and_silences_come_back(file, path):
    events = lf.EventLog()
    events.add("nodes", "info", "w0 added", "w0")
    events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0", reason="refused")
    silence = {"alert": "down:w0", "until": 2e9, "comment": "known", "by": "local"}
    file.write(1000.0, events=events.changed_since(0), silences=[silence])
    file.close()
    again = lf.HistoryFile(path)
    again.open()
    restored = lf.EventLog()
    restored.restore(again.earlier.events, again.earlier.written)
    found = restored.query()["events"]
    assert [event["text"] for event in found] == ["w0 is unreachable", "w0 added"]
    assert found[0]["reason"] == "refused"
    assert again.earlier.written == 1000.0
    assert again.earlier.silences == [silence]
    again.close()


def test_events_older_than_those_in_memory_are_read_from_the_file(file, path):
    events = lf.EventLog()
    for number in range(5):
        events.add("nodes", "info", "node %d added" % number)
    file.write(1000.0, events=events.changed_since(0))
    reader = lf.HistoryReader(path)
    found, following = reader.events(lf.EventFilter(), 2, 4)
    assert [event.text for event in found] == ["node 2 added", "node 1 added"]
    assert following == 2
    last, following = reader.events(lf.EventFilter(), 2, following)
    assert ([event.text for event in last], following) == (["node 0 added"], None)


def test_pages_of_events_go_on_from_memory_into_the_file(file, path):
    events = lf.EventLog(capacity=4)
    lasting = events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    changes = 0
    for number in range(20):
        events.add("nodes", "info", "node %d added" % number)
        changed = events.changed_since(changes)
        changes = changed[-1].changed
        file.write(1000.0, events=changed)
    events.close("down:w0", "w0 was unreachable")
    seen, before = [], None
    while True:
        page = events.query(lf.EventFilter(), 3, before, file.reader.events)
        assert len(page["events"]) <= 3
        seen += page["events"]
        before = page["next"]
        if before is None:
            break
    ids = [event["id"] for event in seen]
    assert ids == list(range(21, 0, -1))
    assert (seen[-1]["id"], seen[-1]["text"]) == (lasting.id, "w0 was unreachable")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        '{"id": 1}',
        json.dumps({"nonsense": 1, **lf.Event(*range(10), {}, "", 0, 0)._asdict()}),
        json.dumps(lf.Event(1, "x", 1, "k", "i", None, None, "", 1, 0, {}, "")._asdict()),
        json.dumps(lf.Event(1, 1, 1, "k", "i", None, None, "", 1, 0, [], "")._asdict()),
        json.dumps(lf.Event("1", 1, 1, "k", "i", None, None, "", 1, 0, {}, "")._asdict()),
        json.dumps(lf.Event(1, 1, 1, "k", "i", None, None, 7, 1, 0, {}, "")._asdict()),
    ],
)
def test_what_is_no_event_in_the_file_is_left_out(document):
    assert lf.stored_event(document) is None


# -- what it gives up


def test_what_is_older_than_the_days_asked_for_goes(path):
    file = lf.HistoryFile(path, days=0.25)
    file.open()
    write_hours(file, 10)
    file.reader.note_extent()
    assert file.reader.first() == (HOUR + 4) * 3600
    file.close()


@pytest.mark.slow
def test_the_oldest_hours_go_first_when_the_file_is_full(path):
    noise = array("f", [random.random() for _ in range(48_000)])
    size = 2 * lf.MIB
    file = lf.HistoryFile(path, size=size)
    file.open()
    names = tuple("c%d" % index for index in range(200))
    hours = 40
    for index in range(hours * 60):
        number = HOUR * 60 + index
        rows = {}
        for node in range(5):
            start = (index * 7919 + node * 104_729) % 47_000
            rows["node:w%d" % node] = noise[start : start + 200]
        file.write(number * 60 + 61, [minute(number, rows, names)])
    total = sum(os.path.getsize(path + suffix) for suffix in ("", "-wal"))
    assert total <= size
    file.reader.note_extent()
    assert HOUR * 3600 < file.reader.first() < (HOUR + hours - 2) * 3600
    file.close()


def write_now(file, times, wall):
    for index in range(times):
        file.write(wall + index * 60.0, [minute(int(wall // 60) + index, {"": (1.0, 1.0)})])


def test_minutes_of_a_clock_that_ran_ahead_do_not_stay_for_ever(file, path):
    write_now(file, 1, (HOUR + 1000) * 3600.0)
    write_now(file, lf.STEADY_WRITES, HOUR * 3600.0)
    assert rows_of_hours(path) == 2
    write_now(file, 1, HOUR * 3600.0 + lf.STEADY_WRITES * 60)
    assert rows_of_hours(path) == 1


@pytest.mark.parametrize("wall", [0.0, (HOUR + 100_000) * 3600.0])
def test_a_clock_that_is_wrong_for_some_minutes_costs_no_history(file, path, wall):
    write_hours(file, 2)
    write_now(file, lf.STEADY_WRITES, wall)
    write_now(file, 1, (HOUR + 3) * 3600.0)
    assert len(read(path, "node:w0", "tokens", HOUR * 3600, HOUR * 3600 + 7199)) == 120


# -- points


def test_points_are_means_and_for_latencies_the_maximum():
    for keep_max, expected in ((False, [2.0, 10.0]), (True, [3.0, 10.0])):
        buckets = lf.CoarseSeries(0, 1199, 600, keep_max)
        for at, value in ((0, 1.0), (10, 2.0), (599, 3.0), (600, math.nan), (601, 10.0)):
            buckets.add(at, [value])
        assert buckets.values() == expected
        assert buckets.times() == [0.0, 600.0]


def test_points_without_a_value_are_unknown():
    buckets = lf.CoarseSeries(0, 1199, 600, False)
    buckets.add(700, [1.0])
    assert math.isnan(buckets.values()[0])


# -- hostile files and disks


def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begun(path, tmp_path, caplog):
    with open(path, "wb") as broken:
        broken.write(b"not a database at all" * 1000)
    file = lf.HistoryFile(path)
    file.open()
    file.write(HOUR * 3600.0, [minute(HOUR * 60, {"": (1.0, 2.0)})])
    file.close()
    kept = [name for name in os.listdir(str(tmp_path)) if ".broken-" in name]
    assert len(kept) == 1 and kept[0] in caplog.text
    with open(str(tmp_path / kept[0]), "rb") as copy:
        assert copy.read().startswith(b"not a database")


def test_a_damaged_database_is_set_aside_when_it_is_noticed(path, tmp_path):
    file = lf.HistoryFile(path)
    file.open()
    write_hours(file, 2)
    file.close()
    with open(path, "r+b") as damaged:
        damaged.seek(lf.HISTORY_PAGE)
        damaged.write(os.urandom(os.path.getsize(path) - lf.HISTORY_PAGE))
    again = lf.HistoryFile(path)
    for _ in range(3):  # noticed when it is opened or when it is first written
        try:
            again.open()
            again.write((HOUR + 5) * 3600.0, [minute((HOUR + 5) * 60, {"": (1.0, 2.0)})])
            break
        except lf.HistoryError as error:
            assert path in str(error)
    again.close()
    assert rows_of_hours(path) == 1
    assert any(".broken-" in name for name in os.listdir(str(tmp_path)))


def test_another_programs_database_is_left_alone(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customer (name TEXT)")
    other.commit()
    other.close()
    before = open(path, "rb").read()
    with pytest.raises(lf.HistoryError, match="another program's database.*--history-file"):
        lf.HistoryFile(path).open()
    assert open(path, "rb").read() == before


def test_a_file_of_a_newer_version_is_left_alone(path):
    file = lf.HistoryFile(path)
    file.open()
    file.close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=%d" % (lf.HISTORY_VERSION + 1))
    newer.close()
    with pytest.raises(lf.HistoryError, match="newer"):
        lf.HistoryFile(path).open()


def test_a_file_of_an_older_version_is_set_aside_and_a_new_one_begun(path, tmp_path, caplog):
    of_an_older_version(path)
    file = lf.HistoryFile(path)
    file.open()
    file.write(HOUR * 3600.0, [minute(HOUR * 60, {"": (1.0, 2.0)})])
    file.close()
    (kept,) = [name for name in os.listdir(str(tmp_path)) if ".broken-" in name]
    (line,) = caplog.messages
    assert kept in line and "an older LMCache Frontend wrote it" in line
    assert rows_of_hours(path) == 1


def test_a_file_in_use_by_another_frontend_is_refused_until_that_one_ends(file, path):
    second = lf.HistoryFile(path)
    with pytest.raises(lf.HistoryError, match="another frontend uses it"):
        second.open()
    file.close()
    second.open()
    second.close()


def test_a_frontend_that_takes_over_from_one_that_is_ending_gets_its_file(file, path):
    ending = threading.Timer(0.3, file.close)
    ending.start()
    second = lf.HistoryFile(path)
    second.open()
    second.close()
    ending.join()


@pytest.mark.parametrize("kind", ["directory", "fifo", "no such directory"])
def test_a_path_that_cannot_be_a_file_is_one_clear_error(path, kind):
    if kind == "directory":
        os.mkdir(path)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = os.path.join(path, "x", "history.db")
    with pytest.raises(lf.HistoryError) as caught:
        lf.HistoryFile(path).open()
    assert path in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_was_removed_is_begun_again(file, path):
    file.write(HOUR * 3600.0, [minute(HOUR * 60, {"": (1.0, 2.0)})])
    for suffix in ("", "-wal", "-shm"):
        os.remove(path + suffix)
    file.write(HOUR * 3600.0 + 60, [minute(HOUR * 60 + 1, {"": (1.0, 2.0)})])
    assert rows_of_hours(path) == 1


def test_a_full_disk_costs_a_minute_and_nothing_before_it(path, tmp_path):
    """The limit of the process for files stands for the disk."""
    script = """if True:
        import resource, sys
        from array import array
        import lmcache_frontend as lf
        file = lf.HistoryFile(sys.argv[1])
        file.open()
        def write(number, size):
            cells = array("f", [float(index) for index in range(size)])
            columns = tuple("c%d" % index for index in range(size))
            file.write(number * 60.0, [lf.Minute(number, columns, ("",), cells)])
        write(28800000, 10)
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limit[1]))
        try:
            write(28800001, 500_000)
        except lf.HistoryError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        write(28800002, 10)
        file.close()
    """
    root = os.path.dirname(lf.__file__)
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, PYTHONPATH=root),
        timeout=30,
    )
    lines = done.stdout.decode().strip().split("\n")
    assert len(lines) == 1 and path in lines[0], lines
    values = read(path, "", "c9", HOUR * 3600, HOUR * 3600 + 3599)
    assert (values[0], values[2]) == (9.0, 9.0) and math.isnan(values[1])


def test_a_python_without_sqlite3_is_one_clear_error(path, tmp_path):
    (tmp_path / "sqlite3.py").write_text("raise ImportError('No module named _sqlite3')\n")
    script = """if True:
        import sys
        import lmcache_frontend as lf
        try:
            lf.HistoryFile(sys.argv[1]).open()
        except lf.HistoryError as error:
            print(error)
    """
    places = os.pathsep.join([str(tmp_path), os.path.dirname(lf.__file__)])
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, PYTHONPATH=places),
        timeout=30,
    )
    assert "no module sqlite3" in done.stdout.decode()
    assert not os.path.exists(path)


def test_only_its_owner_can_read_the_file(file, path):
    assert os.stat(path).st_mode & 0o077 == 0


def test_a_long_query_holds_up_no_write(file, path):
    write_hours(file, 2)
    rows = lf.HistoryReader(path).hours(["node:w0"], ["tokens"], HOUR * 3600, (HOUR + 2) * 3600)
    next(rows)
    file.write((HOUR + 3) * 3600.0, [minute((HOUR + 3) * 60, {"": (1.0, 2.0)})])
    assert next(rows)


# -- with a monitor


class MovedClock(lf.Clock):
    """A clock that the test moves; it begins at the full hour HOUR."""

    def __init__(self, wall=HOUR * 3600.0):
        self.now = 100.0
        self.start = wall - self.now

    def monotonic(self):
        return self.now

    def wall(self):
        return self.start + self.now


PAGE = """\
lmcache:num_lookup_tokens_total{role="worker"} %d
lmcache:num_lookup_hits_total{role="worker"} %d
"""


class Watcher:
    """A monitor of one worker w0 with a clock of its own, and a history file."""

    def __init__(self, path, clock, history_minutes=60.0):
        registry = lf.NodeRegistry()
        entry = {"name": "w0", "host": "127.0.0.1", "port": 9090}
        registry.replace_source("nodes", [lf.Node.parse(entry, "", "nodes")])
        self.clock = clock
        self.file = lf.HistoryFile(path)
        self.file.open()
        self.monitor = lf.Monitor(
            registry,
            interval=10.0,
            history_minutes=history_minutes,
            fetch=self.ask,
            clock=clock,
            older=self.file.reader,
        )
        self.keeper = lf.HistoryKeeper(self.file, self.monitor)
        self.keeper.start()
        self.tokens = 0

    def ask(self, jobs, **options):
        for job in jobs:
            if job is None:
                return
            if job.path == "/metrics":
                page = PAGE % (self.tokens, self.tokens / 2)
                yield job, lf.Reply(200, {}, (page.encode(),), 0.01)
            else:
                yield job, lf.Reply(404, {}, (b"{}",), 0.01)

    def watch(self, minutes):
        for _ in range(int(minutes * 6)):
            self.tokens += 1000
            self.monitor.poll_once()
            self.clock.now += 10.0

    def ask_history(self, seconds, end=None, node="w0"):
        return self.monitor.history(node, "lookup_hit_rate", seconds, end)

    def end(self):
        """Write and close; the history of memory goes with the process."""
        self.keeper.stop()


@pytest.fixture
def watcher(path):
    running = []

    def begin(clock, **options):
        running.append(Watcher(path, clock, **options))
        return running[-1]

    yield begin
    for item in running:
        item.end()


def test_after_a_restart_the_same_history_is_answered_from_the_file(watcher):
    clock = MovedClock()
    first = watcher(clock)
    first.watch(30)
    before = first.ask_history(1800)
    assert (before["source"], before["interval"]) == ("memory", 10.0)
    assert first.monitor.status()["history_start"] == before["start"]
    first.end()
    second = watcher(clock)
    after = second.ask_history(1800)
    assert (after["source"], after["interval"]) == ("file", 60.0)
    values = [value for value in after["series"][0]["values"] if value is not None]
    assert values == pytest.approx([0.5] * len(values)) and len(values) >= 28
    status = second.monitor.status()
    assert status["history_seconds"] >= 1790
    assert status["history_start"] == before["start"] // 60 * 60


def test_an_answer_joins_what_the_file_and_what_memory_has(watcher):
    clock = MovedClock()
    first = watcher(clock)
    first.watch(20)
    first.end()
    clock.now += 600
    second = watcher(clock)
    second.watch(10)
    answer = second.ask_history(3600)
    assert (answer["source"], answer["interval"]) == ("both", 60.0)
    (series,) = answer["series"]
    pairs = dict(zip(series["times"], series["values"]))
    start = HOUR * 3600.0
    assert pairs[start + 600] == pytest.approx(0.5) and pairs[start + 35 * 60] == pytest.approx(0.5)
    assert pairs[start + 25 * 60] is None


def test_the_history_of_a_removed_node_and_its_instance_is_answered_from_the_file(watcher):
    clock = MovedClock()
    running = watcher(clock)
    running.watch(20)
    (instance,) = running.monitor.status()["instances"]
    running.end()
    running = watcher(clock)
    running.monitor.watched.registry.replace_source("nodes", [])
    running.watch(1)
    answer = running.ask_history(1800)
    assert answer["source"] in ("file", "both")
    assert len([value for value in answer["series"][0]["values"] if value]) >= 18
    answer = running.monitor.history(None, "lookup_hit_rate", 1800, None, instance["id"])
    assert [value for value in answer["series"][0]["values"] if value]
    for name, instance in (("w1", None), (None, "other")):
        with pytest.raises(lf.FrontendError) as error:
            running.monitor.history(name, None, 900, None, instance)
        assert error.value.status == 404


def test_a_range_in_the_past_is_answered_by_start_and_end(watcher):
    clock = MovedClock()
    running = watcher(clock)
    running.watch(30)
    end = HOUR * 3600.0 + 900
    answer = running.ask_history(300, end)
    times = answer["series"][0]["times"]
    assert times[0] >= end - 300 and times[-1] <= end and len(times) >= 29


@pytest.mark.slow
def test_a_long_range_has_about_a_thousand_points(watcher):
    clock = MovedClock()
    running = watcher(clock, history_minutes=300.0)
    running.watch(240)
    answer = running.ask_history(14400)
    assert (answer["source"], answer["interval"]) == ("memory", 60.0)
    assert 230 <= len(answer["series"][0]["times"]) <= 242


def test_the_history_of_an_instance_is_asked_for_by_its_id(watcher):
    clock = MovedClock()
    first = watcher(clock)
    first.watch(10)
    (instance,) = first.monitor.status()["instances"]
    first.end()
    second = watcher(clock)
    second.watch(1)
    answer = second.monitor.history(None, "lookup_hit_rate", 900, None, instance["id"])
    (series,) = answer["series"]
    assert (series["node"], series["instance"]) == (None, instance["id"])
    assert [value for value in series["values"] if value]
    with pytest.raises(lf.FrontendError) as error:
        second.monitor.history(None, None, 900, None, "other")
    assert error.value.status == 404


def test_a_point_that_stands_for_many_is_the_worst_of_latencies_and_counts_and_a_mean_of_the_rest():
    assert {"latency", "retrieve_p99", "ttft_p50", "remote_ping_seconds"} <= lf.WORST_KEPT
    assert {"loads_in_flight", "stores_in_flight", "queue_size"} <= lf.WORST_KEPT
    assert not lf.WORST_KEPT & {"lookup_hit_rate", "retrieve_speed_p50", "chunk_lifetime_p50"}


@pytest.mark.parametrize(
    "seconds, step", [(3600, 60), (66_000, 60), (66_001, 120), (604_800, 600), (1e12, 604_800)]
)
def test_the_step_fits_the_range(seconds, step):
    assert lf.history_step(seconds, 10.0) == step


@pytest.mark.parametrize("pace, step", [(50.0, 60), (50.1, 120), (60.0, 120), (86_400.0, 604_800)])
def test_every_step_has_a_round_also_when_rounds_are_rare(pace, step):
    """An empty step would be drawn as a gap."""
    assert lf.history_step(3600, pace) == step


def test_the_history_of_the_cluster_is_in_the_file_too(watcher):
    clock = MovedClock()
    first = watcher(clock)
    first.watch(10)
    first.end()
    answer = watcher(clock).ask_history(600, node="")
    assert answer["series"][0]["node"] is None
    assert [value for value in answer["series"][0]["values"] if value]


def test_events_and_silences_are_there_after_a_restart(watcher):
    clock = MovedClock()
    first = watcher(clock)
    first.monitor.events.add("nodes", "info", "w0 added", "w0")
    first.monitor.silences.add(["down:w0"], 7200, "known", "local")
    first.watch(1)
    first.end()
    clock.now += 60
    second = watcher(clock)
    texts = [event["text"] for event in second.monitor.events.query()["events"]]
    assert texts[1] == "w0 added" and "started" in texts[0]
    assert list(second.monitor.silences.active()) == ["down:w0"]


def test_a_file_that_cannot_be_written_is_an_alert_and_is_tried_again(watcher, path):
    running = watcher(MovedClock())
    running.watch(1)
    for suffix in ("", "-wal", "-shm"):
        os.remove(path + suffix)
    os.mkdir(path)
    running.end()
    (found,) = running.keeper.alerts()
    assert found.rule == "history_file" and path in found.text


def test_events_that_cannot_be_read_are_no_failed_write(watcher, path):
    running = watcher(MovedClock())
    for suffix in ("", "-wal", "-shm"):
        os.remove(path + suffix)
    os.mkdir(path)
    assert running.keeper.older_events(lf.EventFilter(), 10, 100) == ([], None)
    assert b"history_file_errors_total 0\n" in running.keeper.exposition()
    assert running.keeper.alerts() == []


def test_a_new_file_in_place_of_the_removed_one_gets_all_that_memory_has(watcher, path):
    running = watcher(MovedClock(HOUR * 3600.0 + 59.5))  # a second and a half before its write
    running.monitor.silences.add(["down:w0"], 7200, "known", "local")
    running.monitor.events.add("nodes", "info", "w0 added", "w0")
    running.watch(5)
    # Up to a minute later, if the clock was moved before the keeper looked at it.
    wait_for(lambda: running.file.reader.rows, 75)
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.remove(path + suffix)

    def kept():
        start = HOUR * 3600 + 60
        found = lf.not_nan(read(path, "node:w0", "lookup_hit_rate", start, start + 300))
        return len(found) >= 4 and lf.not_nan(found)

    wait_for(lambda: os.path.exists(path) and kept(), 20)
    running.end()
    again = watcher(running.clock)
    assert list(again.monitor.silences.active()) == ["down:w0"]
    assert "w0 added" in [event["text"] for event in again.monitor.events.query()["events"]]


def test_too_many_hours_of_the_file_are_refused_with_the_limit(watcher):
    clock = MovedClock()
    first = watcher(clock)
    first.watch(1)
    first.end()
    clock.now += lf.MAX_HISTORY_HOURS * 3600.0
    with pytest.raises(lf.FrontendError, match=str(lf.MAX_HISTORY_HOURS)):
        watcher(clock).ask_history(1e9)


# -- the frontend itself


def test_a_restarted_frontend_tells_what_happened_before(start, node, path):
    options = ("--node", "w0=%s" % node.address, "--history-file", path)
    first = start(*options)
    for _ in range(3):
        first.ask("/api/status")
        first.ask("/api/refresh", "POST")
    assert first.stop() == 0
    second = start(*options)
    events = second.ask("/api/events?kind=restart").json()["events"]
    assert events and events[0]["node"] is None
    metrics = second.ask("/metrics").body.decode()
    for name in ("bytes", "rows", "write_seconds", "errors_total"):
        assert "\nlmcache_frontend_history_file_%s " % name in metrics


@pytest.mark.slow
def test_a_demo_with_a_history_file_tells_its_past_once(start, path):
    options = ("--demo", "--history-file", path)

    def events_of_the_past(frontend):
        wait_for(lambda: frontend.ask("/api/status").json()["counts"]["up"], 60)
        events = frontend.ask("/api/events?limit=1000").json()["events"]
        return {event["id"]: event["text"] for event in events if event["time"] < begun}

    begun = time.time()
    first = start(*options)
    told = events_of_the_past(first)
    assert told and first.stop() == 0
    again = events_of_the_past(start(*options))
    assert set(again) == set(told)


def test_the_events_of_a_file_can_be_printed_when_its_frontend_is_gone(file, path):
    events = lf.EventLog()
    events.add("nodes", "info", "w0 added", "w0")
    file.write(1000.0, events=events.changed_since(0))
    for _ in ("while it is written", "when it is closed"):
        status, text = run("--events", "--history-file", path)
        assert status == 0 and text.strip().endswith("w0 added")
        file.close()
    status, text = run("--events", "--history-file", path + ".other")
    assert status == 2 and "no such file" in text and not os.path.exists(path + ".other")
    status, text = run("--events", "--history-file", os.path.dirname(path))
    assert status == 2 and "not a regular file" in text
    not_a_database(path)
    status, text = run("--events", "--history-file", path)
    assert (status, text.count("\n")) == (1, 1) and path in text


def test_two_frontends_on_one_file_both_work(start, node, path):
    options = ("--node", "w0=%s" % node.address, "--history-file", path)
    start(*options)
    second = start(*options)
    assert second.ask("/health").status == 200
    (alert,) = second.ask("/api/status").json()["alerts"]
    assert alert["rule"] == "history_file" and "another frontend uses it" in alert["text"]
    lines = [line for line in second.output().split("\n") if "history file" in line]
    assert len(lines) == 1


def test_a_wrong_time_range_is_refused(front):
    for query in ("start=2&end=1", "seconds=0", "seconds=x", "start=x", "seconds=-1"):
        answer = front.ask("/api/history?" + query)
        assert (answer.status, answer.json()["field"]) == (400, query.split("=")[0])
    assert front.ask("/api/history?seconds=10000000000").status == 200
    answer = front.ask("/api/history?seconds=10000000001")
    assert answer.json()["detail"] == "seconds is not between 0 and 10000000000"
    answer = front.ask("/api/history?node=w0&instance=x")
    assert (answer.status, answer.json()["field"]) == (400, "instance")


def test_values_of_a_series_have_as_many_digits_as_are_asked_for(start, node):
    front = start("--node", "w0=%s" % node.address, "--poll-interval", "1")
    for digits in ("0", "7", "2.5", "x"):
        answer = front.ask("/api/history?digits=" + digits)
        assert (answer.status, answer.json()["field"]) == (400, "digits")

    since = time.time() - 60

    def values(query=""):
        path = "/api/history?node=w0&metric=latency&start=%.0f%s" % (since, query)
        (series,) = front.ask(path).json()["series"]
        return [value for value in series["values"] if value is not None]

    whole = wait_for(lambda: len(values()) > 1 and values())
    assert values("&digits=6")[: len(whole)] == whole  # there may be more by now
    for digits in (1, 2):
        rounded = [float("%.*g" % (digits, value)) for value in whole]
        assert values("&digits=%d" % digits)[: len(whole)] == rounded != whole


# Hostile files and disks: what each is, and what the one line in the log says.


def not_a_database(path):
    with open(path, "wb") as file:
        file.write(b"\x00\xff" * 50_000)


def cut_off(path):
    file = lf.HistoryFile(path)
    file.open()
    write_hours(file, 1)
    file.close()
    os.truncate(path, lf.HISTORY_PAGE + 1000)


def damaged_inside(path):
    file = lf.HistoryFile(path)
    file.open()
    write_hours(file, 1)
    events = lf.EventLog()
    events.add("nodes", "info", "w0 added " * 50)
    file.write((HOUR + 2) * 3600.0, events=events.changed_since(0))
    file.close()
    with open(path, "r+b") as damaged:
        damaged.seek(2 * lf.HISTORY_PAGE)
        damaged.write(os.urandom(os.path.getsize(path) - 2 * lf.HISTORY_PAGE))


def another_programs(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customer (name TEXT)")
    other.commit()
    other.close()


def of_a_newer_version(path):
    file = lf.HistoryFile(path)
    file.open()
    file.close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=%d" % (lf.HISTORY_VERSION + 1))
    newer.close()


def of_an_older_version(path):
    """The first tables had a row for each minute."""
    older = sqlite3.connect(path)
    older.execute("CREATE TABLE minute (id INTEGER PRIMARY KEY, cells BLOB)")
    older.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value REAL)")
    older.execute("PRAGMA application_id=%d" % lf.HISTORY_APPLICATION)
    older.execute("PRAGMA user_version=1")
    older.commit()
    older.close()


HOSTILE = {
    "no database": (not_a_database, "starting a new one"),
    "cut off": (cut_off, "starting a new one"),
    "damaged inside": (damaged_inside, "starting a new one"),
    "another program's": (another_programs, "another program's database"),
    "of a newer version": (of_a_newer_version, "newer"),
    "of an older version": (of_an_older_version, "older LMCache Frontend"),
    "a lock that is none": (lambda path: os.mkdir(path + ".lock"), ".lock: Is a directory"),
    "a directory": (os.mkdir, "not a regular file"),
    "a pipe": (os.mkfifo, "not a regular file"),
    "a device": (lambda path: os.symlink("/dev/full", path), "not a regular file"),
    "in no directory": (lambda path: os.symlink("/no/such/place", path), "No such file"),
    "where nothing can be written": (lambda path: os.symlink("/proc/x", path), "No such file"),
    "in a loop of links": (lambda path: os.symlink(path, path), "symbolic links"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_line_and_no_loss_elsewhere(start, node, path, kind):
    make, words = HOSTILE[kind]
    make(path)
    frontend = start("--node", "w0=%s" % node.address, "--history-file", path)
    check_that_all_else_goes_on(frontend)
    check_one_line(frontend, words)


def test_a_full_disk_is_one_line_and_no_loss_elsewhere(start, node, path):
    limit = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")
    options = ("--node", "w0=%s" % node.address, "--history-file", path)
    # It would leave modules cut short for the processes of other tests.
    frontend = start(*options, prefix=limit, env={"PYTHONDONTWRITEBYTECODE": "1"})
    check_that_all_else_goes_on(frontend)
    check_one_line(frontend, "history.db: ")


def test_a_python_without_sqlite3_is_one_line_and_no_loss_elsewhere(start, node, path, tmp_path):
    (tmp_path / "sqlite3.py").write_text("raise ImportError('No module named _sqlite3')\n")
    places = os.pathsep.join([str(tmp_path), os.path.dirname(lf.__file__)])
    options = ("--node", "w0=%s" % node.address, "--history-file", path)
    frontend = start(*options, env={"PYTHONPATH": places})
    check_that_all_else_goes_on(frontend)
    check_one_line(frontend, "no module sqlite3")


def check_that_all_else_goes_on(frontend):
    for _ in range(2):
        assert frontend.ask("/api/refresh", "POST").status == 200
    assert frontend.ask("/health").status == 200
    assert frontend.ask("/api/status").json()["counts"]["up"] == 1
    assert frontend.ask("/api/history").status == 200
    assert frontend.ask("/api/events").status == 200
    assert frontend.ask("/proxy2/w0/version").body == b'"0.5.6-gtest"'


def check_one_line(frontend, words):
    lines = [line for line in frontend.output().split("\n") if "history file" in line]
    assert len(lines) == 1 and words in lines[0], frontend.output()
    assert frontend.stop() == 0
    assert "Traceback" not in frontend.output()
