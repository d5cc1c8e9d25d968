/* A plugin of the version, the size and the kind that its compiler is told. */
#include "windlass_plugin.h"

#include <stdlib.h>

#ifndef VERSION
#define VERSION WL_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct later)
#endif
#ifndef TABLE
#define TABLE &table.plugin
#endif
#ifndef ENTRY
#define ENTRY windlass_plugin_v1
#endif

/* What a later header may have. */
struct later {
    wl_plugin plugin;
    int32_t (*novelty)(const wl_host *host);
};

static int32_t describe(const wl_host *host) {
    wl_descriptor descriptor = {wl_text("later"), wl_text("9.0.0"), wl_text(""), wl_text(""), NULL, 0};
    host->give_descriptor(host, &descriptor);
    return WL_OK;
}

static inline int32_t of_task(const wl_host *host, const wl_task *task) { return (void)host, (void)task, WL_OK; }
static int32_t of_runs(const wl_host *host, const wl_run *runs, size_t len, uint64_t wait) {
    return (void)host, (void)runs, (void)len, (void)wait, WL_OK;
}
static int32_t of_stop(const wl_host *host, const wl_run *run, uint64_t grace) {
    return (void)host, (void)run, (void)grace, WL_OK;
}
static int32_t of_run(const wl_host *host, const wl_run *run) { return (void)host, (void)run, WL_OK; }

#ifdef CRASH_WHILE_LOADED
__attribute__((constructor)) static void crash(void) { abort(); }
#endif
#ifdef UNRESOLVED
extern void nobody_has_this(void);
__attribute__((constructor)) static void call(void) { nobody_has_this(); }
#endif

WL_EXPORT const wl_plugin *ENTRY(void);
WL_EXPORT const wl_plugin *ENTRY(void) {
    static const struct later table = {
        .plugin = {.abi = VERSION, .size = SIZE, .describe = describe, .observe = of_runs,
#ifndef WITHOUT_SUBMIT
                   .submit = of_task, .remove = of_run,
#else
                   .collect = of_run,
#endif
                   .stop = of_stop},
    };
    return TABLE;
}
