"""A stand-in for NVIDIA's library itself: a small `libnvidia-ml.so.1`, whose GPUs a text file describes.

A line of it is a GPU: uuid, use in per cent, memory used and there in MiB, power in W, temperature, throttle reasons as
a number, and the processes on it. What nvidia-ml-py asks of the real library it asks of this one.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define OK 0
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define TOO_SMALL 7
typedef struct { char uuid[96]; unsigned util; unsigned long long used, there; unsigned watts, celsius;
                 unsigned long long throttled; unsigned n, pids[64]; int index; } Gpu;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu, compute; } Process;
static Gpu gpus[16];
static unsigned count;
static void look(void) {  /* each question sees what the file says now */
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    char line[1024];
    count = 0;
    while (file && count < 16 && fgets(line, sizeof line, file)) {
        Gpu *g = &gpus[count];
        int at = 0, step;
        if (sscanf(line, "%95s %u %llu %llu %u %u %llu%n", g->uuid, &g->util, &g->used, &g->there, &g->watts,
                   &g->celsius, &g->throttled, &at) < 7) continue;
        for (g->n = 0; g->n < 64 && sscanf(line + at, "%u%n", &g->pids[g->n], &step) == 1; g->n++) at += step;
        g->index = count++;
    }
    if (file) fclose(file);
}
int nvmlInitWithFlags(unsigned flags) { return getenv("FAKE_NVML") ? OK : 9; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "as the stand-in says"; }
int nvmlDeviceGetCount_v2(unsigned *n) { look(); *n = count; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Gpu **g) { look(); *g = &gpus[i]; return i < count ? OK : NOT_FOUND; }
int nvmlDeviceGetHandleByUUID(const char *uuid, Gpu **g) {
    look();
    for (unsigned i = 0; i < count; i++) if (!strcmp(gpus[i].uuid, uuid)) { *g = &gpus[i]; return OK; }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(Gpu *g, char *to, unsigned size) { snprintf(to, size, "%s", g->uuid); return OK; }
int nvmlDeviceGetName(Gpu *g, char *to, unsigned size) { snprintf(to, size, "Stand-in 100"); return OK; }
int nvmlDeviceGetIndex(Gpu *g, unsigned *i) { *i = g->index; return OK; }
int nvmlDeviceGetUtilizationRates(Gpu *g, Utilization *u) {
    u->gpu = g->util;
    u->memory = 0;
    return g->util > 100 ? NOT_SUPPORTED : OK;
}
int nvmlDeviceGetMemoryInfo(Gpu *g, Memory *m) {
    m->used = g->used << 20;
    m->total = g->there << 20;
    m->free = m->total - m->used;
    return OK;
}
int nvmlDeviceGetPowerUsage(Gpu *g, unsigned *mw) { *mw = g->watts * 1000; return OK; }
int nvmlDeviceGetTemperature(Gpu *g, int sensor, unsigned *c) { *c = g->celsius; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(Gpu *g, unsigned long long *r) { *r = g->throttled; return OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(Gpu *g, unsigned *n, Process *to) {
    unsigned room = *n;
    *n = g->n;
    if (!g->n) return OK;
    if (!to || room < g->n) return TOO_SMALL;
    for (unsigned i = 0; i < g->n; i++) to[i] = (Process){ g->pids[i], 64ULL << 20, 0, 0 };
    return OK;
}
"""


def fake_nvml(folder: Path) -> dict[str, str]:
    """Build the library into `folder`; return the environment in which it is found, with the file that it reads."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler for the stand-in of NVIDIA's library")
    source, library = folder / "nvml.c", folder / "libnvidia-ml.so.1"
    source.write_text(_SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-w", "-o", str(library), str(source)], check=True, timeout=60)
    return {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": str(folder / "gpus")}


def a_gpu_line(
    uuid: str,
    *pids: int,
    util: int = 0,
    used: int = 0,
    there: int = 81_920,
    watts: int = 70,
    celsius: int = 40,
    throttled: int = 0,
) -> str:
    """Return what the file says of a GPU; `util` above 100 is one that does not tell its use."""
    return " ".join(map(str, (uuid, util, used, there, watts, celsius, throttled, *pids))) + "\n"
