"""Targets, nodes, the registry and the configuration file."""

import http.client
import json
import os
import signal
import socket
import threading
import time

import lmcache_frontend as lf
import pytest
from support.cost import assert_linear
from support.frontend import TOKEN, run, wait_for
from support.nodes import NodeServer
from support.ports import free_port


@pytest.mark.parametrize(
    "host,port,label,authority",
    [
        ("10.0.0.5", 9090, "10.0.0.5:9090", "10.0.0.5:9090"),
        ("10.0.0.5", "9090", "10.0.0.5:9090", "10.0.0.5:9090"),
        ("0.0.0.0", 1, "127.0.0.1:1", "127.0.0.1:1"),
        ("::", 1, "[::1]:1", "[::1]:1"),
        ("", 1, "127.0.0.1:1", "127.0.0.1:1"),
        ("[fe80::1]", 65535, "[fe80::1]:65535", "[fe80::1]:65535"),
        ("Node-1.Example", 80, "node-1.example:80", "node-1.example:80"),
        ("ignored", "/tmp/x/socket_9091", "/tmp/x/socket_9091", "localhost"),
    ],
)
def test_a_target_is_read_from_what_people_write(host, port, label, authority):
    target = lf.Target.parse(host, port)
    assert (target.label, target.authority) == (label, authority)


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_is_shown_with_brackets_once_however_it_was_written(host):
    assert (
        lf.Node.parse({"name": "w0", "host": host, "port": 9090}, "", "api").address == "[::1]:9090"
    )


@pytest.mark.parametrize(
    "host,port,field",
    [
        ("h", 0, "port"),
        ("h", 65536, "port"),
        ("h", "80a", "port"),
        ("h", "+80", "port"),
        ("h", True, "port"),
        ("h", None, "port"),
        ("h", 80.0, "port"),
        ("h", "relative/socket", "port"),
        ("h", "/tmp/" + "a" * 120, "port"),
        ("h", "/tmp/a\nb", "port"),
        ("h", "٣", "port"),
        ("a b", 80, "host"),
        ("a/b", 80, "host"),
        ("1:2:3", 80, "host"),
        (None, 80, "host"),
        ("user@h", 80, "host"),
        ("-", 80, "host"),
    ],
)
def test_a_wrong_target_names_the_field(host, port, field):
    with pytest.raises(lf.FrontendError) as caught:
        lf.Target.parse(host, port)
    assert caught.value.status == 400 and caught.value.field == field


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\nb", ".", "..", None, 5, "x" * 201])
def test_a_wrong_name_is_refused(name):
    with pytest.raises(lf.FrontendError) as caught:
        lf.Node.parse({"name": name, "host": "h", "port": 1}, "entry", "config")
    assert caught.value.field == "name" and "entry" in caught.value.detail


@pytest.mark.parametrize("port", ["x", "/tmp/s", 70000, {"a": 1}])
def test_a_wrong_port_of_the_metrics_is_not_called_the_port_of_the_node(port):
    entry = {"name": "w0", "host": "h", "port": 1, "metrics_port": port}
    with pytest.raises(lf.FrontendError) as caught:
        lf.Node.parse(entry, "entry", "config")
    assert caught.value.field == "metrics_port"
    assert caught.value.detail.startswith("entry (w0): metrics_port ")


def registry(*entries, source="config"):
    made = lf.NodeRegistry()
    made.replace_source(source, lf.parse_nodes(list(entries), "test", source))
    return made


def test_a_flat_list_becomes_the_group_local_proxy():
    nodes = registry({"name": "w0", "host": "h", "port": 1}, {"name": "w1", "port": "/tmp/s"})
    assert [group.name for group in nodes.groups()] == ["local_proxy"]
    assert [node.key for node in nodes.leaves()] == ["w0", "w1"]


def test_the_originals_tree_keeps_its_proxies():
    child = {"name": "w0", "host": "10.0.0.7", "port": 9090}
    nodes = registry(
        {"name": "rack1", "host": "10.0.0.7", "port": 8080, "nodes": [child]},
        {"name": "local_proxy", "host": "h", "port": 1, "nodes": [dict(child, name="own")]},
    )
    assert [(group.name, [node.name for node in group.children]) for group in nodes.groups()] == [
        ("local_proxy", ["own"]),
        ("rack1", ["w0"]),
    ]
    assert nodes.find("w0").target.label == "10.0.0.7:9090" and nodes.find("rack1").is_proxy


