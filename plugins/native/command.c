/*
 * A native plugin in C: runs shell commands of this machine as processes that go on while the engine is down.
 *
 *     cc -std=c11 -O2 -Wall -Wextra -shared -fPIC -o libcommand.so command.c
 *
 * Settings: {"state_dir": "/var/lib/command"}. Options of a job: {"command": "echo hello"}.
 *
 * A run is a directory, STATE_DIR/ENGINE/JOB.NUMBER, and a process that looks after it:
 *
 *     lock     held by that process as long as it lives: a POSIX record lock, which tells its owner
 *     started  made before the command is: from then on it may have run, and is not started again
 *     log      what it has printed
 *     stop     a stop was asked for; milliseconds until it is forced
 *     exit     how it ended; without it and without the lock the run is lost
 */
#define _GNU_SOURCE
#include "windlass_plugin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_TEXT 65536
#define LOG_PIECE 65536
#define RUNS_ON_A_PAGE 100
#define LOOK_MS 20

/* ---- JSON: one flat object of strings ---- */

static const char *skip_space(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
        at++;
    return at;
}

static const char *read_hex(const char *at, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, at++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = *at ? strchr(digits, *at) : NULL;
        if (digit == NULL)
            return NULL;
        *code = *code * 16 + (unsigned)(digit - digits) % 16;
    }
    return at;
}

static size_t put_utf8(char *to, unsigned code) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 63));
        to[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 63));
    to[2] = (char)(0x80 | (code >> 6 & 63));
    to[3] = (char)(0x80 | (code & 63));
    return 4;
}

/* What follows the \u of an escape; NULL when it is not right, and for NUL, which no command can hold. */
static const char *read_unicode(const char *at, unsigned *code) {
    at = read_hex(at, code);
    if (at == NULL || *code == 0)
        return NULL;
    if (*code >= 0xd800 && *code < 0xe000) {
        unsigned low;
        if (*code >= 0xdc00 || at[0] != '\\' || at[1] != 'u' || (at = read_hex(at + 2, &low)) == NULL || low < 0xdc00 ||
            low >= 0xe000)
            return NULL;
        *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    }
    return at;
}

/* Reads a string into `to`, which holds `room` bytes. NULL when there is none, or no room. */
static const char *read_string(const char *at, char *to, size_t room) {
    if (*at++ != '"')
        return NULL;
    size_t len = 0;
    while (*at != '"') {
        if (*at == 0 || len + 5 > room)
            return NULL;
        if (*at != '\\') {
            to[len++] = *at++;
            continue;
        }
        const char *escapes = "\"\\/bfnrt", *meanings = "\"\\/\b\f\n\r\t";
        const char *escape = at[1] ? strchr(escapes, at[1]) : NULL;
        if (escape != NULL) {
            to[len++] = meanings[escape - escapes];
            at += 2;
        } else {
            unsigned code;
            if (at[1] != 'u' || (at = read_unicode(at + 2, &code)) == NULL)
                return NULL;
            len += put_utf8(to + len, code);
        }
    }
    to[len] = 0;
    return at + 1;
}

/* Reads the only field of an object. 1: it is there; 0: the object is empty; -1: it is another object, or none. */
static int read_field(const char *json, const char *name, char *to, size_t room) {
    char field[64];
    const char *at = skip_space(json);
    if (*at++ != '{')
        return -1;
    at = skip_space(at);
    if (*at == '}')
        return *skip_space(at + 1) ? -1 : 0;
    at = read_string(at, field, sizeof field);
    if (at == NULL || strcmp(field, name) != 0)
        return -1;
    at = skip_space(at);
    if (*at++ != ':')
        return -1;
    at = read_string(skip_space(at), to, room);
    if (at == NULL)
        return -1;
    at = skip_space(at);
    return *at == '}' && *skip_space(at + 1) == 0 ? 1 : -1;
}

/* ---- Errors ---- */

