#!/usr/bin/env bash
# What the other tests stand on in this machine, as TAP: run once per role (VM_ROLE).
# shellcheck disable=SC2317 # check() calls the functions
set -u

top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
count=0 status=0

# check "a sentence" COMMAND…
check() {
	local what=$1 said
	shift
	count=$((count + 1))
	if said=$("$@" 2>&1); then
		echo "ok $count - $what"
	else
		echo "not ok $count - $what"
		echo "# ${said//$'\n'/$'\n'# }"
		status=1
	fi
}

own_cgroup() {
	sed -n 's|^0::|/sys/fs/cgroup|p' /proc/self/cgroup
}

systemd_is_up() {
	[[ $(cat /proc/1/comm) == systemd ]] && [[ $(systemctl is-system-running) =~ running|starting ]]
}

no_unit_failed() {
	local failed
	failed=$(systemctl --failed --no-legend --plain)
	echo "$failed"
	[[ -z $failed ]]
}

cgroup_v2_alone() {
	grep cgroup /proc/mounts
	[[ $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]] && ! grep -q ' cgroup ' /proc/mounts
}

has_controllers() {
	local have wanted
	have=" $(cat "$1") "
	echo "$1:$have"
	for wanted in cpu memory pids; do
		[[ $have == *" $wanted "* ]] || return 1
	done
}

may_make_groups() {
	local group
	group=$(own_cgroup)/smoke
	mkdir "$group" && rmdir "$group"
}

# limits_hold_below GROUP: what it takes for kiln to enforce limits in groups that it makes there.
limits_hold_below() {
	local limited=$1/smoke
	mkdir "$limited" && echo "+cpu +memory +pids" >"$1/cgroup.subtree_control" || return 1
	echo 5 >"$limited/pids.max" && echo 64M >"$limited/memory.max" && echo "50000 100000" >"$limited/cpu.max" &&
		echo 1 >"$limited/cgroup.kill" && rmdir "$limited"
}

# A group with processes gives no controllers to groups below: all of them go into one first.
limits_hold_below_own() {
	local own process processes
	own=$(own_cgroup)
	mkdir "$own/here" || return 1
	mapfile -t processes <"$own/cgroup.procs"
	for process in "${processes[@]}"; do
		echo "$process" >"$own/here/cgroup.procs"
	done
	limits_hold_below "$own"
}

user_namespaces_work() {
	[[ $(unshare --user --map-root-user --pid --fork --mount-proc sh -c 'id -u; echo $$') == $'0\n1' ]]
}

ids_can_be_mapped() {
	local map
	map=$(unshare --user --map-auto --map-root-user cat /proc/self/uid_map) && echo "$map"
	[[ $map == *100000* ]]
}

kiln_runs_a_program() {
	local said
	said=$("$KILN_BIN" run -i host -- /bin/echo "it runs" 2>&1)
	echo "$said"
	[[ $said == "it runs" ]]
}

kiln_finds_its_libraries() {
	! ldd "$top/build/kiln" | grep 'not found'
}

echo "# $(uname -sr), $(systemctl --version | head -n 1), $(nproc) processors, uid $(id -u), $(own_cgroup)"
check "systemd is running" systemd_is_up
check "no unit failed" no_unit_failed
check "cgroup v2 is the only hierarchy" cgroup_v2_alone
check "unprivileged user namespaces work" user_namespaces_work
case $VM_ROLE in
root)
	check "runs as root" test "$(id -u)" = 0
	check "cpu, memory and pids are available" has_controllers /sys/fs/cgroup/cgroup.controllers
	check "limits hold in a new group" limits_hold_below /sys/fs/cgroup
	;;
rootless)
	check "runs as an ordinary user" test "$(id -u)" != 0
	check "a range of ids can be mapped with newuidmap" ids_can_be_mapped
	check "cpu, memory and pids are delegated" has_controllers "$(own_cgroup)/cgroup.controllers"
	check "groups can be made below its own" may_make_groups
	check "limits hold in a group below its own" limits_hold_below_own
	;;
undelegated)
	check "runs as an ordinary user" test "$(id -u)" != 0
	check "a range of ids can be mapped with newuidmap" ids_can_be_mapped
	;;
esac
if [[ -e $top/build/kiln ]]; then
	check "kiln finds its libraries" kiln_finds_its_libraries
	check "kiln runs a program" kiln_runs_a_program
	"$KILN_BIN" doctor 2>&1 | sed 's/^/#   /'
fi
echo "1..$count"
exit "$status"
