"""Fleets: heartbeats sent and received, suppliers, coordinators, DNS, frontends behind frontends."""

import http.server
import json
import os
import signal
import socket
import threading
import time
import urllib.parse

import lmcache_frontend as lf
import pytest
from support.frontend import run, wait_for


class Service:
    """An HTTP service on loopback that answers what ``answers`` says: path -> (status, body) or a callable of the query."""

    def __init__(self, port=0, **answers):
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                service.asked.append((path, dict(urllib.parse.parse_qsl(query)), dict(self.headers.items())))
                status, body = service.answers.get(path, (404, b'{"detail":"Not Found"}'))
                if callable(body):
                    body = body()
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.answers = answers.pop("answers", {})
        self.asked = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service():
    running = []

    def make(answers=None, port=0):
        running.append(Service(port, answers=answers or {}))
        return running[-1]

    yield make
    for item in running:
        item.close()


@pytest.fixture
def registry():
    return lf.NodeRegistry("127.0.0.1", 1)


@pytest.fixture
def discovery(registry):
    made = []

    def make(**options):
        made.append(lf.DiscoveryService(registry, **options))
        return made[-1]

    yield make
    for item in made:
        item.stop()


def refused_url():
    """A URL at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return "http://127.0.0.1:%d" % sock.getsockname()[1]


def names(registry):
    return sorted(node.key for node in registry.leaves())


def infos(*addresses):
    """What LMCache's discovery service answers when these addresses reported to it."""
    entity = {"ipAddress": None, "pid": 1, "version": "0.5.6", "startTime": "2026-01-01 00:00:00", "otherInfo": "{}"}
    processes = {at: {"count": 1, "lmCacheInfoEntities": [dict(entity, apiAddress=at)]} for at in addresses}
    return {"processCount": len(processes), "processInfos": processes, "versionCount": 1, "versions": None}


def tree(*groups):
    """``/api/nodes`` of a frontend; a group is (name, host, port, [(name, host, port) ...])."""
    nodes = []
    for name, host, port, children in groups:
        entries = [{"id": "node_" + n, "name": n, "host": h, "port": p, "is_proxy": False, "proxy_id": name} for n, h, p in children]
        nodes.append({"id": "proxy_" + name, "name": name, "host": host, "port": port, "is_proxy": True, "children": entries})
    return {"nodes": nodes}


# -- heartbeats sent


def test_a_heartbeat_has_the_fields_that_the_original_sends(registry, service):
    receiver = service({"/lmcache_heartbeat": (200, {"status": "success"})})
    node = service({"/version": (200, "0.5.6-g3e11e108")})
    registry.replace_source("api", [lf.Node.parse({"name": "w0", "host": "127.0.0.1", "port": node.port}, "", "api")], [])
    sender = lf.HeartbeatSender(registry, 8123, "0.0.0.0", "frontend.example")
    sender.start(receiver.url + "/lmcache_heartbeat", 0, 30)
    path, query, _ = wait_for(lambda: receiver.asked and receiver.asked[0])
    sender.stop()
    assert query["pid"] == str(os.getpid()) and query["version"] == "0.5.6-g3e11e108"
    assert query["api_address"] == "http://frontend.example:8123"
    other = json.loads(query["other_info"])
    assert other["nodes_count"] == 1 and other["startup_time"].startswith("20")


def test_the_status_of_the_heartbeat_follows_start_and_stop(registry, service):
    receiver = service({"/heartbeat": (200, {})})
    sender = lf.HeartbeatSender(registry, 8123)
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
    sender = lf.HeartbeatSender(registry, 8123)
    sender.start(url + "/heartbeat", 0, 0.05)
    wait_for(lambda: sender.status()["last_error"])
    receiver = service({"/heartbeat": (200, {})}, port=int(url.rpartition(":")[2]))
    wait_for(lambda: len(receiver.asked) > 1)
    wait_for(lambda: sender.status()["last_error"] is None)
    sender.stop()
    refused = [record for record in caplog.records if "connection refused" in record.getMessage()]
    assert len(refused) == 1


