use super::*;

fn check(files: &[(&str, &str)], expected: u64) {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    assert_eq!(available(root.path()), expected, "{files:?}");
}

const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");

#[test]
fn without_a_cgroup_the_machine_counts() {
    check(&[MEMINFO], 16 << 30);
    check(
        &[MEMINFO, ("proc/self/cgroup", "0::/user.slice\n"), ("sys/fs/cgroup/user.slice/memory.max", "max\n")],
        16 << 30,
    );
}

#[test]
fn the_least_limit_around_the_process_counts() {
    let inner = ("sys/fs/cgroup/a/b/memory.max", "3221225472\n");
    let outer = ("sys/fs/cgroup/a/memory.max", "2147483648\n");
    let group = ("proc/self/cgroup", "0::/a/b\n");
    check(&[MEMINFO, group, inner], 3 << 30);
    check(&[MEMINFO, group, inner, outer], 2 << 30);
}

#[test]
fn a_container_sees_only_its_own_top() {
    let group = ("proc/self/cgroup", "0::/docker/0123\n");
    check(&[MEMINFO, group, ("sys/fs/cgroup/memory.max", "1073741824\n")], 1 << 30);
}

#[test]
fn the_first_version_counts_too() {
    let group = ("proc/self/cgroup", "9:cpu,cpuacct:/x\n5:memory:/x\n");
    check(&[MEMINFO, group, ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1073741824\n")], 1 << 30);
    // Its way to say that there is no limit.
    check(&[MEMINFO, group, ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n")], 16 << 30);
}
