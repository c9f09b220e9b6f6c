"""Targets, nodes, the registry and the configuration file."""

import json
import os
import signal

import lmcache_frontend as lf
import pytest
from support.frontend import run, wait_for


@pytest.mark.parametrize("host,port,label,authority", [
    ("10.0.0.5", 9090, "10.0.0.5:9090", "10.0.0.5:9090"), ("10.0.0.5", "9090", "10.0.0.5:9090", "10.0.0.5:9090"),
    ("0.0.0.0", 1, "127.0.0.1:1", "127.0.0.1:1"), ("::", 1, "[::1]:1", "[::1]:1"), ("", 1, "127.0.0.1:1", "127.0.0.1:1"),
    ("[fe80::1]", 65535, "[fe80::1]:65535", "[fe80::1]:65535"), ("Node-1.Example", 80, "node-1.example:80", "node-1.example:80"),
    ("ignored", "/tmp/x/socket_9091", "/tmp/x/socket_9091", "localhost"),
])  # fmt: skip
def test_a_target_is_read_from_what_people_write(host, port, label, authority):
    target = lf.Target.parse(host, port)
    assert (target.label, target.authority) == (label, authority)


@pytest.mark.parametrize("host,port,field", [
    ("h", 0, "port"), ("h", 65536, "port"), ("h", "80a", "port"), ("h", "+80", "port"), ("h", True, "port"), ("h", None, "port"),
    ("h", 80.0, "port"), ("h", "relative/socket", "port"), ("h", "/tmp/" + "a" * 120, "port"), ("h", "/tmp/a\nb", "port"), ("h", "٣", "port"),
    ("a b", 80, "host"), ("a/b", 80, "host"), ("1:2:3", 80, "host"), (None, 80, "host"), ("user@h", 80, "host"), ("-", 80, "host"),
])  # fmt: skip
def test_a_wrong_target_names_the_field(host, port, field):
    with pytest.raises(lf.FrontendError) as caught:
        lf.Target.parse(host, port)
    assert caught.value.status == 400 and caught.value.field == field


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\nb", ".", "..", None, 5, "x" * 201])
def test_a_wrong_name_is_refused(name):
    with pytest.raises(lf.FrontendError) as caught:
        lf.Node.parse({"name": name, "host": "h", "port": 1}, "entry", "config")
    assert caught.value.field == "name" and "entry" in caught.value.detail


def registry(*entries, source="config"):
    made = lf.NodeRegistry()
    made.replace_source(source, *lf.parse_nodes(list(entries), "test", source))
    return made


def test_a_flat_list_becomes_the_group_local_proxy():
    nodes = registry({"name": "w0", "host": "h", "port": 1}, {"name": "w1", "port": "/tmp/s"})
    assert [group.name for group in nodes.groups()] == ["local_proxy"]
    assert [node.key for node in nodes.leaves()] == ["w0", "w1"]


def test_the_originals_tree_keeps_its_proxies():
    child = {"name": "w0", "host": "10.0.0.7", "port": 9090}
    nodes = registry({"name": "rack1", "host": "10.0.0.7", "port": 8080, "nodes": [child]}, {"name": "local_proxy", "host": "h", "port": 1, "nodes": [dict(child, name="own")]})
    assert [(group.name, [node.name for node in group.children]) for group in nodes.groups()] == [("local_proxy", ["own"]), ("rack1", ["w0"])]
    assert nodes.find("w0").target.label == "10.0.0.7:9090" and nodes.find("rack1").is_proxy


def test_a_socket_of_another_host_is_reached_through_its_frontend():
    nodes = registry({"name": "rack1", "host": "10.0.0.7", "port": 8080, "nodes": [{"name": "w0", "host": "h", "port": "/tmp/s"}]})
    node = nodes.find("w0")
    assert (node.target.label, node.prefix, node.path) == ("10.0.0.7:8080", "/proxy2/w0", "/proxy2/rack1/proxy2/w0")


def test_a_name_used_twice_is_refused_and_nothing_changes():
    nodes = registry({"name": "w0", "host": "h", "port": 1})
    with pytest.raises(lf.FrontendError) as caught:
        nodes.replace_source("node", lf.parse_nodes([{"name": "w0", "host": "h", "port": 2}], "x", "node")[0], [])
    assert caught.value.status == 409 and [node.port for node in nodes.leaves()] == [1]


def test_a_changing_source_never_displaces_a_configured_node():
    nodes = registry({"name": "w0", "host": "h", "port": 1})
    nodes.replace_source("dns", lf.parse_nodes([{"name": "w0", "host": "h", "port": 2}, {"name": "w1", "host": "h", "port": 3}], "x", "dns")[0], [])
    assert [(node.name, node.port) for node in nodes.leaves()] == [("w0", 1), ("w1", 3)]
    assert len(nodes.conflicts) == 1


def test_a_name_that_two_proxies_share_must_be_said_in_full():
    nodes = registry(*({"name": rack, "host": "10.0.0.7", "port": 1, "nodes": [{"name": "w0", "host": "h", "port": "/tmp/s"}]} for rack in ("a", "b")))
    with pytest.raises(lf.FrontendError) as caught:
        nodes.find("w0")
    assert caught.value.status == 409 and nodes.find("a/w0").proxy == "a"


