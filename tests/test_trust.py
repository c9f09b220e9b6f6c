"""Who may do what: every row of the README's table, from this host and from elsewhere."""

import gzip
import io
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import zipfile
from urllib.parse import quote

import lmcache_frontend as lf
import pytest
from support.cost import assert_linear, seconds
from support.frontend import ROOT, TOKEN, Frontend, wait_for
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
    "/env%23/x",
    "/version%23",
    "/env%2523/metrics",
    "/loglevel%23?logger_name=root&level=DEBUG",
    "/loglevel%3Flevel=DEBUG",
    "/loglevel?a=1;level=DEBUG",
    "/loglevel?a=1%26level=DEBUG",
    "/loglevel?a=1&LEVEL=DEBUG",
    "/env/metrics",
    "/env/metrics/..",
    "/x/%2e%2e/version",
    "/proxy/127.0.0.1/22/",
    "/proxy2/x/proxy/localhost/%252Ftmp%252Fx/containers/json",
    "/PROXY/h/1/",
    "/%70roxy/h/1/",
    "/x\\env",
    "/%25252525252525252565nv",
    "/env%00",
    "/env%0a",
    "/x%7f",
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
        ({"True-Client-IP": "127.0.0.1"}, False),
        ({"CF-Connecting-IP": "127.0.0.1"}, False),
        ({"X_Forwarded_For": "127.0.0.1"}, False),
        ({"X-Cluster-Client-IP": "127.0.0.1"}, False),
        ({"X-Forwarded": "for=127.0.0.1"}, False),
        ({"X-Forwarded-Anything": "1"}, False),
        ({"Host": "127.0.0.1%x"}, False),
        ({"Host": "localhost:80x"}, False),
        ({"Host": "LOCALHOST:1"}, True),
        ({"Host": "localhost:1", "Referer": "http://localhost:1/#/node/w0"}, True),
        ({"Host": "localhost:1", "Referer": "http://localhost:1"}, True),
        ({"Host": "localhost:1", "Referer": "http://localhost:12/"}, False),
        ({"Host": "localhost:1", "Referer": "http://localhost:1.evil.example/"}, False),
        ({"Host": "localhost:1", "Referer": "http://localhost:1@evil.example/"}, False),
        ({"Referer": "https://evil.example/?localhost"}, False),
        ({"Referer": "about:blank"}, False),
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
    session = lasting_front.ask("/api/session", headers=headers)
    if session.status == 400 and not trusted:
        return  # what is no Host at all is refused by the grammar
    assert session.json()["trusted"] is trusted
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
    """Two network namespaces with a veth pair give a truly foreign address.

    The node's socket is reached from both.
    """
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


@pytest.mark.parametrize(
    "lines",
    [
        b"Origin: http://localhost:1\r\nOrigin: https://evil.example\r\n",
        b"Origin: https://evil.example\r\nOrigin: http://localhost:1\r\n",
        b"Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n",
        b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: none\r\n",
        b"Referer: http://localhost:1/\r\nReferer: https://evil.example/\r\n",
    ],
)
def test_every_occurrence_of_a_field_that_names_a_page_counts(lasting_front, lines):
    head = b"POST /proxy2/w0/echo HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: 0\r\n"
    assert lasting_front.raw(head + lines + b"\r\n").split(b" ")[1] == b"403"


def test_the_absolute_form_decides_whose_host_it_is(lasting_front):
    head = b"GET http://evil.example/proxy2/w0/env HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert lasting_front.raw(head).split(b" ")[1] == b"403"


def test_a_refusal_says_where_the_token_is(lasting_front, start, node):
    given = lasting_front.foreign("/api/nodes", "POST", NODE).json()["detail"]
    assert "--token" in given and "printed" not in given and "output" not in given
    front = Frontend("--host", "127.0.0.1", "--port", "0", port=False)
    try:
        made = front.foreign("/api/nodes", "POST", NODE).json()["detail"]
        assert "start-up output" in made and "--token" not in made
    finally:
        front.stop()


