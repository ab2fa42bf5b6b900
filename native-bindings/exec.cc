// Becoming another program inside a namespace, as `ip netns exec` does: ip-netns(8), execvpe(3).
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <uv.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "addon.h"

static std::string string_option(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsUndefined() ? "" : string_of(value, name);
}

static std::vector<std::string> strings_option(const Napi::Object& options, const char* name) {
  if (!options.Get(name).IsArray()) {
    throw Napi::TypeError::New(options.Env(), std::string(name) + " must be an array of strings");
  }
  const Napi::Array array = options.Get(name).As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); i++) strings.push_back(string_of(array.Get(i), name));
  return strings;
}

static std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

static void enter(const std::string& path, int kind) {
  if (path.empty()) return;
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail("open", path);
  if (setns(fd.get(), kind) < 0) fail("setns", path);
}

/** Binds /etc/netns/NAME/FILE over /etc/FILE; what has no counterpart is skipped with a warning, as there. */
static void bind_etc(const std::string& name) {
  const std::string base = "/etc/netns/" + name;
  DIR* dir = opendir(base.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    const std::string file = entry->d_name;
    if (file == "." || file == "..") continue;
    const std::string source = base + "/" + file, target = "/etc/" + file;
    if (mount(source.c_str(), target.c_str(), "none", MS_BIND, nullptr) < 0) {
      fprintf(stderr, "Bind %s -> %s failed: %s\n", source.c_str(), target.c_str(), strerror(errno));
    }
  }
  closedir(dir);
}

/** A mount namespace whose /sys shows the network namespace that we are in. */
static void private_mounts(const std::string& name) {
  if (unshare(CLONE_NEWNS) < 0) fail("unshare", "CLONE_NEWNS");
  if (mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) < 0) fail("mount", "/");
  unsigned long flags = 0;
  if (umount2("/sys", MNT_DETACH) < 0) {
    struct statvfs status;
    // A read-only instance cannot be covered by a writable one.
    if (statvfs("/sys", &status) == 0 && (status.f_flag & ST_RDONLY)) flags = MS_RDONLY;
  }
  if (mount(name.c_str(), "/sys", "sysfs", flags, nullptr) < 0) fail("mount", "/sys");
  bind_etc(name);
}

/** Takes back what Node changed for itself and what survives execve(2). */
static void restore_process() {
  uv_tty_reset_mode();
  for (int signal = 1; signal < NSIG; signal++) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  for (int fd : {0, 1, 2}) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    fcntl(fd, F_SETFD, 0);  // node's start sets FD_CLOEXEC on whatever it inherited
  }
}

// execIn({ netns, uts, sysfs, cwd, env, argv }): returns only by throwing.
static Napi::Value exec_in(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "execIn takes an object");
  const Napi::Object options = info[0].As<Napi::Object>();
  const std::string netns = string_option(options, "netns"), uts = string_option(options, "uts");
  const std::string mounts = string_option(options, "mounts"), cwd = string_option(options, "cwd");
  std::vector<std::string> arguments = strings_option(options, "argv");
  std::vector<std::string> environment = strings_option(options, "env");
  if (arguments.empty()) throw Napi::TypeError::New(info.Env(), "argv must name a program");

  enter(netns, CLONE_NEWNET);
  enter(uts, CLONE_NEWUTS);
  if (!mounts.empty()) private_mounts(mounts);
  if (!cwd.empty() && chdir(cwd.c_str()) < 0) fail("chdir", cwd);
  restore_process();
  // execvpe looks the program up in our PATH; the one that counts is that of the new environment.
  for (const std::string& variable : environment) {
    if (variable.rfind("PATH=", 0) == 0) setenv("PATH", variable.c_str() + 5, 1);
  }
  execvpe(arguments[0].c_str(), pointers(arguments).data(), pointers(environment).data());
  fail("execvpe", arguments[0]);
}

void init_exec(Napi::Object exports) { define<exec_in>(exports, "execIn"); }
