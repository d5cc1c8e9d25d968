/*
 * Native plugins of Windlass that run jobs: the C interface, version 1.
 *
 * A plugin is a shared library that exports one function, `windlass_plugin_v1`, which returns a table of functions. What
 * the words mean is written in wit/executor.wit; this is the same for C. The rules:
 *
 * - Memory. Whatever the engine passes belongs to the engine and lives until the call returns. Whatever a plugin passes to
 *   a function of `wl_host` is copied before that function returns. Nothing is ever handed over: neither side frees what
 *   the other has allocated.
 * - Texts are UTF-8 and counted. Those that the engine passes are followed by a NUL that is not counted, so they can be
 *   used as C strings as well. Those that a plugin passes need none; `wl_text` makes one of a C string.
 * - Optional values: a `wl_str` without a value has the pointer NULL, and so has a pointer to a handle or an error. A time
 *   without a value is 0.
 * - Results are given to the engine by the `give_` functions of `wl_host`, before the call returns WL_OK. A call that
 *   fails says why with `fail` and returns WL_FAILED.
 * - State. A plugin keeps nothing between calls that it cannot do without: calls of one job go to several processes, each
 *   process may be killed at any time, and every call may be made again. What is needed later belongs into the handle, or
 *   is found by the name of the attempt.
 * - Threads. A process makes one call at a time, but not always on the same thread. A plugin that sets WL_CONCURRENT may
 *   get several at once. `wl_host` is for the thread that was called, until the call returns, and for no other.
 * - Processes. A plugin is loaded in a process of its own that ends with the engine, at any point. Its process group is
 *   killed with everything in it when a call fails to return, so what is to go on calls `setsid` first. It must not keep
 *   open files either: standard output and standard error go to the engine, which shows the last of it when a call fails,
 *   and others are the engine's too. Standard input is empty. Of the environment PATH, LD_LIBRARY_PATH, TMPDIR and TZ are
 *   there.
 * - Growth. The structures below never change. Later engines and plugins append functions to `wl_host` and `wl_plugin`;
 *   `size` tells which are there. A break gets a new symbol and a new header.
 */
#ifndef WINDLASS_PLUGIN_H
#define WINDLASS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. */
#define WL_ABI 1u

/* Put before the definition of `windlass_plugin_v1`, for libraries that hide what they do not export. */
#if defined(__GNUC__)
#define WL_EXPORT __attribute__((visibility("default")))
#else
#define WL_EXPORT
#endif

/* What a call returns. */
#define WL_OK 0
/* `fail` was called, or `checkpoint` returned this. */
#define WL_FAILED 1

/* The most bytes of the data of a handle, and of a cursor of a log. */
#define WL_MOST_HANDLE_BYTES 8192u
#define WL_MOST_CURSOR_BYTES 512u

/* A text; `ptr` is NULL where there is none. */
typedef struct wl_str {
    const char *ptr;
    size_t len;
} wl_str;

/* Bytes; `ptr` may be NULL when `len` is 0. */
typedef struct wl_bytes {
    const uint8_t *ptr;
    size_t len;
} wl_bytes;

/* What a plugin needs to find something again. The engine stores it and never looks inside. */
typedef struct wl_handle {
    /* The version of the encoding, the plugin's own: it may meet handles of its older versions. */
    uint32_t schema;
    /* At most WL_MOST_HANDLE_BYTES. No secret belongs in here. */
    wl_bytes data;
} wl_handle;

/* The name of an attempt: no other attempt of any engine bears it. */
typedef struct wl_attempt {
    /* The id of the job, a UUID in lower case. */
    wl_str job;
    /* Which attempt, from 1. */
    uint32_t number;
} wl_attempt;

typedef struct wl_pair {
    wl_str name;
    wl_str value;
} wl_pair;