def test_the_environment_of_a_node_is_for_trusted_requests_also_through_names_of_nodes(
    lasting_front,
):
    for name in ("env", "x", "metrics"):
        assert lasting_front.foreign("/proxy2/w0/proxy2/%s/env" % name).status == 403
    assert lasting_front.foreign("/proxy2/w0/proxy2/env/metrics").status == 200


def test_a_childs_token_is_not_sent_with_requests_of_the_untrusted(start, node):
    entry = {"name": "w0", "host": "127.0.0.1", "port": node.port, "token": "childs-token"}
    front = start("--nodes", json.dumps([entry]))
    assert front.ask("/proxy2/w0/echo").status == 200
    assert front.foreign("/proxy2/w0/echo").status == 200
    heads = [request.head for request in node.requests if request.target == "/echo"]
    assert [b"childs-token" in head for head in heads] == [True, False]


OPTION = "use the access token, or start the frontend with --allow-target "


@pytest.mark.parametrize(
    "host, port",
    [
        ("", "/run/x/b.sock"),
        ("", "/run/x y/[0-9]*.sock"),
        ("192.0.2.1", 80),
        ("169.254.1.1", 80),
        ("fe80::1", 80),
        ("node.example", 80),
    ],
)
def test_who_may_not_use_a_target_is_told_the_option_that_allows_it(host, port):
    target = lf.Target.parse(host, port)
    why = lf.Trust("local").check_target(target, lf.NodeRegistry(), False)
    pattern, *rest = shlex.split(why.partition(OPTION)[2])
    assert why.startswith(target.label + " is ") and not rest
    assert lf.Trust("local", "", [pattern]).check_target(target, lf.NodeRegistry(), False) == ""


def test_a_path_with_dots_is_told_to_be_written_without():
    target = lf.Target.parse("", "/run/x/../b.sock")
    advice = "write it without '//', '.' and '..', or use the access token"
    for patterns in (), ["/run/*"]:
        why = lf.Trust("local", "", patterns).check_target(target, lf.NodeRegistry(), False)
        assert why == "/run/x/../b.sock is not a plain path: " + advice


def test_a_socket_elsewhere_is_told_where_sockets_are_allowed_and_not_whether_it_exists(tmp_path):
    (tmp_path / "file").touch()
    told = [
        lf.Trust("local").check_target(lf.Target.parse("", path), lf.NodeRegistry(), False)
        for path in ("/tmp/nosock", str(tmp_path / "file"), "/run/docker.sock")
    ]
    allowed = "/tmp/lmcache_internal_api_server/ nor in the directory of another node's socket: "
    assert told[0] == f"/tmp/nosock is neither below {allowed}{OPTION}/tmp/nosock"
    assert all(f" is neither below {allowed}" in why for why in told)


@pytest.mark.parametrize("mode", ["local", "token"])
def test_a_refusal_tells_curl_and_the_page_alike_to_use_the_access_token(start, node, mode):
    front = start("--node", "w0=" + node.address, "--trust", mode)
    for path in ("/api/nodes/w0", "/proxy2/w0/echo", "/proxy/192.0.2.1/80/x"):
        told = front.foreign(path, "DELETE", headers={"Authorization": "Bearer x"})
        for answer in (told, front.foreign(path, "DELETE")):
            assert answer.status == 403
            assert "use the access token ('Authorization: Bearer TOKEN')" in answer.json()["detail"]


def test_a_registered_socket_in_a_system_directory_opens_no_door_to_its_neighbors():
    registry = lf.NodeRegistry()
    for folder in ("/run", "/var/run"):
        registry.add({"name": folder[1:].replace("/", "_"), "port": folder + "/w0.sock"})
        why = lf.Trust("local").check_target(
            lf.Target.parse("", folder + "/docker.sock"), registry, False
        )
        assert f"{folder}/docker.sock is in a system directory: use" in why
        assert "--allow-target" in why


# -- sockets


