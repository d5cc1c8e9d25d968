/* A plugin that does what it is told, all of it wrong. */
#define _GNU_SOURCE
#include "windlass_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static int is(const char *told, const char *word) { return strstr(told, word) != NULL; }

static int32_t give_text(const wl_host *host, const char *text) {
    wl_handle handle = {1, {(const uint8_t *)text, strlen(text)}};
    host->give_handle(host, handle);
    return WL_OK;
}

static int32_t describe(const wl_host *host) {
    wl_str feature = wl_text(is(host->settings.ptr, "no-such-function") ? "collect" : "logs");
    wl_descriptor descriptor = {wl_text("hostile"), wl_text("1.0.0"), wl_text(""), wl_text(""), &feature, 1};
    host->give_descriptor(host, &descriptor);
    return WL_OK;
}

/* What ends or occupies the process. */
static void end_badly(const wl_host *host, const char *told) {
    static char line[8192];
    static volatile int *volatile nowhere = NULL;
    if (is(told, "segv"))
        *nowhere = 1;
    if (is(told, "abort")) {
        fprintf(stderr, "the sky is falling\n");
        abort();
    }
    if (is(told, "exit"))
        exit(3);
    if (is(told, "spin"))
        for (volatile int i = 0;; i++)
            ;
    if (is(told, "print-flood")) {
        memset(line, 'x', sizeof line - 1);
        for (;;)
            fputs(line, stdout);
    }
    if (is(told, "message-flood"))
        for (;;)
            host->log(host, WL_INFO, wl_text("and on it goes"));
    if (is(told, "disconnect")) {
        for (int fd = 3; fd < 64; fd++)
            shutdown(fd, SHUT_RDWR);
        pause();
    }
    for (int fd = 3; fd < 64; fd++) {
        if (is(told, "long-frame") && write(fd, "\xff\xff\xff\x7f", 4) > 0)
            pause();
        if (is(told, "noise") && write(fd, "\x04\0\0\0abcd", 8) > 0)
            pause();
    }
    if (is(told, "leak-in-call"))
        memset(malloc(64 << 20), 1, 64 << 20), pause();
    if (is(told, "leak-and-return"))
        memset(malloc(64 << 20), 1, 64 << 20);
}

/* What the contract does not allow. */
static int32_t break_contract(const wl_host *host, const char *told) {
    static uint8_t bytes[WL_MOST_HANDLE_BYTES + 1];
    wl_handle handle = {1, {bytes, sizeof bytes}};
    wl_run run = {{wl_text("a"), 1}, NULL};
    if (is(told, "no-handle"))
        return WL_OK;
    if (is(told, "no-reason"))
        return WL_FAILED;
    if (is(told, "strange-status"))
        return 7;
    if (is(told, "bad-text"))
        return wl_fail(host, WL_INTERNAL, WL_RETRY_NEVER, "\xff\xfe");
    if (is(told, "bad-kind"))
        return wl_fail(host, 99, WL_RETRY_NEVER, "x");
    if (is(told, "bad-retry"))
        return wl_fail(host, WL_INTERNAL, 0, "x");
    if (is(told, "null-error"))
        return host->fail(host, NULL);
    if (is(told, "long-handle"))
        host->give_handle(host, handle);
    handle.data.ptr = NULL;
    if (is(told, "null-handle"))
        host->give_handle(host, handle);
    if (is(told, "null-host"))
        host->give_handle(NULL, handle);
    if (is(told, "other-result"))
        host->give_run(host, &run);
    if (is(told, "both"))
        wl_fail(host, WL_INTERNAL, WL_RETRY_NEVER, "it did not work");
    if (is(told, "null-host"))
        return WL_OK;
    return give_text(host, "fine");
}

