"""Every language of the registry says hello, reads its input and fails truthfully."""

import pytest

from kilntest.docker import HOST_IMAGE
from kilntest.requests import output, text

HELLO = {
    "c": '#include <stdio.h>\nint main(void) { puts("Hello, World!"); return 0; }\n',
    "cpp": '#include <iostream>\nint main() { std::cout << "Hello, World!" << std::endl; }\n',
    "python": 'print("Hello, World!")\n',
    "bash": 'echo "Hello, World!"\n',
    "perl": 'print "Hello, World!\\n";\n',
    "javascript": 'console.log("Hello, World!");\n',
}
ECHO = {
    "c": '#include <stdio.h>\nint main(void) { char l[99]; while (fgets(l, 99, stdin)) printf("got: %s", l); }\n',
    "cpp": "#include <iostream>\n#include <string>\nint main() { std::string l; while (getline(std::cin, l))"
    ' std::cout << "got: " << l << "\\n"; }\n',
    "python": 'import sys\nfor line in sys.stdin:\n    print("got:", line, end="")\n',
    "bash": 'while read -r line; do echo "got: $line"; done\n',
    "perl": 'print "got: $_" while <STDIN>;\n',
    "javascript": 'require("fs").readFileSync(0, "utf8").trimEnd().split("\\n")'
    '.forEach(l => console.log("got: " + l));\n',
}
EXIT_3 = {
    "c": "int main(void) { return 3; }\n",
    "cpp": "int main() { return 3; }\n",
    "python": "raise SystemExit(3)\n",
    "bash": "exit 3\n",
    "perl": "exit 3;\n",
    "javascript": "process.exit(3);\n",
}
BROKEN = {"c": "int main(void) { return nonsense; }\n", "cpp": "int main() { return nonsense; }\n"}
NAMES = {
    "c": "main.c",
    "cpp": "main.cpp",
    "python": "main.py",
    "bash": "main.sh",
    "perl": "main.pl",
    "javascript": "main.js",
}


@pytest.fixture(scope="module")
def listed(server):
    document = server.get("/v1/languages").json()
    languages = document["languages"] if isinstance(document, dict) else document
    return {language["id"]: language for language in languages}


def program(language, sources, **more):
    return {"language": language, "files": {NAMES[language]: sources[language]}, **more}


@pytest.fixture(params=sorted(HELLO))
def language(request, listed):
    if not listed[request.param].get("available", True):
        pytest.skip(f"this host has no {request.param}")
    return request.param


def test_lists_every_language_of_the_host(listed):
    assert set(HELLO) <= set(listed)


def test_says_hello(server, language):
    result = server.run(program(language, HELLO))
    assert (result["outcome"], result["language"]) == ("ok", language)
    assert text(result) == "Hello, World!\n"
    assert result["image"].startswith(f"{HOST_IMAGE}@sha256:")


def test_says_hello_from_the_language_s_own_source_name_whatever_the_file_is_called(server, language):
    name = "other." + NAMES[language].split(".")[1]
    result = server.run({"language": language, "files": {name: HELLO[language]}})
    assert text(result) == "Hello, World!\n"


def test_echoes_its_input(server, language):
    assert text(server.run(program(language, ECHO, stdin="one\ntwo\n"))) == "got: one\ngot: two\n"


def test_fails_with_the_program_s_own_exit_code(server, language):
    result = server.run(program(language, EXIT_3))
    assert (result["outcome"], result["steps"][-1]["exit_code"], result["steps"][-1]["signal"]) == ("failed", 3, None)


@pytest.mark.parametrize("language", sorted(BROKEN))
def test_broken_source_is_compile_failed_and_does_not_run(server, language):
    result = server.run(program(language, BROKEN))
    assert result["outcome"] == "compile_failed"
    assert [step["name"] for step in result["steps"]] == ["compile"]
    assert result["steps"][0]["outcome"] == "failed"
    assert b"nonsense" in output(result, "stderr", 0)


def test_compile_and_run_are_two_named_steps(server):
    assert [step["name"] for step in server.run(program("c", HELLO))["steps"]] == ["compile", "run"]


def test_every_alias_is_a_name_of_its_language(server, listed):
    aliases = [(alias, id_) for id_ in HELLO for alias in listed[id_]["aliases"] if listed[id_]["available"]]
    assert len(aliases) >= 6
    assert [(alias, id_) for alias, id_ in aliases if resolved(server, alias, id_) != id_] == []


def resolved(server, alias, language):
    """The id that a run under this alias says, or the status of its refusal."""
    answer = server.post({"language": alias, "files": {NAMES[language]: HELLO[language]}})
    return answer.json().get("language") if answer.status == 200 else answer.status


@pytest.mark.parametrize("wanted", ["python@3", "python@>=3.0", "python@3.0-3.99"])
def test_a_version_range_that_fits_is_taken(server, wanted):
    assert text(server.run({"language": wanted, "files": {"main.py": HELLO["python"]}})) == "Hello, World!\n"


@pytest.mark.parametrize("wanted", ["python@2", "python@>=99", "python@1.0-2.7"])
def test_a_version_range_that_nothing_fits_is_unknown(server, wanted):
    server.refuse({"language": wanted, "files": {"main.py": HELLO["python"]}}, 404, "language")


@pytest.mark.parametrize("wanted", ["python@", "@3", "python@@3"])
def test_a_broken_version_range_is_refused(server, wanted):
    answer = server.post({"language": wanted, "files": {"main.py": ""}})
    assert answer.status in (400, 404), answer
    assert answer.error()["field"] == "language"


def test_a_source_of_several_files_finds_its_headers(server):
    files = {
        "main.c": '#include <stdio.h>\n#include "lib/answer.h"\nint main(void) { printf("%d\\n", answer()); }\n',
        "lib/answer.h": "static inline int answer(void) { return 42; }\n",
    }
    assert text(server.run({"language": "c", "files": files})) == "42\n"


def test_several_c_files_are_built_together(server):
    files = {
        "main.c": '#include <stdio.h>\nint answer(void);\nint main(void) { printf("%d\\n", answer()); }\n',
        "answer.c": "int answer(void) { return 42; }\n",
    }
    assert text(server.run({"language": "c", "files": files})) == "42\n"


def test_a_make_project_is_built_and_run(server):
    files = {
        "Makefile": "prog: main.o answer.o\n\tcc -o prog main.o answer.o\n",
        "main.c": '#include <stdio.h>\nint answer(void);\nint main(void) { printf("%d\\n", answer()); }\n',
        "answer.c": "int answer(void) { return 42; }\n",
    }
    steps = [{"name": "compile", "command": ["make"]}, {"name": "run", "command": ["./prog"]}]
    assert text(server.run({"language": "c", "files": files, "steps": steps})) == "42\n"