@pytest.fixture
def folder(tmp_path_factory):
    """A folder with a short path."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lf-", dir="/tmp") as name:
        yield name


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    return path


def test_a_socket_that_belongs_to_the_directorys_owner_is_used(folder):
    assert lf.socket_problem(make_socket(folder + "/s")) == ""
    assert lf.socket_problem(folder + "/not-there-yet") == ""


def test_links_files_and_linked_folders_are_not_used_as_sockets(folder):
    inner = folder + "/inner"
    os.mkdir(inner)
    make_socket(inner + "/s")
    os.symlink(inner + "/s", folder + "/link")
    os.symlink(inner, folder + "/linked")
    open(folder + "/file", "w").close()
    assert "symbolic link" in lf.socket_problem(folder + "/link")
    assert "symbolic link" in lf.socket_problem(folder + "/linked/s")
    assert "not a socket" in lf.socket_problem(folder + "/file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket away")
def test_a_socket_of_another_user_is_not_used(folder):
    path = make_socket(folder + "/s")
    os.chown(path, 65534, 65534)
    assert "another user" in lf.socket_problem(path)
    os.chown(folder, 65534, 65534)
    assert lf.socket_problem(path) == ""


def test_a_link_in_place_of_lmcaches_directory_is_not_followed(folder):
    """In a mount namespace of its own, /tmp/lmcache_internal_api_server is somebody's link."""
    script = """
import os, socket, sys
sys.path.insert(0, "/mnt")
import lmcache_frontend as lf
os.mkdir("/tmp/other")
with socket.socket(socket.AF_UNIX) as sock:
    sock.bind("/tmp/other/docker.sock")
os.symlink("/tmp/other", "/tmp/lmcache_internal_api_server")
registry = lf.NodeRegistry()
lf.Sources(registry, socket_directory=lf.LMCACHE_SOCKET_DIRECTORY).refresh()
path = "/tmp/lmcache_internal_api_server/docker.sock"
why = lf.Trust("local").check_target(lf.Target.parse("", path), registry, False)
print([node.name for node in registry.leaves()], "symbolic link" in why)
for ask in (lf.fetch, lambda target, path: lf.ConnectionPool().open(target)):
    try:
        ask(lf.Target.parse("", path), "/version")
    except lf.FetchError as error:
        print("symbolic link" in str(error))
"""
    steps = "mount --bind {0} /mnt && mount -t tmpfs none /tmp && exec {1} -c '{2}'"
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare")
    python = os.path.realpath(sys.executable)
    command = steps.format(ROOT, python, script)
    done = subprocess.run(["unshare", "-m", "sh", "-c", command], stdout=subprocess.PIPE)
    if done.returncode == 32:
        pytest.skip("may not mount here")
    assert done.stdout.decode().split() == ["[]", "True", "True", "True"]


# -- patterns


@pytest.mark.parametrize(
    "text,pattern,matches",
    [
        ("10.0.0.5:80", "10.0.0.*:80", True),
        ("10.0.0.5:80", "*", True),
        ("10.0.0.5:80", "**", True),
        ("10.0.0.5:80", "10.0.0.5:80", True),
        ("10.0.0.5:80", "10.0.0.5:8", False),
        ("10.0.0.5:80", "*:8", False),
        ("10.0.0.5:80", "10*5*0", True),
        ("10.0.0.5:80", "10*5*1", False),
        ("aab", "*ab", True),
        ("abcab", "ab*ab", True),
        ("ab", "ab*ab", False),
        ("/tmp/x/socket_1", "/tmp/?/socket_[0-9]", True),
        ("/tmp/x/socket_1", "/tmp/?/socket_[!0-9]", False),
        ("a.b", "a?b", True),
        ("a+b", "a+b", True),
    ],
)
def test_shell_patterns(text, pattern, matches):
    assert lf.matches_pattern(text, pattern) is matches


def test_a_pattern_with_many_stars_costs_no_more_than_the_text_is_long():
    assert_linear(
        lambda text: lf.matches_pattern(text, "*a" * 20 + "*b"), lambda size: "a" * size, 20_000
    )


# -- secrets