static int32_t tell(const wl_host *host, const char *told, const wl_task *task) {
    char text[8192] = "", byte;
    if (is(told, "tell-pid"))
        snprintf(text, sizeof text, "%d", (int)getpid());
    if (is(told, "tell-child"))
        snprintf(text, sizeof text, "%d", (int)fork());
    if (is(told, "tell-environment"))
        for (char **variable = environ; *variable != NULL; variable++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", *variable);
    if (is(told, "tell-input"))
        snprintf(text, sizeof text, "%zd", read(0, &byte, 1));
    if (is(told, "tell-secret")) {
        fprintf(stderr, "it is %s\n", task->environment[0].value.ptr);
        host->log(host, WL_INFO, task->environment[0].value);
        if (is(told, "fail"))
            return wl_fail(host, WL_DENIED, WL_RETRY_NEVER, task->environment[0].value.ptr);
        abort();
    }
    if (strcmp(text, "0") == 0 && is(told, "tell-child"))
        for (;;)
            pause();
    return give_text(host, text);
}

static int32_t submit(const wl_host *host, const wl_task *task) {
    const char *told = task->options.ptr;
    if (is(told, "tell-"))
        return tell(host, told, task);
    if (is(told, "checkpoint")) {
        wl_handle handle = {3, {(const uint8_t *)"early", 5}};
        return host->checkpoint(host, handle) == WL_OK ? give_text(host, "late") : WL_FAILED;
    }
    if (is(told, "nap"))
        usleep(600 * 1000);
    end_badly(host, told);
    return break_contract(host, told);
}

static int32_t observe(const wl_host *host, const wl_run *runs, size_t runs_len, uint64_t wait_ms) {
    const char *told = runs[0].attempt.job.ptr;
    wl_observation seen;
    memset(&seen, 0, sizeof seen);
    seen.state = is(told, "bad-state") ? 99 : is(told, "exited-0") ? WL_RUN_EXITED : WL_RUN_RUNNING;
    if (is(told, "failed-for-nothing"))
        seen.state = WL_RUN_FAILED;
    if (is(told, "wait"))
        usleep(wait_ms * 1000);
    size_t count = runs_len + (is(told, "many") ? 1 : 0) - (is(told, "few") ? 1 : 0);
    for (size_t i = 0; i < count; i++)
        host->give_observation(host, &seen);
    return WL_OK;
}

static int32_t logs(const wl_host *host, const wl_run *run, wl_str cursor, uint64_t wait_ms) {
    static uint8_t piece[65536];
    const char *told = run->attempt.job.ptr;
    wl_bytes bytes = {piece, is(told, "long-piece") ? ((size_t)1 << 40) : sizeof piece};
    char long_cursor[600];
    memset(long_cursor, 'c', sizeof long_cursor - 1);
    long_cursor[sizeof long_cursor - 1] = 0;
    (void)cursor, (void)wait_ms;
    if (is(told, "hang"))
        for (;;)
            pause();
    for (;;) {
        int more = host->write_log(host, is(told, "bad-channel") ? 9 : WL_STDOUT, bytes,
                                   wl_text(is(told, "long-cursor") ? long_cursor : "c"));
        if (!more && !is(told, "deaf"))
            return WL_OK;
    }
}

static int32_t stop(const wl_host *host, const wl_run *run, uint64_t grace_ms) {
    wl_handle handle = {1, {(const uint8_t *)"x", 1}};
    (void)run, (void)grace_ms;
    host->checkpoint(host, handle);
    return WL_OK;
}

static int32_t remove_run(const wl_host *host, const wl_run *run) {
    (void)host, (void)run;
    return WL_OK;
}

static int32_t owned(const wl_host *host, wl_str cursor) {
    (void)cursor;
    wl_run run = {{wl_text("a"), 1}, NULL};
    for (int i = 0; i < 10 * 1000 * 1000; i++)
        host->give_run(host, &run);
    return WL_OK;
}

WL_EXPORT const wl_plugin *windlass_plugin_v1(void) {
    static const wl_plugin plugin = {
        .abi = WL_ABI,
        .size = sizeof(wl_plugin),
        .describe = describe,
        .submit = submit,
        .observe = observe,
        .logs = logs,
        .stop = stop,
        .remove = remove_run,
        .owned = owned,
    };
    return &plugin;
}
