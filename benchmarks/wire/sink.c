/* Receive every delivery, respond, and record when each request arrived.
 *
 *     sink RECORDS [down]      prints its port; appends a `struct record` to RECORDS for each arrival
 *
 * The path selects the response: /o/LANE 200; /f/LANE 500; /h/LANE none; /s/LANE 200 after five seconds. Listens on all
 * of 127.0.0.0/8, so that each endpoint has an address of its own; `down`: connections are refused until the standard
 * input has a line. Speaks HTTP/1.1 with Content-Length and without pipelining, as libcurl and requests send it.
 */
#include "wire.h"

#define BUFFER 16384 /* bytes of a request that are kept; the rest of a large body is only counted */
#define EVENTS 512
#define MARKER "\"due\":\""
#define SLOW 5000000000 /* ns until a slow endpoint responds */

struct record {
    int64_t arrived, due; /* ns since 1970; due: from the event, 0 if it has none */
    uint32_t lane, padding;
};

struct connection {
    int fd;
    size_t used, skip; /* bytes in the buffer; bytes of a large body still to come */
    int waiting, closed; /* in the queue of slow responses; closed by the peer meanwhile */
    int64_t respond_at;
    struct connection *next; /* in the queue */
    char buffer[BUFFER];
};

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static const char failed[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
static int records;
static struct connection *slow_head, **slow_tail = &slow_head; /* all wait equally long: first in, first out */

static int bind_free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size)) die("bind");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void release(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->closed = 1;
    if (!c->waiting) free(c);
}

static void respond_later(struct connection *c) {
    c->waiting = 1;
    c->respond_at = now_ns() + SLOW;
    c->next = NULL;
    *slow_tail = c;
    slow_tail = &c->next;
}

/* Send the slow responses that are due; return the ms until the next one is due, -1 if none waits. */
static int respond_to_slow(void) {
    int64_t now = now_ns();
    while (slow_head && slow_head->respond_at <= now) {
        struct connection *c = slow_head;
        if (!(slow_head = c->next)) slow_tail = &slow_head;
        c->waiting = 0;
        if (c->closed || send(c->fd, ok, sizeof ok - 1, MSG_NOSIGNAL) <= 0) release(c);
    }
    return slow_head ? (int)((slow_head->respond_at - now) / 1000000) + 1 : -1;
}

/* 0: the connection is to be closed; the same for on_readable. */
static int on_request(struct connection *c) {
    const char *due = memmem(c->buffer, c->used, MARKER, sizeof MARKER - 1);
    uint32_t lane = (uint32_t)strtoul(c->buffer + 8, NULL, 10); /* POST /x/LANE */
    struct record record = {now_ns(), due ? strtoll(due + sizeof MARKER - 1, NULL, 10) : 0, lane, 0};
    if (write(records, &record, sizeof record) != sizeof record) die("write");
    c->used = 0;
    if (c->buffer[6] == 'h') return 1;
    if (c->buffer[6] == 's') return respond_later(c), 1;
    if (c->buffer[6] == 'f') return send(c->fd, failed, sizeof failed - 1, MSG_NOSIGNAL) > 0;
    return send(c->fd, ok, sizeof ok - 1, MSG_NOSIGNAL) > 0;
}

static int on_readable(struct connection *c) {
    static char waste[1 << 18];
    size_t room = c->skip < sizeof waste ? c->skip : sizeof waste;
    ssize_t got = c->skip ? recv(c->fd, waste, room, 0) : recv(c->fd, c->buffer + c->used, BUFFER - c->used, 0);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    if (c->skip) {
        c->skip -= (size_t)got;
        return c->skip ? 1 : on_request(c);
    }
    c->used += (size_t)got;
    char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
    if (!end) return c->used < BUFFER;
    size_t whole = (size_t)(end + 4 - c->buffer) + content_length(c->buffer, end + 2);
    if (c->used < whole && c->used < BUFFER) return 1;
    c->skip = whole - c->used;
    return c->skip ? 1 : on_request(c);
}

static void accept_connection(int epoll, int listener) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int one = 1, fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (ntohl(peer.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) {
        close(fd);
        return;
    }
    struct connection *c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->fd = fd;
    add_to_epoll(epoll, fd, c);
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: sink RECORDS [down]\n"), 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if ((records = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0) die(argv[1]);
    int epoll = epoll_create1(0), listener = bind_free_port();
    if (argc > 2) getchar();
    if (listen(listener, 4096)) die("listen");
    add_to_epoll(epoll, listener, NULL);
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, respond_to_slow());
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) accept_connection(epoll, listener);
            else if (!on_readable(c)) release(c);
        }
    }
}
