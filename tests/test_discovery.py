"""Fleets.

Heartbeats sent and received, suppliers, coordinators, DNS, frontends behind frontends.
"""

import json
import os
import signal
import socket
import tempfile
import threading
import time
import types

import lmcache_frontend as lf
import pytest
from support.frontend import run, wait_for
from support.ports import free_port


CERTIFICATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "support", "certificate.pem")


@pytest.fixture
def registry():
    return lf.NodeRegistry("127.0.0.1", 8123)


@pytest.fixture
def discovery(registry):
    """Make running discovery services, or with ``running=False`` some that only remember."""
    made = []

    def make(running=True, **options):
        made.append(lf.DiscoveryService(registry, **options))
        if running:
            made[-1].start()
        return made[-1]

    yield make
    for item in made:
        item.stop()


class SteppedClock(lf.Clock):
    """A clock that a test moves: ``pass_by`` both hands, ``wall_offset`` sets the wall clock."""

    def __init__(self):
        self.passed = 0.0
        self.wall_offset = 0.0
        self.begin = time.time()

    def monotonic(self):
        return 1000.0 + self.passed

    def wall(self):
        return self.begin + self.passed + self.wall_offset


def refused_url():
    """A URL at which nobody listens."""
    return "http://127.0.0.1:%d" % free_port()


def names(registry):
    return sorted(node.key for node in registry.leaves())


def infos(*addresses):
    """What LMCache's discovery service answers when these addresses reported to it."""
    entity = {
        "ipAddress": None,
        "pid": 1,
        "version": "0.5.6",
        "startTime": "2026-01-01 00:00:00",
        "otherInfo": "{}",
    }
    processes = {
        at: {"count": 1, "lmCacheInfoEntities": [dict(entity, apiAddress=at)]} for at in addresses
    }
    return {
        "processCount": len(processes),
        "processInfos": processes,
        "versionCount": 1,
        "versions": None,
    }


def tree(*groups):
    """``/api/nodes`` of a frontend; a group is (name, host, port, [(name, host, port) ...])."""
    nodes = []
    for name, host, port, children in groups:
        entries = [
            {
                "id": "node_" + n,
                "name": n,
                "host": h,
                "port": p,
                "is_proxy": False,
                "proxy_id": name,
            }
            for n, h, p in children
        ]
        nodes.append(
            {
                "id": "proxy_" + name,
                "name": name,
                "host": host,
                "port": port,
                "is_proxy": True,
                "children": entries,
            }
        )
    return {"nodes": nodes}


# -- heartbeats sent


def test_a_heartbeat_has_the_fields_that_the_original_sends(registry, service):
    receiver = service({"/lmcache_heartbeat": (200, {"status": "success"})})
    node = service({"/version": (200, "0.5.6-g3e11e108")})
    registry.replace_source(
        "api", [lf.Node.parse({"name": "w0", "host": "127.0.0.1", "port": node.port}, "", "api")]
    )
    sender = lf.HeartbeatSender(registry, "0.0.0.0", "frontend.example")
    sender.start(receiver.url + "/lmcache_heartbeat", 0, 30)
    path, query, _ = wait_for(lambda: receiver.asked and receiver.asked[0])
    sender.stop()
    assert query["pid"] == str(os.getpid()) and query["version"] == "0.5.6-g3e11e108"
    assert query["api_address"] == "http://frontend.example:8123"
    other = json.loads(query["other_info"])
    assert other["nodes_count"] == 1 and other["startup_time"].startswith("20")


def test_the_status_of_the_heartbeat_follows_start_and_stop(registry, service):
    receiver = service({"/heartbeat": (200, {})})
    sender = lf.HeartbeatSender(registry)
    assert sender.status()["running"] is False
    sender.start(receiver.url + "/heartbeat", 0, 0.05)
    wait_for(lambda: sender.status()["last_success"])
    status = sender.status()
    assert status["running"] is True and status["last_error"] is None
    assert set(status) >= {"running", "local_ip", "startup_time", "current_time"}
    sender.stop()
    assert sender.status()["running"] is False


def test_a_receiver_that_is_away_is_tried_again_and_said_once(registry, service, caplog):
    url = refused_url()
    sender = lf.HeartbeatSender(registry)
    sender.start(url + "/heartbeat", 0, 0.05)
    wait_for(lambda: sender.status()["last_error"])
    receiver = service({"/heartbeat": (200, {})}, port=int(url.rpartition(":")[2]))
    wait_for(lambda: len(receiver.asked) > 1)
    wait_for(lambda: sender.status()["last_error"] is None)
    sender.stop()
    refused = [record for record in caplog.records if "connection refused" in record.getMessage()]
    assert len(refused) == 1


