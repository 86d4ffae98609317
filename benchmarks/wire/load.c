/* Send HTTP requests at a fixed rate: a request is due by the clock, whether or not earlier responses have arrived.
 *
 *     load PORT CONNECTIONS RATE COUNT REQUESTS      prints a line for each response: due, sent, done, status
 *
 * RATE      requests per second; 0: each connection sends its next request as soon as the last one is responded to
 * REQUESTS  file of requests, each after its length (32 bits), sent in turn. In each, 19 '@' become the time the
 *           request was due, and each run of 19 '#' a number that is used once.
 *
 * Times are ns since 1970. Status 0: the connection broke. A connection carries one request at a time (keep-alive, no
 * pipelining). Responses need a Content-Length.
 */
#include "wire.h"

#define DIGITS 19
#define RESPONSE 65536 /* bytes */
#define EVENTS 256

struct connection {
    int fd, busy, status;
    int64_t due, sent;
    char *request;     /* a copy of the request, with its time and numbers */
    size_t length, room;
    size_t used, skip; /* response: bytes in the buffer; bytes of its body still to come */
    char buffer[RESPONSE];
};

static int port, epoll;
static double rate;
static uint64_t count, started, finished;
static int64_t number;
static char **requests;
static uint32_t *lengths, request_count;

static void read_requests(const char *path) {
    int fd = open(path, O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    char *at = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0), *end = at + size;
    if (fd < 0 || at == MAP_FAILED) die(path);
    requests = malloc((size_t)size / 4 * sizeof *requests);
    lengths = malloc((size_t)size / 4 * sizeof *lengths);
    for (; at < end; at += 4 + lengths[request_count++]) {
        memcpy(&lengths[request_count], at, 4);
        requests[request_count] = at + 4;
    }
}

static void open_connection(struct connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    if (c->fd) close(c->fd);
    address.sin_port = htons((uint16_t)port);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    add_to_epoll(epoll, c->fd, c);
}

/* Replace each run of 19 marks by the value, which grows by `step` each time. */
static void fill_in(struct connection *c, char mark, int64_t *value, int step) {
    char marks[DIGITS], digits[DIGITS + 1], *at = c->request, *end = at + c->length;
    memset(marks, mark, DIGITS);
    for (; (at = memmem(at, (size_t)(end - at), marks, DIGITS)); at += DIGITS, *value += step) {
        snprintf(digits, sizeof digits, "%019lld", (long long)*value);
        memcpy(at, digits, DIGITS);
    }
}

static void finish(struct connection *c, int status) {
    printf("%lld %lld %lld %d\n", (long long)c->due, (long long)c->sent, (long long)now_ns(), status);
    finished++;
    c->busy = c->status = 0;
    c->used = c->skip = 0;
}

static void reconnect(struct connection *c) {
    if (c->busy) finish(c, 0);
    open_connection(c);
}

static void begin(struct connection *c, int64_t due) {
    uint32_t which = (uint32_t)(started++ % request_count);
    c->length = lengths[which];
    if (c->room < c->length && !(c->request = realloc(c->request, c->room = c->length))) die("realloc");
    memcpy(c->request, requests[which], c->length);
    c->due = due;
    fill_in(c, '@', &due, 0);
    fill_in(c, '#', &number, 1);
    c->busy = 1;
    c->sent = now_ns();
    if (send(c->fd, c->request, c->length, MSG_NOSIGNAL) != (ssize_t)c->length) reconnect(c);
}

static void on_readable(struct connection *c) {
    ssize_t n = recv(c->fd, c->buffer + c->used, RESPONSE - c->used, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) reconnect(c);
        return;
    }
    if (c->status) {
        c->skip -= (size_t)n < c->skip ? (size_t)n : c->skip;
    } else {
        c->used += (size_t)n;
        char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
        if (!end) return;
        size_t body = content_length(c->buffer, end + 2), here = c->used - (size_t)(end + 4 - c->buffer);
        c->status = atoi(c->buffer + 9);
        c->skip = body > here ? body - here : 0;
        c->used = 0;
    }
    if (c->busy && !c->skip) finish(c, c->status);
}

/* Start what is due on idle connections; return the ns until the next request is due, at most 100 ms. */
static int64_t begin_due(struct connection **all, int connections, int64_t zero) {
    int64_t now = now_ns(), longest = 100000000;
    for (int i = 0; i < connections && started < count; i++) {
        int64_t due = rate > 0 ? zero + (int64_t)((double)started * 1e9 / rate) : now;
        if (due > now) return due - now < longest ? due - now : longest;
        if (!all[i]->busy) begin(all[i], due);
    }
    return longest;
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: load PORT CONNECTIONS RATE COUNT REQUESTS\n"), 2;
    int connections = atoi(argv[2]);
    port = atoi(argv[1]), rate = atof(argv[3]), count = strtoull(argv[4], NULL, 10);
    read_requests(argv[5]);
    epoll = epoll_create1(0);
    number = now_ns() / 1000 * 1000; /* two runs use different numbers */
    struct connection **all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        if (!(all[i] = calloc(1, sizeof **all))) die("calloc");
        open_connection(all[i]);
    }
    int64_t zero = now_ns();
    struct epoll_event events[EVENTS];
    struct pollfd readiness = {.fd = epoll, .events = POLLIN};
    while (finished < count) {
        struct timespec wait = {0, begin_due(all, connections, zero)};
        ppoll(&readiness, 1, &wait, NULL); /* epoll's own timeout counts in whole milliseconds */
        int n = epoll_wait(epoll, events, EVENTS, 0);
        for (int i = 0; i < n; i++) on_readable(events[i].data.ptr);
    }
    return 0;
}
