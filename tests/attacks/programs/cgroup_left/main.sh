echo ATTACK-START
grep -H . /proc/self/cgroup | head -20 | sed 's/^/INFO: /'
grep -qE ':/.*(kiln|slot|docker|system\.slice|user\.slice)' /proc/self/cgroup && echo "INFO: cgroup paths of the host are told"
grep -E ' cgroup2? ' /proc/self/mountinfo | sed 's/^/UNSAFE: mounted /'
for d in /sys/fs/cgroup /proc/self/root/sys/fs/cgroup /sys/fs/cgroup/unified /run/cgroup; do
	[ -e $d/cgroup.procs ] && echo "UNSAFE: $d"
	for f in cgroup.procs tasks memory.max memory.limit_in_bytes pids.max release_agent cgroup.subtree_control notify_on_release devices.allow; do
		[ -w $d/$f ] && echo "UNSAFE: $d/$f can be written"
	done
done
mkdir /tmp/cg
mount -t cgroup2 none /tmp/cg 2>/dev/null && echo "UNSAFE: cgroup2 mounted"
for c in memory pids rdma misc devices cpu; do mount -t cgroup -o $c none /tmp/cg 2>/dev/null && echo "UNSAFE: cgroup $c mounted"; done
unshare -UrmC sh -c 'mount -t cgroup2 none /tmp/cg && echo "UNSAFE: cgroup2 in a user namespace"' 2>/dev/null
unshare -UrmC sh -c 'mount -t cgroup -o rdma none /tmp/cg && echo "UNSAFE: cgroup in a user namespace"' 2>/dev/null
echo ATTACK-END