def test_one_stop_ends_a_heartbeat_that_several_clients_started_at_once(registry):
    sender = lf.HeartbeatSender(registry, "127.0.0.1", "frontend.example")
    rounds, clients = 50, 8
    together = threading.Barrier(clients)

    def start():
        for _ in range(rounds):
            together.wait(10)
            sender.start("http://127.0.0.1:1/heartbeat", initial_delay=600)

    others = set(threading.enumerate())
    threads = [threading.Thread(target=start) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.stop()
    wait_for(lambda: set(threading.enumerate()) <= others)


def test_stopping_does_not_wait_for_a_receiver_that_hangs(registry, service):
    gate = threading.Event()
    receiver = service({"/heartbeat": (200, lambda: gate.wait(10) and {})})
    sender = lf.HeartbeatSender(registry)
    sender.start(receiver.url + "/heartbeat", 0, 30)
    wait_for(lambda: receiver.asked)
    before = time.monotonic()
    sender.stop()
    assert time.monotonic() - before < 5
    gate.set()


def test_a_password_in_the_heartbeat_url_becomes_a_bearer_token_and_is_not_shown(registry, service):
    receiver = service({"/heartbeat": (200, {})})
    sender = lf.HeartbeatSender(registry)
    sender.start("http://x:secret@127.0.0.1:%d/heartbeat" % receiver.port)
    _, query, headers = wait_for(lambda: receiver.asked and receiver.asked[0])
    assert headers["Authorization"] == "Bearer secret"
    assert "secret" not in json.dumps(sender.status()) and "secret" not in json.dumps(query)
    sender.stop()


@pytest.mark.parametrize(
    "url", ["", "example", "ftp://example/", "http://", "http://a b/", "http://h:99999/"]
)
def test_a_heartbeat_url_that_is_none_is_refused(registry, url):
    with pytest.raises(lf.FrontendError) as failed:
        lf.HeartbeatSender(registry).start(url)
    assert failed.value.status == 400


def test_the_address_we_listen_on_is_reported_and_else_a_real_one(registry):
    sender = lf.HeartbeatSender(registry, "127.0.0.1")
    assert sender.report_host("http://10.1.1.1/") == "127.0.0.1"
    found = lf.HeartbeatSender(registry, "0.0.0.0").report_host("http://127.0.0.1/")
    assert found not in lf.BIND_ADDRESSES and socket.getaddrinfo(found, 80)
    report = lf.HeartbeatSender(registry, "::", "fd00::5").report("http://h/")
    assert report["api_address"] == "http://[fd00::5]:8123"


def test_the_port_that_is_reported_is_the_one_that_was_bound(registry):
    sender = lf.HeartbeatSender(registry, "127.0.0.1")
    registry.set_home("127.0.0.1", 4321)
    assert sender.report("http://h/")["api_address"] == "http://127.0.0.1:4321"


def test_a_heartbeat_that_is_refused_is_no_success(registry, service):
    receiver = service({"/heartbeat": (404, {})})
    sender = lf.HeartbeatSender(registry)
    sender.start(receiver.url + "/heartbeat", 0, 0.05)
    wait_for(lambda: len(receiver.asked) > 1)
    status = sender.status()
    sender.stop()
    assert status["last_success"] is None and "404" in status["last_error"]


def test_a_heartbeat_goes_over_https_to_a_receiver_whose_certificate_is_trusted(
    registry, service, monkeypatch
):
    receiver = service({"/heartbeat": (200, {})}, certificate=CERTIFICATE)
    url = receiver.url.replace("127.0.0.1", "localhost") + "/heartbeat"
    sender = lf.HeartbeatSender(registry)
    sender.start(url, 0, 0.1)
    wait_for(lambda: "certificate" in (sender.status()["last_error"] or "").lower())
    monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
    wait_for(lambda: sender.status()["last_success"])
    assert sender.status()["last_error"] is None and receiver.asked
    sender.stop()


# -- heartbeats received


def test_a_report_is_listed_in_the_shape_of_lmcaches_service(discovery):
    service = discovery()
    info = json.dumps({"startup_time": "2026-01-02T03:04:05.123456", "nodes_count": 3})
    report = {
        "pid": "123",
        "api_address": "http://127.0.0.1:1",
        "version": "0.5.6",
        "other_info": info,
    }
    assert service.heartbeat(report, "10.0.0.9") == {"status": "success"}
    document = service.infos()
    assert (document["processCount"], document["versionCount"], document["versions"]) == (
        1,
        1,
        None,
    )
    entry = document["processInfos"]["http://127.0.0.1:1"]
    assert entry["count"] == 1
    entity = entry["lmCacheInfoEntities"][0]
    assert entity["startTime"] == "2026-01-02 03:04:05" and entity["otherInfo"] == info
    assert (entity["pid"], entity["version"], entity["ipAddress"]) == (123, "0.5.6", "10.0.0.9")
    age = time.time() - time.mktime(time.strptime(entity["lastReportTime"], "%Y-%m-%d %H:%M:%S"))
    assert -1 < age < 30


def test_a_report_without_an_address_is_answered_and_forgotten(discovery):
    service = discovery()
    assert service.heartbeat({}, "10.0.0.9") == {"status": "success"}
    assert service.infos() == {
        "processCount": 0,
        "processInfos": {},
        "versionCount": 0,
        "versions": None,
    }


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.5:8000",
        "https://10.0.0.5:8000",
        "http://10.0.0.5",
        "http://10.0.0.5:8000/x",
        "http://u:p@h:1",
        "http://h:0",
        "http://h:1?x",
        "http://<b>:80",
        "file:///etc/passwd",
        "http://h:99999",
        "http://[::1:80",
    ],
)
def test_an_address_that_is_not_http_host_port_is_refused(discovery, address):
    service = discovery()
    with pytest.raises(lf.FrontendError) as failed:
        service.heartbeat({"api_address": address}, "10.0.0.9")
    assert failed.value.status == 400 and failed.value.field == "api_address"


@pytest.mark.parametrize(
    "size,accepted", [(lf.MAX_OTHER_INFO, True), (lf.MAX_OTHER_INFO + 1, False)]
)
def test_other_info_has_a_limit(discovery, size, accepted):
    service = discovery()
    report = {"api_address": "http://127.0.0.1:1", "other_info": "x" * size}
    if accepted:
        service.heartbeat(report, "")
    else:
        with pytest.raises(lf.FrontendError):
            service.heartbeat(report, "")


def test_reporters_have_a_limit_and_those_already_there_may_go_on(discovery):
    service = discovery(running=False)
    for port in range(1, lf.MAX_REPORTERS + 1):
        service.heartbeat({"api_address": "http://127.0.0.1:%d" % port}, "")
    service.heartbeat({"api_address": "http://127.0.0.1:1"}, "")
    with pytest.raises(lf.FrontendError) as failed:
        service.heartbeat({"api_address": "http://127.0.0.1:60000"}, "")
    assert failed.value.status == 503


