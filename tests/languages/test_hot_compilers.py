"""Compilers of the image jvm that have compiled before: what they do with a program is what they do when they are just started.

Each program of hot/LANGUAGE, a file or a folder of files, is compiled and run by a server with a stock of drivers and by one
without: output, exit status, files, and all that is in the jar must be the same. Only `./check --languages` runs it, on the
image that it has built.
"""

import os
from pathlib import Path

import pytest

from kilntest.hot import assert_alike, run_hot, shelf
from kilntest.requests import MIB, binary
from kilntest.settings import ROOT

CORPUS = Path(__file__).parent / "hot"
STORE = str(Path(os.environ.get("KILN_LANGUAGES") or ROOT / "build/languages").resolve())
LANGUAGES = {"kotlin": ("main.kt", "kotlin@2.4"), "scala": ("Main.scala", "scala@2.11")}
PATIENCE = 240  # a driver's boot takes four seconds of a processor, and others may use it too
LIMITS = {"wall_ms": 120000, "cpu_ms": 60000, "disk_bytes": 256 * MIB, "file_bytes": 64 * MIB}
# What a compiler that has booted must take up; its sandbox alone is a hundredth of it.
DRIVER_BYTES = 64 * MIB


def corpus():
    return [(one, path.stem) for one in sorted(LANGUAGES) for path in sorted((CORPUS / one).iterdir())]


def sources(language, name):
    main = LANGUAGES[language][0]
    path = CORPUS / language / name
    if path.is_dir():
        return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    return {main: path.with_suffix(Path(main).suffix).read_bytes()}


def program(language, name, **more):
    return {
        "language": language,
        "files": {file: binary(source) for file, source in sources(language, name).items()},
        "args": ["one", "two words", "ü"],
        "stdin": "one\ntwo\n\N{LATIN SMALL LETTER U WITH DIAERESIS}b\nlast",
        "collect": "all",
        "cache": False,
        "limits": {**LIMITS, **more.pop("limits", {})},
        **more,
    }


def start(servers, **settings):
    server = servers(flags=["--state-dir", STORE], parallel=4, **settings)
    there = {one["id"] for one in server.get("/v1/languages").json()["languages"] if one["available"]}
    if not there.issuperset(LANGUAGES):
        pytest.skip("the image jvm was not built")
    return server


@pytest.fixture(scope="module")
def hot(servers):
    return start(servers, pool_memory_bytes=f"{2048 * MIB}", pool_max=1)


@pytest.fixture(scope="module")
def cold(servers):
    return start(servers, pool=False)


def compiled_hot(server, language, document):
    result = run_hot(server, LANGUAGES[language][1], document, program(language, "empty"), PATIENCE)
    assert shelf(server, LANGUAGES[language][1])["memory_bytes"] > DRIVER_BYTES, "the driver did not boot"
    return result


@pytest.mark.parametrize(("language", "name"), corpus())
def test_a_program_is_the_same_whatever_its_compiler_did_before(hot, cold, language, name):
    document = program(language, name)
    assert_alike(compiled_hot(hot, language, document), cold.run(document, PATIENCE))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize(
    "limits", [{"file_bytes": 40000}, {"disk_bytes": 100000}, {"output_bytes": 300}, {"open_files": 64}], ids=str
)
def test_it_is_the_same_at_its_limits(hot, cold, language, limits):
    document = program(language, "many_errors" if "output_bytes" in limits else "classes", limits=limits)
    assert_alike(compiled_hot(hot, language, document), cold.run(document, PATIENCE))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("limits", [{"memory_bytes": 300 * MIB}, {"stack_bytes": 4 * MIB}, {"open_files": 24}], ids=str)
def test_a_compiler_that_has_other_limits_is_not_used(hot, cold, language, limits):
    taken = shelf(hot, LANGUAGES[language][1])["taken"]
    document = program(language, "classes", limits=limits)
    assert_alike(hot.run(document, PATIENCE), cold.run(document, PATIENCE))
    assert shelf(hot, LANGUAGES[language][1])["taken"] == taken


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_it_saves_most_of_the_processor_time_of_compiling(hot, cold, language):
    document = program(language, "echo")
    spent, saved = (one["steps"][0]["cpu_ms"] for one in (compiled_hot(hot, language, document), cold.run(document, PATIENCE)))
    assert spent < saved / 2
