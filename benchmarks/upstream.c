/* A language model that costs nothing: chat completions in OpenAI's shape from one thread, for bench_gateway.py.

   upstream PORT [SLOW_MS]

   A body with "stream": true gets 20 pieces, one write each; any other gets one JSON answer. It reads requests with a
   content-length, or chunked, one after the other. SIGUSR1 makes it wait SLOW_MS before it answers, SIGUSR2 no more. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECES = 20, ROOM = 1 << 20, SOCKETS = 4096 };

struct client {
    char *data;
    size_t filled;
    unsigned life; /* counts the sockets that had this number */
    int waiting, stream;
};

struct promise {
    long long due_us;
    int number;
    unsigned life;
};

static struct client clients[SOCKETS];
static struct promise promised[SOCKETS * 2]; /* a ring: all wait equally long, so first in is first due */
static unsigned first_promise, next_promise;
static long long slow_us;
static volatile sig_atomic_t slow;
static char whole[2048], head[256], pieces[PIECES + 2][640];
static size_t whole_size, head_size, piece_size[PIECES + 2];

static long long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void piece(int number, const char *event) {
    piece_size[number] = (size_t)sprintf(pieces[number], "%zx\r\n%s\r\n", strlen(event), event);
}

static void prepare(void) {
    static const char *chunk =
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]%s}\n\n";
    const char *body =
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"gpt-4o-mini\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"It is the largest city of the "
        "country.\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":230,\"completion_tokens\":9,\"total_tokens\":239}}";
    whole_size = (size_t)sprintf(
        whole, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);
    head_size = (size_t)sprintf(
        head, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    char event[512], delta[128];
    for (int number = 0; number < PIECES; number++) {
        sprintf(delta, "%s\"content\":\"word%02d \"", number ? "" : "\"role\":\"assistant\",", number);
        sprintf(event, chunk, delta, "null", "");
        piece(number, event);
    }
    sprintf(event, chunk, "", "\"stop\"",
            ",\"usage\":{\"prompt_tokens\":230,\"completion_tokens\":40,\"total_tokens\":270}");
    piece(PIECES, event);
    piece(PIECES + 1, "data: [DONE]\n\n");
    strcat(pieces[PIECES + 1], "0\r\n\r\n");
    piece_size[PIECES + 1] += 5;
}

static void leave(int number) {
    struct client *client = &clients[number];
    client->filled = 0;
    client->waiting = 0;
    client->life++;
    close(number);
}

static void say(int number, const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(number, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            usleep(50);
            continue;
        }
        if (sent <= 0) return; /* whoever left is noticed by the next read */
        data += sent;
        size -= (size_t)sent;
    }
}

static void answer(int number) {
    clients[number].waiting = 0;
    if (!clients[number].stream) {
        say(number, whole, whole_size);
        return;
    }
    say(number, head, head_size);
    for (int each = 0; each < PIECES + 2; each++) say(number, pieces[each], piece_size[each]);
}

/* Return the size of the first whole request that has come, 0 while it is not whole. */
static size_t request_size(struct client *client) {
    char *end = memmem(client->data, client->filled, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t body_at = (size_t)(end - client->data) + 4, size;
    *end = 0;
    char *length = strcasestr(client->data, "\r\ncontent-length:");
    int chunked = strcasestr(client->data, "\r\ntransfer-encoding: chunked") != NULL;
    size = length ? strtoul(length + 17, NULL, 10) : 0;
    *end = '\r';
    if (chunked) {
        char *last = memmem(end + 2, client->filled - body_at + 2, "\r\n0\r\n\r\n", 7);
        return last ? (size_t)(last - client->data) + 7 : 0;
    }
    return client->filled >= body_at + size ? body_at + size : 0;
}

static void work(int number) {
    struct client *client = &clients[number];
    size_t size;
    while (!client->waiting && (size = request_size(client)) > 0) {
        client->stream = memmem(client->data, size, "\"stream\":true", 13) != NULL ||
                         memmem(client->data, size, "\"stream\": true", 14) != NULL;
        memmove(client->data, client->data + size, client->filled -= size);
        client->waiting = 1;
        if (slow)
            promised[next_promise++ % (SOCKETS * 2)] = (struct promise){now_us() + slow_us, number, client->life};
        else
            answer(number);
    }
}

static void keep_promises(void) {
    while (first_promise != next_promise && promised[first_promise % (SOCKETS * 2)].due_us <= now_us()) {
        struct promise due = promised[first_promise++ % (SOCKETS * 2)];
        if (clients[due.number].life == due.life && clients[due.number].waiting) {
            answer(due.number);
            work(due.number);
        }
    }
}

static void listen_to(int number) {
    struct client *client = &clients[number];
    ssize_t came = recv(number, client->data + client->filled, ROOM - client->filled, 0);
    if (came < 0 && errno == EAGAIN) return;
    if (came <= 0) {
        leave(number);
        return;
    }
    client->filled += (size_t)came;
    work(number);
}

static void welcome(int door, int poll) {
    int number, on = 1;
    while ((number = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (number >= SOCKETS) {
            close(number);
            continue;
        }
        setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!clients[number].data) clients[number].data = malloc(ROOM + 1);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = number};
        epoll_ctl(poll, EPOLL_CTL_ADD, number, &event);
    }
}

static int patience_ms(void) {
    if (first_promise == next_promise) return -1;
    long long left = promised[first_promise % (SOCKETS * 2)].due_us - now_us();
    return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

static void switch_over(int sent) { slow = sent == SIGUSR1; }

int main(int count, char **given) {
    if (count < 2) {
        fprintf(stderr, "upstream PORT [SLOW_MS]\n");
        return 2;
    }
    slow_us = count > 2 ? atoll(given[2]) * 1000 : 50000;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, switch_over);
    signal(SIGUSR2, switch_over);
    prepare();
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0), on = 1;
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(given[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(door, (struct sockaddr *)&address, sizeof address) || listen(door, 1024)) {
        perror("upstream");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = door}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, door, &event);
    for (;;) {
        int found = epoll_wait(poll, events, 256, patience_ms());
        for (int each = 0; each < found; each++) {
            if (events[each].data.fd == door)
                welcome(door, poll);
            else
                listen_to(events[each].data.fd);
        }
        keep_promises();
    }
}