def test_a_socket_of_another_host_is_reached_through_its_frontend():
    nodes = registry(
        {
            "name": "rack1",
            "host": "10.0.0.7",
            "port": 8080,
            "nodes": [{"name": "w0", "host": "h", "port": "/tmp/s"}],
        }
    )
    node = nodes.find("w0")
    assert (node.target.label, node.prefix, node.path) == (
        "10.0.0.7:8080",
        "/proxy2/w0",
        "/proxy2/rack1/proxy2/w0",
    )


def test_a_name_used_twice_is_refused_and_nothing_changes():
    nodes = registry({"name": "w0", "host": "h", "port": 1})
    with pytest.raises(lf.FrontendError) as caught:
        nodes.replace_source(
            "node", lf.parse_nodes([{"name": "w0", "host": "h", "port": 2}], "x", "node")
        )
    assert caught.value.status == 409 and [node.port for node in nodes.leaves()] == [1]


def test_a_changing_source_never_displaces_a_configured_node():
    nodes = registry({"name": "w0", "host": "h", "port": 1})
    nodes.replace_source(
        "dns",
        lf.parse_nodes(
            [{"name": "w0", "host": "h", "port": 2}, {"name": "w1", "host": "h", "port": 3}],
            "x",
            "dns",
        ),
    )
    assert [(node.name, node.port) for node in nodes.leaves()] == [("w0", 1), ("w1", 3)]
    assert len(nodes.conflicts) == 1


def test_a_removed_frontend_is_forgotten_even_if_it_was_another_address_of_a_configured_one():
    entry = {"name": "rack1", "host": "10.0.0.7", "port": 1, "nodes": []}
    nodes = registry(entry)
    (other,) = lf.parse_nodes([{**entry, "name": "rack2", "port": 2}], "x", "supplier")
    nodes.set_children(nodes.find("rack1"), [], "same id")
    nodes.set_children(other, [], "same id")
    nodes.replace_source("supplier", [other])
    assert nodes.find("rack2") is None
    nodes.replace_source("supplier", [])
    # Nothing is known of what listens there today.
    nodes.replace_source("supplier", [other])
    assert nodes.find("rack2") is not None


def test_a_name_that_two_proxies_share_must_be_said_in_full():
    nodes = registry(
        *(
            {
                "name": rack,
                "host": "10.0.0.7",
                "port": 1,
                "nodes": [{"name": "w0", "host": "h", "port": "/tmp/s"}],
            }
            for rack in ("a", "b")
        )
    )
    with pytest.raises(lf.FrontendError) as caught:
        nodes.find("w0")
    assert caught.value.status == 409 and nodes.find("a/w0").proxy == "a"


