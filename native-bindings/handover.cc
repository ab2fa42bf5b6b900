// Descriptors for another process: unix(7), SCM_RIGHTS.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "addon.h"

static constexpr size_t kMost = 253;  // SCM_MAX_FD of the kernel
static constexpr int kPatience = 1000;  // milliseconds

// socketPair(): [fd, fd], which block.
static Napi::Value socket_pair(const Napi::CallbackInfo& info) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) fail("socketpair", "AF_UNIX");
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, ends[0]);
  pair.Set(1u, ends[1]);
  return pair;
}

// sendFds(socket, fds): each message has a byte for every descriptor that it carries.
static Napi::Value send_fds(const Napi::CallbackInfo& info) {
  const int socket = int_arg(info, 0, "socket");
  if (!info[1].IsArray()) throw Napi::TypeError::New(info.Env(), "fds must be an array of numbers");
  const Napi::Array list = info[1].As<Napi::Array>();
  std::vector<int> fds;
  for (uint32_t i = 0; i < list.Length(); i++) fds.push_back(list.Get(i).ToNumber().Int32Value());
  char bytes[kMost] = {};
  for (size_t sent = 0; sent < fds.size();) {
    const size_t count = std::min(fds.size() - sent, kMost);
    alignas(cmsghdr) char control[CMSG_SPACE(kMost * sizeof(int))] = {};
    iovec vector{bytes, count};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), &fds[sent], count * sizeof(int));
    ssize_t written;
    while ((written = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EAGAIN) {
      pollfd ready{socket, POLLOUT, 0};
      if (poll(&ready, 1, kPatience) <= 0) fail("sendmsg", "descriptors", ETIMEDOUT);
    }
    if (written != static_cast<ssize_t>(count)) fail("sendmsg", "descriptors", written < 0 ? errno : EIO);
    sent += count;
  }
  return info.Env().Undefined();
}

// receiveFds(socket, count): number[]
static Napi::Value receive_fds(const Napi::CallbackInfo& info) {
  const int socket = int_arg(info, 0, "socket");
  const size_t wanted = static_cast<size_t>(std::max(0, int_arg(info, 1, "count")));
  std::vector<Fd> fds;
  while (fds.size() < wanted) {
    char bytes[kMost];
    alignas(cmsghdr) char control[CMSG_SPACE(kMost * sizeof(int))];
    iovec vector{bytes, std::min(wanted - fds.size(), kMost)};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received <= 0) fail("recvmsg", "descriptors", received < 0 ? errno : ECONNRESET);
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      std::vector<int> some((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      memcpy(some.data(), CMSG_DATA(header), some.size() * sizeof(int));
      for (int fd : some) fds.emplace_back(fd);
    }
    // Some are lost when this process may open no more.
    if (message.msg_flags & MSG_CTRUNC) fail("recvmsg", "descriptors", EMFILE);
  }
  Napi::Array list = Napi::Array::New(info.Env(), fds.size());
  for (size_t i = 0; i < fds.size(); i++) list.Set(static_cast<uint32_t>(i), fds[i].release());
  return list;
}

void init_handover(Napi::Object exports) {
  define<socket_pair>(exports, "socketPair");
  define<send_fds>(exports, "sendFds");
  define<receive_fds>(exports, "receiveFds");
}
