/*
 * Breaks a process's database on command. Preloaded, it looks at the file named by FAULT_FILE
 * before every write or sync of a file whose name contains ".db":
 *
 *   enospc  half of a write succeeds, then ENOSPC, as on a disk that is full
 *   eio     writes fail
 *   fsync   syncs fail
 *   hang    syncs return when the word is gone, after a minute at most
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* By system call, so that nothing here is intercepted itself. */
static int word_is(const char *word)
{
    const char *path = getenv("FAULT_FILE");
    char found[16] = "";
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    ssize_t length = syscall(SYS_read, fd, found, sizeof found - 1);
    syscall(SYS_close, fd);
    return length > 0 && strcmp(found, word) == 0;
}

static int is_database(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    return name && strstr(name, ".db") != NULL;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* How many of `n` bytes may be written; -1: none, see errno. */
static ssize_t allowed(int fd, size_t n)
{
    int saved = errno, full = word_is("enospc"), broken = !full && word_is("eio");
    if ((!full && !broken) || !is_database(fd)) {
        errno = saved;
        return (ssize_t)n;
    }
    errno = full ? ENOSPC : EIO;
    return full && n > 1 ? (ssize_t)(n / 2) : -1;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    ssize_t some = allowed(fd, n);
    return some < 0 ? -1 : REAL(write)(fd, bytes, (size_t)some);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t some = allowed(fd, n);
    return some < 0 ? -1 : REAL(pwrite)(fd, bytes, (size_t)some, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    ssize_t some = allowed(fd, n);
    return some < 0 ? -1 : REAL(pwrite64)(fd, bytes, (size_t)some, at);
}

int ftruncate(int fd, off_t length)
{
    return allowed(fd, 1) < 0 ? -1 : REAL(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    return allowed(fd, 1) < 0 ? -1 : REAL(ftruncate64)(fd, length);
}

int fallocate(int fd, int mode, off_t from, off_t length)
{
    return allowed(fd, 1) < 0 ? -1 : REAL(fallocate)(fd, mode, from, length);
}

int posix_fallocate(int fd, off_t from, off_t length)
{
    return allowed(fd, 1) < 0 ? errno : REAL(posix_fallocate)(fd, from, length);
}

static int may_sync(int fd)
{
    int saved = errno;
    if (is_database(fd)) {
        for (int waited = 0; waited < 6000 && word_is("hang"); waited++)
            usleep(10000);
        if (word_is("fsync")) {
            errno = EIO;
            return 0;
        }
    }
    errno = saved;
    return 1;
}

int fsync(int fd)
{
    return may_sync(fd) ? REAL(fsync)(fd) : -1;
}

int fdatasync(int fd)
{
    return may_sync(fd) ? REAL(fdatasync)(fd) : -1;
}
