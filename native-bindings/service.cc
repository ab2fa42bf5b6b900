// What a service needs: capabilities(7), groups, and word to the service manager: sd_notify(3).
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "addon.h"

/** Whether a capability is in a set of 64, which the kernel takes in two halves. */
static bool in_set(const uint32_t (&set)[2], unsigned capability) {
  return (set[capability / 32] >> (capability % 32)) & 1;
}

// keepCapabilities(numbers): of the calling thread, and of what it executes.
static Napi::Value keep_capabilities(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) throw Napi::TypeError::New(info.Env(), "capabilities must be an array of numbers");
  const Napi::Array list = info[0].As<Napi::Array>();
  uint32_t keep[2] = {};
  for (uint32_t i = 0; i < list.Length(); i++) {
    const uint32_t capability = list.Get(i).ToNumber().Uint32Value();
    if (capability > 63) throw Napi::RangeError::New(info.Env(), "no such capability");
    keep[capability / 32] |= 1U << (capability % 32);
  }
  // With it execve(2) gives root no more than what is permitted now, where the bounding set cannot be changed, too.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail("PR_SET_NO_NEW_PRIVS", "");
  // The bounding set first: changing it takes CAP_SETPCAP. A capability that the kernel does not know ends the list.
  for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    if (in_set(keep, capability)) continue;
    // EPERM: whoever started us without CAP_SETPCAP has seen to it.
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM) fail("PR_CAPBSET_DROP", "");
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) fail("capget", "");
  for (int i : {0, 1}) {
    data[i].permitted &= keep[i];
    data[i].effective &= keep[i];
    data[i].inheritable &= keep[i];  // so is the ambient set, which is part of it
  }
  if (syscall(SYS_capset, &header, data) < 0) fail("capset", "");
  return info.Env().Undefined();
}

// groupId(name): its number, or null when there is none.
static Napi::Value group_id(const Napi::CallbackInfo& info) {
  const std::string name = string_arg(info, 0, "name");
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(1024);
  int error;
  while ((error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found != nullptr) return Napi::Number::New(info.Env(), found->gr_gid);
  // Some databases say so of a name that they do not have: getgrnam(3).
  if (error != 0 && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM) {
    fail("getgrnam", name, error);
  }
  return info.Env().Null();
}

// datagram(path, text): sends one to a UNIX socket, `@` stands for the NUL of an abstract one.
static Napi::Value datagram(const Napi::CallbackInfo& info) {
  const std::string path = string_arg(info, 0, "path"), text = string_arg(info, 1, "text");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || (path[0] != '/' && path[0] != '@')) fail("sendto", path, EAFNOSUPPORT);
  if (path.size() >= sizeof address.sun_path) fail("sendto", path, ENAMETOOLONG);
  memcpy(address.sun_path, path.data(), path.size());
  // The name of an abstract socket has no end but its length: unix(7).
  socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (path[0] == '@') {
    address.sun_path[0] = '\0';
  } else {
    size++;
  }
  Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) fail("socket", path);
  // A reader with a full queue may take a moment, but not all of ours.
  const timeval patience{0, 100'000};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0) fail("SO_SNDTIMEO", path);
  if (sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size) < 0) {
    fail("sendto", path);
  }
  return info.Env().Undefined();
}

void init_service(Napi::Object exports) {
  define<keep_capabilities>(exports, "keepCapabilities");
  define<group_id>(exports, "groupId");
  define<datagram>(exports, "datagram");
}
