/* Load on a server that answers chat completions, for bench_gateway.py: one thread, every answer checked.

   load PORT CONNECTIONS SECONDS REQUEST_FILE TEXT [stream [END]]

   Each connection sends the bytes of REQUEST_FILE again and again, with another number in the place of 00000 where it
   holds "question 00000": no server is asked the same again soon. An answer is right when its status is 200, its body
   is whole, and the "content" fields of its JSON put together are TEXT; a stream must also hold END, "data: [DONE]"
   unless another is given. The first wrong answer ends the run with exit code 1. Prints one line of JSON: how many
   answers, in how many seconds, percentiles. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18, PATIENCE_MS = 30000 };

struct connection {
    int number;
    size_t filled, body_at, body_size; /* body_at 0: the head has not come; body_size ~0: chunked */
    long long sent_ns;
    char data[ROOM + 1];
};

static char *request, *expected, *end_mark, *serial;
static unsigned long long serials;
static size_t request_size;
static int stream;
static unsigned *took_ns10; /* latencies in units of 10 ns */
static size_t answered, took_room;

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void wrong(const char *what, const struct connection *from) {
    fprintf(stderr, "%s: %.*s\n", what, from ? (int)(from->filled < 2000 ? from->filled : 2000) : 0,
            from ? from->data : "");
    exit(1);
}

static void ask(struct connection *to) {
    size_t done = 0;
    to->filled = to->body_at = 0;
    if (serial) {
        char digits[16];
        snprintf(digits, sizeof digits, "%05llu", serials++ % 100000);
        memcpy(serial, digits, 5);
    }
    to->sent_ns = now_ns();
    while (done < request_size) {
        ssize_t sent = send(to->number, request + done, request_size - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) continue;
        if (sent <= 0) wrong("the server closed a connection", NULL);
        done += (size_t)sent;
    }
}

/* Put chunks together in place; return the size, or ~0 when they are not whole. */
static size_t unchunk(char *body, size_t size) {
    size_t from = 0, to = 0;
    for (;;) {
        char *line = memmem(body + from, size - from, "\r\n", 2), *end;
        if (!line) return ~(size_t)0;
        size_t part = strtoul(body + from, &end, 16);
        if (end == body + from) return ~(size_t)0;
        from = (size_t)(line - body) + 2;
        if (part == 0) return to;
        if (from + part + 2 > size) return ~(size_t)0;
        memmove(body + to, body + from, part);
        to += part;
        from += part + 2;
    }
}

/* Whether the "content" fields of the body, put together, are what was expected. */
static int says_it(char *body, size_t size) {
    size_t said = 0, length = strlen(expected);
    char *at = body, *end = body + size;
    while ((at = memmem(at, (size_t)(end - at), "\"content\":", 10))) {
        at += 10;
        while (at < end && *at == ' ') at++;
        if (at >= end || *at != '"') continue;
        at++;
        char *close = memchr(at, '"', (size_t)(end - at));
        if (!close) return 0;
        size_t part = (size_t)(close - at);
        if (said + part > length || memcmp(expected + said, at, part) != 0) return 0;
        said += part;
        at = close;
    }
    return said == length && (!stream || memmem(body, size, end_mark, strlen(end_mark)));
}

static void check(struct connection *from) {
    size_t size = from->body_size;
    from->data[from->filled] = 0;
    if (size == ~(size_t)0) {
        char *copy = malloc(from->filled + 1);
        memcpy(copy, from->data, from->filled + 1);
        size = unchunk(copy + from->body_at, from->filled - from->body_at);
        if (size == ~(size_t)0 || !says_it(copy + from->body_at, size)) wrong("a wrong or short answer", from);
        free(copy);
    } else if (!says_it(from->data + from->body_at, size)) {
        wrong("a wrong or short answer", from);
    }
}

