// Who is at the other end of a UNIX socket: unix(7), pidfd_open(2); and lock files: flock(2).
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "addon.h"

// Of Linux 6.5 and 6.11, absent from older headers.
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
static constexpr unsigned kGetNetNamespace = _IO(0xFF, 4);   // PIDFD_GET_NET_NAMESPACE
static constexpr unsigned kGetUtsNamespace = _IO(0xFF, 10);  // PIDFD_GET_UTS_NAMESPACE

static ucred credentials(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    fail("SO_PEERCRED", "descriptor " + std::to_string(fd));
  }
  return peer;
}

static Napi::Object credentials_to_js(Napi::Env env, const ucred& peer) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("pid", Napi::Number::New(env, peer.pid));
  result.Set("uid", Napi::Number::New(env, peer.uid));
  result.Set("gid", Napi::Number::New(env, peer.gid));
  return result;
}

static Napi::Value peer_credentials(const Napi::CallbackInfo& info) {
  return credentials_to_js(info.Env(), credentials(int_arg(info, 0, "fd")));
}

/** A descriptor of the process that connected; never that of another which got its PID later. */
static Fd open_peer(int fd, const ucred& peer) {
  const std::string who = "process " + std::to_string(peer.pid);
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) return Fd(pidfd);
  if (errno != ENOPROTOOPT) fail("SO_PEERPIDFD", who);
  Fd opened(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
  if (opened.get() < 0) fail("pidfd_open", who);
  // Before Linux 6.5 there is no more than this: as long as the peer's end is open, its process (or a child that
  // inherited the socket) is there, so the PID was not free for another to take.
  pollfd hangup{fd, 0, 0};
  if (poll(&hangup, 1, 0) > 0) fail("poll", who, ESRCH);
  return opened;
}

static double inode_of(int fd, const std::string& object) {
  struct stat status;
  if (fstat(fd, &status) < 0) fail("fstat", object);
  return static_cast<double>(status.st_ino);
}

static Fd open_namespace_of(int pidfd, pid_t pid, unsigned request, const char* kind) {
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/" + kind;
  Fd fd(ioctl(pidfd, request, 0));
  if (fd.get() >= 0) return fd;
  if (errno != ENOTTY && errno != EINVAL) fail("PIDFD_GET_NAMESPACE", path);
  fd = Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail("open", path, errno == ENOENT ? ESRCH : errno);  // a zombie has no namespaces
  // The file belonged to our process only if that is still alive: its PID is taken as long as it lives.
  if (syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) < 0) fail("pidfd_send_signal", path);
  return fd;
}

// namespaceOfPeer(fd): { pid, uid, gid, netInode, utsInode }
static Napi::Value namespace_of_peer(const Napi::CallbackInfo& info) {
  const int fd = int_arg(info, 0, "fd");
  const ucred peer = credentials(fd);
  const std::string who = "process " + std::to_string(peer.pid);
  // 0: the peer is in a PID namespace that we do not see.
  if (peer.pid <= 0) fail("SO_PEERCRED", who, ESRCH);
  Fd pidfd = open_peer(fd, peer);
  Fd net = open_namespace_of(pidfd.get(), peer.pid, kGetNetNamespace, "net");
  Fd uts = open_namespace_of(pidfd.get(), peer.pid, kGetUtsNamespace, "uts");
  Napi::Object result = credentials_to_js(info.Env(), peer);
  result.Set("netInode", inode_of(net.get(), who));
  result.Set("utsInode", inode_of(uts.get(), who));
  return result;
}

// pidfdOpen(pid): for Poller.watch, which reports when the process ends.
static Napi::Value pidfd_open_js(const Napi::CallbackInfo& info) {
  const int pid = int_arg(info, 0, "pid");
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));  // sets O_CLOEXEC by itself
  if (fd < 0) fail("pidfd_open", "process " + std::to_string(pid));
  return Napi::Number::New(info.Env(), fd);
}

// lockFile(path): a descriptor that holds the lock, of a file which is made if need be, or of a directory; or null when
// another holds it.
static Napi::Value lock_file(const Napi::CallbackInfo& info) {
  const std::string path = string_arg(info, 0, "path");
  for (;;) {
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd.get() < 0 && errno == EISDIR) fd = Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) fail("open", path);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
      if (errno != EWOULDBLOCK) fail("flock", path);
      return info.Env().Null();
    }
    struct stat status;
    if (fstat(fd.get(), &status) < 0) fail("fstat", path);
    // Whoever had it before us may have taken the file away after we opened it: then others lock a new one.
    if (status.st_nlink > 0) return Napi::Number::New(info.Env(), fd.release());
  }
}

void init_peer(Napi::Object exports) {
  define<peer_credentials>(exports, "peerCredentials");
  define<namespace_of_peer>(exports, "namespaceOfPeer");
  define<pidfd_open_js>(exports, "pidfdOpen");
  define<lock_file>(exports, "lockFile");
}