def test_nodes_are_added_changed_and_removed_through_the_api_and_written_back(start, tmp_path, node):
    config = tmp_path / "nodes.json"
    config.write_text(json.dumps([{"name": "w0", "host": "127.0.0.1", "port": node.port, "note": "kept"}]))
    config.chmod(0o640)
    front = start("--config", config)
    added = front.ask("/api/nodes", "POST", {"name": "w1", "host": "127.0.0.1", "port": "/tmp/none"})
    assert added.json()["persisted"] is True
    assert front.ask("/api/proxies", "POST", {"name": "rack1", "host": "127.0.0.1", "port": 9}).status == 200
    assert front.ask("/api/proxies/rack1/nodes", "POST", {"name": "c0", "host": "127.0.0.1", "port": 9}).status == 200
    assert front.ask("/api/nodes/w0", "PUT", {"name": "w0 b", "host": "127.0.0.1", "port": node.port}).status == 200
    assert front.ask("/proxy2/w0%20b/version").status == 200 and front.ask("/proxy2/w0/version").status == 404
    assert json.loads(config.read_text()) == [
        {"name": "w0 b", "host": "127.0.0.1", "port": node.port, "note": "kept"},
        {"name": "w1", "host": "127.0.0.1", "port": "/tmp/none"},
        {"name": "rack1", "host": "127.0.0.1", "port": 9, "nodes": [{"name": "c0", "host": "127.0.0.1", "port": 9}]},
    ]
    assert os.stat(config).st_mode & 0o777 == 0o640
    for name in ("w1", "c0", "rack1"):
        assert front.ask("/api/nodes/" + name, "DELETE").status == 200
    assert [entry["name"] for entry in json.loads(config.read_text())] == ["w0 b"]
    assert os.listdir(tmp_path) == ["nodes.json"]


def test_without_a_file_the_answer_says_that_changes_end_with_the_process(front):
    answer = front.ask("/api/nodes", "POST", {"name": "w1", "host": "127.0.0.1", "port": 9}).json()
    assert answer["status"] == "success" and answer["persisted"] is False and "--config" in answer["message"]


@pytest.mark.parametrize("method,path,body,status,field", [
    ("POST", "/api/nodes", {"name": "x", "host": "h"}, 400, "port"), ("POST", "/api/nodes", {"host": "h", "port": 1}, 400, "name"),
    ("POST", "/api/nodes", {"name": "w0", "host": "h", "port": 1}, 409, "name"), ("POST", "/api/nodes", {"name": "x", "port": 1}, 400, "host"),
    ("POST", "/api/proxies/none/nodes", {"name": "x", "host": "h", "port": 1}, 404, None), ("PUT", "/api/nodes/none", {"name": "x", "host": "h", "port": 1}, 404, None),
    ("DELETE", "/api/nodes/none", None, 404, None), ("GET", "/api/proxies/none/nodes", None, 404, None), ("POST", "/api/nodes", [1], 400, None),
])  # fmt: skip
def test_a_wrong_change_names_the_field(lasting_front, method, path, body, status, field):
    answer = lasting_front.ask(path, method, body)
    assert answer.status == status and answer.json().get("field") == field and answer.json()["detail"]


def test_a_body_that_is_not_json_is_a_400(front):
    answer = front.ask("/api/nodes", "POST", b"{oops")
    assert answer.status == 400 and "JSON" in answer.json()["detail"]


def test_a_configuration_that_cannot_be_written_leaves_all_as_it_was(start, tmp_path, node):
    folder = tmp_path / "sub"
    folder.mkdir()
    config = folder / "nodes.json"
    config.write_text("[]")
    front = start("--config", config)
    config.unlink()
    folder.rmdir()
    answer = front.ask("/api/nodes", "POST", {"name": "w1", "host": "127.0.0.1", "port": 9})
    assert answer.status == 500 and str(config) in answer.json()["detail"]
    assert "w1" not in front.ask("/api/nodes").body.decode()


def test_sighup_reads_the_file_again_and_keeps_the_old_nodes_when_it_is_wrong(start, tmp_path, node):
    config = tmp_path / "nodes.json"
    config.write_text(json.dumps([{"name": "w0", "host": "127.0.0.1", "port": node.port}]))
    front = start("--config", config)
    config.write_text(json.dumps([{"name": "w9", "host": "127.0.0.1", "port": node.port}]))
    front.process.send_signal(signal.SIGHUP)
    wait_for(lambda: front.ask("/proxy2/w9/version").status == 200)
    config.write_text("[{")
    front.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "kept the old nodes" in front.output())
    assert front.ask("/proxy2/w9/version").status == 200


@pytest.mark.parametrize("content,words", [
    ('[{"name": "a", "host": "h", "port": 1}, {"name": "a", "host": "h", "port": 2}]', "'a'"), ('[{"name": "a", "host": "h"}]', "[0] (a): port is missing"),
    ("[1]", "[0] is not an object"), ('{"nodes": []}', "not a list"), ('[{"name": "r", "host": "h", "port": 1, "nodes": [{"name": "x"}]}]', "nodes[0]"), ("", "not JSON"),
])  # fmt: skip
def test_a_wrong_configuration_names_the_place(tmp_path, content, words):
    config = tmp_path / "nodes.json"
    config.write_text(content)
    status, output = run("--config", config, "--port", "0")
    assert status == 2 and words in output and str(config) in output and len(output.splitlines()) == 1