def test_a_reporter_that_claims_anothers_id_does_not_remove_it(discovery, registry, service):
    def answer(name):
        return dict(tree(("local_proxy", "h", 1, [(name, "h", 1)])), frontend="0123456789abcdef")

    configured, claims = (service({"/api/nodes": (200, answer(name))}) for name in ("w0", "w1"))
    proxy_at(registry, configured)
    lf.Sources(registry).refresh()
    discovery().heartbeat({"api_address": claims.url}, "")
    wait_for(lambda: claims.asked)
    lf.Sources(registry).refresh()
    assert "rack1/w0" in names(registry)
    assert configured.url.rpartition(":")[2] in str(registry.find("rack1").port)


def test_a_wall_clock_that_steps_forgets_nobody(discovery):
    clock = SteppedClock()
    service = discovery(running=False, clock=clock, expiry=120.0)
    service.heartbeat({"api_address": "http://127.0.0.1:1"}, "")
    for offset in (7200.0, -7200.0):
        clock.wall_offset = offset
        assert service.infos()["processCount"] == 1
    clock.passed = 121.0
    assert service.infos()["processCount"] == 0


def test_a_reporter_with_an_address_that_needs_the_token_is_asked_nothing(discovery, registry):
    trust = lf.Trust("local")
    service = discovery()

    def check(node):
        why = trust.check_addition(node.target, registry, False)
        if why:
            raise lf.FrontendError(403, why)

    for host in ("169.254.169.254", "[fe80::1]", "2852039166", "[64:ff9b::a9fe:a9fe]"):
        with pytest.raises(lf.FrontendError) as failed:
            service.heartbeat({"api_address": "http://%s:80" % host}, "", "", check)
        assert failed.value.status == 403
    assert service.infos()["processCount"] == 0


def test_what_reports_becomes_a_node_and_vanishes_when_it_is_silent(discovery, registry, service):
    frontend = service(
        {
            "/api/nodes": (
                200,
                tree(
                    (
                        "local_proxy",
                        "127.0.0.1",
                        8000,
                        [("w0", "127.0.0.1", 7), ("w1", "h", "/tmp/s")],
                    )
                ),
            )
        }
    )
    server = service()
    reports = discovery(expiry=0.6)
    reports.heartbeat({"api_address": frontend.url}, "")
    reports.heartbeat({"api_address": server.url}, "")
    proxy, leaf = "proxy_127.0.0.1_%d" % frontend.port, "node_127.0.0.1_%d" % server.port
    wait_for(lambda: names(registry) == sorted([leaf, proxy + "/w0", proxy + "/w1"]))
    assert registry.find(proxy + "/w1").prefix == "/proxy2/w1" and registry.find(proxy).is_proxy
    wait_for(lambda: names(registry) == [] and not reports.infos()["processInfos"])


def test_strangers_have_a_smaller_limit_per_address_and_may_not_report_others(discovery):
    service = discovery(running=False)
    for port in (*range(1, lf.MAX_STRANGERS + 1), 1):
        service.heartbeat({"api_address": "http://10.0.0.9:%d" % port}, "10.0.0.9", "no token")
    for address, peer, status in (
        ("10.0.0.9:9999", "10.0.0.9", 503),
        ("10.0.0.8:1", "10.0.0.9", 403),
        ("127.0.0.1:1", "127.0.0.1", 403),
    ):
        with pytest.raises(lf.FrontendError) as failed:
            service.heartbeat({"api_address": "http://" + address}, peer, "no token")
        assert failed.value.status == status
    service.heartbeat({"api_address": "http://10.0.0.8:1"}, "10.0.0.8", "no token")
    service.heartbeat({"api_address": "http://10.0.0.7:1"}, "10.0.0.9")  # trusted


@pytest.mark.parametrize("field,status", [(b"", 200), (b"X-Forwarded-For: 203.0.113.9\r\n", 403)])
def test_a_stranger_behind_a_proxy_cannot_report_that_proxys_address(discovery, field, status):
    head = lf.parse_request_head(
        b"GET /heartbeat?api_address=http://10.0.0.9:9200 HTTP/1.1\r\nHost: a\r\n" + field
    )
    trust, registry = lf.Trust("local"), lf.NodeRegistry()
    server = types.SimpleNamespace(discovery=discovery(), trust=trust, registry=registry)
    try:
        got = lf.receive_heartbeat(server, lf.ApiRequest(head, "10.0.0.9", trust, (), b"")).status
    except lf.FrontendError as error:
        got = error.status
    assert got == status


def test_who_reports_ever_anew_does_not_keep_the_service_busy(discovery, service):
    front = service({"/api/nodes": (200, tree(("local_proxy", "h", 1, [])))})
    reports = discovery()
    begun = time.monotonic()
    pid = 0
    while pid < 200 or time.monotonic() - begun < 1.0:
        pid += 1
        reports.heartbeat(
            {
                "api_address": front.url,
                "pid": str(pid),
                "other_info": json.dumps({"startup_time": "2026-01-01T00:00:%02d" % (pid % 60)}),
            },
            "",
        )
    took = time.monotonic() - begun
    assert took < 20 and len(front.asked) <= took / lf.REPORT_PAUSE + 2


def test_a_frontend_that_was_not_ready_at_its_first_report_is_a_proxy_later(
    discovery, registry, service
):
    front = service({"/api/nodes": (503, b"{}")})
    reports = discovery(expiry=0.8)
    reports.heartbeat({"api_address": front.url, "pid": "1"}, "")
    wait_for(registry.leaves)
    front.answers["/api/nodes"] = (
        200,
        tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)])),
    )

    def is_proxy():
        reports.heartbeat({"api_address": front.url, "pid": "1"}, "")
        return any(node.name == "w0" for node in registry.leaves())

    wait_for(is_proxy)


def test_children_of_a_reporter_that_was_removed_are_forgotten(registry):
    reporter = lf.reported_node(lf.Target("10.0.0.1", 1, ""), "heartbeat", True)
    registry.replace_source("heartbeat", [reporter])
    child = lf.Node.parse({"name": "old", "host": "h", "port": 1}, "", "x")
    registry.set_children(reporter, [child])
    assert names(registry) != []
    registry.replace_source("heartbeat", [])
    registry.replace_source("heartbeat", [reporter])
    assert names(registry) == []