/* Kinds of errors. 0 is none of them, so that a forgotten one is noticed. */
#define WL_INVALID 1u         /* What was asked for is wrong in itself. */
#define WL_UNAUTHENTICATED 2u /* The platform does not know who asks. */
#define WL_DENIED 3u          /* The platform knows who asks and refuses. */
#define WL_NOT_FOUND 4u       /* What was named does not exist. */
#define WL_CONFLICT 5u        /* Something of that name is there and is something else. */
#define WL_EXHAUSTED 6u       /* A quota or a limit is used up. */
#define WL_UNAVAILABLE 7u     /* The platform cannot be reached or is out of order. */
#define WL_TIMEOUT 8u         /* It took too long. */
#define WL_CANCELLED 9u       /* The caller wanted it to end. */
#define WL_UNSUPPORTED 10u    /* The plugin or the platform cannot do it at all. */
#define WL_INTERNAL 11u       /* Anything else. */

/* Whether it is worth to try again. */
#define WL_RETRY_NEVER 1u   /* The same call would meet the same error for ever. */
#define WL_RETRY_BACKOFF 2u /* Another call may go well; the engine waits longer each time. */
#define WL_RETRY_AFTER 3u   /* Another call may go well, not before `retry_after_ms` have passed. */

/* What went wrong. No part of it may hold a secret. */
typedef struct wl_error {
    /* WL_INVALID … WL_INTERNAL. */
    uint32_t kind;
    /* WL_RETRY_… */
    uint32_t retry;
    /* With WL_RETRY_AFTER. */
    uint64_t retry_after_ms;
    /* One sentence for the person who runs the job; at most 4,096 bytes are kept. */
    wl_str message;
    /* The platform's own code; optional. */
    wl_str code;
    /* More, by name. */
    const wl_pair *details;
    size_t details_len;
} wl_error;

/* A mistake in what a user has written. */
typedef struct wl_problem {
    /* Which field, as the user wrote it: `image`, `ports[2].number`; empty for the whole. */
    wl_str field;
    /* What is wrong with it. */
    wl_str problem;
    /* What is allowed. */
    wl_str allowed;
} wl_problem;

/* What a plugin says about itself. Nothing in it may depend on the platform or on its configuration. */
typedef struct wl_descriptor {
    /* Lower-case letters, digits and `-`, beginning with a letter; at most 63. */
    wl_str name;
    /* By semantic versioning. */
    wl_str version;
    /* One line for people. */
    wl_str summary;
    /* The JSON Schema of the options of a job; empty for none. */
    wl_str options_schema;
    /* Of "definitions", "logs", "collect", "owned"; the functions of these names must be there then. */
    const wl_str *features;
    size_t features_len;
} wl_descriptor;

/* One environment variable. */
typedef struct wl_variable {
    wl_str name;
    wl_str value;
    /* Not 0: the user called it a secret; it belongs where the platform keeps secrets. */
    uint32_t secret;
} wl_variable;

/* Everything about one attempt. */
typedef struct wl_task {
    wl_attempt attempt;
    /* What the user calls the job; optional. */
    wl_str name;
    /* The job that stands for the chain it belongs to; optional. */
    wl_str chain;
    /* What is to run, as the user wrote it: a JSON object that `validate` found good. */
    wl_str options;
    /* The run options of the job, and what the engine adds to them. */
    const wl_variable *environment;
    size_t environment_len;
    /* Between the polite stop and the forced one, where the platform wants to know that in advance. */
    uint64_t grace_ms;
    /* When the attempt is to be stopped at the latest, since 1970; the engine does that itself. 0 for never. */
    uint64_t deadline_at_ms;
} wl_task;

/* A run that the engine asks about. */
typedef struct wl_run {
    wl_attempt attempt;
    /* The latest handle. NULL where the engine went away before it had one; the run may be there all the same. */
    const wl_handle *handle;
} wl_run;

