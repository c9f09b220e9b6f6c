"""Started by LMCache's plugin launcher: what its environment means, and the end of LMCache."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import lmcache_frontend as lf
import pytest
from support.frontend import PROGRAM, run, wait_for
from support.processes import Process

ENGINE = {
    "lmcache_instance_id": "prod",
    "internal_api_server_enabled": True,
    "internal_api_server_port_start": 9090,
    "internal_api_server_host": "0.0.0.0",
    "internal_api_server_include_index_list": None,
    "internal_api_server_socket_path_prefix": None,
    "pd_allocation_timeout_sec": float("inf"),
    "extra_config": None,
}
SERVER = {
    "mp_config": {"instance_id": "mp-server-0"},
    "http_config": {"http_host": "127.0.0.1", "http_port": 27263},
    "runtime_plugin_extra_config": {},
}


def environment(config, workers="2", name="LMCACHE_RUNTIME_PLUGIN", role="scheduler"):
    text = config if isinstance(config, str) else json.dumps(config)
    return {
        name + "_CONFIG": text,
        name + "_ROLE": role,
        name + "_WORKER_COUNT": workers,
        name + "_WORKER_ID": "-1",
    }


def engine(workers="2", **changes):
    return lf.plugin_settings(environment(dict(ENGINE, **changes), workers))


def server(environ=None, **changes):
    return lf.plugin_settings(
        dict(environment(dict(SERVER, **changes), "1", role=""), **(environ or {}))
    )


def addresses(settings):
    return [(entry["name"], entry["host"], entry["port"]) for entry in settings.nodes]


def test_without_the_launchers_environment_there_is_no_plugin():
    assert lf.plugin_settings({}) is None
    assert lf.plugin_settings({"LMCACHE_RUNTIME_PLUGIN_CONFIG": ""}) is None


def test_the_scheduler_has_the_start_port_and_workers_follow(caplog):
    expected = [
        ("prod_scheduler", "127.0.0.1", 9090),
        ("prod_worker0", "127.0.0.1", 9091),
        ("prod_worker1", "127.0.0.1", 9092),
    ]
    settings = engine()
    assert addresses(settings) == expected
    assert (settings.role, settings.options) == ("scheduler", [])
    assert not caplog.records


def test_the_older_names_of_the_environment_work_too():
    settings = lf.plugin_settings(environment(ENGINE, "1", "LMCACHE_PLUGIN"))
    assert [entry["name"] for entry in settings.nodes] == ["prod_scheduler", "prod_worker0"]


def test_a_socket_prefix_makes_sockets_of_the_ports():
    settings = engine("1", internal_api_server_socket_path_prefix="/tmp/lmcache/socket")
    assert [entry["port"] for entry in settings.nodes] == [
        "/tmp/lmcache/socket_9090",
        "/tmp/lmcache/socket_9091",
    ]


@pytest.mark.parametrize(
    "wanted,offsets", [(None, [0, 1, 2]), ([], [0, 1, 2]), ([0], [0]), ([0, 2], [0, 2]), ([7], [])]
)
def test_only_the_indexes_in_the_include_list_are_nodes(wanted, offsets):
    assert [
        entry["port"] - 9090
        for entry in engine(internal_api_server_include_index_list=wanted).nodes
    ] == offsets


def test_an_api_server_that_is_off_has_no_nodes_and_a_warning(caplog):
    settings = engine(internal_api_server_enabled=False)
    assert settings.nodes == [] and "internal_api_server_enabled" in caplog.text


@pytest.mark.parametrize("workers,count", [("", 2), ("x", 2), ("0", 1), ("8", 9)])
def test_the_number_of_workers_is_the_launchers(workers, count):
    assert len(engine(workers).nodes) == count


def test_every_derived_node_is_one_for_the_registry():
    settings = engine(
        lmcache_instance_id="a/b\n",
        internal_api_server_host="::",
        internal_api_server_socket_path_prefix="",
    )
    local = lf.parse_nodes(settings.nodes, "plugin", "plugin")
    assert [node.target.host for node in local] == ["::1"] * 3


@pytest.mark.parametrize("text", ["{", "[]", "5", '"x"'])
def test_a_configuration_that_is_no_object_is_an_error_that_names_the_variable(text):
    with pytest.raises(lf.FrontendError) as failed:
        lf.plugin_settings(environment(text))
    assert "LMCACHE_RUNTIME_PLUGIN_CONFIG" in failed.value.detail


def test_plugin_frontend_keys_become_options():
    extra = {
        "ping_interval": 5,
        "plugin.other.port": 1,
        "plugin.frontend.port": 18888,
        "plugin.frontend.heartbeat_url": "http://h/x",
        "plugin.frontend.log-level": "info",
        "plugin.frontend.discovery": True,
        "plugin.frontend.demo": False,
        "plugin.frontend.status": "false",
        "plugin.frontend.token": None,
        "plugin.frontend.dns": ["a:1", "b:2"],
        "plugin.frontend.nodes": [{"name": "x", "host": "h", "port": 1}],
    }
    assert engine(extra_config=extra).options == [
        "--port=18888",
        "--heartbeat-url=http://h/x",
        "--log-level=info",
        "--discovery",
        "--dns=a:1",
        "--dns=b:2",
        '--nodes=[{"name": "x", "host": "h", "port": 1}]',
    ]


@pytest.mark.parametrize(
    "extra",
    [{"plugin.frontend.": 1}, {"plugin.frontend.a b": 1}, {"plugin.frontend.-x": 1}, [1], "text"],
)
def test_what_cannot_be_an_option_is_a_warning(extra, caplog):
    settings = engine(extra_config=extra)
    assert settings.options == [] and len(caplog.records) == 1


def test_an_extra_configuration_that_is_json_text_is_read():
    assert engine(extra_config='{"plugin.frontend.port": 8123}').options == ["--port=8123"]


def test_an_mp_server_whose_launcher_gives_no_extra_configuration_still_has_its_own():
    own = {
        "instance_id": "m",
        "runtime_plugin_config": {"extra_config": {"plugin.frontend.port": 8123}},
    }
    assert server(mp_config=own, runtime_plugin_extra_config=None).options == ["--port=8123"]


def test_an_mp_server_is_its_own_node():
    settings = server()
    assert addresses(settings) == [("mp-server-0", "127.0.0.1", 27263)]
    assert settings.role == "mp" and settings.options == []


def test_the_legacy_name_of_the_http_configuration_and_a_socket_work():
    settings = server(
        http_config=None,
        http_frontend_config={"http_host": "0.0.0.0", "http_socket_path": "/tmp/mp"},
        mp_config={},
    )
    assert addresses(settings) == [("lmcache_server", "127.0.0.1", "/tmp/mp")]


def test_with_a_heartbeat_url_and_no_port_an_mp_plugin_only_reports_the_servers_address():
    settings = server(runtime_plugin_extra_config={"plugin.frontend.heartbeat-url": "http://h/x"})
    assert settings.options == ["--heartbeat-url=http://h/x", "--no-http", "--port=27263"]
    settings = server({"LMCACHE_FRONTEND_HEARTBEAT_URL": "http://h/x"})
    assert "--no-http" in settings.options


@pytest.mark.parametrize(
    "extra,environ",
    [
        ({"plugin.frontend.port": 8000}, {}),
        ({"plugin.frontend.uds": "/tmp/x"}, {}),
        ({}, {"LMCACHE_FRONTEND_PORT": "8000"}),
    ],
)
def test_an_mp_plugin_with_a_place_to_listen_serves_the_dashboard(extra, environ):
    extra = dict(extra, **{"plugin.frontend.heartbeat-url": "http://h/x"})
    assert "--no-http" not in server(environ, runtime_plugin_extra_config=extra).options


def test_an_mp_server_without_an_address_is_a_warning(caplog):
    settings = server(http_config=None)
    assert settings.nodes == [] and "http_config" in caplog.text


# -- as a process

# What LMCache does, as a process that can be killed: start the plugin, tell its id, wait.
LAUNCHER = """
import signal, subprocess, sys
log = open(sys.argv[2], "wb")
plugin = subprocess.Popen([sys.executable, sys.argv[1]], stdout=log, stderr=subprocess.STDOUT)
print(plugin.pid, flush=True)
signal.pause()
"""


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Launched:
    """A launcher and the plugin that it started."""

    def __init__(self, program, tmp_path, config, workers="0"):
        self.log = tmp_path / "plugin.log"
        environ = dict(os.environ, PYTHONUNBUFFERED="1", **environment(config, workers))
        command = [sys.executable, "-c", LAUNCHER, str(program), str(self.log)]
        self.process = Process(command, env=environ, stdout=subprocess.PIPE)
        self.pid = int(self.process.stdout.readline())

    def output(self):
        return self.log.read_text() if self.log.exists() else ""

    def port(self):
        return int(
            wait_for(lambda: re.search(r" at https?://[^\s/]*:(\d+)/", self.output())).group(1)
        )

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if is_running(self.pid):
            os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def launch(tmp_path):
    running = []

    def begin(program, config, **options):
        running.append(Launched(program, tmp_path, config, **options))
        return running[-1]

    yield begin
    for item in running:
        item.close()


@pytest.mark.parametrize("place", [os.symlink, shutil.copy])
def test_the_launchers_plugin_serves_its_nodes_and_is_gone_when_lmcache_was_killed(
    launch, place, tmp_path, uds_node
):
    import http.client

    program = tmp_path / "scheduler_lmc_frontend_plugin.py"
    place(PROGRAM, str(program))
    prefix = uds_node.path.rpartition("_")[0]
    extra = {
        "plugin.frontend.port": 0,
        "plugin.frontend.host": "127.0.0.1",
        "plugin.frontend.poll_interval": 0,
    }
    config = dict(ENGINE, internal_api_server_socket_path_prefix=prefix, extra_config=extra)
    launched = launch(program, config)
    connection = http.client.HTTPConnection("127.0.0.1", launched.port(), timeout=10)
    connection.request("GET", "/proxy2/prod_scheduler/echo")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read()
    connection.close()
    launched.process.send_signal(signal.SIGKILL)
    launched.process.wait()
    wait_for(lambda: not is_running(launched.pid), 15)
    assert "Traceback" not in launched.output()


def test_a_plugin_that_only_reports_is_gone_with_lmcache_too(launch):
    config = dict(
        SERVER,
        runtime_plugin_extra_config={"plugin.frontend.heartbeat-url": "http://127.0.0.1:1/x"},
    )
    launched = launch(PROGRAM, config)
    wait_for(lambda: "serves nothing" in launched.output())
    launched.process.send_signal(signal.SIGKILL)
    launched.process.wait()
    wait_for(lambda: not is_running(launched.pid), 15)


def test_the_environment_wins_over_lmcaches_configuration_and_the_command_line_over_both(
    monkeypatch,
):
    monkeypatch.setenv("LMCACHE_FRONTEND_PORT", "2")
    monkeypatch.setenv("LMCACHE_FRONTEND_HISTORY", "5")
    settings = engine(extra_config={"plugin.frontend.port": 1, "plugin.frontend.poll_interval": 7})
    options = lf.parse_options(["--history", "6"], settings)
    assert (options.port, options.poll_interval, options.history) == (2, 7.0, 6.0)


def test_the_variables_that_kubernetes_sets_for_a_service_of_our_name_are_no_options(monkeypatch):
    monkeypatch.setenv("LMCACHE_FRONTEND_PORT", "tcp://10.96.0.7:80")
    monkeypatch.setenv("LMCACHE_FRONTEND_SERVICE_HOST", "10.96.0.7")
    assert lf.parse_options([], None).port == 8000
    extra = {"plugin.frontend.heartbeat-url": "http://h/x"}
    assert (
        "--no-http"
        in server(
            {"LMCACHE_FRONTEND_PORT": "tcp://10.96.0.7:80"}, runtime_plugin_extra_config=extra
        ).options
    )


def test_a_worker_that_starts_the_schedulers_plugin_ends_it_in_order_and_says_why():
    environ = environment(dict(ENGINE, extra_config={"plugin.frontend.port": 0}), role="worker")
    status, output = run(env=environ)
    assert status == 0 and "a worker started this copy" in output


def test_a_mistyped_variable_is_said_in_lmcaches_log():
    environ = environment(ENGINE, role="worker")
    status, output = run(env=dict(environ, LMCACHE_FRONTEND_PROT="1"))
    assert status == 0 and "did you mean LMCACHE_FRONTEND_PORT?" in output


def test_an_option_that_we_do_not_have_is_said_in_lmcaches_log(launch):
    launched = launch(PROGRAM, dict(ENGINE, extra_config={"plugin.frontend.no_such_option": 1}))
    wait_for(lambda: not is_running(launched.pid), 15)
    assert "no-such-option" in launched.output() and "Traceback" not in launched.output()
