"""Who may do what: every row of the README's table, from this host and from elsewhere."""

import json
import os
import shutil
import socket
import subprocess
from urllib.parse import quote

import lmcache_frontend as lf
import pytest
from support.frontend import TOKEN, Frontend, wait_for
from support.nodes import NodeServer

BEARER = {"Authorization": "Bearer " + TOKEN}
NODE = {"name": "new", "host": "127.0.0.1", "port": 9}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/api/nodes",
        "/api/proxies",
        "/api/status",
        "/metrics",
        "/api/session",
        "/api/sd",
    ],
)
def test_everyone_may_look(lasting_front, path):
    assert lasting_front.foreign(path).status == 200


@pytest.mark.parametrize(
    "path", ["/version", "/loglevel", "/loglevel?logger_name=lmcache", "/metrics", "/environment"]
)
def test_everyone_may_read_a_registered_node(lasting_front, path):
    assert lasting_front.foreign("/proxy2/w0" + path).status == 200
    assert lasting_front.foreign("/proxy2/w0" + path, "HEAD").status == 200


REVEALING = [
    "/env",
    "/%65nv",
    "/%2565nv",
    "/%252565nv",
    "/%25252565nv",
    "/%" + "25" * 12 + "65nv",
    "/%6cog%256ceve%25256c?level=debug",
    "//env",
    "/./env",
    "/env/",
    "/ENV",
    "/x/../env",
    "/env;a=b",
    "/env?x=1",
    "/loglevel?logger_name=a&level=debug",
    "/loglevel?lev%65l=debug",
    "/%6coglevel?level=debug",
    "/api/bundle",
    "/proxy2/x/env",
    "/proxy2/x/loglevel?level=1",
    "/heartbeat",
]


@pytest.mark.parametrize("path", REVEALING)
def test_only_trusted_requests_get_what_reveals_or_changes(lasting_front, shared_node, path):
    refused = lasting_front.foreign("/proxy2/w0" + path)
    assert refused.status == 403 and "token" in refused.json()["detail"]
    assert not [request for request in shared_node.requests if path in request.target]
    assert lasting_front.ask("/proxy2/w0" + path).status == 200
    assert lasting_front.foreign("/proxy2/w0" + path, headers=BEARER).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_trusted_requests_may_use_other_methods(lasting_front, shared_node, method):
    assert lasting_front.foreign("/proxy2/w0/echo", method).status == 403
    assert not [request for request in shared_node.requests if request.method == method]
    assert lasting_front.ask("/proxy2/w0/echo", method).status == 200
    assert lasting_front.foreign("/proxy2/w0/echo", method, headers=BEARER).status == 200


@pytest.mark.parametrize(
    "method,path,body",
    [
        ("POST", "/api/nodes", NODE),
        ("POST", "/api/proxies", NODE),
        ("POST", "/api/proxies/local_proxy/nodes", NODE),
        ("PUT", "/api/nodes/w0", NODE),
        ("DELETE", "/api/nodes/w0", None),
        ("POST", "/api/heartbeat/start", {"heartbeat_url": "http://127.0.0.1:9/x"}),
        ("POST", "/api/heartbeat/stop", {}),
        ("GET", "/api/bundle", None),
        ("POST", "/api/refresh", {}),
        ("POST", "/api/test", NODE),
    ],
)
def test_only_trusted_requests_may_manage(front, method, path, body):
    assert front.foreign(path, method, body).status == 403
    assert front.foreign(path, method, body, BEARER).status in (200, 502)


def test_unregistered_targets_on_this_host_are_for_trusted_requests(lasting_front):
    with NodeServer() as other:
        path = "/proxy/127.0.0.1/%d/version" % other.port
        assert lasting_front.foreign(path).status == 403
        assert lasting_front.ask(path).status == 200


def test_a_socket_beside_a_registered_one_is_for_trusted_requests(start, uds_node):
    front = start("--node", "u0=" + uds_node.path)
    beside = os.path.join(os.path.dirname(uds_node.path), "socket_9091")
    with NodeServer(beside):
        path = "/proxy/localhost/%s/version" % quote(beside, safe="")
        assert front.foreign(path).status == 403
        assert front.ask(path).status == 200
        link = os.path.join(os.path.dirname(beside), "link")
        os.symlink(beside, link)  # who may write there chooses where it leads
        path = "/proxy/localhost/%s/version" % quote(link, safe="")
        refused = front.ask(path)
        assert refused.status == 403 and "symbolic link" in refused.json()["detail"]
        assert front.ask(path, headers=BEARER).status == 200