static int32_t fail_with(const wl_host *host, uint32_t kind, uint32_t retry, const char *what) {
    char message[512];
    snprintf(message, sizeof message, "%s: %s", what, strerror(errno));
    return wl_fail(host, kind, retry, message);
}

static int32_t fail_io(const wl_host *host, const char *what) {
    return fail_with(host, errno == ENOSPC ? WL_EXHAUSTED : WL_UNAVAILABLE, WL_RETRY_BACKOFF, what);
}

/* ---- Where a run is ---- */

struct place {
    char dir[PATH_MAX - 320];
};

static int is_name(const char *text) {
    const char *allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
    return *text != 0 && strspn(text, allowed) == strlen(text);
}

/* The directory of all runs of this engine. */
static int32_t find_engine(const wl_host *host, struct place *place) {
    char state_dir[sizeof place->dir / 2];
    if (read_field(host->settings.ptr, "state_dir", state_dir, sizeof state_dir) != 1 || state_dir[0] != '/')
        return wl_fail(host, WL_INVALID, WL_RETRY_NEVER, "the setting `state_dir` has to be an absolute path");
    if (!is_name(host->engine_id.ptr))
        return wl_fail(host, WL_INVALID, WL_RETRY_NEVER, "the id of the engine is no name of a directory");
    snprintf(place->dir, sizeof place->dir, "%s/%s", state_dir, host->engine_id.ptr);
    return WL_OK;
}

static int32_t find_run(const wl_host *host, const wl_attempt *attempt, struct place *place) {
    struct place engine;
    if (find_engine(host, &engine) != WL_OK)
        return WL_FAILED;
    if (!is_name(attempt->job.ptr))
        return wl_fail(host, WL_INVALID, WL_RETRY_NEVER, "the id of the job is no name of a directory");
    int len = snprintf(place->dir, sizeof place->dir, "%s/%s.%u", engine.dir, attempt->job.ptr, attempt->number);
    if (len >= (int)sizeof place->dir)
        return wl_fail(host, WL_INVALID, WL_RETRY_NEVER, "the path of the run is too long");
    return WL_OK;
}

static int make_dirs(const struct place *place) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", place->dir);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return mkdir(path, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

static char *path_of(const struct place *place, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", place->dir, name);
    return path;
}

static int has(const struct place *place, const char *name) {
    char path[PATH_MAX];
    return access(path_of(place, name, path), F_OK) == 0;
}