/* Whether the answer is whole. */
static int whole(struct connection *from) {
    if (!from->body_at) {
        char *end = memmem(from->data, from->filled, "\r\n\r\n", 4);
        if (!end) return 0;
        if (from->filled < 12 || memcmp(from->data, "HTTP/1.1 200", 12) != 0) wrong("not 200", from);
        from->body_at = (size_t)(end - from->data) + 4;
        *end = 0;
        char *length = strcasestr(from->data, "\r\ncontent-length:");
        from->body_size = length ? strtoul(length + 17, NULL, 10) : ~(size_t)0;
        *end = '\r';
    }
    if (from->body_size != ~(size_t)0) return from->filled >= from->body_at + from->body_size;
    return from->filled >= from->body_at + 5 && memcmp(from->data + from->filled - 5, "0\r\n\r\n", 5) == 0 &&
           (from->filled == from->body_at + 5 || memcmp(from->data + from->filled - 7, "\r\n", 2) == 0);
}

static void note(long long ns) {
    if (answered == took_room) took_ns10 = realloc(took_ns10, (took_room = took_room * 2 + 4096) * sizeof *took_ns10);
    took_ns10[answered++] = (unsigned)(ns / 10);
}

/* Take what came; whether the connection has ended its work. */
static int receive(struct connection *from, long long until_ns) {
    ssize_t came = recv(from->number, from->data + from->filled, ROOM - from->filled, 0);
    if (came < 0 && errno == EAGAIN) return 0;
    if (came <= 0) wrong("the server closed a connection", from);
    from->filled += (size_t)came;
    if (!whole(from)) {
        if (from->filled == ROOM) wrong("an endless answer", from);
        return 0;
    }
    long long now = now_ns();
    note(now - from->sent_ns);
    check(from);
    if (now >= until_ns) return 1;
    ask(from);
    return 0;
}

static int by_size(const void *left, const void *right) {
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return (a > b) - (a < b);
}

static struct connection *dial(int port, int poll) {
    struct connection *made = calloc(1, sizeof *made);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    made->number = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    if (connect(made->number, (struct sockaddr *)&address, sizeof address)) wrong("cannot connect", NULL);
    setsockopt(made->number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = made};
    epoll_ctl(poll, EPOLL_CTL_ADD, made->number, &event);
    return made;
}

static void read_request(const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file) wrong("no request file", NULL);
    request = malloc(1 << 20);
    request_size = fread(request, 1, 1 << 20, file);
    serial = memmem(request, request_size, "question 00000", 14);
    if (serial) serial += 9;
    serials = (unsigned long long)now_ns();
    fclose(file);
}

int main(int count, char **given) {
    if (count < 6) {
        fprintf(stderr, "load PORT CONNECTIONS SECONDS REQUEST_FILE TEXT [stream [END]]\n");
        return 2;
    }
    int connections = atoi(given[2]), poll = epoll_create1(0), ended = 0;
    read_request(given[4]);
    expected = given[5];
    stream = count > 6 && strcmp(given[6], "stream") == 0;
    end_mark = count > 7 ? given[7] : "data: [DONE]";
    struct connection **all = malloc((size_t)connections * sizeof *all);
    for (int each = 0; each < connections; each++) all[each] = dial(atoi(given[1]), poll);
    long long began = now_ns(), until = began + (long long)(atof(given[3]) * 1e9);
    for (int each = 0; each < connections; each++) ask(all[each]);
    struct epoll_event events[256];
    while (ended < connections) {
        int found = epoll_wait(poll, events, 256, PATIENCE_MS);
        if (found == 0) wrong("no answer within 30 s", NULL);
        for (int each = 0; each < found; each++) ended += receive(events[each].data.ptr, until);
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    qsort(took_ns10, answered, sizeof *took_ns10, by_size);
    printf("{\"answered\": %zu, \"seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", answered, seconds,
           took_ns10[answered / 2] / 100.0, took_ns10[answered * 99 / 100] / 100.0);
    return 0;
}
