"""A runtime that was booted ahead is one that was booted for the run: programs that look at themselves cannot tell.

Each program of hot/LANGUAGE is run by a server with a stock of booted runtimes and by one without, and both results
must be the same, byte for byte. Programs print what they see of themselves, and nothing that differs from run to run.
"""

import time
from pathlib import Path

import pytest

from kilntest import host
from kilntest import hot as hot_runs
from kilntest.hot import shelf
from kilntest.requests import MIB, binary, output
from kilntest.settings import SLOW

CORPUS = Path(__file__).parent / "hot"
LIMITS = {"wall_ms": 60000, "cpu_ms": min(int(2000 * SLOW), 30000), "output_bytes": 200000}
OTHER_LIMITS = {"sleeps_too_long": {"wall_ms": 2000}}

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


def is_full(stock):
    return stock["ready"] > 0 and stock["ready"] >= stock["target"] and not stock["making"]


def run_hot(server, language, document):
    return hot_runs.run_hot(server, language, document, program(language, "empty"))


def assert_same(hot, cold, language, document):
    hot_runs.assert_alike(run_hot(hot, language, document), cold.run(document))


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
