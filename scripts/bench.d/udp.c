/*
 * Small datagrams as fast as they go, 32 a system call.
 * Usage: udp send ADDRESS SIZE SECONDS
 *        udp receive SECONDS     prints datagrams a second, from 0.2 s after the first one
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 32, LARGEST = 1472, PORT = 5999 };

static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static char data[BATCH][LARGEST];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void prepare(size_t size) {
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){data[i], size};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
}

int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  if (argc == 5 && !strcmp(argv[1], "send")) {
    inet_pton(AF_INET, argv[2], &address.sin_addr);
    if (connect(fd, (void *)&address, sizeof address) < 0) err(1, "connect");
    prepare(atoi(argv[3]));
    /* Errors are news of the receiver's end. */
    for (double end = now() + atof(argv[4]); now() < end;) sendmmsg(fd, messages, BATCH, 0);
    return 0;
  }
  if (argc != 3 || strcmp(argv[1], "receive")) errx(2, "usage: udp send ADDRESS SIZE SECONDS | udp receive SECONDS");
  int space = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof space);
  struct timeval patience = {.tv_sec = 5};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (bind(fd, (void *)&address, sizeof address) < 0) err(1, "bind");
  prepare(LARGEST);
  double seconds = atof(argv[2]), start = 0, time = 0;
  long count = 0;
  for (;;) {
    int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (got < 0) err(1, "recvmmsg");
    time = now();
    if (start == 0) start = time + 0.2;
    if (time < start) continue;
    count += got;
    if (time > start + seconds) break;
  }
  printf("%.0f\n", count / (time - start));
}
