"""The status table, its exit status and the bundle on the command line.

A shell or a check in Nagios uses them.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import zipfile

import pytest
from support.frontend import PROGRAM, TOKEN, run, wait_for
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
        (["--status", "--url", "localhost:8080"], "not an http:// or https:// URL"),
        (["--json"], "go with --status"),
        (["--watch"], "go with --status"),
        (["--status", "--nosuch"], "unrecognized"),
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said(tmp_path):
    tmp_path.chmod(0o500)
    status, text = run("--bundle", tmp_path / "report.zip", "--node", DEAD)
    assert status == 2 and "Permission denied" in text


def test_a_full_disk_is_said(node):
    status, text = run("--bundle", "/dev/full", "--node", f"w0={node.address}")
    assert status == 1 and "cannot write /dev/full: No space left on device" in text