def test_reports_survive_a_restart_in_the_discovery_file(discovery, registry, tmp_path):
    path = str(tmp_path / "reports.json")
    discovery(file=path).heartbeat(
        {"api_address": "http://127.0.0.1:1", "version": "0.5.6"}, "10.0.0.9"
    )
    wait_for(lambda: os.path.exists(path))
    assert list(discovery(file=path).infos()["processInfos"]) == ["http://127.0.0.1:1"]


@pytest.mark.parametrize("startup", ["9999-01-01T00:00:00", "1800-01-01T00:00:00"])
def test_a_start_time_that_the_file_may_not_hold_does_not_cost_the_file(
    discovery, tmp_path, startup
):
    path = tmp_path / "reports.json"
    service = discovery(file=str(path), running=False)
    info = json.dumps({"startup_time": startup})
    service.heartbeat({"api_address": "http://127.0.0.1:1", "other_info": info}, "")
    service.stop()  # writes the file
    assert list(discovery(file=str(path), running=False).infos()["processInfos"])
    assert os.listdir(tmp_path) == ["reports.json"]


REPORT = {
    "address": "http://h:1",
    "pid": 1,
    "version": "1",
    "other_info": "{}",
    "peer": "",
    "started": 0.0,
    "reported": 1.0,
}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '[{"address": 5}]',
        '{"a": 1}',
        "[" * 100000,
        json.dumps([dict(REPORT, version=[])]),
        json.dumps([dict(REPORT, reported="x")]),
        json.dumps([dict(REPORT, started=1e300)]),
        json.dumps([dict(REPORT, address="file:///x")]),
        "",
        " \n",
        "\0\xff",
    ],
)
def test_a_broken_discovery_file_is_set_aside_and_the_start_goes_on(
    discovery, tmp_path, text, caplog
):
    path = tmp_path / "reports.json"
    path.write_text(text)
    service = discovery(file=str(path), running=False)
    assert service.infos()["processCount"] == 0
    assert (tmp_path / "reports.json.broken").read_text() == text and not path.exists()
    (warning,) = [record.getMessage() for record in caplog.records]
    assert str(path) in warning and "reports.json.broken" in warning and "\n" not in warning
    service.heartbeat({"api_address": "http://127.0.0.1:1"}, "")
    service.stop()
    assert list(discovery(file=str(path), running=False).infos()["processInfos"])


def test_a_discovery_file_that_cannot_be_read_ends_the_start(tmp_path):
    status, output = run("--port", "0", "--discovery", "--discovery-file", tmp_path)
    assert status == 2 and str(tmp_path) in output and len(output.splitlines()) == 1


def test_two_discovery_services_on_one_file_keep_each_others_reports(discovery, tmp_path):
    path = str(tmp_path / "reports.json")
    services = [discovery(file=path, running=False) for _ in range(2)]

    def report(number):
        for turn in range(20):
            address = "http://127.0.0.1:%d" % (1 + 100 * number + turn)
            services[number].heartbeat({"api_address": address}, "")
            services[number].stop()  # writes the file

    threads = [threading.Thread(target=report, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert discovery(file=path, running=False).infos()["processCount"] == 40
    assert os.listdir(tmp_path) == ["reports.json"]


def test_a_discovery_file_that_cannot_be_written_is_logged_once(discovery, tmp_path, caplog):
    service = discovery(file=str(tmp_path / "gone" / "reports.json"), running=False)
    for port in (1, 2):
        service.heartbeat({"api_address": "http://127.0.0.1:%d" % port}, "")
        service.stop()
    assert len([record for record in caplog.records if "cannot write" in record.getMessage()]) == 1


def test_only_reports_of_the_last_minutes_or_hours_are_told(discovery, registry, tmp_path):
    path = tmp_path / "reports.json"
    item = {"pid": 1, "version": "1", "other_info": "{}", "peer": "", "started": 0.0}
    ages = {1: 30, 2: 90, 3: 5000}
    path.write_text(
        json.dumps(
            [
                dict(item, address="http://127.0.0.1:%d" % port, reported=time.time() - age)
                for port, age in ages.items()
            ]
        )
    )
    service = discovery(file=str(path), expiry=10000.0)
    assert len(service.infos()["processInfos"]) == 3
    assert len(service.infos(minute=1)["processInfos"]) == 1
    assert len(service.infos(hour=1)["processInfos"]) == 2


# -- node suppliers


def test_a_supplier_gives_proxies_and_leaves(registry, service):
    frontend = service(
        {"/api/nodes": (200, tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)])))}
    )
    server = service()
    supplier = service({"/lmcache_infos": (200, infos(frontend.url, server.url))})
    sources = lf.Sources(registry, supplier_url=supplier.url + "/lmcache_infos")
    sources.refresh()
    assert names(registry) == [
        "node_127.0.0.1_%d" % server.port,
        "proxy_127.0.0.1_%d/w0" % frontend.port,
    ]
    assert sources.alerts() == []


@pytest.mark.parametrize(
    "status,body",
    [
        (500, b"oops"),
        (200, b"<html>hello</html>"),
        (200, b"[]"),
        (200, b'{"processInfos": []}'),
        (200, b'"text"'),
        (200, b""),
        (200, b"[" * 100000),
        (200, b'{"processInfos": ' + b" " * (10 << 20)),
    ],
)
def test_a_supplier_that_talks_nonsense_keeps_the_last_good_nodes_and_has_an_alert(
    registry, service, status, body
):
    server = service()
    supplier = service({"/infos": (200, infos(server.url))})
    sources = lf.Sources(registry, supplier_url=supplier.url + "/infos")
    sources.refresh()
    supplier.answers["/infos"] = (status, body)
    sources.refresh()
    assert names(registry) == ["node_127.0.0.1_%d" % server.port]
    (alert,) = sources.alerts()
    assert alert.rule == "source_away" and "supplier" in alert.text and alert.severity == "warning"
    supplier.answers["/infos"] = (200, infos(server.url))
    sources.refresh()
    assert sources.alerts() == [] and names(registry) == ["node_127.0.0.1_%d" % server.port]