/* What became of a run. 0 is none of them. */
#define WL_RUN_PENDING 1u        /* The platform has it and has not started it; `reason` may say why. */
#define WL_RUN_RUNNING 2u        /* It runs. */
#define WL_RUN_SUCCEEDED 3u      /* It did its work. */
#define WL_RUN_EXITED 4u         /* It ended with `code`, other than 0. */
#define WL_RUN_SIGNALLED 5u      /* A signal ended it that nobody had asked for: `code`. */
#define WL_RUN_OUT_OF_MEMORY 6u  /* It wanted more memory than it may have. */
#define WL_RUN_NOT_STARTED 7u    /* The platform could not start it: `error`. */
#define WL_RUN_FAILED 8u         /* It failed in another way: `error`. */
#define WL_RUN_STOPPED 9u        /* It ended because `stop` was called. */
#define WL_RUN_LOST 10u          /* The platform has lost it: the machine under it is gone. */
#define WL_RUN_GONE 11u          /* The platform has no such run, and never will unless it is submitted again. */
#define WL_RUN_UNKNOWN 12u       /* It could not be told for this run: `error`. */

/* What became of one question. */
typedef struct wl_observation {
    /* WL_RUN_… */
    uint32_t state;
    /* With WL_RUN_EXITED and WL_RUN_SIGNALLED. */
    int32_t code;
    /* With WL_RUN_PENDING, optional: a word on why, such as "ImagePullBackOff". */
    wl_str reason;
    /* With WL_RUN_NOT_STARTED, WL_RUN_FAILED and WL_RUN_UNKNOWN. */
    const wl_error *error;
    /* Replaces the stored handle; NULL keeps it. */
    const wl_handle *handle;
    /* The engine asks again no sooner than after this many milliseconds; 0 leaves it to the engine. */
    uint64_t ask_after_ms;
} wl_observation;

/* Something that can be run. */
typedef struct wl_definition {
    wl_str name;
    /* Optional. */
    wl_str version;
    /* Optional. */
    wl_str summary;
    /* The options of a task that runs it: a JSON object. */
    wl_str options;
} wl_definition;

/* Levels of `log`. */
#define WL_TRACE 1u
#define WL_DEBUG 2u
#define WL_INFO 3u
#define WL_WARN 4u
#define WL_ERROR 5u

/* Where a piece of a log came from. */
#define WL_STDOUT 1u
#define WL_STDERR 2u
#define WL_SYSTEM 3u /* What the platform says about the run: "image pulled", "evicted". */

/* What a plugin may ask of the engine, and how it answers. Valid until the call returns, on its thread. */
typedef struct wl_host wl_host;
struct wl_host {
    /* WL_ABI of the engine. */
    uint32_t abi;
    /* The bytes of this structure: what lies beyond them is not there. */
    uint32_t size;
    /* The engine's own. */
    void *ctx;
    /* The settings that the operator gave this plugin, a JSON object; `{}` unless there are some. */
    wl_str settings;
    /* The id of this engine. Whatever a plugin makes on a platform it marks with this. */
    wl_str engine_id;
    /* In `submit` (to be read) and `collect` (to be written): the directory /work of the attempt on this machine. NULL where
       the plugin has no access to it. */
    wl_str work;

    /* Says something to the operator: it goes to the engine's own log. A call that says too much is ended. */
    void (*log)(const wl_host *host, uint32_t level, wl_str message);
    /* In `submit` only. Makes a handle durable: it is on disk when this returns WL_OK. After WL_FAILED the call is to be
       given up: `submit` returns WL_FAILED and need not call `fail`. */
    int32_t (*checkpoint)(const wl_host *host, wl_handle handle);
    /* In `logs` only. Appends to the log; `cursor` is where the log goes on after these bytes. Waits where the engine is
       slower than the platform. 1: go on; 0: the engine wants no more, and `logs` is to return. */
    int32_t (*write_log)(const wl_host *host, uint32_t channel, wl_bytes bytes, wl_str cursor);
    /* Says why a call fails. Returns WL_FAILED, for `return host->fail(host, &error)`. */
    int32_t (*fail)(const wl_host *host, const wl_error *error);

