/*
 * Round-trip times of ICMP echoes, one every millisecond, in nanoseconds where ping(8) prints three digits.
 * Usage: ping ADDRESS COUNT     prints microseconds: average, median, 99th percentile, and how many were lost
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static unsigned short checksum(const unsigned short *words, size_t bytes) {
  unsigned sum = 0;
  for (size_t i = 0; i < bytes / 2; i++) sum += words[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

int main(int argc, char **argv) {
  if (argc != 3) errx(2, "usage: ping ADDRESS COUNT");
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), count = atoi(argv[2]), lost = 0, got = 0;
  struct sockaddr_in address = {.sin_family = AF_INET};
  inet_pton(AF_INET, argv[1], &address.sin_addr);
  if (fd < 0 || connect(fd, (void *)&address, sizeof address) < 0) err(1, "%s", argv[1]);
  struct timeval patience = {.tv_usec = 200000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  double *times = calloc(count, sizeof *times), sum = 0, next = now();
  struct { struct icmphdr icmp; char data[56]; } echo = {.icmp = {.type = ICMP_ECHO}};
  echo.icmp.un.echo.id = getpid();
  for (int i = 0; i < count; i++) {
    for (double left; (left = next - now()) > 0;) usleep(left + 1);
    next += 1000;
    echo.icmp.un.echo.sequence = i;
    echo.icmp.checksum = 0;
    echo.icmp.checksum = checksum((void *)&echo, sizeof echo);
    double start = now();
    if (send(fd, &echo, sizeof echo, 0) < 0) err(1, "send");
    for (;;) {
      struct { struct iphdr ip; struct icmphdr icmp; char data[256]; } reply;
      if (recv(fd, &reply, sizeof reply, 0) < 0) { lost++; break; }
      if (reply.icmp.type != ICMP_ECHOREPLY || reply.icmp.un.echo.id != echo.icmp.un.echo.id) continue;
      if (reply.icmp.un.echo.sequence != echo.icmp.un.echo.sequence) continue;
      sum += times[got++] = now() - start;
      break;
    }
  }
  if (got == 0) errx(1, "no answer from %s", argv[1]);
  qsort(times, got, sizeof *times, by_size);
  printf("%.2f %.2f %.2f %d\n", sum / got, times[got / 2], times[got * 99 / 100], lost);
}