@pytest.mark.parametrize("passed,left", [(59.0, 2), (61.0, 1)])
def test_who_a_supplier_lists_no_more_stays_for_a_while(registry, service, passed, left):
    clock = SteppedClock()
    one, other = service(), service()
    supplier = service({"/infos": (200, infos(one.url, other.url))})
    sources = lf.Sources(registry, supplier_url=supplier.url + "/infos", clock=clock)
    sources.refresh()
    # It was restarted, and the other one has not reported yet.
    supplier.answers["/infos"] = (200, infos(one.url))
    clock.passed = passed
    sources.refresh()
    assert len(names(registry)) == left and sources.alerts() == []


def test_a_supplier_cannot_make_nodes_of_addresses_that_need_the_token(registry, service):
    server = service()
    supplier = service({"/infos": (200, infos("http://169.254.169.254:80", server.url))})
    trust = lf.Trust("local")
    sources = lf.Sources(
        registry,
        supplier_url=supplier.url + "/infos",
        why_not=lambda target: trust.check_addition(target, registry, False),
    )
    sources.refresh()
    assert names(registry) == ["node_127.0.0.1_%d" % server.port]


def test_a_leaf_is_found_by_the_originals_name_for_it_too(registry, service):
    server = service()
    supplier = service({"/infos": (200, infos(server.url))})
    lf.Sources(registry, supplier_url=supplier.url + "/infos").refresh()
    assert (
        registry.find("proxy_127.0.0.1_%d" % server.port)
        is registry.find("node_127.0.0.1_%d" % server.port)
        is not None
    )


def test_one_bad_entry_of_a_supplier_does_not_stop_the_other_sources(registry, service):
    supplier = service(
        {"/infos": (200, {"processInfos": {"http://a:1": {"lmCacheInfoEntities": 7}}})}
    )
    lf.Sources(registry, supplier_url=supplier.url + "/infos", dns=["localhost:7"]).refresh()
    assert "127.0.0.1:7" in names(registry)


def test_a_supplier_that_hangs_does_not_delay_the_other_sources(registry, service):
    gate = threading.Event()
    supplier = service({"/infos": (200, lambda: gate.wait(20) and {})})
    sources = lf.Sources(registry, supplier_url=supplier.url + "/infos", dns=["localhost:7"])
    sources.start()
    try:
        wait_for(registry.leaves, 15)
    finally:
        gate.set()
        sources.stop()


def test_one_server_from_two_sources_is_one_node(registry, service):
    server = service()
    instance = {"instance_id": "mp-server-0", "ip": "127.0.0.1", "http_port": server.port}
    coordinator = service({"/instances": (200, {"instances": [instance]})})
    supplier = service({"/infos": (200, infos(server.url))})
    lf.Sources(
        registry, supplier_url=supplier.url + "/infos", coordinator_url=coordinator.url
    ).refresh()
    assert len([node for node in registry.leaves() if node.target.port == server.port]) == 1


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        {"lmCacheInfoEntities": 7},
        {"lmCacheInfoEntities": [7, {}, {"apiAddress": 5}, {"apiAddress": "x"}]},
    ],
)
def test_one_bad_entry_of_a_supplier_costs_only_itself(registry, service, entry):
    server = service()
    document = infos(server.url)
    document["processInfos"]["bad"] = entry
    supplier = service({"/infos": (200, document)})
    lf.Sources(registry, supplier_url=supplier.url + "/infos").refresh()
    assert names(registry) == ["node_127.0.0.1_%d" % server.port]


def test_a_supplier_that_is_away_at_the_start_is_asked_again(registry, service):
    url = refused_url()
    sources = lf.Sources(registry, supplier_url=url + "/infos", interval=0.05)
    sources.start()
    wait_for(sources.alerts)
    server = service()
    service({"/infos": (200, infos(server.url))}, port=int(url.rpartition(":")[2]))
    wait_for(lambda: names(registry))
    wait_for(lambda: not sources.alerts())
    sources.stop()


def test_a_supplier_that_lists_us_does_not_make_us_our_own_proxy(registry, service):
    supplier = service()
    registry.set_home("0.0.0.0", supplier.port)
    supplier.answers["/infos"] = (200, infos(supplier.url, "http://localhost:%d" % supplier.port))
    lf.Sources(registry, supplier_url=supplier.url + "/infos").refresh()
    assert names(registry) == [] and len(registry.groups()) == 1


@pytest.fixture
def slow(service, monkeypatch):
    """A service whose answer comes a byte at a time, over HTTP or HTTPS."""
    monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
    stopped = threading.Event()

    def trickle(handler):
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stopped.wait(0.05):
            handler.wfile.write(b" ")

    def make(tls):
        made = service({"/infos": (0, trickle)}, certificate=CERTIFICATE if tls else "")
        return made, made.url.replace("127.0.0.1", "localhost")

    yield make
    stopped.set()


@pytest.mark.parametrize("tls", [False, True])
def test_a_source_that_answers_byte_by_byte_is_given_up_and_read_when_it_is_quick_again(
    registry, slow, tls
):
    supplier, url = slow(tls)
    sources = lf.Sources(registry, supplier_url=url + "/infos", timeout=0.5)
    before = time.monotonic()
    sources.refresh()
    assert time.monotonic() - before < 5
    assert ["no response within 0.5 s" in alert.text for alert in sources.alerts()] == [True]
    supplier.answers["/infos"] = (200, infos("http://127.0.0.1:2"))
    sources.refresh()
    assert names(registry) == ["node_127.0.0.1_2"] and sources.alerts() == []


# -- coordinator and DNS


