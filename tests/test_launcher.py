"""`./run`: what a newcomer meets first. Each test runs the real launcher in a small checkout of its own."""

import ast
import base64
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
REAL_PYTHON = getattr(sys, "_base_executable", sys.executable)  # a .venv's python would find its packages again

# The smallest command: says how it was called.
CLI = """
import json, os, sys
import tiny
print(json.dumps({"words": sys.argv[1:], "cwd": os.getcwd(), "data_dir": os.environ["ROADBED_DATA_DIR"]}))
"""


def small_checkout(folder: Path) -> Path:
    (folder / "api").mkdir(parents=True)
    (folder / "api" / "__init__.py").write_text("")
    (folder / "api" / "cli.py").write_text(CLI)
    shutil.copy(ROOT / "run", folder / "run")
    return folder


def write_locks(checkout: Path, wheels: Path, version: str) -> None:
    """A lock of one package, which is a wheel made here: no test needs a network."""
    digest = hashlib.sha256(tiny_wheel(wheels, version).read_bytes()).hexdigest()
    for name in ("requirements.lock", "requirements-test.lock"):
        (checkout / name).write_text(f"tiny=={version} \\\n    --hash=sha256:{digest}\n")


def tiny_wheel(wheels: Path, version: str) -> Path:
    wheels.mkdir(exist_ok=True)
    path = wheels / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={url_digest(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in (*files.items(), (f"{info}/RECORD", f"{record}{info}/RECORD,,\n")):
            wheel.writestr(name, text)
    return path


def url_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def path_of(folder: Path, **pythons: str) -> str:
    """A folder for PATH with these fake Pythons in it, each a line of shell; `python3_14` stands for python3.14."""
    folder.mkdir()
    for name, line in pythons.items():
        script = folder / name.replace("_", ".")
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)
    return str(folder)


def launch(checkout: Path, *words: str, path: str, cwd: Path | None = None, **environment: str) -> "Done":
    return subprocess.run(
        [checkout / "run", *words],
        cwd=cwd or checkout,
        env={"PATH": path, "HOME": str(checkout), "LC_ALL": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


Done = subprocess.CompletedProcess[str]

# Run the launcher in the real Python after changing something about it.
AS = (
    "exec {python} -c 'import sys, runpy; {change}; sys.argv = sys.argv[1:]; "
    'runpy.run_path(sys.argv[0], run_name="__main__")\' "$@"'
)


def test_without_any_python_it_says_which_are_needed(tmp_path: Path) -> None:
    done = launch(small_checkout(tmp_path / "here"), path=path_of(tmp_path / "bin"))
    assert done.returncode == 1
    assert done.stderr == (
        "roadbed: Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found: install one, then run this again.\n"
    )


@pytest.mark.parametrize("version", [(3, 6), (3, 10), (3, 15)])
def test_an_unfit_python_says_its_version_and_what_is_needed(tmp_path: Path, version: tuple[int, int]) -> None:
    unfit = AS.format(python=REAL_PYTHON, change=f"sys.version_info = {version}")
    path = path_of(tmp_path / "bin", python3=f'case "$*" in *version_info*) exit 1;; -S*) exit 0;; esac\n{unfit}')
    done = launch(small_checkout(tmp_path / "here"), path=path)
    assert done.returncode == 1
    assert f"is needed and this is {version[0]}.{version[1]} (" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_old_python_can_read_the_launcher_as_far_as_its_sentence() -> None:
    ast.parse((ROOT / "run").read_text(), feature_version=(3, 6))


def test_shims_that_fail_are_passed_over_and_a_missing_ensurepip_is_named(tmp_path: Path) -> None:
    bare = AS.format(python=REAL_PYTHON, change='sys.modules["ensurepip"] = None')
    path = path_of(
        tmp_path / "bin",
        python3_14="exit 127",  # a pyenv shim without its Python
        python3_13=f'case "$*" in *ensurepip*) exit 1;; -S*) exit 0;; esac\n{bare}',
    )
    checkout = small_checkout(tmp_path / "here")
    write_locks(checkout, tmp_path / "wheels", "1.0")
    done = launch(checkout, path=path)
    assert done.returncode == 1
    assert f"`apt install python3.{sys.version_info.minor}-venv`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    checkout = small_checkout(tmp_path / "here")
    write_locks(checkout, tmp_path / "wheels", "1.0")
    checkout.chmod(0o555)
    done = launch(checkout, path=path_of(tmp_path / "bin", python3=f'exec {REAL_PYTHON} "$@"'))
    checkout.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.startswith(f"roadbed: {checkout} cannot be written to")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return path_of(tmp_path_factory.mktemp("path") / "bin", python3=f'exec {REAL_PYTHON} "$@"')


@pytest.fixture(scope="module")
def offline(wheels: Path) -> dict[str, str]:
    """pip's settings in this world: one folder of wheels, and no uv in it."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheels: Path, path: str, offline: dict[str, str]) -> Path:
    """A checkout after its first `./run`, in a folder whose name has a blank."""
    checkout = small_checkout(tmp_path_factory.mktemp("a folder") / "road bed")
    write_locks(checkout, wheels, "1.0")
    done = launch(checkout, "first", path=path, **offline)
    assert done.returncode == 0, done.stderr
    assert "Making .venv" in done.stderr
    assert "uv could not be had); trying pip" in done.stderr
    return checkout


def test_words_reach_the_command_from_any_folder_and_data_stays_beside_the_checkout(
    installed: Path, path: str, tmp_path: Path
) -> None:
    (tmp_path / "api").mkdir()  # not ours, and never imported
    (tmp_path / "api" / "__init__.py").write_text("raise SystemExit('the wrong api')")
    done = launch(installed, "import", "a file.csv", path=path, cwd=tmp_path)
    said = json.loads(done.stdout)
    assert said == {"words": ["import", "a file.csv"], "cwd": str(tmp_path), "data_dir": str(installed / ".roadbed")}


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (("roadbed", "score", "--help"), ["score", "--help"]),
        (("score", "feat_1", "reach=1"), ["score", "feat_1", "reach=1"]),
        (("score", "--url", "http://x", "feat_1"), ["score", "--url", "http://x", "feat_1"]),
        (("help",), ["--help"]),
    ],
)
def test_a_word_that_the_launcher_has_too_reaches_the_command(
    installed: Path, path: str, called: tuple[str, ...], words: list[str]
) -> None:
    assert json.loads(launch(installed, *called, path=path).stdout)["words"] == words


def test_the_command_is_there_for_a_path_and_works_from_any_folder(installed: Path, path: str, tmp_path: Path) -> None:
    launch(installed, "first", path=path)
    done = subprocess.run(
        [installed / ".venv" / "bin" / "roadbed", "score", "a b"],
        cwd=tmp_path, env={"PATH": f"{path}:/usr/bin:/bin", "HOME": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert (said["words"], said["data_dir"]) == (["score", "a b"], str(installed / ".roadbed"))


def test_no_word_means_up(installed: Path, path: str) -> None:
    assert json.loads(launch(installed, path=path).stdout)["words"] == ["up"]


def test_a_second_start_is_quiet_and_quick(installed: Path, path: str) -> None:
    began = time.monotonic()
    done = launch(installed, "again", path=path)
    assert done.stderr == ""
    assert time.monotonic() - began < 2  # 0.1 s on an idle machine


def test_a_changed_lock_is_installed_once_by_two_starts_at_the_same_time(
    installed: Path, wheels: Path, path: str, offline: dict[str, str]
) -> None:
    write_locks(installed, wheels, "2.0")
    environment = {"PATH": path, "HOME": str(installed), **offline}
    both = [
        subprocess.Popen([installed / "run", "x"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("Installing packages" in text for text in said) == 1
    version = subprocess.check_output(
        [installed / ".venv" / "bin" / "python", "-c", "import tiny; print(tiny.version)"]
    )
    assert version == b"2.0\n"


def test_a_half_made_venv_is_made_anew(installed: Path, path: str, offline: dict[str, str]) -> None:
    (installed / ".venv" / "roadbed-unfinished").write_text("")
    (installed / ".venv" / "roadbed-installed").write_text("")
    next((installed / ".venv" / "lib").glob("*/site-packages/tiny.py")).unlink()
    done = launch(installed, "x", path=path, **offline)
    assert done.returncode == 0, done.stderr
    assert "Making .venv" in done.stderr


def test_packages_that_cannot_be_had_end_in_one_sentence(
    installed: Path, path: str, wheels: Path, tmp_path: Path
) -> None:
    write_locks(installed, tmp_path / "elsewhere", "3.0")
    done = launch(installed, "x", path=path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "roadbed: The packages could not be installed: ERROR: No matching distribution found for tiny==3.0"
    )
    assert last.endswith("Check the network and pip's settings (pip config list), then run this again.")


def test_the_test_packages_serve_for_the_run_as_well(installed: Path) -> None:
    launcher = imported(installed / "run")
    (installed / ".venv" / "roadbed-installed").write_text("\n".join(launcher.stamp_for(launcher.WITH_TESTS)))
    assert launcher.installed(launcher.RUN_TIME)


def test_uv_is_told_the_index_and_the_certificates_that_pip_is_told(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://user:secret@packages.test/simple\ncert = /etc/company.pem\n")
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.test/simple")
    told = imported(installed / "run").uv_environment()
    assert told["UV_DEFAULT_INDEX"] == "https://user:secret@packages.test/simple"
    assert told["UV_INDEX"] == "https://more.test/simple"
    assert told["SSL_CERT_FILE"] == "/etc/company.pem"
    assert told["UV_PYTHON_DOWNLOADS"] == "never"


def imported(launcher: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("launcher", str(launcher))
    spec = importlib.util.spec_from_loader("launcher", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_lock_files_pin_the_same_versions_and_name_no_index() -> None:
    names = ("requirements.lock", "requirements-test.lock", "requirements-bench.lock")
    run_time, with_tests, with_bench = ((ROOT / name).read_text() for name in names)
    assert pins(run_time) <= pins(with_tests)
    tested, benched = (dict(pin.split("==") for pin in pins(lock)) for lock in (with_tests, with_bench))
    assert all(tested[name] == benched[name] for name in tested.keys() & benched.keys())
    assert "://" not in run_time + with_tests + with_bench


def pins(lock: str) -> set[str]:
    return {line.split()[0] for line in lock.splitlines() if "==" in line and not line.startswith(" ")}


def test_a_busy_port_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from api.settings import Settings; from api.up import run_up; exit(run_up(Settings()))",
            ],
            cwd=ROOT,
            env={**os.environ, "ROADBED_PORT": str(port), "ROADBED_DATA_DIR": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"roadbed: Port {port} on 127.0.0.1 is taken by another program")
    assert "ROADBED_PORT=" in done.stderr
    assert not (tmp_path / "data").exists()
