"""Arrays that one step frees are kept for the next, where the C library can."""

import os
import platform
import subprocess
import sys

import pytest

# Pages that the system must hand out anew: 20 arrays of 64 MiB, each freed at once.
PAGES = """
import resource
import kerasopt as ko
{first}
size = 64 * 2**20
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"1" * size
before = faults()
for _ in range(20):
    b"1" * size
print(faults() - before)
"""


def _faults(first, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", PAGES.format(first=first)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ,
    reason="another C library allocates in its own way",
)


@glibc
@pytest.mark.parametrize("first", ["ko.fit", "from kerasopt.training import Trainer"])
def test_freed_arrays_are_used_again(first):
    assert _faults("") > 10 * _faults(first)


@glibc
def test_a_choice_in_the_environment_stands():
    # 128 KiB is glibc's own start: a value that changes nothing, but is chosen.
    chosen = {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
    assert _faults("ko.fit", **chosen) > 10 * _faults("ko.fit")


@glibc
def test_what_is_freed_counts_as_free_memory():
    code = """
from pathlib import Path
import kerasopt as ko
ko.fit
from kerasopt import allocator
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])
many = [b"1" * 2**20 for _ in range(200)]
full = resident()
del many
kept = resident()
allocator.give_back()
print(full, kept, resident())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    full, kept, after = map(int, done.stdout.split())
    pages = 200 * 2**20 / os.sysconf("SC_PAGE_SIZE")
    assert full - kept < pages / 10 and full - after > pages * 0.9