def test_the_instances_of_a_coordinator_come_and_go(registry, service):
    entry = {
        "instance_id": "mp-server-0",
        "ip": "127.0.0.1",
        "http_port": 7,
        "registration_time": 1.0,
        "metadata": {},
    }
    coordinator = service({"/instances": (200, {"instances": [entry, {"instance_id": "bad"}, 5]})})
    sources = lf.Sources(registry, coordinator_url=coordinator.url)
    sources.refresh()
    assert names(registry) == ["coordinator", "mp-server-0"]
    coordinator.answers["/instances"] = (200, {"instances": []})
    sources.refresh()
    assert names(registry) == ["coordinator"]
    coordinator.answers["/instances"] = (200, {"instances": 5})
    sources.refresh()
    assert [alert.rule for alert in sources.alerts()] == ["source_away"]


@pytest.mark.parametrize(
    "status,body",
    [
        (500, b"oops"),
        (200, b"<html>"),
        (200, b"[1]"),
        (200, b'{"instances": {}}'),
        (200, b"[" * 100000),
        (200, b" " * (10 << 20)),
    ],
)
def test_a_coordinator_that_lies_keeps_its_last_instances_until_it_tells_the_truth_again(
    registry, service, status, body
):
    good = {"instances": [{"instance_id": "mp-0", "ip": "127.0.0.1", "http_port": 7}]}
    coordinator = service({"/instances": (200, good)})
    sources = lf.Sources(registry, coordinator_url=coordinator.url)
    sources.refresh()
    coordinator.answers["/instances"] = (status, body)
    sources.refresh()
    assert names(registry) == ["coordinator", "mp-0"] and [
        alert.rule for alert in sources.alerts()
    ] == ["source_away"]
    coordinator.answers["/instances"] = (200, good)
    sources.refresh()
    assert names(registry) == ["coordinator", "mp-0"] and sources.alerts() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"instance_id": "a/b"},
        {"instance_id": "x\x1b[0m"},
        {"instance_id": 5},
        {"ip": "a b"},
        {"ip": 7},
        {"http_port": 0},
        {"http_port": "/tmp/x y\n"},
        {"instance_id": "x" * 300},
    ],
)
def test_an_instance_that_is_no_node_costs_only_itself(registry, service, fields):
    good = {"instance_id": "mp-0", "ip": "127.0.0.1", "http_port": 7}
    coordinator = service(
        {
            "/instances": (
                200,
                {
                    "instances": [
                        dict(good, **dict({"instance_id": "bad", "http_port": 8}, **fields)),
                        good,
                    ]
                },
            )
        }
    )
    lf.Sources(registry, coordinator_url=coordinator.url).refresh()
    assert names(registry) == ["coordinator", "mp-0"]


def test_a_coordinator_that_is_away_is_a_node_all_the_same(registry):
    sources = lf.Sources(registry, coordinator_url=refused_url())
    sources.refresh()
    assert names(registry) == ["coordinator"] and sources.alerts()


def test_every_address_of_a_dns_name_is_a_node(registry):
    sources = lf.Sources(registry, dns=["localhost:9090", "no-such-name.invalid:1"])
    sources.refresh()
    assert "127.0.0.1:9090" in names(registry)
    assert ["dns:no-such-name.invalid:1" in alert.text for alert in sources.alerts()] == [True]


@pytest.mark.parametrize(
    "text", ["localhost", "localhost:0", ":9090x", "a b:1", "5000", ":5000", ""]
)
def test_a_dns_option_that_is_none_is_refused(registry, text):
    with pytest.raises(lf.FrontendError) as failed:
        lf.Sources(registry, dns=[text])
    assert "--dns" in failed.value.detail


class Names:
    """A name service: ``addresses`` are those of every name; without any it does not answer."""

    def __init__(self):
        self.addresses = []

    def __call__(self, host, port, *rest):
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in self.addresses
        ]


def test_addresses_of_a_dns_name_come_and_go_and_stay_while_it_is_unknown(registry):
    resolve = Names()
    sources = lf.Sources(registry, dns=["workers:9090"], getaddrinfo=resolve)
    resolve.addresses = ["10.0.0.1", "10.0.0.2"]
    sources.refresh()
    assert names(registry) == ["10.0.0.1:9090", "10.0.0.2:9090"]
    resolve.addresses = []
    sources.refresh()
    assert names(registry) == ["10.0.0.1:9090", "10.0.0.2:9090"] and sources.alerts()
    resolve.addresses = ["10.0.0.2"]
    sources.refresh()
    assert names(registry) == ["10.0.0.2:9090"] and sources.alerts() == []


@pytest.mark.parametrize(
    "addresses,found",
    [
        (["fd00::1", "10.0.0.1", "10.0.0.2", "fd00::2"], ["10.0.0.1:9090", "10.0.0.2:9090"]),
        (["fd00::1", "fd00::2"], ["fd00::1:9090", "fd00::2:9090"]),
    ],
)
def test_a_name_with_addresses_of_both_kinds_gives_one_node_per_pod(registry, addresses, found):
    resolve = Names()
    resolve.addresses = addresses
    lf.Sources(registry, dns=["workers:9090"], getaddrinfo=resolve).refresh()
    assert names(registry) == found


@pytest.fixture
def socket_folder():
    """A folder of sockets, with a short path."""
    with tempfile.TemporaryDirectory(prefix="lf-", dir="/tmp") as folder:
        yield folder


def test_sockets_in_lmcaches_folder_and_below_are_found(registry, socket_folder):
    os.mkdir(os.path.join(socket_folder, "socket"))
    with open(os.path.join(socket_folder, "no_socket"), "w"), socket.socket(
        socket.AF_UNIX
    ) as one, socket.socket(socket.AF_UNIX) as other:
        one.bind(os.path.join(socket_folder, "socket_9090"))
        other.bind(os.path.join(socket_folder, "socket", "9091"))
        lf.Sources(registry, socket_directory=socket_folder).refresh()
    assert names(registry) == ["socket_9090", "socket_9091"]