/* Writes a file whole or not at all. */
static int write_file(const struct place *place, const char *name, const char *text) {
    char temporary[PATH_MAX], path[PATH_MAX], made[64];
    snprintf(made, sizeof made, "%s.%d", name, (int)getpid());
    int file = open(path_of(place, made, temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return -1;
    size_t len = strlen(text);
    int written = write(file, text, len) == (ssize_t)len && fsync(file) == 0;
    close(file);
    if (written && rename(temporary, path_of(place, name, path)) == 0)
        return 0;
    int error = errno;
    unlink(temporary);
    errno = error;
    return -1;
}

static int read_file(const struct place *place, const char *name, char *text, size_t room) {
    char path[PATH_MAX];
    int file = open(path_of(place, name, path), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t len = read(file, text, room - 1);
    close(file);
    if (len < 0)
        return -1;
    text[len] = 0;
    return 0;
}

/* The process that looks after a run; 0 when there is none. */
static pid_t keeper_of(const struct place *place) {
    char path[PATH_MAX];
    int file = open(path_of(place, "lock", path), O_RDWR | O_CLOEXEC);
    if (file < 0)
        return 0;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int asked = fcntl(file, F_GETLK, &lock);
    close(file);
    return asked == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_ms(uint64_t ms) {
    struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* ---- The process that looks after a run ---- */

/* Becomes the command. */
static void run_command(const struct place *place, const char *command, char **environment, const sigset_t *old_mask) {
    char path[PATH_MAX];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    int log = open(path_of(place, "log", path), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
    close(log);
    sigprocmask(SIG_SETMASK, old_mask, NULL);
    execle("/bin/sh", "sh", "-c", command, (char *)NULL, environment);
    _exit(127);
}

/* The milliseconds of grace, once a stop was asked for. */
static uint64_t grace_of(const struct place *place) {
    char text[32];
    return read_file(place, "stop", text, sizeof text) == 0 ? strtoull(text, NULL, 10) : 0;
}

/* Waits for the end of the command and passes a stop on. */
static int watch(const struct place *place, pid_t command, const sigset_t *signals) {
    uint64_t force_at = 0;
    int status;
    while (waitpid(command, &status, WNOHANG) != command) {
        uint64_t left = 1000;
        if (force_at != 0) {
            uint64_t now = now_ms();
            if (now >= force_at)
                kill(-command, SIGKILL);
            else
                left = force_at - now;
        }
        struct timespec timeout = {(time_t)(left / 1000), (long)(left % 1000) * 1000000};
        if (sigtimedwait(signals, NULL, &timeout) == SIGTERM && force_at == 0) {
            force_at = now_ms() + grace_of(place);
            kill(-command, SIGTERM);
        }
    }
    /* What it left behind in its group is over too. */
    kill(-command, SIGKILL);
    return status;
}

static void write_end(const struct place *place, int status) {
    char text[32];
    if (has(place, "stop") && status != 0)
        snprintf(text, sizeof text, "stopped 0");
    else if (WIFEXITED(status))
        snprintf(text, sizeof text, "exited %d", WEXITSTATUS(status));
    else
        snprintf(text, sizeof text, "signalled %d", WTERMSIG(status));
    for (int tries = 0; write_file(place, "exit", text) != 0 && tries < 600; tries++)
        pause_ms(1000);
}

/* Looks after a run unless another process does, or has. Says "+" on `ready` when all is well, or else why not. */
static void keep(const struct place *place, const char *command, char **environment, int ready) {
    char path[PATH_MAX];
    sigset_t signals, old_mask;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &old_mask);
    int lock_file = open(path_of(place, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int is_mine = lock_file >= 0 && fcntl(lock_file, F_SETLK, &lock) == 0;
    if (!is_mine && errno != EAGAIN && errno != EACCES) {
        dprintf(ready, "cannot lock the run: %s", strerror(errno));
        return;
    }
    if (!is_mine || has(place, "started") || has(place, "exit")) {
        dprintf(ready, "+");
        return;
    }
    if (has(place, "stop")) {
        dprintf(ready, write_file(place, "exit", "stopped 0") == 0 ? "+" : "cannot write how the run ended");
        return;
    }
    if (write_file(place, "started", "") != 0) {
        dprintf(ready, "cannot write that the run begins: %s", strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child == 0)
        run_command(place, command, environment, &old_mask);
    if (child < 0) {
        unlink(path_of(place, "started", path));
        dprintf(ready, "cannot start a process: %s", strerror(errno));
        return;
    }
    setpgid(child, child);
    dprintf(ready, "+");
    close(ready);
    write_end(place, watch(place, child, &signals));
}

/* Leaves the process of the plugin behind: its session, its files, its parent. */
static void become_keeper(const struct place *place, const char *command, char **environment, int ready) {
    if (setsid() < 0 || fork() != 0)
        _exit(0);
    int empty = open("/dev/null", O_RDWR);
    dup2(empty, 0);
    dup2(empty, 1);
    dup2(empty, 2);
    if (ready != 3)
        dup2(ready, 3);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    syscall(SYS_close_range, 4u, ~0u, 0u);
    keep(place, command, environment, 3);
    _exit(0);
}

/* ---- The functions of a plugin ---- */

static int32_t describe(const wl_host *host) {
    wl_str features[2] = {wl_text("logs"), wl_text("owned")};
    wl_descriptor descriptor = {
        .name = wl_text("command"),
        .version = wl_text("0.1.0"),
        .summary = wl_text("Shell commands of this machine"),
        .options_schema = wl_text("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\",\"minLength\":1}},"
                                  "\"required\":[\"command\"],\"additionalProperties\":false}"),
        .features = features,
        .features_len = 2,
    };
    host->give_descriptor(host, &descriptor);
    return WL_OK;
}

static int32_t check(const wl_host *host) {
    struct place engine;
    if (find_engine(host, &engine) != WL_OK)
        return WL_FAILED;
    if (make_dirs(&engine) != 0 || access(engine.dir, R_OK | W_OK | X_OK) != 0)
        return fail_io(host, "cannot use the directory `state_dir`");
    return WL_OK;
}

static int32_t validate(const wl_host *host, wl_str options) {
    static char command[MOST_TEXT];
    if (options.len >= MOST_TEXT || read_field(options.ptr, "command", command, sizeof command) != 1 || !command[0]) {
        wl_problem problem = {
            wl_text("command"),
            wl_text("is not the one field that there is, or no text"),
            wl_text("a command for /bin/sh, at most 64 KiB"),
        };
        host->give_problem(host, &problem);
    }
    return WL_OK;
}

static char **environment_of(const wl_task *task) {
    char **environment = calloc(task->environment_len + 2, sizeof *environment);
    if (environment == NULL)
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < task->environment_len; i++) {
        const wl_variable *variable = &task->environment[i];
        if (asprintf(&environment[count++], "%s=%s", variable->name.ptr, variable->value.ptr) < 0)
            environment[--count] = NULL;
    }
    if (getenv("PATH") != NULL && asprintf(&environment[count], "PATH=%s", getenv("PATH")) < 0)
        environment[count] = NULL;
    return environment;
}

static void free_environment(char **environment) {
    for (char **variable = environment; *variable != NULL; variable++)
        free(*variable);
    free(environment);
}

/* Has a process look after the run; what is wrong, or an empty text. */
static int start_keeper(const struct place *place, const char *command, char **environment, char *wrong, size_t room) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    pid_t between = fork();
    if (between == 0)
        become_keeper(place, command, environment, ready[1]);
    close(ready[1]);
    size_t len = 0;
    ssize_t got;
    while (between > 0 && len + 1 < room && (got = read(ready[0], wrong + len, room - 1 - len)) > 0)
        len += (size_t)got;
    close(ready[0]);
    wrong[len] = 0;
    if (between > 0)
        waitpid(between, NULL, 0);
    return between > 0 ? 0 : -1;
}

static int32_t give_handle(const wl_host *host, const struct place *place) {
    const char *name = strrchr(place->dir, '/') + 1;
    wl_handle handle = {1, {(const uint8_t *)name, strlen(name)}};
    host->give_handle(host, handle);
    return WL_OK;
}

static int32_t submit(const wl_host *host, const wl_task *task) {
    static char command[MOST_TEXT];
    struct place run;
    char wrong[256];
    if (find_run(host, &task->attempt, &run) != WL_OK)
        return WL_FAILED;
    if (read_field(task->options.ptr, "command", command, sizeof command) != 1)
        return wl_fail(host, WL_INVALID, WL_RETRY_NEVER, "the options have no `command`");
    if (make_dirs(&run) != 0)
        return fail_io(host, "cannot make the directory of the run");
    if (has(&run, "started") || has(&run, "exit"))
        return give_handle(host, &run);
    char **environment = environment_of(task);
    if (environment == NULL)
        return wl_fail(host, WL_EXHAUSTED, WL_RETRY_BACKOFF, "no memory is left");
    int started = start_keeper(&run, command, environment, wrong, sizeof wrong);
    free_environment(environment);
    if (started != 0)
        return fail_io(host, "cannot start a process");
    if (strcmp(wrong, "+") != 0)
        return wl_fail(host, WL_UNAVAILABLE, WL_RETRY_BACKOFF, wrong[0] ? wrong : "the process of the run has died");
    return give_handle(host, &run);
}

/* How a run ended, from the file that says so. */
static void read_end(const char *text, wl_observation *seen) {
    char word[16] = "";
    int code = 0;
    sscanf(text, "%15s %d", word, &code);
    seen->code = code;
    if (strcmp(word, "stopped") == 0)
        seen->state = WL_RUN_STOPPED;
    else if (strcmp(word, "signalled") == 0)
        seen->state = WL_RUN_SIGNALLED;
    else
        seen->state = code == 0 ? WL_RUN_SUCCEEDED : WL_RUN_EXITED;
}

static wl_observation look_at(const struct place *run) {
    wl_observation seen;
    memset(&seen, 0, sizeof seen);
    char text[32];
    /* Who looks after it writes how it ended before it lets go of the lock, so that is asked in this order. */
    pid_t keeper = keeper_of(run);
    if (read_file(run, "exit", text, sizeof text) == 0)
        read_end(text, &seen);
    else if (keeper != 0)
        seen.state = WL_RUN_RUNNING;
    else
        seen.state = has(run, "started") ? WL_RUN_LOST : WL_RUN_GONE;
    return seen;
}

static int32_t observe(const wl_host *host, const wl_run *runs, size_t runs_len, uint64_t wait_ms) {
    struct place *places = calloc(runs_len + 1, sizeof *places);
    if (places == NULL)
        return wl_fail(host, WL_EXHAUSTED, WL_RETRY_BACKOFF, "no memory is left");
    for (size_t i = 0; i < runs_len; i++) {
        if (find_run(host, &runs[i].attempt, &places[i]) != WL_OK) {
            free(places);
            return WL_FAILED;
        }
    }
    uint64_t until = now_ms() + wait_ms;
    int changed = wait_ms == 0;
    while (!changed && now_ms() < until) {
        for (size_t i = 0; i < runs_len && !changed; i++)
            changed = look_at(&places[i]).state != WL_RUN_RUNNING;
        if (!changed)
            pause_ms(LOOK_MS);
    }
    for (size_t i = 0; i < runs_len; i++) {
        wl_observation seen = look_at(&places[i]);
        host->give_observation(host, &seen);
    }
    free(places);
    return WL_OK;
}

/* Writes all there is from `*at` on; 0 when the engine wants no more, and -1 when the log cannot be read. */
static int write_rest(const wl_host *host, int log, off_t *at) {
    static uint8_t piece[LOG_PIECE];
    char cursor[32];
    ssize_t len;
    while ((len = pread(log, piece, sizeof piece, *at)) > 0) {
        *at += len;
        snprintf(cursor, sizeof cursor, "%lld", (long long)*at);
        wl_bytes bytes = {piece, (size_t)len};
        if (!host->write_log(host, WL_STDOUT, bytes, wl_text(cursor)))
            return 0;
    }
    return len < 0 ? -1 : 1;
}

static int32_t logs(const wl_host *host, const wl_run *run, wl_str cursor, uint64_t wait_ms) {
    struct place place;
    char path[PATH_MAX];
    if (find_run(host, &run->attempt, &place) != WL_OK)
        return WL_FAILED;
    off_t at = cursor.ptr == NULL ? 0 : (off_t)strtoll(cursor.ptr, NULL, 10);
    uint64_t until = now_ms() + wait_ms;
    for (;;) {
        /* First whether it is over, then the rest: so nothing is missed. */
        uint32_t state = look_at(&place).state;
        int log = open(path_of(&place, "log", path), O_RDONLY | O_CLOEXEC);
        if (log < 0 && errno != ENOENT)
            return fail_io(host, "cannot read the log");
        int more = log < 0 ? 1 : write_rest(host, log, &at);
        if (log >= 0)
            close(log);
        if (more < 0)
            return fail_io(host, "cannot read the log");
        if (more == 0)
            return WL_OK;
        if (state != WL_RUN_RUNNING) {
            host->give_over(host);
            return WL_OK;
        }
        if (now_ms() >= until)
            return WL_OK;
        pause_ms(LOOK_MS);
    }
}

static int32_t stop(const wl_host *host, const wl_run *run, uint64_t grace_ms) {
    struct place place;
    char text[32];
    if (find_run(host, &run->attempt, &place) != WL_OK)
        return WL_FAILED;
    if (has(&place, "exit"))
        return WL_OK;
    /* Made for a run that is not there too: it is never started then. */
    snprintf(text, sizeof text, "%llu", (unsigned long long)grace_ms);
    if (make_dirs(&place) != 0 || (!has(&place, "stop") && write_file(&place, "stop", text) != 0))
        return fail_io(host, "cannot write that the run is to stop");
    /* Who comes to look after it from now on sees the file; who does already gets the signal. */
    pid_t keeper = keeper_of(&place);
    if (keeper > 0)
        kill(keeper, SIGTERM);
    return WL_OK;
}

static int32_t remove_run(const wl_host *host, const wl_run *run) {
    struct place place;
    char path[PATH_MAX];
    if (find_run(host, &run->attempt, &place) != WL_OK)
        return WL_FAILED;
    /* It may be about to end: who looks after it writes the last file first. */
    for (int tries = 0; keeper_of(&place) != 0; tries++) {
        if (tries == 50)
            return wl_fail(host, WL_CONFLICT, WL_RETRY_BACKOFF, "the run has not ended");
        pause_ms(LOOK_MS);
    }
    DIR *files = opendir(place.dir);
    if (files == NULL)
        return errno == ENOENT ? WL_OK : fail_io(host, "cannot read the directory of the run");
    struct dirent *file;
    while ((file = readdir(files)) != NULL) {
        if (strcmp(file->d_name, ".") != 0 && strcmp(file->d_name, "..") != 0)
            unlink(path_of(&place, file->d_name, path));
    }
    closedir(files);
    return rmdir(place.dir) == 0 || errno == ENOENT ? WL_OK : fail_io(host, "cannot remove the directory of the run");
}

static int is_run(const struct dirent *entry) {
    return strchr(entry->d_name, '.') != NULL && entry->d_name[0] != '.';
}

static void give_run(const wl_host *host, const char *name) {
    const char *dot = strrchr(name, '.');
    wl_handle handle = {1, {(const uint8_t *)name, strlen(name)}};
    wl_run run = {{{name, (size_t)(dot - name)}, (uint32_t)strtoul(dot + 1, NULL, 10)}, &handle};
    host->give_run(host, &run);
}

static int32_t owned(const wl_host *host, wl_str cursor) {
    struct place engine;
    struct dirent **entries;
    if (find_engine(host, &engine) != WL_OK)
        return WL_FAILED;
    int count = scandir(engine.dir, &entries, is_run, alphasort);
    if (count < 0)
        return errno == ENOENT ? WL_OK : fail_io(host, "cannot list the runs");
    int given = 0;
    const char *last = "";
    for (int i = 0; i < count; i++) {
        if (given > RUNS_ON_A_PAGE || (cursor.ptr != NULL && strcoll(entries[i]->d_name, cursor.ptr) <= 0))
            continue;
        if (given < RUNS_ON_A_PAGE) {
            last = entries[i]->d_name;
            give_run(host, last);
        } else {
            host->give_next(host, wl_text(last));
        }
        given++;
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return WL_OK;
}

WL_EXPORT const wl_plugin *windlass_plugin_v1(void) {
    static const wl_plugin plugin = {
        .abi = WL_ABI,
        .size = sizeof(wl_plugin),
        .describe = describe,
        .check = check,
        .validate = validate,
        .submit = submit,
        .observe = observe,
        .logs = logs,
        .stop = stop,
        .remove = remove_run,
        .owned = owned,
    };
    return &plugin;
}
