// Namespaces: network_namespaces(7), setns(2), ip-netns(8).
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "addon.h"

static Fd open_own_netns() {
  // Not /proc/self, which is the main thread's: pool threads come here too.
  Fd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail("open", "/proc/thread-self/ns/net");
  return fd;
}

InNetns::InNetns(int netns) : home_(open_own_netns()) {
  if (setns(netns, CLONE_NEWNET) < 0) fail("setns", "descriptor " + std::to_string(netns));
}

InNetns::~InNetns() {
  if (setns(home_.get(), CLONE_NEWNET) == 0) return;
  // Going on would act on somebody else's network from now on.
  perror("netgraph: cannot return to the network namespace of the process");
  abort();
}

Fd open_namespace(const Napi::Value& spec) {
  if (spec.IsNumber()) {
    const int fd = spec.As<Napi::Number>().Int32Value();
    Fd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (copy.get() < 0) fail("dup", "namespace descriptor " + std::to_string(fd));
    return copy;
  }
  if (!spec.IsString()) throw Napi::TypeError::New(spec.Env(), "a namespace is a descriptor or a path");
  const std::string path = string_of(spec, "path of a namespace");
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail("open", path);
  return fd;
}

static void interface_up(const char* name) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) fail("socket", "AF_INET");
  ifreq request{};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  request.ifr_flags = IFF_UP;
  if (ioctl(fd.get(), SIOCSIFFLAGS, &request) < 0) fail("SIOCSIFFLAGS", name);
}

/** Runs `work` on a thread of its own, whose namespaces end with it. */
static void on_own_thread(const std::function<void()>& work) {
  std::optional<SysError> error;
  std::thread([&] {
    try {
      work();
    } catch (const SysError& e) {
      error = e;
    }
  }).join();
  if (error) throw *error;
}

/** Creates the file that a namespace is mounted on. */
static bool create_mount_point(const std::string& path) {
  return Fd(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)).get() >= 0;
}

/** A file that holds a namespace, taken away again unless it is kept. */
class Holder {
 public:
  Holder(std::string path, bool replace) : path_(std::move(path)) {
    if (path_.empty()) return;
    made_ = create_mount_point(path_);
    if (!made_ && errno == EEXIST && replace) {
      umount2(path_.c_str(), MNT_DETACH);
      unlink(path_.c_str());
      made_ = create_mount_point(path_);
    }
    if (!made_) fail("open", path_);
  }
  ~Holder() {
    if (!made_) return;
    umount2(path_.c_str(), MNT_DETACH);
    unlink(path_.c_str());
  }
  void hold(const char* source) {
    if (made_ && mount(source, path_.c_str(), "none", MS_BIND, nullptr) < 0) fail("mount", path_);
  }
  void keep() { made_ = false; }

 private:
  std::string path_;
  bool made_ = false;
};

// netnsCreate(netPath, utsPath, hostname)
static Napi::Value netns_create(const Napi::CallbackInfo& info) {
  const std::string net = string_arg(info, 0, "netPath");
  const std::string uts = string_arg(info, 1, "utsPath");
  const std::string hostname = string_arg(info, 2, "hostname");
  on_own_thread([&] {
    // `ip netns del` leaves the UTS namespace of the same name behind, which is of no use to anybody.
    Holder net_holder(net, false), uts_holder(uts, true);
    if (unshare((net.empty() ? 0 : CLONE_NEWNET) | (uts.empty() ? 0 : CLONE_NEWUTS)) < 0) fail("unshare", net + uts);
    if (!uts.empty() && sethostname(hostname.data(), hostname.size()) < 0) fail("sethostname", hostname);
    if (!net.empty()) interface_up("lo");
    // In this order: where there is the first alone, a kill left it, and the second is not ours.
    uts_holder.hold("/proc/thread-self/ns/uts");
    net_holder.hold("/proc/thread-self/ns/net");
    net_holder.keep();
    uts_holder.keep();
  });
  return info.Env().Undefined();
}

// setHostname(uts, hostname)
static Napi::Value set_hostname(const Napi::CallbackInfo& info) {
  const Fd uts = open_namespace(info[0]);
  const std::string hostname = string_arg(info, 1, "hostname");
  on_own_thread([&] {
    if (setns(uts.get(), CLONE_NEWUTS) < 0) fail("setns", "CLONE_NEWUTS");
    if (sethostname(hostname.data(), hostname.size()) < 0) fail("sethostname", hostname);
  });
  return info.Env().Undefined();
}

// netnsAnonymous(): a descriptor of a fresh network namespace without a name, gone with its last user.
static Napi::Value netns_anonymous(const Napi::CallbackInfo& info) {
  Fd fd;
  on_own_thread([&] {
    if (unshare(CLONE_NEWNET) < 0) fail("unshare", "CLONE_NEWNET");
    fd = open_own_netns();
  });
  return Napi::Number::New(info.Env(), fd.release());
}

// prepareHolderDirectory(path): as ip-netns(8) does for /run/netns, so that what is mounted below shows up in
// other mount namespaces, and is released in them too when it is unmounted here.
static Napi::Value prepare_directory(const Napi::CallbackInfo& info) {
  const std::string path = string_arg(info, 0, "path");
  const char* dir = path.c_str();
  if (mkdir(dir, 0755) < 0 && errno != EEXIST) fail("mkdir", path);
  Fd lock(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.get() < 0) fail("open", path);
  // `ip netns add` takes the same lock: two at once would mount the directory on itself twice.
  if (flock(lock.get(), LOCK_EX) < 0) fail("flock", path);
  if (mount("", dir, "none", MS_SHARED | MS_REC, nullptr) == 0) return info.Env().Undefined();
  if (errno != EINVAL) fail("mount", path);
  if (mount(dir, dir, "none", MS_BIND | MS_REC, nullptr) < 0) fail("mount", path);
  if (mount("", dir, "none", MS_SHARED | MS_REC, nullptr) < 0) fail("mount", path);
  return info.Env().Undefined();
}

// removeHolderDirectory(path): undoes prepareHolderDirectory when nothing is held any more.
static Napi::Value remove_directory(const Napi::CallbackInfo& info) {
  const std::string path = string_arg(info, 0, "path");
  // EBUSY: namespaces are held there; EINVAL: not a mount point any more.
  if (umount2(path.c_str(), 0) < 0 && errno != EBUSY && errno != EINVAL && errno != ENOENT) fail("umount", path);
  if (rmdir(path.c_str()) < 0 && errno != EBUSY && errno != ENOTEMPTY && errno != ENOENT) fail("rmdir", path);
  return info.Env().Undefined();
}

// holderRemove(paths): unmounts and unlinks what netnsCreate made.
static Napi::Value holder_remove(const Napi::CallbackInfo& info) {
  const std::string net = string_arg(info, 0, "netPath");
  const std::string uts = string_arg(info, 1, "utsPath");
  return promise(info.Env(), [net, uts] {
    for (const std::string& path : {net, uts}) {
      if (path.empty()) continue;
      // EINVAL: not a mount point any more; ENOENT: somebody else was faster.
      if (umount2(path.c_str(), MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT) fail("umount", path);
      if (unlink(path.c_str()) < 0 && errno != ENOENT) fail("unlink", path);
    }
  });
}

void init_netns(Napi::Object exports) {
  define<netns_create>(exports, "netnsCreate");
  define<set_hostname>(exports, "setHostname");
  define<netns_anonymous>(exports, "netnsAnonymous");
  define<prepare_directory>(exports, "prepareHolderDirectory");
  define<remove_directory>(exports, "removeHolderDirectory");
  define<holder_remove>(exports, "holderRemove");
}
