// rtnetlink(7) sockets. What the messages mean is src/linux/rtnetlink.ts's business.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "addon.h"

using Bytes = std::vector<uint8_t>;

static constexpr size_t kReplyLimit = 256u << 20;
static constexpr int kTimeoutSeconds = 10;
static constexpr size_t kThreads = 16;

static Fd open_socket(int netns, int flags) {
  InNetns scope(netns);
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
  if (fd.get() < 0) fail("socket", "NETLINK_ROUTE");
  return fd;
}

/** How many messages end the reply: every request asks for an acknowledgement or is a dump. */
static size_t expected_ends(const Bytes& request) {
  size_t ends = 0;
  size_t at = 0;
  while (at < request.size()) {
    nlmsghdr header;
    if (request.size() - at < sizeof header) fail("netlink", "truncated request", EINVAL);
    memcpy(&header, request.data() + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > request.size() - at) {
      fail("netlink", "bad length in request", EINVAL);
    }
    // NLM_F_DUMP is two bits, which mean something else in requests to create.
    const bool get = (header.nlmsg_type - RTM_BASE) % 4 == 2;
    const bool dump = get && (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (!dump && !(header.nlmsg_flags & NLM_F_ACK)) fail("netlink", "request without NLM_F_ACK", EINVAL);
    ends++;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return ends;
}

/** Sends a datagram of requests into a namespace; returns all messages of the reply. */
static Bytes transact(int netns, const Bytes& request) {
  size_t ends = expected_ends(request);
  Fd fd = open_socket(netns, 0);
  const int on = 1;
  // All three only make answers better: reasons in words, short acknowledgements, filtered dumps.
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  const int size = 4 << 20;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  const timeval timeout{kTimeoutSeconds, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);

  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd.get(), request.data(), request.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
             sizeof kernel) < 0) {
    fail("sendto", "rtnetlink");
  }
  Bytes reply;
  Bytes buffer(64 << 10);  // dumps come in datagrams of 32 KiB at most
  while (ends > 0) {
    const ssize_t got = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("recv", "rtnetlink", errno == EAGAIN ? ETIMEDOUT : errno);
    for (size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<size_t>(got);) {
      nlmsghdr header;
      memcpy(&header, buffer.data() + at, sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > got - at) break;
      if ((header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) && ends > 0) ends--;
      at += NLMSG_ALIGN(header.nlmsg_len);
    }
    reply.insert(reply.end(), buffer.begin(), buffer.begin() + got);
    if (reply.size() > kReplyLimit) fail("recv", "rtnetlink", EMSGSIZE);
  }
  return reply;
}

static Bytes bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(value.Env(), "requests must be a Uint8Array");
  }
  const Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return Bytes(array.Data(), array.Data() + array.ByteLength());
}

static Napi::Value to_array(Napi::Env env, const Bytes& bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

// netlinkRequest(netns, request): the socket lives for this call only, as one that stays open would keep the
// namespace alive.
static Napi::Value netlink_request(const Napi::CallbackInfo& info) {
  const Bytes request = bytes_of(info[1]);
  Fd netns = open_namespace(info[0]);
  return to_array(info.Env(), transact(netns.get(), request));
}

struct Exchange {
  Fd netns;
  Bytes request, reply;
};

/** Waits for many answers at a time: what takes long in rtnetlink is waiting for RCU, not work. */
static void transact_all(std::vector<Exchange>& exchanges) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::optional<SysError> error;
  const auto work = [&] {
    for (size_t i; (i = next++) < exchanges.size();) {
      try {
        exchanges[i].reply = transact(exchanges[i].netns.get(), exchanges[i].request);
      } catch (const SysError& e) {
        const std::lock_guard<std::mutex> lock(mutex);
        error = e;
      }
      exchanges[i].netns.reset();
    }
  };
  std::vector<std::thread> threads;
  while (threads.size() + 1 < std::min(kThreads, exchanges.size())) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (error) throw *error;
}

// netlinkRequestAsync([{ netns, requests }]): one thread of the pool waits for all of them.
static Napi::Value netlink_request_async(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) throw Napi::TypeError::New(info.Env(), "netlinkRequestAsync takes an array");
  const Napi::Array list = info[0].As<Napi::Array>();
  auto exchanges = std::make_shared<std::vector<Exchange>>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object entry = list.Get(i).ToObject();
    exchanges->push_back({open_namespace(entry.Get("netns")), bytes_of(entry.Get("requests")), {}});
  }
  return promise(
      info.Env(), [=] { transact_all(*exchanges); },
      [=](Napi::Env env) {
        Napi::Array replies = Napi::Array::New(env, exchanges->size());
        for (uint32_t i = 0; i < exchanges->size(); i++) replies.Set(i, to_array(env, (*exchanges)[i].reply));
        return replies;
      });
}

// netlinkMonitor(netns, groups): a socket for Poller.watch that hears every namespace which has an ID in
// `netns` (NETLINK_LISTEN_ALL_NSID in netlink(7)), and so needs no socket in any of those.
static Napi::Value netlink_monitor(const Napi::CallbackInfo& info) {
  Fd netns = open_namespace(info[0]);
  if (!info[1].IsArray()) throw Napi::TypeError::New(info.Env(), "groups must be an array of numbers");
  const Napi::Array groups = info[1].As<Napi::Array>();
  Fd fd = open_socket(netns.get(), SOCK_NONBLOCK);
  const int on = 1;
  if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) < 0) {
    fail("NETLINK_LISTEN_ALL_NSID", "rtnetlink");
  }
  const int size = 8 << 20;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fail("bind", "rtnetlink");
  for (uint32_t i = 0; i < groups.Length(); i++) {
    const int group = groups.Get(i).ToNumber().Int32Value();
    if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
      fail("NETLINK_ADD_MEMBERSHIP", std::to_string(group));
    }
  }
  return Napi::Number::New(info.Env(), fd.release());
}

void init_netlink(Napi::Object exports) {
  define<netlink_request>(exports, "netlinkRequest");
  define<netlink_request_async>(exports, "netlinkRequestAsync");
  define<netlink_monitor>(exports, "netlinkMonitor");
}
