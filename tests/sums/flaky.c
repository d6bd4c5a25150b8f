/* Preloaded: reads of files under FLAKY_PATH come short, or fail once so many bytes are read. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long long given;

static int watched(int fd) {
    char link[64], path[PATH_MAX + 1];
    const char *wanted = getenv("FLAKY_PATH");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX);
    if (!wanted || length < 0) return 0;
    path[length] = 0;
    return strncmp(path, wanted, strlen(wanted)) == 0;
}

static int fails(void) {
    const char *after = getenv("FLAKY_AFTER");
    if (!after || given < atoll(after)) return 0;
    errno = atoi(getenv("FLAKY_ERRNO"));
    return 1;
}

static size_t shorten(size_t count) {
    const char *most = getenv("FLAKY_MOST");
    size_t limit = most ? (size_t)atoll(most) : count;
    return count < limit ? count : limit;
}

ssize_t read(int fd, void *room, size_t count) {
    static ssize_t (*next)(int, void *, size_t);
    if (!next) next = dlsym(RTLD_NEXT, "read");
    if (!watched(fd)) return next(fd, room, count);
    if (fails()) return -1;
    ssize_t got = next(fd, room, shorten(count));
    if (got > 0) given += got;
    return got;
}

ssize_t pread64(int fd, void *room, size_t count, off64_t at) {
    static ssize_t (*next)(int, void *, size_t, off64_t);
    if (!next) next = dlsym(RTLD_NEXT, "pread64");
    if (!watched(fd)) return next(fd, room, count, at);
    if (fails()) return -1;
    ssize_t got = next(fd, room, shorten(count), at);
    if (got > 0) given += got;
    return got;
}

ssize_t pread(int fd, void *room, size_t count, off_t at) { return pread64(fd, room, count, at); }
