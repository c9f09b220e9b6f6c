"""The status table, its exit status and the bundle on the command line.

A shell or a check in Nagios uses them.
"""

import glob
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import tempfile
import zipfile

import lmcache_frontend as lf
import pytest
from support.frontend import PROGRAM, TOKEN, Frontend, run, wait_for
from support.processes import Process

DEAD = "gone=127.0.0.1:1"


def start_watching(*options):
    """``--status --watch`` in its own process, its output in a pipe.

    Ctrl-C means what it means in a terminal.
    """
    arguments = [
        sys.executable,
        PROGRAM,
        "--status",
        "--watch",
        "--poll-interval",
        "0.1",
        *map(str, options),
    ]
    return Process(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_the_exit_status_is_0_when_every_node_is_up(node):
    status, text = run("--status", "--node", f"w0={node.address}")
    assert status == 0 and "1 node: 1 up" in text and "worker" in text


def test_the_exit_status_is_1_when_a_node_is_down_and_the_reason_is_said(node):
    status, text = run("--status", "--node", f"w0={node.address}", "--node", DEAD)
    assert status == 1 and "2 nodes: 1 up, 1 down" in text and "connection refused" in text


def test_the_exit_status_is_1_when_there_is_no_node():
    assert run("--status", "--nodes", "[]")[0] == 1


@pytest.mark.parametrize(
    "options, said",
    [
        (["--status", "--node", "nonsense"], "NAME=HOST:PORT"),
        (["--status", "--config", "/nosuch"], "cannot read /nosuch"),
        (["--node", "w0=10.0.0.5"], "NAME=HOST:PORT"),
        (["--status", "--url", "localhost:8080"], "not an http://, https:// or unix:/path URL"),
        (
            ["--tls-cert", __file__, "--port", "0"],
            "not a PEM certificate with a matching private key",
        ),
        (["--json"], "--json needs --status"),
        (["--watch"], "--watch needs --status"),
        (["--url", "http://h:1"], "--url needs --status"),
        (["--tls-key", "key.pem"], "--tls-key needs --tls-cert"),
        (["--discovery-file", "x.json"], "--discovery-file needs --discovery"),
        (["--uds-mode", "660"], "--uds-mode needs --uds"),
        (["--no-http"], "--no-http needs --heartbeat-url"),
        (["--status", "--bundle", "x.zip"], "--status and --bundle cannot be combined"),
        (["--port", "0", "--uds", "/tmp/x"], "--port and --uds cannot be combined"),
        (["--demo", "--node", DEAD], "--demo and --node cannot be combined: give one of them"),
        (["--demo", "5", "--nodes", "[]"], "--demo and --nodes cannot be combined"),
        (["--demo", "--config", "/nosuch"], "--demo and --config cannot be combined"),
        (["--demo", "--discovery"], "--demo and --discovery cannot be combined"),
        (["--uds", "/tmp/x", "--uds-mode", "999"], "--uds-mode: '999' is not an octal file mode"),
        (["--status", "--nosuch"], "unrecognized"),
        (["--status", "--poll-interval", "nan"], "--poll-interval"),
        (["--poll-interval", "1e-9"], "--poll-interval"),
        (["--poll-interval", "0.1", "--history", "1e7"], "--history 1e+07 is too long"),
        (["--token", "a b"], "--token"),
        (["--token", "wörd"], "--token"),
        (["--node", "w0=http://10.0.0.5:9090"], "write NAME=HOST:PORT"),
        (["--status", "--url", "http://h:1/#token=x&y", "--token"], "--token"),
        (["--bundle", "/nosuch/x.zip", "--node", DEAD], "cannot write /nosuch/x.zip"),
    ],
)
def test_the_exit_status_is_2_for_wrong_usage_and_the_mistake_is_named(options, said):
    status, text = run(*options)
    assert status == 2 and said in text and "Traceback" not in text


def test_a_running_frontend_is_asked_by_its_url(front):
    front.ask("/api/refresh", "POST")
    status, text = run("--status", "--url", front.url + "/")
    assert status == 0 and " w0 " in text


def test_json_is_the_status_document(front):
    status, text = run("--status", "--json", "--url", front.url)
    assert json.loads(text)["nodes"][0]["name"] == "w0" and status == 0


def test_a_frontend_that_is_away_or_no_frontend_is_said_in_one_line(node, front):
    https = front.url.replace("http:", "https:")
    for url, said in (
        ("http://127.0.0.1:1", "connection refused"),
        (f"http://{node.address}", "is not a frontend's status"),
        (https, "TLS failed"),
    ):
        status, text = run("--status", "--url", url)
        assert status == 1 and said in text and text.count("\n") == 1


def test_a_certificate_that_nobody_vouches_for_is_not_trusted_unless_it_is_named(
    start, node, certificate
):
    front = start("--node", f"w0={node.address}", "--tls-cert", certificate)
    url = f"https://localhost:{front.port}"
    status, text = run("--status", "--url", url, env={"SSL_CERT_FILE": os.devnull})
    assert status == 1 and "its certificate is not trusted" in text
    assert run("--status", "--url", url, env={"SSL_CERT_FILE": certificate})[0] == 0


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for localhost with its key, in one file."""
    import shutil

    if shutil.which("openssl") is None or not ssl.HAS_SNI:
        pytest.skip("openssl is not installed")
    path = str(tmp_path / "both.pem")
    options = [
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    subprocess.run(
        ["openssl", "req", "-x509", *options, "-keyout", path, "-out", path + ".crt"],
        check=True,
        capture_output=True,
    )
    with open(path, "a") as file, open(path + ".crt") as other:
        file.write(other.read())
    return path


def test_watching_goes_on_until_the_reader_leaves(front):
    process = start_watching("--url", front.url)
    lines = [process.stdout.readline() for _ in range(12)]  # more than one table
    process.stdout.close()
    assert sum(b"1 node: " in line for line in lines) > 1
    assert process.wait(10) == 0


def test_watching_ends_with_control_c_without_a_word(front):
    process = start_watching("--url", front.url)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=10)[0]
    assert process.returncode == 130 and b"Traceback" not in rest and b"Interrupt" not in rest


def test_watching_outlives_the_frontend(start, node):
    front = start("--node", f"w0={node.address}")
    process = start_watching("--url", front.url)
    process.stdout.readline()
    front.stop()
    wait_for(lambda: b"connection refused" in process.stdout.readline(), 10)
    assert process.poll() is None
    process.kill()
    process.communicate()


def test_a_bundle_has_what_the_nodes_say_and_notes_what_they_do_not(node, tmp_path):
    path = tmp_path / "report.zip"
    status, text = run("--bundle", path, "--node", f"w0={node.address}", "--node", DEAD)
    assert (status, text) == (0, f"wrote {path}\n")
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None
        assert json.loads(bundle.read("nodes/w0/version.json")) == "0.5.6-gtest"
        assert b"lmcache:num_hit_tokens_total" in bundle.read("nodes/w0/metrics.txt")
        assert b"connection refused" in bundle.read("nodes/gone/missing.txt")


def test_a_bundle_of_a_running_frontend_is_the_same(front, tmp_path):
    path = tmp_path / "report.zip"
    assert run("--bundle", path, "--url", front.url, "--token", TOKEN)[0] == 0
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None and "nodes/w0/version.json" in bundle.namelist()


def test_a_bundle_that_fails_leaves_no_file(tmp_path):
    path = tmp_path / "report.zip"
    status, text = run("--bundle", path, "--url", "http://127.0.0.1:1")
    assert status == 1 and "connection refused" in text and not path.exists()


@pytest.mark.parametrize(
    "more, end", [({}, "rising"), ({"end_reason": "node down"}, "(no longer evaluated: node down)")]
)
def test_an_alert_that_ended_without_being_resolved_says_so(more, end):
    about = {"time": 0, "until": 60, "seconds": 60, "kind": "alert", "text": "rising"}
    assert lf.event_line({**about, **more}).endswith(end)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said(tmp_path):
    tmp_path.chmod(0o500)
    status, text = run("--bundle", tmp_path / "report.zip", "--node", DEAD)
    assert status == 2 and "Permission denied" in text


def test_a_full_disk_is_said(node):
    status, text = run("--bundle", "/dev/full", "--node", f"w0={node.address}")
    assert status == 1 and "cannot write /dev/full: No space left on device" in text


# -- what is printed, and where it goes


def test_the_help_reads_at_80_columns_and_ends_with_examples():
    status, text = run("--help", env={"COLUMNS": "80"})
    assert status == 0 and max(map(len, text.splitlines())) <= 80
    assert text.index("in the terminal:") < text.index("examples:")


def test_a_python_that_is_too_old_is_told_in_one_line():
    python = find_python("3.7")
    if python is None:
        pytest.skip("no Python 3.7 on this machine")
    for arguments in ([PROGRAM, "--help"], [PROGRAM]):
        done = subprocess.run([python, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 1 and done.stdout == b""
        assert done.stderr.count(b"\n") == 1 and b"3.8 or newer" in done.stderr


def find_python(version):
    """An interpreter of that version that runs, or None."""
    folders = glob.glob(os.path.expanduser("~/.pyenv/versions/%s.*/bin" % version))
    for folder in (*folders, *os.environ.get("PATH", "").split(os.pathsep)):
        python = os.path.join(folder, "python" + version)
        if os.path.exists(python):
            done = subprocess.run([python, "-V"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.stdout.decode().startswith("Python " + version):
                return python
    return None


def test_the_table_is_printed_where_the_terminal_lacks_a_letter(node):
    environment = {"PYTHONIOENCODING": "ascii"}
    status, text = run("--status", "--node", "w\u00f6rker=%s" % node.address, env=environment)
    assert status == 0 and "w\\xf6rker" in text


@pytest.mark.parametrize("option", ["--status", "--events"])
def test_a_closed_standard_output_changes_no_exit_status(node, option):
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, PROGRAM, option]
    for nodes, status in ((["w0=%s" % node.address], 0), (["w0=%s" % node.address, DEAD], 1)):
        options = [part for name in nodes for part in ("--node", name)]
        done = subprocess.run(command + options, stderr=subprocess.PIPE)
        assert done.returncode == (status if option == "--status" else 0)
        assert done.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_standard_output_is_an_error_in_one_line(node):
    command = [sys.executable, PROGRAM, "--status", "--node", "w0=%s" % node.address]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr


def test_the_url_that_was_printed_is_taken_with_its_token(start, node, tmp_path):
    front = start("--trust", "token", "--host", "127.0.0.1", "--node", "w0=%s" % node.address)
    url = "%s/#token=%s" % (front.url, TOKEN)
    assert run("--status", "--url", url)[0] == 0
    path = tmp_path / "report.zip"
    assert run("--bundle", path, "--url", url)[0] == 0 and path.exists()


def test_a_bundle_without_the_token_names_the_option(start, node, tmp_path):
    front = start("--trust", "token", "--node", "w0=%s" % node.address)
    path = tmp_path / "report.zip"
    status, text = run("--bundle", path, "--url", front.url)
    assert status == 1 and "--token" in text and text.count("\n") == 1 and not path.exists()


def test_a_made_token_is_printed_with_a_url_that_works(node):
    front = Frontend("--port", "0", "--node", "w0=%s" % node.address, port=False)
    try:
        line = next(line for line in front.output().splitlines() if "#token=" in line)
        url = line.split()[-1]
        assert "0.0.0.0" not in front.output() and "HOST" not in url
        assert run("--status", "--url", url)[0] == 0
    finally:
        front.stop()


@pytest.fixture
def on_a_socket(start, node):
    """A frontend on a Unix socket, and the path."""
    with tempfile.TemporaryDirectory(prefix="lf-", dir="/tmp") as folder:
        path = os.path.join(folder, "lf.sock")
        options = ("--uds", path, "--uds-mode", "660", "--node", "w0=%s" % node.address)
        front = start(*options, port=False, wait=False)
        wait_for(lambda: "#token=" in front.output())
        yield front, path


def test_a_frontend_on_a_socket_can_be_asked(on_a_socket):
    front, path = on_a_socket
    for options in (["--url", "unix:" + path], ["--url", path], ["--uds", path]):
        status, text = run("--status", *options)
        assert status == 0 and " w0 " in text
        assert run("--events", *options)[0] == 0


def test_the_socket_has_the_mode_of_the_option_and_a_made_token_is_printed(on_a_socket):
    front, path = on_a_socket
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    (url,) = [line.split()[-1] for line in front.output().splitlines() if "#token=" in line]
    assert url.startswith("unix:" + path) and run("--status", "--url", url)[0] == 0


def test_a_second_frontend_on_one_socket_ends_and_leaves_the_first_one_its_own(on_a_socket):
    front, path = on_a_socket
    before = os.stat(path).st_ino
    status, text = run("--uds", path)
    assert status == 1 and path in text and text.count("\n") == 1
    assert os.stat(path).st_ino == before and run("--status", "--uds", path)[0] == 0


def test_a_plain_file_in_place_of_the_socket_is_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    status, text = run("--uds", path)
    assert status == 1 and "is not a socket" in text and text.count("\n") == 1
    assert path.read_text() == "x"


@pytest.mark.parametrize(
    "variable,value,words",
    [
        ("LMCACHE_FRONTEND_PORT", "eighty", "not a port number"),
        ("LMCACHE_FRONTEND_LOG_LEVEL", "loud", "invalid choice"),
        ("LMCACHE_FRONTEND_DISCOVERY", "perhaps", "neither true nor false"),
        ("LMCACHE_FRONTEND_DEMO", "perhaps", "a number from 1"),
        ("LMCACHE_FRONTEND_POLL_INTERVAL", "-1", "at least 0"),
        ("LMCACHE_FRONTEND_NODES", "[{", "is not JSON"),
        ("LMCACHE_FRONTEND_NODE", "x", "not of the form"),
        ("LMCACHE_FRONTEND_DNS", "x", "is not NAME:PORT"),
        ("LMCACHE_FRONTEND_ALERTMANAGER_URL", "x", "is not an http:// or https:// URL"),
        ("LMCACHE_FRONTEND_URL", "http://localhost", "needs --status"),
    ],
)
def test_a_wrong_variable_is_named_as_such(variable, value, words):
    status, text = run(env={"LMCACHE_FRONTEND_PORT": "0", variable: value})
    assert status == 2 and text.startswith("lmcache_frontend: " + variable)
    assert words in text and text.count("\n") == 1


def test_an_option_of_the_command_line_is_named_where_a_variable_has_it_too():
    status, text = run("--port", "0", "--nodes", "[{", env={"LMCACHE_FRONTEND_NODES": "[]"})
    assert status == 2 and text.startswith("lmcache_frontend: --nodes is not JSON")


@pytest.mark.parametrize("value,is_on", [("1", True), ("True", True), ("off", False), ("0", False)])
def test_a_flag_in_the_environment_is_true_or_false(value, is_on):
    options = lf.parse_options(["--port", "1"], None, {"LMCACHE_FRONTEND_DISCOVERY": value})
    assert options.discovery is is_on


@pytest.mark.parametrize(
    "name,advice",
    [
        ("PROT", "did you mean LMCACHE_FRONTEND_PORT?"),
        ("POLL_INTERVALL", "did you mean LMCACHE_FRONTEND_POLL_INTERVAL?"),
        ("port", "did you mean LMCACHE_FRONTEND_PORT?"),
        ("XYZ", "see --help"),
    ],
)
def test_a_mistyped_variable_is_a_warning_that_names_the_closest_one(caplog, name, advice):
    variable = "LMCACHE_FRONTEND_" + name
    assert lf.parse_options([], None, {variable: "1", "PATH": "/bin"}).port == 8000
    assert caplog.messages == ["%s is not an option and has no effect: %s" % (variable, advice)]


@pytest.mark.parametrize(
    "name,value",
    [
        ("PORT", "tcp://10.96.0.7:80"),
        ("SERVICE_HOST", "10.96.0.7"),
        ("SERVICE_PORT_HTTP", "80"),
        ("PORT_80_TCP_ADDR", "10.96.0.7"),
        ("UI_PORT", "tcp://10.96.0.8:80"),
        ("UI_SERVICE_PORT", "80"),
        ("HISTORY", "5"),
    ],
)
def test_options_and_the_variables_of_kubernetes_are_no_mistyped_ones(caplog, name, value):
    lf.parse_options([], None, {"LMCACHE_FRONTEND_" + name: value})
    assert caplog.messages == []


def test_a_mistyped_variable_is_said_once_and_costs_nothing(node):
    variable = "LMCACHE_FRONTEND_PROT"
    status, text = run("--status", "--node", "w0=" + node.address, env={variable: "1"})
    assert status == 0 and text.count(variable) == 1 and "WARNING: " + variable in text


def test_a_list_in_the_environment_is_separated_by_commas():
    environment = {"LMCACHE_FRONTEND_NODE": "w0=h:1,w1=/tmp/s"}
    assert lf.parse_options([], None, environment).node == ["w0=h:1", "w1=/tmp/s"]


def test_an_address_that_is_not_this_machines_is_an_error_in_one_line():
    status, text = run("--host", "192.0.2.1", "--port", "0")
    assert status == 1 and "--host" in text and text.count("\n") == 1


@pytest.mark.parametrize("document", [b'{"counts": 5}', b'{"counts": {"total": 1}, "nodes": [{}]}'])
def test_a_status_that_is_none_is_an_error_in_one_line(service, document):
    other = service({"/api/status": (200, document)})
    status, text = run("--status", "--url", other.url)
    assert status == 1 and "is not a frontend's status" in text and text.count("\n") == 1