def test_other_targets_need_the_token(start, node):
    from conftest import short_socket_path

    front = start("--node", "w0=" + node.address, "--allow-target", "198.51.100.*:80")
    with NodeServer(short_socket_path()) as elsewhere:
        for target in (
            "169.254.169.254/80",
            "example.org/80",
            "localhost/" + quote(elsewhere.path, safe=""),
            "localhost/%2Fvar%2Frun%2Fdocker.sock",
        ):
            answer = front.ask("/proxy/%s/latest" % target)
            assert answer.status == 403 and "--allow-target" in answer.json()["detail"], target
        assert (
            front.ask(
                "/proxy/localhost/%s/version" % quote(elsewhere.path, safe=""), headers=BEARER
            ).status
            == 200
        )
        escape = (
            os.path.dirname(elsewhere.path)
            + "/../"
            + os.path.basename(os.path.dirname(elsewhere.path))
            + "/socket_9090"
        )
        assert (
            front.ask(
                "/proxy/localhost/%s/version"
                % quote("/tmp/lmcache_internal_api_server/../" + escape[5:], safe="")
            ).status
            == 403
        )


LINK_LOCAL = [
    "169.254.169.254",
    "169.254.43518",
    "2852039166",
    "0xa9fea9fe",
    "fe80::1%lo",
    "[::ffff:169.254.169.254]",
]


@pytest.mark.parametrize(
    "entry",
    [{"host": host, "port": 80} for host in LINK_LOCAL]
    + [{"host": "h", "port": "/run/docker.sock"}],
)
def test_adding_a_target_needs_the_token_where_reaching_it_does(front, entry):
    entry = dict(entry, name="new")
    before = front.ask("/api/nodes").body
    for method, path, body in [
        ("POST", "/api/nodes", entry),
        ("POST", "/api/proxies", entry),
        ("POST", "/api/proxies", dict(NODE, nodes=[entry])),
        ("POST", "/api/test", entry),
        ("POST", "/api/proxies/local_proxy/nodes", entry),
        ("PUT", "/api/nodes/w0", entry),
    ]:
        refused = front.ask(path, method, body)
        assert (
            refused.status == 403
            and "token" in refused.json()["detail"]
            and refused.json()["field"] in ("host", "port")
        )
        assert front.ask("/api/nodes").body == before
    assert front.ask("/api/nodes", "POST", entry, BEARER).status == 200
    assert (
        front.ask("/api/nodes/new", "PUT", dict(entry, name="newer")).status == 200
    )  # it is a node already


def test_a_proxy_that_moves_here_brings_no_foreign_socket_along(start):
    rack = {"name": "rack1", "host": "10.255.255.1", "port": 9}
    front = start(
        "--nodes",
        json.dumps([dict(rack, nodes=[{"name": "s", "host": "h", "port": "/run/docker.sock"}])]),
    )
    assert front.ask("/api/nodes/rack1", "PUT", dict(rack, host="127.0.0.1")).status == 403
    assert front.ask("/api/nodes/rack1", "PUT", dict(rack, host="10.255.255.2")).status == 200


def test_local_operators_may_add_other_hosts_and_sockets_of_lmcache(front):
    for index, (host, port) in enumerate(
        [("10.0.0.9", 80), ("example.org", 80), ("h", "/tmp/lmcache_internal_api_server/none")]
    ):
        assert (
            front.ask(
                "/api/nodes", "POST", {"name": "new%d" % index, "host": host, "port": port}
            ).status
            == 200
        )


@pytest.mark.parametrize(
    "host,pattern,allowed",
    [
        ("10.0.0.5", "10.0.0.*:*", True),
        ("10.0.0.evil.com", "10.0.0.*:*", False),
        ("10.0.0.evil.com", "10.0.0.*", False),
        ("10.0.1.5", "10.0.[01].*:80", True),
        ("10.0.1.evil.com", "10.0.[0-9].*:80", False),
        ("10.0.0.evil.com", "*:80", True),
        ("rack1.example", "rack?.example:*", True),
        ("10.0.0.5", "10.0.0.5:81", False),
    ],
)
def test_a_pattern_of_addresses_allows_no_name(host, pattern, allowed):
    trust = lf.Trust("local", "t", [pattern])
    assert (
        trust.check_target(lf.Target.parse(host, 80), lf.NodeRegistry(), False) == ""
    ) is allowed