SECRETS = [
    ("remote_url", "redis://:hunter2@r:6379"),
    ("remote_url", "redis://user:hunter2@r:6379"),
    ("remote_url", "redis://:hun/ter2@r:6379"),
    ("remote_url", "redis://:p@hunter2@r:6379"),
    ("url", "https://hunter2@github.com/x"),
    ("url", "https://h/x?sv=1&sig=hunter2&se=2"),
    ("url", "https://h/x?X-Amz-Signature=hunter2"),
    ("s3_secret_access_key", "hunter2"),
    ("HF_TOKEN", "hunter2"),
    ("JWT", "hunter2"),
    ("DB_PWD", "hunter2"),
    ("SLACK_WEBHOOK", "hunter2"),
    ("AZURE_SAS", "hunter2"),
    ("ALIBABA_AK", "hunter2"),
    ("ALIBABA_SK", "hunter2"),
    ("accountKey", "hunter2"),
    ("header", "Authorization: Bearer hunter2"),
    ("header", "X-Key: Bearer hunter2hunter2"),
    ("text", "password=hunter2"),
    ("text", "password: hunter2"),
    ("text", "password = 'a hunter2 b'"),
    ("text", "export HF_TOKEN=hunter2"),
    ("text", "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=hunter2==;A=b"),
    ("text", "SharedAccessSignature=hunter2"),
    ("text", "serve --api-key hunter2 --port 1"),
    ("text", "serve --api-key=hunter2"),
    ("args", ["--password", "hunter2"]),
    ("args", ["--password=hunter2"]),
    ("headers", [["Authorization", "hunter2"]]),
    ("api.key", "hunter2"),
    ("env", [{"name": "API_KEY", "value": "hunter2"}]),
    ("env", {"Name": "API_KEY", "Value": "hunter2"}),
    ("credentials", {"user": "hunter2", "more": ["hunter2"]}),
    ("nested", '{"a": {"password": "hunter2"}}'),
    ("nested", json.dumps({"b": json.dumps({"password": "hunter2"})})),
]


@pytest.mark.parametrize("name,value", SECRETS)
def test_a_secret_is_masked_in_json_and_what_is_beside_it_stays(name, value):
    document = {"model": "m/Model-8B", name: value, "chunk_size": 256}
    masked = lf.mask_secrets(json.dumps(document).encode())
    assert b"hunter2" not in masked and lf.MASK.encode() in masked
    kept = json.loads(masked)
    assert (kept["model"], kept["chunk_size"]) == ("m/Model-8B", 256)


@pytest.mark.parametrize("name,value", [(n, v) for n, v in SECRETS if isinstance(v, str)])
def test_a_secret_is_masked_in_text_that_is_not_json(name, value):
    for text in ("%s=%s\nnext=1\n" % (name, value), "%s: '%s',\nnext: 1\n" % (name, value)):
        masked = lf.mask_secrets(text.encode()).decode()
        assert "hunter2" not in masked and "next" in masked


@pytest.mark.parametrize(
    "text",
    [
        b'{"token": "abc-secret", "token": ""}',
        b'{"a": {"password": "abc-secret", "password": null}}',
        b'{"a": "{\\"token\\": \\"abc-secret\\", \\"token\\": \\"\\"}"}',
    ],
)
def test_a_secret_under_a_key_that_comes_twice_is_masked(text):
    assert b"abc-secret" not in lf.mask_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"tokens": "12", "num_tokens": 5, "tokenizer": "x", "max_tokens_per_batch": 8}',
        '{"url": "http://host:8000/path@v2", "chunk_key_size": "keep", "monkey": "x"}',
        '{"token_budget": 8192, "private": true, "auth": null}',
        "bypass --tokens 5 and https://example.org/x?user=u&n=1",
        "GET /version HTTP/1.1",
        "[1, 2.5, Infinity]",
    ],
)
def test_what_is_no_secret_is_not_touched(text):
    assert lf.mask_secrets(text.encode()) == text.encode()


def test_numbers_under_a_name_that_can_only_be_a_secret_are_masked():
    masked = json.loads(lf.mask_secrets(b'{"password": 123456, "pin_token": 5}'))
    assert masked == {"password": lf.MASK, "pin_token": 5}


@pytest.mark.parametrize("more", [0, 1])
def test_an_answer_beyond_the_limit_is_not_shown_at_all(more):
    text = b" " * (lf.MAX_MASKED - 2 + more) + b"[]"
    assert (lf.mask_secrets(text) == text) is (more == 0)