def test_links_to_sockets_elsewhere_are_not_found(registry, socket_folder):
    with tempfile.TemporaryDirectory(prefix="lf-", dir="/tmp") as elsewhere, socket.socket(
        socket.AF_UNIX
    ) as foreign, socket.socket(socket.AF_UNIX) as own:
        foreign.bind(os.path.join(elsewhere, "docker.sock"))
        own.bind(os.path.join(socket_folder, "socket_9090"))
        os.symlink(
            os.path.join(elsewhere, "docker.sock"), os.path.join(socket_folder, "socket_9091")
        )
        os.symlink(elsewhere, os.path.join(socket_folder, "socket"))
        lf.Sources(registry, socket_directory=socket_folder).refresh()
    assert names(registry) == ["socket_9090"]


def test_sockets_are_looked_for_more_often_than_other_sources(registry, socket_folder):
    sources = lf.Sources(registry, socket_directory=socket_folder, interval=600.0)
    sources.start()
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(os.path.join(socket_folder, "socket_9090"))
            wait_for(registry.leaves)
    finally:
        sources.stop()


# -- frontends behind frontends


def proxy_at(registry, service, name="rack1"):
    node = lf.Node.parse(
        {"name": name, "host": "127.0.0.1", "port": service.port, "nodes": []}, "", "api"
    )
    registry.replace_source("api", [node])
    return node


def two_frontends():
    """What a frontend answers that has w0, and behind it the frontend inner with w0 and w9."""
    inner = [("w0", "127.0.0.1", 9), ("w9", "127.0.0.1", 9)]
    return {
        "/api/nodes": (
            200,
            tree(
                ("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)]),
                ("inner", "127.0.0.1", 8001, [("stale", "127.0.0.1", 8)]),
            ),
        ),
        "/proxy2/inner/api/nodes": (200, tree(("local_proxy", "127.0.0.1", 8001, inner))),
    }


def test_a_proxy_that_goes_away_keeps_its_children(registry, service):
    child = service(
        {"/api/nodes": (200, tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)])))}
    )
    proxy_at(registry, child)
    sources = lf.Sources(registry)
    sources.refresh()
    child.answers["/api/nodes"] = (200, b"<html>")
    sources.refresh()
    assert names(registry) == ["rack1/w0"]
    assert [alert.rule for alert in sources.alerts()] == ["not_a_frontend"]
    with pytest.raises(lf.FrontendError) as failed:
        sources.refresh_proxy("rack1")
    assert failed.value.status == 502


def test_the_alert_about_a_proxy_goes_with_it(registry, service):
    child = service({"/api/nodes": (200, b"<html>")})
    proxy_at(registry, child)
    sources = lf.Sources(registry)
    sources.refresh()
    assert [alert.rule for alert in sources.alerts()] == ["not_a_frontend"]
    registry.replace_source("api", [])
    assert sources.alerts() == []


def test_a_frontend_behind_a_frontend_is_asked_through_it(registry, service):
    outer = service(two_frontends())
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w0", "rack1/w0@inner", "rack1/w9"]
    assert registry.find("w9").prefix == "/proxy2/inner/proxy2/w9"
    assert registry.find("rack1/w0@inner").prefix == "/proxy2/inner/proxy2/w0"


def test_a_frontend_that_is_unreachable_for_a_while_keeps_its_nodes_and_their_names(
    registry, service
):
    outer = service(two_frontends())
    proxy_at(registry, outer)
    sources = lf.Sources(registry)
    sources.refresh()
    before = registry.leaves()
    outer.answers["/proxy2/inner/api/nodes"] = (502, b"{}")
    sources.refresh()
    assert registry.leaves() == before
    outer.answers["/api/nodes"] = (503, b"{}")
    sources.refresh()
    assert registry.leaves() == before


