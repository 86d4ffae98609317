/* The receiving end of every delivery: answers at once, and writes down when each request arrived.
 *
 *     sink PORTS RECORDS CAPACITY      prints the ports it listens on, on one line; ends when its input does
 *
 * The path says how to answer: /o/LANE 200; /f/LANE 500; /h/LANE not at all, until the sink is healed.
 * RECORDS is a file that maps to `struct header` and CAPACITY times `struct record`; its reader looks at it while
 * it grows, and heals the sink by writing 1 to `healed`: then whatever is held is answered, and all is 200.
 * One thread, level-triggered epoll, HTTP/1.1 with Content-Length only: what libcurl and requests send.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 16384 /* bytes of a request that are looked at; the rest of a large body is only counted */
#define EVENTS 512
#define LOOK_MS 50 /* how often `healed` is read when nothing arrives */
#define MARKER "\"at\":\""

struct header {
    uint64_t count, refused;
    uint32_t healed, size;
    char pad[40];
};

struct record {
    int64_t arrived, at; /* ns since 1970; at: the moment the event carries, 0 if none */
    uint32_t lane;
    int32_t status; /* what was answered; 0: held */
};

struct connection {
    int fd, held;
    size_t used, skip; /* bytes in the buffer; bytes of a body still to come and not kept */
    struct connection *before, *after; /* the list of those that are held */
    char buffer[BUFFER];
};

static struct header *header;
static struct record *records;
static uint64_t capacity;
static struct connection *held_list;

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static const char FAILED[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void map_records(const char *path) {
    size_t length = sizeof(struct header) + capacity * sizeof(struct record);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)length)) die(path);
    void *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) die("mmap");
    header = base;
    records = (struct record *)((char *)base + sizeof(struct header));
    header->size = sizeof(struct record);
}

static int listen_somewhere(int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024)) die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static void hold(struct connection *c) {
    c->held = 1;
    c->before = NULL;
    c->after = held_list;
    if (held_list) held_list->before = c;
    held_list = c;
}

static void let_go(struct connection *c) {
    if (!c->held) return;
    if (c->before) c->before->after = c->after;
    else held_list = c->after;
    if (c->after) c->after->before = c->before;
    c->held = 0;
}

static void drop(struct connection *c) {
    let_go(c);
    close(c->fd);
    free(c);
}

static int answer(struct connection *c, const char *text, size_t length) {
    return write(c->fd, text, length) == (ssize_t)length;
}

static void note(const char *request, size_t length, uint32_t lane, int status) {
    uint64_t n = header->count;
    if (n >= capacity) {
        header->refused++;
        return;
    }
    const char *at = memmem(request, length, MARKER, sizeof MARKER - 1);
    records[n] = (struct record){now_ns(), at ? strtoll(at + sizeof MARKER - 1, NULL, 10) : 0, lane, status};
    __atomic_store_n(&header->count, n + 1, __ATOMIC_RELEASE);
}

static size_t body_length(const char *head, const char *end) {
    for (const char *line = head; (line = memchr(line, '\n', (size_t)(end - line))) && ++line < end;)
        if (!strncasecmp(line, "content-length:", 15)) return strtoull(line + 15, NULL, 10);
    return 0;
}

/* One request that stands whole (or as far as it is looked at) in the buffer. 0: the connection is to be dropped. */
static int respond(struct connection *c, size_t length) {
    uint32_t lane = (uint32_t)strtoul(c->buffer + 8, NULL, 10); /* POST /x/LANE */
    char kind = header->healed ? 'o' : c->buffer[6];
    note(c->buffer, length, lane, kind == 'h' ? 0 : kind == 'f' ? 500 : 200);
    if (kind == 'h') {
        hold(c);
        return 1;
    }
    return kind == 'f' ? answer(c, FAILED, sizeof FAILED - 1) : answer(c, OK, sizeof OK - 1);
}

/* Every whole request in the buffer. 0: the connection is to be dropped. */
static int digest(struct connection *c) {
    while (c->used && !c->held) {
        char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
        if (!end) return c->used < BUFFER;
        size_t head = (size_t)(end + 4 - c->buffer), body = body_length(c->buffer, end + 2), whole = head + body;
        if (c->used < whole && c->used < BUFFER) return 1;
        size_t here = whole < c->used ? whole : c->used;
        c->skip = whole - here;
        if (c->skip) { /* a large body: answer when its last byte has come, so keep what identifies it */
            c->used = here;
            return 1;
        }
        if (!respond(c, here)) return 0;
        c->used -= here;
        memmove(c->buffer, c->buffer + here, c->used);
    }
    return 1;
}

static void on_readable(struct connection *c) {
    static char waste[1 << 18];
    int large = c->skip > 0;
    size_t room = large ? (c->skip < sizeof waste ? c->skip : sizeof waste) : BUFFER - c->used;
    ssize_t got = c->held ? recv(c->fd, waste, 1, MSG_PEEK) : read(c->fd, large ? waste : c->buffer + c->used, room);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) drop(c);
        return;
    }
    if (c->held) return;
    if (!large) c->used += (size_t)got;
    else c->skip -= (size_t)got;
    if (large && !c->skip) {
        size_t here = c->used;
        c->used = 0;
        if (!respond(c, here)) drop(c);
    } else if (!large && !digest(c)) {
        drop(c);
    }
}

static void heal(void) {
    while (held_list) {
        struct connection *c = held_list;
        let_go(c);
        if (!answer(c, OK, sizeof OK - 1)) drop(c);
    }
}

static void take(int poll, int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    struct connection *c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: sink PORTS RECORDS CAPACITY\n"), 2;
    int ports = atoi(argv[1]), poll = epoll_create1(0);
    capacity = strtoull(argv[3], NULL, 10);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    map_records(argv[2]);
    int *listeners = calloc((size_t)ports + 1, sizeof *listeners);
    for (int i = 0; i <= ports; i++) { /* the last one is our input, whose end is ours */
        int port = 0;
        listeners[i] = i < ports ? listen_somewhere(&port) : STDIN_FILENO;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listeners[i]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, listeners[i], &event)) die("epoll_ctl");
        if (port) printf("%d ", port);
    }
    puts("");
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(poll, events, EVENTS, LOOK_MS);
        for (int i = 0; i < n; i++) {
            int *listener = events[i].data.ptr;
            if (listener == &listeners[ports]) return 0;
            if (listener >= listeners && listener < listeners + ports) take(poll, *listener);
            else on_readable(events[i].data.ptr);
        }
        if (header->healed) heal();
    }
}