def test_a_deep_document_is_not_much_larger_when_it_is_masked():
    text = b'{"password": "x", "deep": %b%b%b}' % (b"[" * 400, b"1," * 20_000 + b"1", b"]" * 400)
    masked = lf.mask_secrets(text)
    assert json.loads(masked)["password"] == lf.MASK
    assert len(masked) < 2 * len(text)
    several = b'{"password":"x","chunk_size":256,"tiers":[%b]}' % b",".join([b"{}"] * 20_000)
    assert b'\n  "chunk_size"' in lf.mask_secrets(several)


WORST_TEXTS = [
    "-",
    " --",
    "://",
    "://a:",
    "&token",
    "token=",
    'token="',
    "token='",
    'token=\\"',
    "a.",
    "password ",
    "Bearer ",
    "Bearer a",
    "eyJaaaaaaaaa.",
    "eyJ-",
    "eyJaaaaaaaaa.eyJ-",
    "hf_",
    "-----BEGIN PRIVATE KEY-----",
    "://@",
    "?a=",
    "'",
    "=",
    ":",
    "\\",
    "{",
    '{"a":',
    "[",
]


@pytest.mark.slow
@pytest.mark.parametrize("piece", WORST_TEXTS)
def test_masking_costs_no_more_than_the_text_is_long(piece):
    size = lf.MAX_MASKED // 8

    def make(length):
        return (piece * (length // len(piece))).encode()

    assert_linear(lf.mask_secrets, make, size // 4)
    # Linear alone may still hold the interpreter: "eyJ-" took 500 ms.
    assert seconds(lf.mask_secrets, make(size)) < 0.2


@pytest.mark.parametrize(
    "piece", ["%25", "%", "/", ";", "..", "/env", "\\", "/proxy2/x", "?", "%2f"]
)
def test_checking_a_path_costs_no_more_than_it_is_long(piece):
    def check(path):
        return lf.Trust.check_path(lf.RequestHead(b"GET", b"/?" + path, 0, []), path)

    make = lambda length: (piece * (length // len(piece))).encode()  # noqa: E731
    assert_linear(check, make, 16_000)


@pytest.mark.parametrize(
    "path,masks",
    [
        (b"/conf", True),
        (b"/CONF/", True),
        (b"/conf?names=x", True),
        (b"/proxy2/w0/conf", True),
        (b"/%63onf", True),
        (b"/%2563onf", True),
        (b"/config/adapters", True),
        (b"/l2/adapters", True),
        (b"//conf;x", True),
        (b"/metrics", False),
        (b"/configuration", False),
        (b"/version?conf", False),
    ],
)
def test_the_settings_of_a_node_are_masked_however_their_path_is_written(path, masks):
    head = lf.RequestHead(b"GET", path, 0, [])
    assert lf.Trust.check_path(head, path)[1] is masks


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "x-unknown"])
def test_a_compressed_answer_shows_no_secret_to_those_who_may_not_see_it(start, node, coding):
    body = gzip.compress(b'{"api_key": "hunter2"}')
    head = "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
    node.exact["/conf"] = (head % (coding, len(body))).encode() + body
    front = start("--node", "w0=" + node.address, "--poll-interval", "0")
    answer = front.foreign("/proxy2/w0/conf", headers={"Accept-Encoding": "gzip, br"})
    assert answer.status == 502 and "compressed" in answer.json()["detail"]
    assert b"\r\nAccept-Encoding: identity\r\n" in node.requests[-1].head
    assert front.ask("/proxy2/w0/conf").body == body
    bundle = zipfile.ZipFile(io.BytesIO(front.ask("/api/bundle").body))
    assert b"/conf: its response is compressed" in bundle.read("nodes/w0/missing.txt")
    assert "nodes/w0/conf.json" not in bundle.namelist()


@pytest.mark.parametrize("charset", ["utf-16", "utf-32"])
def test_a_text_in_another_encoding_is_not_shown(charset):
    assert b"not shown" in lf.mask_secrets("api_key: hunter2".encode(charset))