def test_stopping_does_not_wait_for_a_receiver_that_hangs(registry, service):
    gate = threading.Event()
    receiver = service({"/heartbeat": (200, lambda: gate.wait(10) and {})})
    sender = lf.HeartbeatSender(registry, 8123)
    sender.start(receiver.url + "/heartbeat", 0, 30)
    wait_for(lambda: receiver.asked)
    before = time.monotonic()
    sender.stop()
    assert time.monotonic() - before < 1
    gate.set()


def test_a_password_in_the_heartbeat_url_becomes_a_bearer_token_and_is_not_shown(registry, service):
    receiver = service({"/heartbeat": (200, {})})
    sender = lf.HeartbeatSender(registry, 8123)
    sender.start("http://x:secret@127.0.0.1:%d/heartbeat" % receiver.port)
    _, query, headers = wait_for(lambda: receiver.asked and receiver.asked[0])
    assert headers["Authorization"] == "Bearer secret"
    assert "secret" not in json.dumps(sender.status()) and "secret" not in json.dumps(query)
    sender.stop()


@pytest.mark.parametrize("url", ["", "example", "ftp://example/", "http://", "http://a b/", "http://h:99999/"])
def test_a_heartbeat_url_that_is_none_is_refused(registry, url):
    with pytest.raises(lf.FrontendError) as failed:
        lf.HeartbeatSender(registry, 8123).start(url)
    assert failed.value.status == 400


def test_the_address_we_listen_on_is_reported_and_else_a_real_one(registry):
    assert lf.HeartbeatSender(registry, 1, "127.0.0.1").report_host("http://10.1.1.1/") == "127.0.0.1"
    found = lf.HeartbeatSender(registry, 1, "0.0.0.0").report_host("http://127.0.0.1/")
    assert found not in lf.BIND_ADDRESSES and socket.getaddrinfo(found, 80)
    assert lf.HeartbeatSender(registry, 1, "::", "fd00::5").report("http://h/")["api_address"] == "http://[fd00::5]:1"


# -- heartbeats received


def test_a_report_is_listed_in_the_shape_of_lmcaches_service(discovery):
    service = discovery()
    info = json.dumps({"startup_time": "2026-01-02T03:04:05.123456", "nodes_count": 3})
    report = {"pid": "123", "api_address": "http://127.0.0.1:1", "version": "0.5.6", "other_info": info}
    assert service.heartbeat(report, "10.0.0.9") == {"status": "success"}
    document = service.infos()
    assert (document["processCount"], document["versionCount"], document["versions"]) == (1, 1, None)
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
    assert service.infos() == {"processCount": 0, "processInfos": {}, "versionCount": 0, "versions": None}


@pytest.mark.parametrize("address", [
    "10.0.0.5:8000", "https://10.0.0.5:8000", "http://10.0.0.5", "http://10.0.0.5:8000/x", "http://u:p@h:1", "http://h:0",
    "http://h:1?x", "http://<b>:80", "file:///etc/passwd", "http://h:99999", "http://[::1:80",
])  # fmt: skip
def test_an_address_that_is_not_http_host_port_is_refused(discovery, address):
    service = discovery()
    with pytest.raises(lf.FrontendError) as failed:
        service.heartbeat({"api_address": address}, "10.0.0.9")
    assert failed.value.status == 400 and failed.value.field == "api_address"


@pytest.mark.parametrize("size,accepted", [(lf.MAX_OTHER_INFO, True), (lf.MAX_OTHER_INFO + 1, False)])
def test_other_info_has_a_limit(discovery, size, accepted):
    service = discovery()
    report = {"api_address": "http://127.0.0.1:1", "other_info": "x" * size}
    if accepted:
        service.heartbeat(report, "")
    else:
        with pytest.raises(lf.FrontendError):
            service.heartbeat(report, "")


