"""Sources side by side, strangers that report, plugins in every process: what went wrong once."""

import json
import os
import socket
import sys
import time

import lmcache_frontend as lf
import pytest
from support.frontend import PROGRAM, Frontend, wait_for
from support.nodes import NodeServer
from test_discovery import Service, infos, tree, names
from test_plugin import environment, ENGINE, SERVER

@pytest.fixture
def registry():
    return lf.NodeRegistry("127.0.0.1", 1)

def test_flat_nodes_of_an_original_frontend_are_its_children(registry):
    # the original with a flat --config shows every node as a proxy without children
    child = Service(answers={"/api/nodes": (200, tree(("w1", "127.0.0.1", "9091", []), ("mp", "127.0.0.1", 9092, [])))})
    registry.replace_source("config", [], [lf.Node.parse({"name": "rack1", "host": "127.0.0.1", "port": child.port, "nodes": []}, "", "config")])
    lf.Sources(registry).refresh()
    child.close()
    assert names(registry) == ["rack1/mp", "rack1/w1"]

def test_one_server_from_two_sources_is_one_node(registry):
    mp = Service()
    coordinator = Service(answers={"/instances": (200, {"instances": [{"instance_id": "mp-server-0", "ip": "127.0.0.1", "http_port": mp.port}]})})
    supplier = Service(answers={"/i": (200, infos("http://127.0.0.1:%d" % mp.port))})
    lf.Sources(registry, supplier_url=supplier.url + "/i", coordinator_url=coordinator.url).refresh()
    for s in (mp, coordinator, supplier): s.close()
    assert len([n for n in registry.leaves() if n.target.port == mp.port]) == 1

def test_a_stranger_cannot_make_any_address_reachable_by_reporting_it():
    with NodeServer() as secret:
        import subprocess
        front = Frontend.__new__(Frontend)
        import tempfile
        front.output_file = tempfile.TemporaryFile()
        front.process = subprocess.Popen([sys.executable, PROGRAM, "--port", "0", "--host", "127.0.0.1", "--discovery", "--poll-interval", "0"], stdout=front.output_file, stderr=subprocess.STDOUT)
        try:
            import re
            front.port = int(wait_for(front._announced).group(1))
            before = front.foreign("/proxy/127.0.0.1/%d/secret" % secret.port).status
            front.foreign("/heartbeat?api_address=http://127.0.0.1:%d" % secret.port)
            time.sleep(1)
            after = front.foreign("/proxy/127.0.0.1/%d/secret" % secret.port)
            print("before", before, "after", after.status, after.body[:80])
            assert before == 403 and after.status == 403
        finally:
            front.stop()

def test_sockets_in_a_subfolder_are_found(registry, tmp_path, monkeypatch):
    import tempfile
    home = tempfile.mkdtemp(dir="/tmp", prefix="ld-")
    os.mkdir(home + "/socket")
    with socket.socket(socket.AF_UNIX) as a, socket.socket(socket.AF_UNIX) as b:
        a.bind(home + "/socket_9090"); b.bind(home + "/socket/9091")
        monkeypatch.setattr(lf, "LMCACHE_SOCKET_DIRECTORY", home + "/")
        lf.Sources(registry, find_sockets=True).refresh()
    assert len(registry.leaves()) == 2

def test_sockets_appear_soon(registry, monkeypatch):
    import tempfile
    home = tempfile.mkdtemp(dir="/tmp", prefix="ld-")
    monkeypatch.setattr(lf, "LMCACHE_SOCKET_DIRECTORY", home + "/")
    sources = lf.Sources(registry, find_sockets=True)  # the default interval
    sources.start()
    time.sleep(0.3)
    with socket.socket(socket.AF_UNIX) as a:
        a.bind(home + "/socket_9090")
        try:
            wait_for(lambda: registry.leaves(), 6)
        finally:
            sources.stop()

def test_extra_config_may_be_a_json_string():
    s = lf.plugin_settings(environment(dict(ENGINE, extra_config='{"plugin.frontend.port": 8123}')))
    assert s.options == ["--port=8123"]

def test_an_mp_server_without_runtime_plugin_extra_config_still_has_its_own():
    config = dict(SERVER, mp_config={"instance_id": "m", "runtime_plugin_config": {"extra_config": {"plugin.frontend.port": 8123}}})
    del config["runtime_plugin_extra_config"]
    assert lf.plugin_settings(environment(config)).options == ["--port=8123"]

def test_a_worker_started_by_mistake_ends_in_order_and_says_why():
    import subprocess
    env = dict(os.environ, **environment(dict(ENGINE, extra_config={"plugin.frontend.port": 0, "plugin.frontend.host": "127.0.0.1"}), role="worker"))
    p = subprocess.Popen([sys.executable, PROGRAM], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert p.wait(5) == 0
    finally:
        p.kill()


def test_children_of_a_proxy_that_is_gone_are_forgotten(registry):
    registry.replace_source("heartbeat", [], [lf.reported_node(lf.Target("10.0.0.1", 1, ""), "heartbeat", True)])
    registry.set_children("proxy_10.0.0.1_1", [])
    registry.replace_source("heartbeat", [], [])
    assert not registry._children

@pytest.mark.parametrize("text", ["5000", ":5000", ""])
def test_dns_without_a_name_is_refused(registry, text):
    with pytest.raises(lf.FrontendError) as e:
        lf.Sources(registry, dns=[text])
    assert "--dns" in e.value.detail


def test_a_frontend_that_was_not_ready_at_its_first_report_is_a_proxy_later(registry):
    front = Service(answers={"/api/nodes": (503, b"{}")})
    d = lf.DiscoveryService(registry, expiry=0.8)
    try:
        d.heartbeat({"api_address": front.url, "pid": "1"}, "")
        wait_for(lambda: registry.leaves())
        front.answers["/api/nodes"] = (200, tree(("local_proxy", "127.0.0.1", 8000, [("w0", "127.0.0.1", 7)])))
        def beat():
            d.heartbeat({"api_address": front.url, "pid": "1"}, "")
            return any(n.name == "w0" for n in registry.leaves())
        wait_for(beat, 4)
    finally:
        d.stop(); front.close()


def test_one_bad_entry_of_a_supplier_does_not_stop_the_other_sources(registry):
    supplier = Service(answers={"/i": (200, {"processInfos": {"http://a:1": {"lmCacheInfoEntities": 7}}})})
    s = lf.Sources(registry, supplier_url=supplier.url + "/i", dns=["localhost:7"])
    s.refresh(); supplier.close()
    assert registry.leaves()

def test_a_supplier_that_hangs_does_not_delay_the_other_sources(registry):
    import threading
    gate = threading.Event()
    supplier = Service(answers={"/i": (200, lambda: gate.wait(20) and {})})
    s = lf.Sources(registry, supplier_url=supplier.url + "/i", dns=["localhost:7"])
    s.start()
    try:
        wait_for(lambda: registry.leaves(), 3)
    finally:
        gate.set(); s.stop(); supplier.close()
