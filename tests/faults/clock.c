/* Set the wall clock of running programs: load this with LD_PRELOAD, and write the offset, in seconds as text, to the
 * file named by WAYPOST_FAULTS_CLOCK. Only the wall clock moves: under libfaketime 0.9.10 the sleeps of Python 3.11 fail
 * unless the monotonic clock moves too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);

static long offset(void) {
    static long known;
    static time_t checked_at;
    struct timespec now;
    char text[32];
    real(CLOCK_MONOTONIC, &now);
    if (now.tv_sec == checked_at)
        return known; /* looked at once a second */
    checked_at = now.tv_sec;
    const char *path = getenv("WAYPOST_FAULTS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        ssize_t length = read(file, text, sizeof text - 1);
        close(file);
        if (length > 0) {
            text[length] = 0;
            known = strtol(text, NULL, 10);
        }
    }
    return known;
}

int clock_gettime(clockid_t which, struct timespec *found) {
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(which, found);
    if (status == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        found->tv_sec += offset();
    return status;
}

time_t time(time_t *also) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (also)
        *also = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *found, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}