def test_reporters_have_a_limit_and_known_ones_may_go_on(discovery, monkeypatch):
    monkeypatch.setattr(lf, "MAX_REPORTERS", 2)
    service = discovery()
    for port in (1, 2, 1):
        service.heartbeat({"api_address": "http://127.0.0.1:%d" % port}, "")
    with pytest.raises(lf.FrontendError) as failed:
        service.heartbeat({"api_address": "http://127.0.0.1:3"}, "")
    assert failed.value.status == 503


def test_what_reports_becomes_a_node_and_vanishes_when_it_is_silent(discovery, registry, service):
    frontend = service({"/api/nodes": (200, tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7), ("w1", "h", "/tmp/s")])))})
    server = service()
    reports = discovery(expiry=0.6)
    reports.heartbeat({"api_address": frontend.url}, "")
    reports.heartbeat({"api_address": server.url}, "")
    proxy, leaf = "proxy_127.0.0.1_%d" % frontend.port, "node_127.0.0.1_%d" % server.port
    wait_for(lambda: names(registry) == sorted([leaf, proxy + "/w0", proxy + "/w1"]))
    assert registry.find(proxy + "/w1").prefix == "/proxy2/w1" and registry.find(proxy).is_proxy
    wait_for(lambda: names(registry) == [] and not reports.infos()["processInfos"])


def test_reports_survive_a_restart_in_the_discovery_file(discovery, registry, tmp_path):
    path = str(tmp_path / "reports.json")
    discovery(file=path).heartbeat({"api_address": "http://127.0.0.1:1", "version": "0.5.6"}, "10.0.0.9")
    wait_for(lambda: os.path.exists(path))
    assert list(discovery(file=path).infos()["processInfos"]) == ["http://127.0.0.1:1"]


@pytest.mark.parametrize("text", ["{", "[1]", '[{"address": 5}]', '{"a": 1}'])
def test_a_broken_discovery_file_is_an_error_that_names_it(registry, tmp_path, text):
    path = tmp_path / "reports.json"
    path.write_text(text)
    with pytest.raises(lf.FrontendError) as failed:
        lf.DiscoveryService(registry, file=str(path))
    assert str(path) in failed.value.detail


def test_only_reports_of_the_last_minutes_or_hours_are_told(discovery, registry, tmp_path):
    path = tmp_path / "reports.json"
    item = {"pid": 1, "version": "1", "other_info": "{}", "peer": "", "started": 0.0}
    ages = {1: 30, 2: 90, 3: 5000}
    path.write_text(json.dumps([dict(item, address="http://127.0.0.1:%d" % port, reported=time.time() - age) for port, age in ages.items()]))
    service = discovery(file=str(path), expiry=10000.0)
    assert len(service.infos()["processInfos"]) == 3
    assert len(service.infos(minute=1)["processInfos"]) == 1
    assert len(service.infos(hour=1)["processInfos"]) == 2


# -- node suppliers


def test_a_supplier_gives_proxies_and_leaves(registry, service):
    frontend = service({"/api/nodes": (200, tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)])))})
    server = service()
    supplier = service({"/lmcache_infos": (200, infos(frontend.url, server.url))})
    sources = lf.Sources(registry, supplier_url=supplier.url + "/lmcache_infos")
    sources.refresh()
    assert names(registry) == ["node_127.0.0.1_%d" % server.port, "proxy_127.0.0.1_%d/w0" % frontend.port]
    assert sources.alerts() == []


@pytest.mark.parametrize("status,body", [
    (500, b"oops"), (200, b"<html>hello</html>"), (200, b"[]"), (200, b'{"processInfos": []}'), (200, b'"text"'), (200, b""),
    (200, b"[" * 100000), (200, b'{"processInfos": ' + b" " * (10 << 20)),
])  # fmt: skip
def test_a_supplier_that_talks_nonsense_keeps_the_last_good_nodes_and_has_an_alert(registry, service, status, body):
    server = service()
    supplier = service({"/infos": (200, infos(server.url))})
    sources = lf.Sources(registry, supplier_url=supplier.url + "/infos")
    sources.refresh()
    supplier.answers["/infos"] = (status, body)
    sources.refresh()
    assert names(registry) == ["node_127.0.0.1_%d" % server.port]
    (alert,) = sources.alerts()
    assert alert.rule == "source_away" and "supplier" in alert.text and alert.severity == "warning"
    supplier.answers["/infos"] = (200, infos())
    sources.refresh()
    assert sources.alerts() == [] and names(registry) == []