def test_a_request_that_is_repeated_goes_where_its_node_is_now(front, node):
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)

    def ask():
        connection.request("GET", "/proxy2/w0/echo", headers={"Host": "localhost"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    with NodeServer() as other:
        for _ in range(3):
            assert ask()[0] == 200
        assert len(node.requests) == 3 and not other.requests
        assert (
            front.ask(
                "/api/nodes/w0", "PUT", {"name": "w0", "host": "127.0.0.1", "port": other.port}
            ).status
            == 200
        )
        assert ask()[0] == 200 and len(other.requests) == 1 and len(node.requests) == 3
        assert front.ask("/api/nodes/w0", "DELETE").status == 200
        assert ask()[0] == 404 and len(other.requests) == 1
    connection.close()


def test_nodes_are_added_changed_and_removed_through_the_api_and_written_back(
    start, tmp_path, node
):
    config = tmp_path / "nodes.json"
    config.write_text(
        json.dumps([{"name": "w0", "host": "127.0.0.1", "port": node.port, "note": "kept"}])
    )
    config.chmod(0o640)
    front = start("--config", config)
    added = front.ask(
        "/api/nodes",
        "POST",
        {"name": "w1", "host": "127.0.0.1", "port": "/tmp/lmcache_internal_api_server/none"},
    )
    assert added.json()["persisted"] is True
    assert (
        front.ask("/api/proxies", "POST", {"name": "rack1", "host": "127.0.0.1", "port": 9}).status
        == 200
    )
    assert (
        front.ask(
            "/api/proxies/rack1/nodes", "POST", {"name": "c0", "host": "127.0.0.1", "port": 9}
        ).status
        == 200
    )
    assert (
        front.ask(
            "/api/nodes/w0", "PUT", {"name": "w0 b", "host": "127.0.0.1", "port": node.port}
        ).status
        == 200
    )
    assert (
        front.ask("/proxy2/w0%20b/version").status == 200
        and front.ask("/proxy2/w0/version").status == 404
    )
    assert json.loads(config.read_text()) == [
        {"name": "w0 b", "host": "127.0.0.1", "port": node.port, "note": "kept"},
        {"name": "w1", "host": "127.0.0.1", "port": "/tmp/lmcache_internal_api_server/none"},
        {
            "name": "rack1",
            "host": "127.0.0.1",
            "port": 9,
            "nodes": [{"name": "c0", "host": "127.0.0.1", "port": 9}],
        },
    ]
    assert os.stat(config).st_mode & 0o777 == 0o640
    for name in ("w1", "c0", "rack1"):
        assert front.ask("/api/nodes/" + name, "DELETE").status == 200
    assert [entry["name"] for entry in json.loads(config.read_text())] == ["w0 b"]
    assert os.listdir(tmp_path) == ["nodes.json"]


def test_without_a_file_the_answer_says_that_changes_end_with_the_process(front):
    answer = front.ask("/api/nodes", "POST", {"name": "w1", "host": "127.0.0.1", "port": 9}).json()
    assert (
        answer["status"] == "success"
        and answer["persisted"] is False
        and "--config" in answer["message"]
    )


@pytest.mark.parametrize(
    "method,path,body,status,field",
    [
        ("POST", "/api/nodes", {"name": "x", "host": "h"}, 400, "port"),
        ("POST", "/api/nodes", {"host": "h", "port": 1}, 400, "name"),
        ("POST", "/api/nodes", {"name": "w0", "host": "h", "port": 1}, 409, "name"),
        ("POST", "/api/nodes", {"name": "x", "port": 1}, 400, "host"),
        ("POST", "/api/proxies/none/nodes", {"name": "x", "host": "h", "port": 1}, 404, None),
        ("PUT", "/api/nodes/none", {"name": "x", "host": "h", "port": 1}, 404, None),
        ("DELETE", "/api/nodes/none", None, 404, None),
        ("GET", "/api/proxies/none/nodes", None, 404, None),
        ("POST", "/api/nodes", [1], 400, None),
    ],
)
def test_a_wrong_change_names_the_field(lasting_front, method, path, body, status, field):
    answer = lasting_front.ask(path, method, body)
    assert (
        answer.status == status and answer.json().get("field") == field and answer.json()["detail"]
    )


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


def test_sighup_reads_the_file_again_and_keeps_the_old_nodes_when_it_is_wrong(
    start, tmp_path, node
):
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


@pytest.mark.parametrize(
    "content,words",
    [
        ('[{"name": "a", "host": "h", "port": 1}, {"name": "a", "host": "h", "port": 2}]', "'a'"),
        ('[{"name": "a", "host": "h"}]', "[0] (a): port is missing"),
        ("[1]", "[0] is not an object"),
        ('{"nodes": []}', "not a list"),
        ('[{"name": "r", "host": "h", "port": 1, "nodes": [{"name": "x"}]}]', "nodes[0]"),
        ("", "not JSON"),
    ],
)
def test_a_wrong_configuration_names_the_place(tmp_path, content, words):
    config = tmp_path / "nodes.json"
    config.write_text(content)
    status, output = run("--config", config, "--port", "0")
    assert (
        status == 2 and words in output and str(config) in output and len(output.splitlines()) == 1
    )


@pytest.fixture
def configured(start, tmp_path):
    """Start a frontend on a file of these entries.

    Returns it and a function that reads the file.
    """

    def begin(*entries, **kwargs):
        config = tmp_path / "nodes.json"
        config.write_text(json.dumps(entries))
        return start("--config", config, *kwargs.get("options", ())), lambda: json.loads(
            config.read_text()
        )

    return begin


def tcp(name, port=9, **more):
    return dict({"name": name, "host": "127.0.0.1", "port": port}, **more)


def groups(front):
    return {
        group["name"]: [child["name"] for child in group["children"]]
        for group in front.ask("/api/nodes").json()["nodes"]
    }


def hang_up(front):
    """Send SIGHUP and wait for what the frontend says of it."""
    before = front.output()
    front.process.send_signal(signal.SIGHUP)
    return wait_for(
        lambda: [
            line
            for line in front.output()[len(before) :].splitlines()
            if "again" in line or "kept the old" in line
        ]
    )[0]


def test_the_file_can_be_read_again_after_nodes_were_added_through_the_api(configured):
    front, _ = configured(tcp("w0"))
    assert front.ask("/api/nodes", "POST", tcp("w1")).status == 200
    assert front.ask("/api/proxies", "POST", tcp("rack1")).status == 200
    assert front.ask("/api/proxies/rack1/nodes", "POST", tcp("c0")).status == 200
    assert ": 3 nodes" in hang_up(front)
    assert groups(front) == {"local_proxy": ["w0", "w1"], "rack1": ["c0"]}


def test_what_people_wrote_into_the_file_survives_a_change_through_the_api(configured, tmp_path):
    front, saved = configured(tcp("w0"))
    (tmp_path / "nodes.json").write_text(json.dumps([tcp("w0", note="by hand"), tcp("w5")]))
    assert front.ask("/api/nodes", "POST", tcp("w1")).json()["persisted"] is True
    assert front.ask("/api/nodes/w0", "PUT", tcp("w0", 10)).json()["persisted"] is True
    assert saved() == [tcp("w0", 10, note="by hand"), tcp("w5"), tcp("w1")]
    assert front.ask("/api/nodes", "POST", tcp("w5")).status == 409
    assert front.ask("/api/nodes/w1", "DELETE").json()["persisted"] is True
    assert [entry["name"] for entry in saved()] == ["w0", "w5"]


def test_after_a_change_the_nodes_are_those_of_the_file(configured, tmp_path):
    front, _ = configured(tcp("w0"))
    (tmp_path / "nodes.json").write_text(json.dumps([tcp("w5")]))
    assert front.ask("/api/nodes", "POST", tcp("w1")).status == 200
    assert groups(front) == {"local_proxy": ["w5", "w1"]}


@pytest.mark.parametrize("content", ["[{", '{"a": 1}', '[{"name": "a"}]'])
def test_a_file_that_was_made_wrong_by_hand_is_not_written_over(configured, tmp_path, content):
    front, _ = configured(tcp("w0"))
    (tmp_path / "nodes.json").write_text(content)
    for method, path, body in ("POST", "/api/nodes", tcp("w1")), ("DELETE", "/api/nodes/w0", None):
        answer = front.ask(path, method, body)
        assert answer.status == 409 and "nodes.json" in answer.json()["detail"]
    assert (
        groups(front) == {"local_proxy": ["w0"]}
        and (tmp_path / "nodes.json").read_text() == content
    )


def test_our_own_nodes_are_found_in_every_place_of_the_file(configured):
    front, saved = configured(
        tcp("local_proxy", nodes=[tcp("a"), tcp("rack0", nodes=[])]),
        tcp("b"),
        tcp("local_proxy", nodes=[tcp("c")]),
    )
    assert front.ask("/api/proxies", "POST", tcp("rack1")).json()["persisted"] is True
    assert front.ask("/api/nodes/c", "PUT", tcp("d")).json()["persisted"] is True
    for name in "b", "rack0":
        assert front.ask("/api/nodes/" + name, "DELETE").json()["persisted"] is True
    assert saved() == [
        tcp("local_proxy", nodes=[tcp("a")]),
        tcp("local_proxy", nodes=[tcp("d")]),
        tcp("rack1", nodes=[]),
    ]


def test_a_node_that_the_file_no_longer_has_cannot_be_changed(configured, tmp_path):
    front, saved = configured(tcp("w0"), tcp("rack1", nodes=[]))
    (tmp_path / "nodes.json").write_text("[]")
    for method, path, body in (
        ("PUT", "/api/nodes/w0", tcp("w1")),
        ("DELETE", "/api/nodes/w0", None),
        ("POST", "/api/proxies/rack1/nodes", tcp("c0")),
    ):
        assert front.ask(path, method, body).status == 404
    assert saved() == [] and groups(front) == {"local_proxy": ["w0"], "rack1": []}
    assert ": 0 nodes" in hang_up(front)
    assert groups(front) == {"local_proxy": []}


@pytest.mark.parametrize(
    "method,path,extra",
    [
        ("POST", "/api/proxies", {}),
        ("POST", "/api/nodes", {}),
        ("POST", "/api/nodes", {"nodes": []}),
        ("PUT", "/api/nodes/w0", {}),
        ("PUT", "/api/nodes/rack1", {}),
    ],
)
def test_nothing_else_can_be_called_local_proxy(configured, method, path, extra):
    front, saved = configured(tcp("w0"), tcp("rack1", nodes=[]))
    answer = front.ask(path, method, tcp("local_proxy", **extra))
    assert answer.status == 409 and answer.json()["field"] == "name"
    assert groups(front) == {"local_proxy": ["w0"], "rack1": []} and saved() == [
        tcp("w0"),
        tcp("rack1", nodes=[]),
    ]


def test_a_proxy_that_is_renamed_or_moved_takes_its_nodes_and_its_token_along(
    configured, start, node
):
    inner = start("--node", "w0=" + node.address, "--trust", "token")
    socket = {"name": "s0", "host": "localhost", "port": "/tmp/lmcache_internal_api_server/none"}
    front, saved = configured(
        {
            "name": "rack1",
            "host": "10.255.255.1",
            "port": 9,
            "token": TOKEN,
            "nodes": [tcp("c0", node.port), socket],
        }
    )
    assert front.ask("/api/nodes/rack1", "PUT", tcp("rack2", inner.port)).status == 200
    assert groups(front) == {"local_proxy": [], "rack2": ["c0", "s0"]} or groups(front) == {
        "rack2": ["c0", "s0"]
    }
    assert front.ask("/proxy2/c0/version").status == 200
    assert (
        front.ask("/proxy2/rack2/proxy2/w0/echo", "POST", b"x").status == 200
    )  # only with the token
    assert saved()[0]["token"] == TOKEN
    assert front.ask("/api/nodes/c0", "PUT", tcp("c1", node.port)).status == 200
    assert groups(front)["rack2"] == ["c1", "s0"] and [
        child["name"] for child in saved()[0]["nodes"]
    ] == ["c1", "s0"]
    assert front.ask("/api/nodes/c1", "PUT", tcp("s0")).status == 409
    detail = front.ask("/proxy2/s0/version").json()[
        "detail"
    ]  # the proxy is on this host now, so the socket is ours
    assert socket["port"] in detail


def test_a_socket_that_is_added_to_a_proxy_elsewhere_is_reached_through_it(start, node):
    nodes = registry({"name": "rack1", "host": "10.0.0.7", "port": 8080, "nodes": [], "token": "t"})
    nodes.add({"name": "w0", "port": "/tmp/s"}, "rack1")
    child = nodes.find("w0")
    assert (child.target.label, child.prefix, child.token) == ("10.0.0.7:8080", "/proxy2/w0", "t")
    assert not nodes.is_registered(lf.Target.parse("", "/tmp/s"))


@pytest.mark.parametrize("change", ["removed", "moved", "another token"])
def test_what_a_proxy_reported_is_forgotten_with_it(change):
    nodes = registry({"name": "rack1", "host": "10.0.0.7", "port": 8080, "nodes": []})
    rack1 = nodes.find("rack1")
    child = lf.Node.parse({"name": "w0", "host": "h", "port": 1}, "", "proxy:rack1")
    nodes.set_children(rack1, [child.through(rack1)], "id")
    assert nodes.find("w0")
    if change == "moved":
        nodes.change("rack1", {"host": "10.0.0.8"})
    elif change == "another token":
        nodes.change("rack1", {"token": "t"})
    else:
        nodes.change("rack1", None)
        nodes.add({"name": "rack1", "host": "10.0.0.7", "port": 8080, "nodes": []})
    assert nodes.find("rack1").is_proxy and nodes.find("w0") is None


@pytest.mark.parametrize(
    "entry,field",
    [
        ({"host": "\ud800", "port": "/tmp/lmcache_internal_api_server/z"}, "host"),
        ({"host": 5, "port": "/tmp/lmcache_internal_api_server/z"}, "host"),
        ({"host": "h", "port": "/tmp/lmcache_internal_api_server/\ud800"}, "port"),
        ({"host": "h", "port": 1, "token": "\ud800"}, "token"),
    ],
)
def test_a_text_that_is_not_utf8_is_refused(configured, entry, field):
    front, saved = configured()
    answer = front.ask("/api/nodes", "POST", dict(entry, name="z"))
    assert answer.status == 400 and answer.json()["field"] == field and saved() == []
    assert front.ask("/api/nodes", "POST", tcp("w1")).status == 200 and groups(front) == {
        "local_proxy": ["w1"]
    }


def test_a_lone_surrogate_in_the_file_stays_as_it_was_written(configured):
    front, saved = configured(tcp("w0", note="\ud800 \u00e9"))
    assert front.ask("/api/nodes", "POST", tcp("w1")).status == 200
    assert saved() == [tcp("w0", note="\ud800 \u00e9"), tcp("w1")]


def test_a_change_that_cannot_be_written_leaves_every_node_in_its_place(configured, tmp_path):
    front, _ = configured(
        tcp("w0"),
        tcp("w1"),
        tcp("rack1", nodes=[tcp("c0"), tcp("c1")]),
        options=["--node", "x0=127.0.0.1:9"],
    )
    before = front.ask("/api/nodes").json()["nodes"]
    (tmp_path / "nodes.json").unlink()
    for method, name, body in (
        ("DELETE", "w0", None),
        ("DELETE", "rack1", None),
        ("DELETE", "c0", None),
        ("PUT", "w0", tcp("w9")),
        ("PUT", "rack1", tcp("rack2")),
    ):
        assert front.ask("/api/nodes/" + name, method, body).status == 500
        assert front.ask("/api/nodes").json()["nodes"] == before


def test_a_name_that_several_nodes_have_is_a_conflict_for_changes_too(configured):
    front, _ = configured(tcp("rack1", nodes=[tcp("w0")]), tcp("rack2", nodes=[tcp("w0")]))
    for method, body in ("DELETE", None), ("PUT", tcp("w1")):
        assert front.ask("/api/nodes/w0", method, body).status == 409
    assert front.ask("/api/nodes/rack2%2Fw0", "DELETE").status == 200
    assert groups(front)["rack2"] == [] and groups(front)["rack1"] == ["w0"]


def test_a_proxy_of_a_changing_source_says_so_when_a_node_is_added_to_it():
    nodes = registry()
    nodes.replace_source("supplier", lf.parse_nodes([tcp("rack1", nodes=[])], "x", "supplier"))
    with pytest.raises(lf.FrontendError) as caught:
        nodes.add(tcp("w0"), "rack1")
    assert caught.value.status == 409 and "supplier" in caught.value.detail


def test_changes_at_the_same_time_leave_the_file_and_the_nodes_equal(configured):
    front, saved = configured()

    def add_and_rename(index):
        for turn in range(5):
            front.ask("/api/nodes", "POST", tcp("x%d" % (index % 2), 100 + turn))
            front.ask("/api/nodes/x%d" % (index % 2), "PUT", tcp("y%d-%d" % (index, turn)))

    threads = [threading.Thread(target=add_and_rename, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = [
        child for group in front.ask("/api/nodes").json()["nodes"] for child in group["children"]
    ]
    assert len(shown) >= 5 and saved() == [
        {field: child[field] for field in ("name", "host", "port")} for child in shown
    ]


def test_a_file_that_is_written_keeps_its_mode_whatever_the_umask(configured, tmp_path):
    umask = os.umask(0o077)
    try:
        front, _ = configured()
    finally:
        os.umask(umask)
    config = tmp_path / "nodes.json"
    config.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(config, 12345, 12346)
    before = os.stat(config)
    assert front.ask("/api/nodes", "POST", tcp("w1")).status == 200
    after = os.stat(config)
    assert after.st_ino != before.st_ino
    assert (after.st_mode & 0o777, after.st_uid, after.st_gid) == (
        0o664,
        before.st_uid,
        before.st_gid,
    )


# -- files that several write


@pytest.fixture
def two_on_one_file(start, tmp_path):
    """Two frontends on one configuration file, and a function that reads it."""
    config = tmp_path / "nodes.json"
    config.write_text("[]")
    fronts = [start("--config", config) for _ in range(2)]
    return fronts, lambda: json.loads(config.read_text())


def test_two_frontends_on_one_file_lose_nothing_that_they_said_to_keep(two_on_one_file):
    fronts, saved = two_on_one_file
    kept = []

    def add(front, letter):
        for number in range(20):
            node = tcp("%s%d" % (letter, number), 20000 + 100 * ord(letter) + number)
            answer = front.ask("/api/nodes", "POST", node)
            if answer.status == 200 and answer.json()["persisted"]:
                kept.append(node["name"])

    threads = [threading.Thread(target=add, args=pair) for pair in zip(fronts, "ab")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 40 and {entry["name"] for entry in saved()} == set(kept)


def test_a_name_that_the_other_frontend_gave_is_a_conflict(two_on_one_file):
    (one, other), saved = two_on_one_file
    assert one.ask("/api/nodes", "POST", tcp("w0")).status == 200
    refused = other.ask("/api/nodes", "POST", tcp("w0", 10))
    assert refused.status == 409 and refused.json()["field"] == "name"
    assert saved() == [tcp("w0")]


def test_a_process_that_was_killed_while_it_changed_the_file_holds_up_nobody(configured, tmp_path):
    front, _ = configured()
    (tmp_path / "nodes.json.lock").write_text("")  # a killed process leaves its lock file
    assert front.ask("/api/nodes", "POST", tcp("w0")).status == 200
    assert os.listdir(tmp_path) == ["nodes.json"]


@pytest.mark.slow
def test_a_lock_that_is_never_released_is_an_error_that_names_it(tmp_path):
    path = str(tmp_path / "nodes.json")
    before = time.monotonic()
    with lf.locked_file(path):
        with pytest.raises(TimeoutError) as caught:
            with lf.locked_file(path):
                pass
    assert time.monotonic() - before < 2 * lf.LOCK_TIMEOUT
    assert path + ".lock" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_a_symbolic_link_stays_one_and_its_target_changes(start, tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    target, link = folder / "nodes.json", tmp_path / "nodes.json"
    target.write_text("[]")
    link.symlink_to(target)
    front = start("--config", link)
    assert front.ask("/api/nodes", "POST", tcp("w0")).status == 200
    assert link.is_symlink() and json.loads(target.read_text()) == [tcp("w0")]
    assert os.listdir(folder) == ["nodes.json"]


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_file(tmp_path):
    folder = tmp_path / "nodes.json"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError):  # a directory cannot be replaced by a file
        lf.write_atomically(str(folder), b"[]")
    assert os.listdir(tmp_path) == ["nodes.json"]


@pytest.mark.parametrize("size,fits", [(0, True), (1, False)])
def test_a_configuration_file_has_a_limit(tmp_path, size, fits):
    path = tmp_path / "nodes.json"
    path.write_bytes(b"[]" + b" " * (lf.MAX_CONFIG_FILE - 2 + size))
    if fits:
        assert lf.ConfigFile(str(path)).nodes() == []
    else:
        with pytest.raises(lf.FrontendError) as caught:
            lf.ConfigFile(str(path)).nodes()
        assert "16 MiB" in caught.value.detail and str(path) in caught.value.detail


# -- addresses


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "169.254.43518",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "::ffff:169.254.169.254",
        "[::ffff:a9fe:a9fe]",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "fd00:ec2::254",
        "100.100.100.200",
    ],
)
def test_every_form_of_a_link_local_address_is_recognised(address):
    assert lf.is_link_local(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.5",
        "127.0.0.1",
        "::1",
        "::",
        "fec0::1",
        "fd00::254",
        "2002:a00:5::1",
        "64:ff9b::a00:5",
        "169.253.255.255",
        "169.255.0.0",
        "example.org",
        "169.254.169.254.example.org",
        "",
        "fe80",
        "x" * 100000,
        "1" * 100000,
        ":" * 100000,
    ],
)
def test_other_addresses_and_names_are_not_link_local(address):
    assert not lf.is_link_local(address)


@pytest.mark.parametrize("host", ["127.0.0.1%x", "::1%lo", "127.0.0.1.evil.example"])
def test_what_only_looks_like_loopback_is_not(host):
    assert not lf.is_loopback(host)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_resolves_to_a_link_local_address_is_not_connected_to(monkeypatch, scheme):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(lf.FetchError, match="resolves to a link-local address"):
        lf.fetch_url(f"{scheme}://metadata.example/", timeout=0.5)


# -- the cost of outside text


def tried(parse):
    """The parser, whatever it thinks of its text."""

    def call(text):
        try:
            parse(text)
        except (lf.FrontendError, ValueError):
            pass

    return call


PARSERS = {
    "host": (tried(lf.parse_host), ["a", "a.", "-", ":", "[", "1", "%", " "]),
    "port": (tried(lf.parse_port), ["1", " ", "/", "a"]),
    "socket": (tried(lf.parse_socket_path), ["/", "/a", "a", "\0"]),
    "name": (tried(lf.parse_name), ["a", "/", " ", "\n"]),
    "link-local": (tried(lf.is_link_local), ["1", "1.", ".", ":", "a", "0x1."]),
    "loopback": (tried(lf.is_loopback), [".localhost", "127.", ":", "%"]),
    "reported": (tried(lf.reported_target), ["http://", "a", ":", "/", "@", "["]),
    "started": (tried(lf.startup_time), ["[", '{"startup_time":', "1", '"']),
    "line": (tried(lf.one_line), ["a", "\n"]),
    "json": (tried(lf.loads), ["1", "[", "[1,", '{"a":', '"', "-"]),
    "nodes": (
        tried(lambda text: lf.parse_nodes(lf.loads("[%s1]" % text), "x", "api")),
        ["1,", "{},", '{"name":"a"},'],
    ),
    "option": (tried(lf.parse_node_option), ["=", "a", ":", "/", "a="]),
    "dns": (tried(lf.parse_dns_option), [":", "a", "a:"]),
    "plugin": (tried(lambda text: lf.plugin_options({text: 1})), ["plugin.frontend.", "-a"]),
    "count": (tried(lf.worker_count), ["1", "a"]),
    "origin": (
        tried(lambda text: lf.is_same_origin("http://" + text, "h")),
        ["/", "?", "#", "http://"],
    ),
    "request head": (
        tried(lambda text: lf.parse_request_head(text.encode() + b"\r\n")),
        ["a", " ", "GET ", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\na:"],
    ),
    "part of a head": (
        tried(lambda text: lf.check_partial_head(text.encode())),
        ["a", "\n", "\r\n", "GET / HTTP/1.1\r\n"],
    ),
    "fields": (
        tried(lambda text: lf.parse_fields(text.encode())),
        ["a", "a:", "a: \t", "a:b\r\n", ":", "\r\n"],
    ),
    "response head": (
        tried(lambda text: lf.parse_response_head(text.encode() + b"\r\n", b"GET")),
        ["HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\n", "1", " "],
    ),
    "chunk line": (
        tried(lambda text: lf.parse_chunk_line(b"1" + text.encode())),
        ["1", ";", ";a", ";a=", ';a="', ";a=b", " ", ' ;a="\\"'],
    ),
    "chunked body": (
        tried(lambda text: lf.ChunkedBody().take(memoryview(text.encode()))),
        ["1\r\na\r\n", "0\r\n", "1", "\r", "0\r\na:b\r\n"],
    ),
    "path of an event": (tried(lf.hide_secrets), ["/", "a=", "&", "%25", "@", "//", ";"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PARSERS))
def test_a_parser_of_outside_text_costs_no_more_than_the_text_is_long(name):
    parse, pieces = PARSERS[name]
    for piece in pieces:
        assert_linear(parse, lambda size: piece * (size // len(piece)), 20_000)


@pytest.mark.parametrize("depth,fits", [(lf.MAX_NESTING, True), (lf.MAX_NESTING + 1, False)])
def test_nodes_in_nodes_have_a_limit(depth, fits):
    entry = tcp("w0")
    for level in range(depth):
        entry = tcp("rack%d" % level, nodes=[entry])
    if fits:
        assert lf.parse_nodes([entry], "x", "api")
    else:
        with pytest.raises(lf.FrontendError) as caught:
            lf.parse_nodes([entry], "x", "api")
        assert caught.value.status == 400 and caught.value.field == "nodes"


def test_a_body_of_nodes_in_nodes_without_end_is_a_400(front):
    body = b'{"name":"a","host":"h","port":1,"nodes":[' * 20000
    for end in (b"", b"]}" * 20000):
        assert front.ask("/api/nodes", "POST", body + end).status == 400
    assert front.ask("/health").status == 200


@pytest.mark.parametrize(
    "entry,field,why",
    [
        ({"host": "127.0.0.1:1", "port": 9}, "host", "a port does not belong to the host"),
        ({"port": 9}, "host", "host is not a string"),
        ({"host": "127.0.0.1"}, "port", "neither a number"),
    ],
)
def test_a_test_of_a_connection_names_the_wrong_field_and_needs_no_name(
    lasting_front, entry, field, why
):
    answer = lasting_front.ask("/api/test", "POST", entry)
    error = answer.json()
    assert (answer.status, error["field"]) == (400, field)
    assert error["detail"].startswith(field) and why in error["detail"]


def test_a_frontend_is_not_tested_as_a_node_of_its_own(lasting_front):
    entry = {"host": "127.0.0.1", "port": lasting_front.port}
    answer = lasting_front.ask("/api/test", "POST", entry)
    assert (answer.status, answer.json()["field"]) == (400, "port")
    assert answer.json()["detail"].endswith(" is this frontend itself")


def test_a_test_of_a_connection_says_what_failed_and_what_to_check(lasting_front, tmp_path):
    def told(host, port):
        entry = {"host": host, "port": port}
        headers = {"Authorization": "Bearer " + TOKEN}
        answer = lasting_front.ask("/api/test", "POST", entry, headers)
        error = answer.json()
        assert answer.status == 502
        return error["field"], error["detail"]

    port = free_port()
    said = "127.0.0.1:%d: connection refused. Is the node running?" % port
    assert told("127.0.0.1", port) == ("port", said)
    path = str(tmp_path / "none")
    said = path + ": no such socket. Is the node running, and is the path correct?"
    assert told("", path) == ("port", said)
    field, said = told("no-such-host.invalid", 80)
    assert field == "host" and "host name not found. Is it correct?" in said
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        field, said = told("127.0.0.1", listener.getsockname()[1])
    assert field == "port" and said.endswith("It must not use TLS.")