def test_concurrent_refreshes_of_a_proxy_share_one_request(registry, service):
    gate = threading.Event()
    answer = tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)]))
    outer = service({"/api/nodes": (200, lambda: gate.wait(10) and answer)})
    proxy_at(registry, outer)
    sources = lf.Sources(registry)
    threads = [threading.Thread(target=sources.refresh_proxy, args=("rack1",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    wait_for(lambda: outer.asked)
    assert all(thread.is_alive() for thread in threads)
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(outer.asked) == 1 and names(registry) == ["rack1/w0"]
    sources.refresh_proxy("rack1")
    assert len(outer.asked) == 2


def test_everybody_who_shares_a_request_that_fails_gets_its_error(registry, service):
    gate, errors = threading.Event(), []
    outer = service({"/api/nodes": (404, lambda: gate.wait(10) and {})})
    proxy_at(registry, outer)
    sources = lf.Sources(registry)

    def refresh():
        try:
            sources.refresh_proxy("rack1")
        except lf.FrontendError as error:
            errors.append(error.status)

    threads = [threading.Thread(target=refresh) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_for(lambda: outer.asked)
    gate.set()
    for thread in threads:
        thread.join(10)
    assert errors == [502] * 5


def test_two_servers_of_one_name_from_two_sources_have_an_alert(registry, service):
    entry = {"instance_id": "127.0.0.1:7", "ip": "127.0.0.1", "http_port": 8}
    coordinator = service({"/instances": (200, {"instances": [entry]})})
    sources = lf.Sources(registry, coordinator_url=coordinator.url, dns=["127.0.0.1:7"])
    sources.refresh()
    (alert,) = sources.alerts()
    assert alert.rule == "name_taken" and "127.0.0.1:7" in alert.text


def test_one_question_tells_all_nodes_of_a_frontend_and_of_those_behind_it(registry, service):
    entry = {"state": "up", "kind": "worker", "metrics": {}}
    status = {
        "nodes": [
            dict(entry, name="w0", key="w0", path="/proxy2/w0", version="1"),
            dict(entry, name="w0", key="inner/w0", path="/proxy2/inner/proxy2/w0", version="2"),
        ]
    }
    inner = tree(("local_proxy", "127.0.0.1", 8001, [("w0", "127.0.0.1", 9)]))
    groups = (
        ("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)]),
        ("inner", "127.0.0.1", 8001, []),
    )
    outer = service(
        {
            "/api/nodes": (200, tree(*groups)),
            "/proxy2/inner/api/nodes": (200, inner),
            "/api/status": (200, status),
        }
    )
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    del outer.asked[:]
    monitor = lf.Monitor(registry, interval=0, history_minutes=0)
    monitor.refresh()
    assert [path for path, _, _ in outer.asked] == ["/api/status"]
    assert {node["key"]: node["version"] for node in monitor.status()["nodes"]} == {
        "rack1/w0": "1",
        "rack1/w0@inner": "2",
    }


def test_what_an_inner_frontend_is_said_to_have_counts_when_it_does_not_answer(registry, service):
    groups = (
        ("local_proxy", "127.0.0.1", 8000, []),
        ("inner", "127.0.0.1", 8001, [("w9", "127.0.0.1", 8)]),
    )
    outer = service({"/api/nodes": (200, tree(*groups)), "/proxy2/inner/api/nodes": (502, b"{}")})
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w9"]
    assert (
        registry.find("w9").prefix == "/proxy2/w9"
    )  # its own frontend is away: the one before it may reach it


def test_flat_nodes_of_an_original_frontend_are_its_children(registry, service):
    # the original with a flat --config shows every node as a proxy without children
    child = service(
        {"/api/nodes": (200, tree(("w1", "127.0.0.1", "9091", []), ("mp", "127.0.0.1", 9092, [])))}
    )
    proxy_at(registry, child)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/mp", "rack1/w1"]


def test_originals_behind_originals_have_no_id_and_are_all_asked(registry, service):
    outer = service({"/api/nodes": (200, tree(("a", "10.0.0.1", 1, []), ("b", "10.0.0.2", 1, [])))})
    for name in "ab":
        outer.answers["/proxy2/%s/api/nodes" % name] = (
            200,
            tree(("local_proxy", "h", 1, [(name + "0", "h", 1)])),
        )
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/a0", "rack1/b0"]


def test_a_frontend_that_invents_frontends_without_end_is_asked_a_limited_number_of_times(
    registry, service
):
    outer = service(
        {
            "/api/nodes": (
                200,
                tree(*(("f%d" % port, "10.0.0.1", port, []) for port in range(1, 2000))),
            )
        }
    )
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    most = lf.MAX_FRONTENDS_BEHIND
    assert most <= len(outer.asked) <= 2 * most + 1


def test_a_frontend_that_answers_with_our_id_is_ourselves_whatever_its_address(registry, service):
    mirror = service(
        {
            "/api/nodes": (
                200,
                dict(tree(("local_proxy", "h", 1, [("w0", "h", 1)])), frontend=lf.FRONTEND_ID),
            )
        }
    )
    supplier = service({"/infos": (200, infos(mirror.url))})
    lf.Sources(registry, supplier_url=supplier.url + "/infos").refresh()
    assert names(registry) == [] and len(registry.groups()) == 1


def test_one_frontend_under_two_addresses_is_one_proxy_and_the_configured_one_counts(
    registry, service
):
    front = service(
        {
            "/api/nodes": (
                200,
                dict(tree(("local_proxy", "h", 1, [("w0", "h", 1)])), frontend="0123456789abcdef"),
            )
        }
    )
    other = service(front.answers)
    proxy_at(registry, front)
    lf.Sources(registry).refresh()
    supplier = service({"/infos": (200, infos(other.url))})
    lf.Sources(registry, supplier_url=supplier.url + "/infos").refresh()
    assert names(registry) == ["rack1/w0"]
    registry.replace_source("api", [])
    assert names(registry) == ["proxy_127.0.0.1_%d/w0" % other.port]


def test_frontends_that_list_each_other_are_asked_once(registry, service):
    outer = service()
    ring = tree(
        ("local_proxy", "127.0.0.1", 1, [("w0", "127.0.0.1", 7)]),
        ("back", "127.0.0.1", outer.port, [("w0", "127.0.0.1", 7)]),
        ("home", "localhost", 4321, [("own", "127.0.0.1", 7)]),
    )
    outer.answers["/api/nodes"] = (200, ring)
    registry.set_home("127.0.0.1", 4321)
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w0"]
    assert [path for path, _, _ in outer.asked] == ["/api/nodes"]


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"name": "a/b", "host": "h", "port": 1},
        {"name": "x", "host": "h", "port": 0},
        {"name": 5},
        7,
        None,
    ],
)
def test_a_child_that_is_no_node_costs_only_itself(registry, service, entry):
    document = tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)]))
    document["nodes"][0]["children"].append(entry)
    document["nodes"].append(entry)
    child = service({"/api/nodes": (200, document)})
    proxy_at(registry, child)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w0"]


# -- whole frontends


def test_without_discovery_heartbeats_are_refused_with_the_option_that_takes_them(start):
    answer = start().ask("/lmcache_heartbeat?api_address=http://127.0.0.1:1")
    assert answer.status == 404 and "--discovery" in answer.json()["detail"]


def test_no_http_sends_heartbeats_and_ends_on_a_signal(start, service):
    receiver = service({"/heartbeat": (200, {})})
    frontend = start(
        "--no-http",
        "--heartbeat-url",
        receiver.url + "/heartbeat",
        "--heartbeat-interval",
        "0.1",
        "--port",
        "8085",
        port=False,
        wait=False,
    )
    _, query, _ = wait_for(lambda: receiver.asked and receiver.asked[0])
    assert query["api_address"].endswith(":8085")
    assert frontend.stop(signal.SIGTERM) == 0


def test_a_source_that_is_no_url_ends_the_start_with_one_line():
    status, output = run("--port", "0", "--node-supplier-url", "nonsense")
    assert status == 2 and len(output.strip().splitlines()) == 1 and "node-supplier-url" in output