@pytest.mark.parametrize("entry", [None, 5, {"lmCacheInfoEntities": 7}, {"lmCacheInfoEntities": [7, {}, {"apiAddress": 5}, {"apiAddress": "x"}]}])
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


# -- coordinator and DNS


def test_the_instances_of_a_coordinator_come_and_go(registry, service):
    entry = {"instance_id": "mp-server-0", "ip": "127.0.0.1", "http_port": 7, "registration_time": 1.0, "metadata": {}}
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


def test_a_coordinator_that_is_away_is_a_node_all_the_same(registry):
    sources = lf.Sources(registry, coordinator_url=refused_url())
    sources.refresh()
    assert names(registry) == ["coordinator"] and sources.alerts()


def test_every_address_of_a_dns_name_is_a_node(registry):
    sources = lf.Sources(registry, dns=["localhost:9090", "no-such-name.invalid:1"])
    sources.refresh()
    assert "127.0.0.1:9090" in names(registry)
    assert ["dns:no-such-name.invalid:1" in alert.text for alert in sources.alerts()] == [True]


@pytest.mark.parametrize("text", ["localhost", "localhost:0", ":9090x", "a b:1"])
def test_a_dns_option_that_is_none_is_refused(registry, text):
    with pytest.raises(lf.FrontendError):
        lf.Sources(registry, dns=[text])


def test_sockets_in_lmcaches_folder_are_found(registry, uds_node, monkeypatch):
    monkeypatch.setattr(lf, "LMCACHE_SOCKET_DIRECTORY", os.path.dirname(uds_node.path))
    with open(os.path.join(os.path.dirname(uds_node.path), "no_socket"), "w"):
        lf.Sources(registry, find_sockets=True).refresh()
    assert names(registry) == ["socket_9090"]


# -- frontends behind frontends


def proxy_at(registry, service, name="rack1"):
    node = lf.Node.parse({"name": name, "host": "127.0.0.1", "port": service.port, "nodes": []}, "", "api")
    registry.replace_source("api", [], [node])
    return node


def test_a_proxy_that_goes_away_keeps_its_children(registry, service):
    child = service({"/api/nodes": (200, tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)])))})
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


def test_a_frontend_behind_a_frontend_is_asked_through_it(registry, service):
    outer = service({
        "/api/nodes": (200, tree(
            ("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)]),
            ("inner", "127.0.0.1", 8001, [("stale", "127.0.0.1", 8)]),
        )),
        "/proxy2/inner/api/nodes": (200, tree(("local_proxy", "127.0.0.1", 8001, [("w0", "127.0.0.1", 9), ("w9", "127.0.0.1", 9)]))),
    })  # fmt: skip
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w0", "rack1/w0@inner", "rack1/w9"]
    assert registry.find("w9").prefix == "/proxy2/inner/proxy2/w9"
    assert registry.find("rack1/w0@inner").prefix == "/proxy2/inner/proxy2/w0"


def test_what_an_inner_frontend_is_said_to_have_counts_when_it_does_not_answer(registry, service):
    groups = ("local_proxy", "127.0.0.1", 8000, []), ("inner", "127.0.0.1", 8001, [("w9", "127.0.0.1", 8)])
    outer = service({"/api/nodes": (200, tree(*groups)), "/proxy2/inner/api/nodes": (502, b"{}")})
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w9"]
    assert registry.find("w9").prefix == "/proxy2/w9"  # its own frontend is away: the one before it may reach it


def test_frontends_that_list_each_other_are_asked_once(registry, service):
    outer = service()
    ring = tree(("local_proxy", "127.0.0.1", 1, [("w0", "127.0.0.1", 7)]), ("back", "127.0.0.1", outer.port, [("w0", "127.0.0.1", 7)]),
                ("home", "localhost", 4321, [("own", "127.0.0.1", 7)]))  # fmt: skip
    outer.answers["/api/nodes"] = (200, ring)
    registry.set_home("127.0.0.1", 4321)
    proxy_at(registry, outer)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w0"]
    assert [path for path, _, _ in outer.asked] == ["/api/nodes"]


@pytest.mark.parametrize("entry", [{}, {"name": "a/b", "host": "h", "port": 1}, {"name": "x", "host": "h", "port": 0}, {"name": 5}, 7, None])
def test_a_child_that_is_no_node_costs_only_itself(registry, service, entry):
    document = tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)]))
    document["nodes"][0]["children"].append(entry)
    document["nodes"].append(entry)
    child = service({"/api/nodes": (200, document)})
    proxy_at(registry, child)
    lf.Sources(registry).refresh()
    assert names(registry) == ["rack1/w0"]


