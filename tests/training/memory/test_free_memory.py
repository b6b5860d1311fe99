import resource

import psutil

from yt8m_exp.training.memory import free_memory

GB = 1 << 30


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_control_group_leaves_its_limit_without_what_is_used(tmp_path):
    process = tmp_path / "cgroup"
    process.write_text("0::/pod/box\n")
    root = tmp_path / "groups"
    stat = "anon 5\ninactive_file 30\n"
    group(root / "pod/box", memory__max="1000\n", memory__current="400\n", memory__stat=stat)
    group(root / "pod", memory__max="max\n", memory__current="900\n", memory__stat=stat)
    assert list(free_memory.containers(root, process)) == [630]


def test_in_a_container_its_own_group_is_the_root(tmp_path):
    process = tmp_path / "cgroup"
    process.write_text("0::/outside/of/it\n")
    root = tmp_path / "groups"
    group(root, memory__max="1000", memory__current="1200", memory__stat="")
    assert list(free_memory.containers(root, process)) == [0]


def test_version_one_of_control_groups_is_known(tmp_path):
    process = tmp_path / "cgroup"
    process.write_text("5:cpu,cpuacct:/box\n4:memory:/box\n")
    root = tmp_path / "groups"
    files = {"memory__limit_in_bytes": "700", "memory__usage_in_bytes": "300"}
    group(root / "memory/box", **files, memory__stat="total_inactive_file 100\n")
    assert list(free_memory.containers(root, process)) == [500]


def test_without_control_groups_nothing_limits(tmp_path):
    assert not list(free_memory.containers(tmp_path, tmp_path / "none"))


def test_the_memory_of_a_trial_is_its_limit():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    used = psutil.Process().memory_info().data
    resource.setrlimit(resource.RLIMIT_DATA, (used + GB, before[1]))
    try:
        assert GB // 2 < free_memory.free_bytes() <= GB
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