@pytest.mark.parametrize(
    "headers,trusted",
    [
        ({}, True),
        ({"Host": "localhost:1"}, True),
        ({"Host": "x.localhost"}, True),
        ({"Host": "127.9.9.9:80"}, True),
        ({"Host": "[::1]:80"}, True),
        ({"Host": "evil.example"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": "localhost.evil.example"}, False),
        ({"X-Forwarded-For": "127.0.0.1"}, False),
        ({"Forwarded": "for=127.0.0.1"}, False),
        ({"X-Real-IP": "127.0.0.1"}, False),
        ({"Via": "1.1 proxy"}, False),
        ({"X-Forwarded-Host": "localhost"}, False),
        ({"X-Forwarded-Proto": "http"}, False),
        ({"X-Client-IP": "::1"}, False),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, True),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Authorization": "Bearer wrong"}, False),
        ({"Authorization": "bearer " + TOKEN, "X-Forwarded-For": "1.2.3.4"}, True),
        ({"Authorization": "Basic " + TOKEN}, False),
    ],
)
def test_what_makes_a_local_request_trusted(lasting_front, headers, trusted):
    assert lasting_front.ask("/api/session", headers=headers).json()["trusted"] is trusted
    assert lasting_front.ask("/proxy2/w0/echo", "POST", b"", headers).status == (
        200 if trusted else 403
    )


def test_with_trust_token_this_host_needs_the_token_too(start, node):
    front = start("--node", "w0=" + node.address, "--trust", "token")
    assert front.ask("/proxy2/w0/echo", "POST").status == 403
    assert front.ask("/proxy2/w0/version").status == 200
    assert front.ask("/proxy2/w0/echo", "POST", headers=BEARER).status == 200


def test_with_trust_everyone_all_may_change_and_the_start_says_so(start, node):
    front = start("--node", "w0=" + node.address, "--trust", "everyone")
    assert front.foreign("/proxy2/w0/echo", "POST").status == 200
    wait_for(lambda: "lets every client" in front.output())


def test_a_token_made_at_start_is_printed_once_with_its_url(node):
    front = Frontend(
        "--host", "127.0.0.1", "--port", "0", "--node", "w0=" + node.address, port=False
    )
    try:
        token = wait_for(lambda: front.output().partition("#token=")[2].split("\n")[0].strip())
        assert len(token) >= 20 and front.output().count(token) == 1
        assert (
            front.foreign(
                "/proxy2/w0/echo", "POST", headers={"Authorization": "Bearer " + token}
            ).status
            == 200
        )
    finally:
        front.stop()


def test_a_childs_token_is_sent_with_trusted_requests_and_never_shown(start, node):
    inner = start("--node", "w0=" + node.address, "--trust", "token")
    nodes = [
        {"name": "rack1", "host": "127.0.0.1", "port": inner.port, "nodes": [], "token": TOKEN}
    ]
    outer = start("--nodes", json.dumps(nodes), "--token", "outer-token")
    assert outer.ask("/proxy2/rack1/proxy2/w0/echo", "POST", b"x").status == 200
    assert outer.foreign("/proxy2/rack1/proxy2/w0/echo", "POST", b"x").status == 403
    assert outer.foreign("/proxy2/rack1/proxy2/w0/env").status == 403
    for path in ("/api/nodes", "/api/proxies", "/api/status"):
        assert TOKEN not in outer.ask(path).body.decode()


def test_a_client_on_another_host_is_not_trusted(start, uds_node):
    """Two network namespaces with a veth pair give a truly foreign address; the node's socket is reached from both."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("curl"):
        pytest.skip("needs root, ip and curl")
    server, client = ("lf%d%s" % (os.getpid(), side) for side in "ab")
    setup = [
        "ip netns add " + server,
        "ip netns add " + client,
        "ip link add %sv netns %s type veth peer name %sv netns %s"
        % (server, server, client, client),
        "ip -n %s addr add 192.0.2.1/30 dev %sv" % (server, server),
        "ip -n %s link set %sv up" % (server, server),
        "ip -n %s addr add 192.0.2.2/30 dev %sv" % (client, client),
        "ip -n %s link set %sv up" % (client, client),
    ]
    try:
        for command in setup:
            if subprocess.run(command.split(), stderr=subprocess.DEVNULL).returncode:
                pytest.skip("no network namespaces here")
        front = start(
            "--node", "u0=" + uds_node.path, host="0.0.0.0", prefix=("ip", "netns", "exec", server)
        )

        def curl(path, *options):
            command = [
                "ip",
                "netns",
                "exec",
                client,
                "curl",
                "-s",
                "-m",
                "5",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                *options,
            ]
            return subprocess.run(
                [*command, "http://192.0.2.1:%d%s" % (front.port, path)], stdout=subprocess.PIPE
            ).stdout.decode()

        wait_for(lambda: curl("/health") == "200")
        assert curl("/proxy2/u0/version") == "200"
        assert curl("/proxy2/u0/env") == "403"
        assert curl("/proxy2/u0/env", "-H", "Host: localhost") == "403"
        assert curl("/proxy2/u0/echo", "-X", "POST") == "403"
        assert curl("/proxy/127.0.0.1/%d/version" % front.port) == "403"
        assert (
            curl("/proxy2/u0/echo", "-X", "POST", "-H", "Authorization: Bearer " + TOKEN) == "200"
        )
    finally:
        for name in (server, client):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def test_the_port_is_closed_after_the_end(front):
    front.stop()
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", front.port)) != 0