# -- whole frontends


def test_three_frontends_in_a_chain_report_list_and_forward(start, node):
    top = start("--discovery", "--refresh-interval", "0.2", "--poll-interval", "0")
    middle = start("--discovery", "--refresh-interval", "0.2", "--poll-interval", "0", *reports_to(top))
    start("--node", "w0=%s" % node.address, "--poll-interval", "0", *reports_to(middle))

    def child():
        """the lowest frontend's node shows at the top"""
        groups = top.ask("/api/nodes").json()["nodes"]
        return [(group["name"], entry["name"]) for group in groups for entry in group.get("children", ()) if entry["name"] == "w0"]

    (found,) = wait_for(child, 20)
    answer = top.ask("/proxy2/%s/proxy2/%s/echo" % found)
    assert answer.status == 200 and answer.json()
    document = top.ask("/lmcache_infos").json()
    assert document["processCount"] == 1 and document["versions"] is None


def reports_to(frontend):
    url = "http://x:test-token-123@127.0.0.1:%d/lmcache_heartbeat" % frontend.port
    return "--heartbeat-url", url, "--heartbeat-interval", "0.2", "--report-host", "127.0.0.1"


def test_a_frontend_that_reports_to_itself_does_not_list_itself(start, node):
    frontend = start("--discovery", "--node", "w0=%s" % node.address, "--poll-interval", "0")
    body = {"heartbeat_url": reports_to(frontend)[1], "interval": 0.1}
    headers = {"Authorization": "Bearer test-token-123"}
    assert frontend.ask("/api/heartbeat/start", "POST", body, headers).status == 200
    wait_for(lambda: frontend.ask("/lmcache_infos").json()["processCount"])
    wait_for(lambda: frontend.ask("/api/heartbeat/status").json()["last_success"])
    assert [group["name"] for group in frontend.ask("/api/nodes").json()["nodes"]] == ["local_proxy"]
    assert frontend.ask("/api/heartbeat/stop", "POST", b"", headers).status == 200
    assert frontend.ask("/api/heartbeat/status").json()["running"] is False


def test_without_discovery_heartbeats_are_refused_with_the_option_that_takes_them(start):
    answer = start().ask("/lmcache_heartbeat?api_address=http://127.0.0.1:1")
    assert answer.status == 404 and "--discovery" in answer.json()["detail"]


def test_no_http_sends_heartbeats_and_ends_on_a_signal(start, service):
    receiver = service({"/heartbeat": (200, {})})
    frontend = start("--no-http", "--heartbeat-url", receiver.url + "/heartbeat", "--heartbeat-interval", "0.1", "--port", "8085", port=False, wait=False)
    _, query, _ = wait_for(lambda: receiver.asked and receiver.asked[0])
    assert query["api_address"].endswith(":8085")
    assert frontend.stop(signal.SIGTERM) == 0


def test_a_source_that_is_no_url_ends_the_start_with_one_line():
    status, output = run("--port", "0", "--node-supplier-url", "nonsense")
    assert status == 2 and len(output.strip().splitlines()) == 1 and "node-supplier-url" in output
