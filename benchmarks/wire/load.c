/* Sends requests by the clock, not by the answers: a request that is due waits for nobody, and its time counts.
 *
 *     load PORT CONNECTIONS RATE COUNT FRAMES RECORDS
 *
 * FRAMES holds requests as they go over the wire, each behind its length (32 bits); they are used in turn. In each,
 * 19 times '@' becomes the moment the request was due (ns since 1970), 19 times '#' a number that never comes twice.
 * RATE is requests per second; 0: every connection sends as soon as its last request was answered (then due = sent).
 * Each connection carries one request at a time (HTTP keep-alive, no pipelining). RECORDS maps to a header and COUNT
 * times `struct record`, in the order of completion.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DIGITS 19
#define ANSWER 65536
#define EVENTS 256

struct header {
    uint64_t count, broken; /* answered; connections that broke under a request */
    char pad[48];
};

struct record {
    int64_t due, sent, done; /* ns since 1970 */
    int32_t status, pad;     /* 0: the connection broke */
};

struct connection {
    int fd, busy;
    int64_t due, sent;
    char *request; /* this connection's copy of a frame, stamped */
    size_t length, written, room;
    size_t used, skip; /* of the answer: bytes in the buffer; bytes of its body still to come */
    int status;
    char buffer[ANSWER];
};

static int port, poll_fd, connections;
static double rate;
static uint64_t count, started, number;
static char **frames;
static uint32_t *lengths, frame_count;
static struct header *header;
static struct record *records;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void read_frames(const char *path) {
    int fd = open(path, O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    char *at = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0), *end = at + size;
    if (fd < 0 || at == MAP_FAILED) die(path);
    frames = malloc((size_t)size / 4 * sizeof *frames);
    lengths = malloc((size_t)size / 4 * sizeof *lengths);
    for (; at < end; at += 4 + lengths[frame_count++]) {
        memcpy(&lengths[frame_count], at, 4);
        frames[frame_count] = at + 4;
    }
}

static void map_records(const char *path) {
    size_t length = sizeof *header + count * sizeof *records;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)length)) die(path);
    header = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (header == MAP_FAILED) die("mmap");
    records = (struct record *)((char *)header + sizeof *header);
}

static void connect_again(struct connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    if (c->fd) close(c->fd);
    address.sin_port = htons((uint16_t)port);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
}

static void watch(struct connection *c, uint32_t what) {
    struct epoll_event event = {.events = what, .data.ptr = c};
    if (epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event)) die("epoll_ctl");
}

static void stamp(char *text, size_t length, char mark, int64_t (*value)(struct connection *), struct connection *c) {
    char marks[DIGITS], digits[DIGITS + 1];
    memset(marks, mark, DIGITS);
    for (char *at = text; (at = memmem(at, length - (size_t)(at - text), marks, DIGITS)); at += DIGITS) {
        snprintf(digits, sizeof digits, "%019lld", (long long)value(c));
        memcpy(at, digits, DIGITS);
    }
}

static int64_t due_of(struct connection *c) {
    return c->due;
}

static int64_t next_number(struct connection *c) {
    (void)c;
    return (int64_t)++number;
}

static void finish(struct connection *c, int status) {
    records[header->count] = (struct record){c->due, c->sent, now_ns(), status, 0};
    __atomic_store_n(&header->count, header->count + 1, __ATOMIC_RELEASE);
    c->busy = 0;
    c->used = c->skip = 0;
    c->status = 0;
}

static void lose(struct connection *c) {
    if (c->busy) {
        header->broken++;
        finish(c, 0);
    }
    connect_again(c);
}

static void push(struct connection *c) {
    ssize_t n = send(c->fd, c->request + c->written, c->length - c->written, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        lose(c);
        return;
    }
    size_t before = c->written;
    c->written += n > 0 ? (size_t)n : 0;
    if (c->written < c->length) watch(c, EPOLLIN | EPOLLOUT);
    else if (before) watch(c, EPOLLIN);
}

static void begin(struct connection *c, int64_t due) {
    uint32_t which = (uint32_t)(started++ % frame_count);
    c->length = lengths[which];
    if (c->room < c->length && !(c->request = realloc(c->request, c->room = c->length))) die("realloc");
    memcpy(c->request, frames[which], c->length);
    c->due = due;
    stamp(c->request, c->length, '@', due_of, c);
    stamp(c->request, c->length, '#', next_number, c);
    c->busy = 1;
    c->written = 0;
    c->sent = now_ns();
    push(c);
}

/* Reads the head of an answer; 0: not whole yet. An answer without a length would be counted twice: its last chunk has
   an empty line as well. */
static int read_head(struct connection *c) {
    char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t body = 0;
    for (char *line = c->buffer; (line = memchr(line, '\n', (size_t)(end + 2 - line))) && ++line < end + 2;)
        if (!strncasecmp(line, "content-length:", 15)) body = strtoull(line + 15, NULL, 10);
        else if (!strncasecmp(line, "transfer-encoding:", 18)) exit(fprintf(stderr, "load: answers need a length\n"));
    c->status = atoi(c->buffer + 9);
    size_t here = c->used - (size_t)(end + 4 - c->buffer);
    c->skip = body > here ? body - here : 0;
    c->used = 0;
    return 1;
}

static void on_readable(struct connection *c) {
    ssize_t n = read(c->fd, c->buffer + c->used, ANSWER - c->used);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) lose(c);
        return;
    }
    if (c->status) {
        c->skip -= (size_t)n < c->skip ? (size_t)n : c->skip;
    } else {
        c->used += (size_t)n;
        if (!read_head(c)) return;
    }
    if (c->busy && !c->skip) finish(c, c->status);
}

int main(int argc, char **argv) {
    if (argc != 7) return fprintf(stderr, "usage: load PORT CONNECTIONS RATE COUNT FRAMES RECORDS\n"), 2;
    port = atoi(argv[1]), connections = atoi(argv[2]), rate = atof(argv[3]), count = strtoull(argv[4], NULL, 10);
    read_frames(argv[5]);
    map_records(argv[6]);
    poll_fd = epoll_create1(0);
    number = (uint64_t)(now_ns() / 1000) * 1000; /* numbers of two runs are different too */
    struct connection **all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        if (!(all[i] = calloc(1, sizeof **all))) die("calloc");
        connect_again(all[i]);
    }
    int64_t zero = now_ns();
    struct epoll_event events[EVENTS];
    struct pollfd something = {.fd = poll_fd, .events = POLLIN};
    while (header->count < count) {
        int64_t now = now_ns(), wait_ns = 100000000;
        for (int i = 0; i < connections && started < count; i++) {
            int64_t due = rate > 0 ? zero + (int64_t)((double)started * 1e9 / rate) : now;
            if (due > now) {
                wait_ns = due - now;
                break;
            }
            if (!all[i]->busy) begin(all[i], due);
        }
        struct timespec wait = {0, wait_ns < 100000000 ? wait_ns : 100000000};
        ppoll(&something, 1, &wait, NULL); /* epoll's own timeout counts in whole milliseconds */
        int n = epoll_wait(poll_fd, events, EVENTS, 0);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) push(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
        }
    }
    return 0;
}
