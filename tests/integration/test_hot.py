"""A runtime that was booted ahead is one that was booted for the run: programs that look at themselves cannot tell.

Each program of hot/LANGUAGE is run by a server with a stock of booted runtimes and by one without, and both results
must be the same, byte for byte. Programs print what they see of themselves, and nothing that differs from run to run.
"""

import json
import re
import time
from pathlib import Path

import pytest

from kilntest import host
from kilntest.requests import MIB, binary, output
from kilntest.settings import SLOW

CORPUS = Path(__file__).parent / "hot"
LIMITS = {"wall_ms": 60000, "cpu_ms": min(int(2000 * SLOW), 30000), "output_bytes": 200000}
OTHER_LIMITS = {"sleeps_too_long": {"wall_ms": 2000}}
# What differs between two runs of anything: what was measured, and where things lie in memory.
MEASURED = ("wall_ms", "cpu_ms", "memory_peak_bytes", "disk_used_bytes", "processes_peak", "timing", "id", "explanation")
ADDRESS = re.compile(r"0x[0-9a-f]{6,16}")
# The kernel's limit counts from a process's birth: of a runtime that took a second to boot it is a second more.
SECONDS_OF_CPU = re.compile(r"(RLIMIT_CPU|time\(seconds\)|\(seconds, -t\)).*")

SOURCES = {
    "python": ("main.py", ".py"),
    "javascript": ("main.js", ".js"),
    "java": ("Main.java", ".java"),
    "ruby": ("main.rb", ".rb"),
    "php": ("main.php", ".php"),
}
BESIDE = {
    "data/table.txt": "1\t2\n",
    "random.py": "name = __name__\nfrom _random import Random\n",
    "beside.js": "exports.name = module.parent.filename; exports.paths = module.paths;\n",
    "beside.mjs": "export const name = import.meta.url;\n",
    "beside.rb": "def beside = [__FILE__, __dir__, caller]\n",
    "beside.php": "<?php function_exists('beside') || eval('function beside() { return __FILE__; }');\n",
}


def programs(language):
    suffix = SOURCES[language][1]
    return sorted(path.stem for path in (CORPUS / language).glob("*" + suffix))


@pytest.fixture(scope="module")
def hot(servers):
    return servers(pool_memory_bytes=f"{512 * MIB}", parallel=4)


@pytest.fixture(scope="module")
def cold(servers):
    return servers(pool=False, parallel=4)


def needs(server, language, what):
    languages = server.get("/v1/languages").json()["languages"]
    if not [one for one in languages if one["id"] == language and one["available"]]:
        pytest.skip(f"there is no {what} on this host")


@pytest.fixture
def java(hot):
    needs(hot, "java", "JDK")


@pytest.fixture
def ruby(hot):
    needs(hot, "ruby", "Ruby")


@pytest.fixture
def php(hot):
    needs(hot, "php", "PHP")


def shelf(server, runtime):
    """What the pool holds of a runtime."""
    for one in server.get("/v1/node").json()["pools"]:
        if one["runtime"] == runtime and one["network"] == "none":
            return one
    return {"ready": 0, "taken": 0}


def limits_of(language, name):
    """A compiler that has just been started needs more time than one that has booted."""
    own = {"cpu_ms": 10000} if language == "java" else {}
    return {**LIMITS, **own, **OTHER_LIMITS.get(name, {})}


def program(language, name, **more):
    main, suffix = SOURCES[language]
    source = (CORPUS / language / (name + suffix)).read_bytes()
    return {
        "language": language,
        "files": {main: binary(source), **BESIDE},
        "stdin": "one\ntwo\n\N{LATIN SMALL LETTER U WITH DIAERESIS}b\nlast",
        "collect": "all",
        "cache": False,
        "limits": limits_of(language, name),
        **more,
    }


def is_stocked(server, language):
    return shelf(server, language)["ready"] > 0


def is_full(stock):
    return stock["ready"] > 0 and stock["ready"] >= stock["target"] and not stock["making"]


def run_hot(server, language, document):
    """The result of a run that got a booted runtime."""
    if not is_stocked(server, language):
        server.run(program(language, "empty"))
        host.wait_until(lambda: is_stocked(server, language), 60, f"no {language} in stock")
    before = shelf(server, language)["taken"]
    result = server.run(document)
    assert shelf(server, language)["taken"] > before, "no booted runtime was taken"
    return result


def visible(result):
    """All of a result that a program has a say in."""
    shown = json.loads(json.dumps(result))
    for part in (shown, *shown["steps"]):
        for key in MEASURED:
            part.pop(key, None)
        if part.get("limit"):
            part["limit"].pop("used")
    for step in shown["steps"]:
        for stream in ("stdout", "stderr"):
            step[stream] = ADDRESS.sub("0x…", step[stream])
            if SLOW > 1:
                step[stream] = SECONDS_OF_CPU.sub(r"\1 …", step[stream])
    return shown


def assert_same(hot, cold, language, document):
    warm, fresh = visible(run_hot(hot, language, document)), visible(cold.run(document))
    for step, other in zip(warm["steps"], fresh["steps"], strict=True):
        for stream in ("stdout", "stderr"):
            assert step[stream] == other[stream], f"{stream} differs"
    assert warm == fresh


@pytest.mark.parametrize("name", programs("python"))
def test_python_is_the_same_hot_and_cold(hot, cold, name):
    assert_same(hot, cold, "python", program("python", name))


@pytest.mark.parametrize("name", programs("javascript"))
def test_javascript_is_the_same_hot_and_cold(hot, cold, name):
    assert_same(hot, cold, "javascript", program("javascript", name))


@pytest.mark.parametrize("name", programs("java"))
def test_java_is_the_same_hot_and_cold(hot, cold, java, name):
    assert_same(hot, cold, "java", program("java", name))


@pytest.mark.parametrize("name", programs("ruby"))
def test_ruby_is_the_same_hot_and_cold(hot, cold, ruby, name):
    assert_same(hot, cold, "ruby", program("ruby", name))


def test_what_ruby_looks_for_in_the_working_directory_as_it_boots_is_found(hot, cold, ruby):
    document = program("ruby", "shadowing")
    document["files"] |= {"enumerator.so": "", "thread.rb": "puts 'the thread beside'\n", "fiber.so": ""}
    assert_same(hot, cold, "ruby", document)


@pytest.mark.parametrize("name", programs("php"))
def test_php_is_the_same_hot_and_cold(hot, cold, php, name):
    assert_same(hot, cold, "php", program("php", name))


def test_java_with_several_files_is_the_same_hot_and_cold(hot, cold, java):
    document = program("java", "two_classes")
    document["files"] |= {"Other.java": "class Other { Main main; Missing missing; }", "a/b/C.java": "package a.b; class C { }"}
    assert_same(hot, cold, "java", document)


AGE = """
import os
start = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
print(float(open("/proc/uptime").read().split()[0]) - start)
"""


def test_what_was_taken_has_waited_for_the_program(hot):
    document = program("python", "empty")
    document["files"]["main.py"] = AGE
    run_hot(hot, "python", document)
    # The latest is taken first: all that are wanted must be there, or one that is made meanwhile has hardly waited.
    host.wait_until(lambda: is_full(shelf(hot, "python")), 60, "no stock")
    time.sleep(2)
    assert float(output(run_hot(hot, "python", document))) > 1.5