    /* In `describe`, once. */
    void (*give_descriptor)(const wl_host *host, const wl_descriptor *descriptor);
    /* In `validate`, once for every mistake. */
    void (*give_problem)(const wl_host *host, const wl_problem *problem);
    /* In `definitions`, once for every definition of the page. */
    void (*give_definition)(const wl_host *host, const wl_definition *definition);
    /* In `submit`, once; in `stop` at most once: it replaces the stored handle. */
    void (*give_handle)(const wl_host *host, wl_handle handle);
    /* In `observe`, once for every run, in their order. */
    void (*give_observation)(const wl_host *host, const wl_observation *observation);
    /* In `owned`, once for every run of the page. */
    void (*give_run)(const wl_host *host, const wl_run *run);
    /* In `definitions` and `owned`, at most once: there is another page, and it begins at this cursor. */
    void (*give_next)(const wl_host *host, wl_str cursor);
    /* In `logs`, at most once: the run is over and all it ever printed has been written. */
    void (*give_over)(const wl_host *host);
};

/* `flags` of a plugin: calls may come on several threads at once. Matters to programs that load a plugin into their own
   process. */
#define WL_CONCURRENT 1u

/* A plugin. Every function returns WL_OK or WL_FAILED. Those marked optional may be NULL. */
typedef struct wl_plugin {
    /* WL_ABI. */
    uint32_t abi;
    /* sizeof(wl_plugin). */
    uint32_t size;
    /* 0 or WL_CONCURRENT. */
    uint32_t flags;
    /* 0. */
    uint32_t reserved;

    /* Who it is: `give_descriptor`. */
    int32_t (*describe)(const wl_host *host);
    /* Optional. Whether the platform can be reached and lets this engine in. */
    int32_t (*check)(const wl_host *host);
    /* Optional. What the platform can run, a page from the cursor on: `give_definition`, `give_next`. The cursor of the
       first page is NULL. */
    int32_t (*definitions)(const wl_host *host, wl_str cursor);
    /* Optional. Checks the options of a task before its job is accepted: `give_problem`. Must not ask the platform. */
    int32_t (*validate)(const wl_host *host, wl_str options);
    /* Finds the run of this attempt, or makes and starts it: `give_handle`. What was made is named by the attempt and
       marked with the id of the engine, so that the second call finds it. */
    int32_t (*submit)(const wl_host *host, const wl_task *task);
    /* What became of these runs: `give_observation` for each, in their order. May wait up to `wait_ms` for a change in any
       of them. */
    int32_t (*observe)(const wl_host *host, const wl_run *runs, size_t runs_len, uint64_t wait_ms);
    /* Optional. Writes what a run has printed since the cursor (NULL: from the beginning) and waits up to `wait_ms` for
       more: `write_log`, `give_over`. */
    int32_t (*logs)(const wl_host *host, const wl_run *run, wl_str cursor, uint64_t wait_ms);
    /* Asks a run to stop, and has it ended when it still runs after `grace_ms`. Returns without waiting for that. A run that
       is over, or not there, is fine; one that was not started never will be. `give_handle` replaces the stored handle. */
    int32_t (*stop)(const wl_host *host, const wl_run *run, uint64_t grace_ms);
    /* Optional. Brings back what a run has left. After a success, before `remove`. */
    int32_t (*collect)(const wl_host *host, const wl_run *run);
    /* Removes what is left of a run on the platform. Not there is fine. */
    int32_t (*remove)(const wl_host *host, const wl_run *run);
    /* Optional. The runs on the platform that bear the mark of this engine, a page from the cursor on: `give_run`,
       `give_next`. The cursor of the first page is NULL. */
    int32_t (*owned)(const wl_host *host, wl_str cursor);
} wl_plugin;

/* What every plugin defines. The table must stay where it is as long as the process lives. */
WL_EXPORT const wl_plugin *windlass_plugin_v1(void);

/* A C string as a text; NULL as none. */
static inline wl_str wl_text(const char *text) {
    wl_str str = {text, text == NULL ? 0 : strlen(text)};
    return str;
}

/* Fails a call with a kind, a WL_RETRY_ and a sentence. */
static inline int32_t wl_fail(const wl_host *host, uint32_t kind, uint32_t retry, const char *message) {
    wl_error error;
    memset(&error, 0, sizeof error);
    error.kind = kind;
    error.retry = retry;
    error.message = wl_text(message);
    return host->fail(host, &error);
}

#ifdef __cplusplus
}
#endif

#endif
