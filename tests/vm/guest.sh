#!/usr/bin/env bash
# Runs in the guest, as root, started by vm-tests.service: the jobs of the plan, one after the other, with their output
# to the virtio port that the host reads. Lines of our own begin with the plan's word (kilnvm/report.py reads them).
set -uo pipefail

top=/srv/kiln
user=kiln-test
uid=$(id -u "$user")
failed=/tmp/tests-that-failed
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LANG=C.UTF-8 KILN_TEST_RUNS=${KILN_TEST_RUNS:-300}

# The tests of the API whose outcome the kernel, systemd or the user's rights have a part in.
api_of_the_kernel=(tests/api/test_{collect,environment,files,limits,node,output,sessions,sessions_survival,steps}.py)
# What a runtime shows of itself, hundreds of times, is the same on every kernel; what it may use is not.
hot_and_cold=(tests/integration/test_hot.py::test_{python,javascript,java}_is_the_same_hot_and_cold)

plan() {
	sed -n "s/^$1=//p" "$top/vm-plan"
}

word=$(plan word)
expression=$(plan expression)
KILN_TEST_SLOW=$(plan slow)
export KILN_TEST_SLOW

mark() {
	echo "::$word $*"
}

# In the session of the ordinary user: a unit of the user manager, with or without a delegated cgroup.
as_user() {
	local delegate=$1
	shift
	runuser -u "$user" -- env XDG_RUNTIME_DIR="/run/user/$uid" systemd-run --user --quiet --pipe --wait --collect \
		-p Delegate="$delegate" -p TasksMax=infinity -E LANG -E PYTHONDONTWRITEBYTECODE -E PYTHONUNBUFFERED \
		-E KILN_TEST_SLOW -E KILN_TEST_RUNS -E KILN_BIN -E VM_ROLE --working-directory="$top" "$@" </dev/null
}

# in_role ROLE COMMAND…: kiln as root is started like a service; for the ordinary user kiln-in-scope gives each kiln the
# delegated scope that the README tells users to give it.
in_role() {
	local role=$1
	shift
	export VM_ROLE=$role
	case $role in
	root) KILN_BIN=$top/build/kiln "$@" </dev/null ;;
	rootless) KILN_BIN=$top/tests/vm/kiln-in-scope as_user yes "$@" ;;
	undelegated) KILN_BIN=$top/build/kiln as_user no "$@" ;;
	esac
}

# TAP programs of a folder, one after the other; a program that dies is a test that failed.
tap_programs() {
	local role=$1 folder=$2 program code status=0
	for program in "$folder"/*; do
		[[ -f $program && -x $program ]] || continue
		echo "# ${program##*/}"
		in_role "$role" env CMOCKA_MESSAGE_OUTPUT=TAP KILN_LANGUAGES_DIR="$top/languages" timeout 600 "$program"
		code=$?
		if ((code)); then
			echo "# ${program##*/} ended with code $code"
			status=1
		fi
	done
	return "$status"
}

pytest_of() {
	local role=$1
	shift
	rm -f "$failed" # it is the role's
	in_role "$role" env KILN_VM_FAILED="$failed" PYTHONPATH="$top/tests/vm" python3 -m pytest -p tap_plugin -qq --no-summary --tb=short \
		--color=no -p no:cacheprovider -o addopts= -o console_output_style=classic -k "$expression" "$@"
}

# suite ROLE NAME COMMAND…
suite() {
	local role=$1 name=$2 code
	shift 2
	mark suite "$role" "$name"
	"$@"
	code=$?
	mark end "$code"
}

# pytests ROLE NAME WHAT…: a suite of pytest. A few tests that failed are tried once more, as ./check does; report.py
# takes both together.
pytests() {
	local role=$1 name=$2 again
	shift 2
	suite "$role" "$name" pytest_of "$role" "$@"
	[[ -f $failed ]] || return 0 # it broke off
	mapfile -t again <"$failed"
	((${#again[@]} >= 1 && ${#again[@]} <= 5)) || return 0
	suite "$role" "$name again" pytest_of "$role" "${again[@]}"
}

job() {
	local role=$1 name=$2
	case $name in
	smoke) suite "$role" smoke in_role "$role" "$top/tests/vm/smoke.sh" ;;
	unit) suite "$role" unit tap_programs "$role" "$top/build/tests/unit" ;;
	attacks) pytests "$role" attacks tests/attacks ;;
	integration) pytests "$role" integration tests/integration "${hot_and_cold[@]/#/--deselect=}" ;;
	api) pytests "$role" api "${api_of_the_kernel[@]}" ;;
	front) pytests "$role" front tests/api "${hot_and_cold[@]}" "${api_of_the_kernel[@]/#/--ignore=}" ;;
	*) pytests "$role" "$name" "$name" ;;
	esac
}

# Unit tests know the folder that they were built from.
same_path_as_on_the_host() {
	local path
	path=$(plan top)
	mkdir -p "$(dirname "$path")" && ln -sT "$top" "$path"
}

jobs_of_the_plan() {
	local role name
	cd "$top" || exit 1
	same_path_as_on_the_host
	mark ready
	for _ in {1..300}; do
		[[ -S /run/user/$uid/bus ]] && break
		sleep 0.2
	done
	while read -r role name; do
		job "$role" "$name"
	done < <(plan job)
	mark "done"
}

jobs_of_the_plan 2>&1 | cat >/dev/virtio-ports/kiln.results
