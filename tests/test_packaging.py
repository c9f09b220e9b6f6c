"""The ways the program reaches a host: a copied file, a link, a zip application, a wheel."""

import os
import re
import shutil
import subprocess
import sys
import zipapp
import zipfile

import lmcache_frontend
import pytest
from support.frontend import PROGRAM, ROOT

STATIC = os.path.join(ROOT, "static")
PROJECT = ("lmcache_frontend.py", "pyproject.toml", "README.md", "LICENSE")


def static_files():
    """The dashboard's files, relative to ``static/``."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), STATIC)
        for folder, _, names in os.walk(STATIC)
        if "__pycache__" not in folder
        for name in names
    )


def run(*arguments, **options):
    """Run a command to its end; returns what it printed. A failure shows it."""
    done = subprocess.run(
        list(map(str, arguments)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=240,
        **options,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    return done.stdout.decode("utf-8", "replace")


def serves_the_dashboard(front):
    """Assert that a frontend serves every file of ``static/``, and its API."""
    assert front.ask("/").headers["content-type"].startswith("text/html")
    for name in static_files():
        with open(os.path.join(STATIC, name), "rb") as file:
            assert front.ask("/static/" + name.replace(os.sep, "/")).body == file.read(), name
    assert front.ask("/health").json()["status"] == "healthy"


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A copy of what the wheel is made of: building leaves files beside it."""
    folder = tmp_path_factory.mktemp("project")
    for name in PROJECT:
        shutil.copy(os.path.join(ROOT, name), str(folder))
    shutil.copytree(STATIC, str(folder / "static"), ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def wheel(project, tmp_path_factory):
    """A wheel of the project. Skips where setuptools can be neither found nor fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--disable-pip-version-check",
        "-w",
        str(folder),
        str(project),
    ]
    done = subprocess.run(
        build,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode and (
        "No matching distribution" in output or "No module named pip" in output
    ):
        pytest.skip("pip cannot get setuptools here: " + output.strip().splitlines()[-1])
    assert done.returncode == 0, output
    (name,) = os.listdir(str(folder))
    return folder / name


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The programs' folder of a clean virtual environment with nothing but the wheel."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", folder)
    run(
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
        wheel,
    )
    return folder / "bin"


def test_the_version_stands_in_one_place(project):
    text = (project / "pyproject.toml").read_text()
    assert re.search(r'^dynamic = \["version"\]$', text, re.M)
    assert lmcache_frontend.VERSION not in text
    assert run(sys.executable, PROGRAM, "--version").split()[-1] == lmcache_frontend.VERSION


def test_pyproject_names_every_folder_of_the_dashboard(project):
    packages = re.search(
        r"^packages = \[(.*?)\]", (project / "pyproject.toml").read_text(), re.M | re.S
    ).group(1)
    named = {
        name.replace(".", "/").replace("lmcache_frontend_static", "static", 1)
        for name in re.findall(r'"([\w.]+)"', packages)
    }
    assert named == {
        os.path.join("static", os.path.dirname(name)).rstrip("/") for name in static_files()
    }


def test_nothing_is_needed_but_the_standard_library(project):
    assert re.search(r"^dependencies = \[\]$", (project / "pyproject.toml").read_text(), re.M)
    code = (
        "import sys; sys.path[:0] = [%r]; import lmcache_frontend; "
        "print([m.__file__ for m in sys.modules.values() if 'site-packages' in str(getattr(m, "
        "'__file__', ''))])"
    )
    assert run(sys.executable, "-S", "-E", "-c", code % str(project)).strip() == "[]"


def test_the_file_alone_serves_the_proxy_and_says_what_is_missing(start, node, tmp_path):
    shutil.copy(PROGRAM, str(tmp_path))
    front = start("--node", "w0=" + node.address, program=str(tmp_path / "lmcache_frontend.py"))
    assert front.ask("/proxy2/w0/version").status == 200
    page = front.ask("/")
    assert (
        page.headers["content-type"].startswith("text/html")
        and b"static" in page.body
        and b"w0" in page.body
    )


def test_what_a_module_of_the_dashboard_imports_is_exported():
    """A module that is loaded on demand would fail when somebody opens it."""
    texts = {}
    for name in static_files():
        if name.endswith(".js"):
            with open(os.path.join(STATIC, name), encoding="utf-8") as file:
                texts[name] = file.read()
    declared = r"^export (?:async )?(?:function|class|const|let) (\w+)"
    imported = r"^import \{([^}]+)\} from \"([^\"]+)\""
    exports = {name: set(re.findall(declared, text, re.M)) for name, text in texts.items()}
    wanted = [
        (name, one.split(" as ")[0].strip(), os.path.join(os.path.dirname(name), path))
        for name, text in texts.items()
        for names, path in re.findall(imported, text, re.M)
        for one in names.split(",")
        if one.strip()
    ]
    assert len(wanted) > 500
    assert [one for one in wanted if one[1] not in exports[os.path.normpath(one[2])]] == []


def test_no_line_is_over_100_columns():
    """Grafana's file is left out: its expressions are JSON strings, which cannot be split."""
    names = [PROGRAM] + [os.path.join(STATIC, name) for name in static_files()]
    for folder, _, files in os.walk(os.path.join(ROOT, "tests")):
        names += [os.path.join(folder, name) for name in files]
    texts = [name for name in names if name.endswith((".py", ".js", ".css", ".html", ".yml"))]
    assert len(texts) > 40
    long_lines = []
    for name in texts:
        with open(name, encoding="utf-8") as file:
            numbered = list(enumerate(file, 1))
        long_lines += [(name, n) for n, line in numbered if len(line.rstrip("\n")) > 100]
    assert long_lines == []


@pytest.mark.parametrize("make", [os.symlink, shutil.copy], ids=["link", "copy"])
def test_it_works_as_a_plugin_by_another_name(start, node, tmp_path, make):
    plugin = str(tmp_path / "scheduler_lmc_frontend_plugin.py")
    make(PROGRAM, plugin)
    front = start("--node", "w0=" + node.address, program=plugin)
    assert front.ask("/proxy2/w0/version").status == 200
    if make is os.symlink:
        serves_the_dashboard(front)


def test_one_zip_application_carries_everything(start, project, tmp_path):
    content = tmp_path / "content"
    content.mkdir()
    shutil.copy(PROGRAM, str(content))
    shutil.copytree(STATIC, str(content / "static"))
    archive = str(tmp_path / "frontend.pyz")
    zipapp.create_archive(str(content), archive, main="lmcache_frontend:main")
    front = start("--demo", program=archive)
    serves_the_dashboard(front)
    assert front.ask("/static/../lmcache_frontend.py").status == 404
    assert front.stop() == 0


@pytest.mark.slow
def test_the_wheel_holds_the_module_and_the_dashboard_only(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        names = sorted(name for name in archive.namelist() if ".dist-info/" not in name)
        metadata = archive.read(
            next(name for name in archive.namelist() if name.endswith("/METADATA"))
        ).decode()
    assert names == sorted(
        ["lmcache_frontend.py"]
        + ["lmcache_frontend_static/" + name.replace(os.sep, "/") for name in static_files()]
    )
    assert "Requires-Python: >=3.8" in metadata and "Requires-Dist" not in metadata
    assert wheel.name == "lmcache_frontend-%s-py3-none-any.whl" % lmcache_frontend.VERSION


@pytest.mark.slow
def test_the_wheel_works_in_a_clean_environment(start, installed, tmp_path):
    assert (
        run(installed / "lmcache-frontend", "--version", cwd=str(tmp_path)).split()[-1]
        == lmcache_frontend.VERSION
    )
    front = start(
        "--demo", program=str(installed / "lmcache-frontend"), python=str(installed / "python")
    )
    serves_the_dashboard(front)


@pytest.mark.slow
def test_an_editable_install_works(start, wheel, project, tmp_path):
    folder = tmp_path / "venv"
    run(sys.executable, "-m", "venv", folder)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "--no-deps", "-e", project)
    serves_the_dashboard(
        start(
            "--demo",
            program=str(folder / "bin" / "lmcache-frontend"),
            python=str(folder / "bin" / "python"),
        )
    )
