// killpoint PID N, or killpoint N PROGRAM ARG...: kills a process when one of its threads is about to make the N-th
// system call that changes the world; when N is 0, none. Lets go of it when its standard input ends. ptrace(2).
//
// Says `ready` on standard output once it watches, then a line for each of these calls; the last is the one that was
// not made, if it was killed.
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <thread>

static volatile sig_atomic_t ended = 0;

static std::string text_at(pid_t pid, uint64_t address) {
  char bytes[256] = {};
  iovec here{bytes, sizeof bytes - 1};
  iovec there{reinterpret_cast<void*>(address), sizeof bytes - 1};
  // Near the end of a page less may be there.
  for (size_t length : {sizeof bytes - 1, size_t{64}, size_t{16}}) {
    there.iov_len = length;
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) > 0) break;
  }
  return std::string(bytes).substr(0, 100);
}

static std::string file_of(pid_t pid, uint64_t fd) {
  char path[64], target[256];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, static_cast<int>(fd));
  const ssize_t length = readlink(path, target, sizeof target);
  return length < 0 ? "" : std::string(target, length);
}

static bool begins(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

/** What a call is about to change, in words; empty when nothing that others could see. */
static std::string change(pid_t pid, const __ptrace_syscall_info& info) {
  const auto& a = info.entry.args;
  char number[32];
  switch (info.entry.nr) {
    case SYS_openat:
      if ((a[2] & (O_CREAT | O_TRUNC)) == 0) return "";
      return "open " + text_at(pid, a[1]);
#ifdef SYS_open
    case SYS_open:
      if ((a[1] & (O_CREAT | O_TRUNC)) == 0) return "";
      return "open " + text_at(pid, a[0]);
    case SYS_mkdir:
      return "mkdir " + text_at(pid, a[0]);
    case SYS_rmdir:
      return "rmdir " + text_at(pid, a[0]);
    case SYS_unlink:
      return "unlink " + text_at(pid, a[0]);
    case SYS_rename:
      return "rename " + text_at(pid, a[0]);
    case SYS_link:
      return "link " + text_at(pid, a[1]);
    case SYS_chmod:
      return "chmod " + text_at(pid, a[0]);
    case SYS_chown:
    case SYS_lchown:
      return "chown " + text_at(pid, a[0]);
    case SYS_symlink:
      return "symlink " + text_at(pid, a[1]);
#endif
    case SYS_mkdirat:
      return "mkdir " + text_at(pid, a[1]);
    case SYS_unlinkat:
      return "unlink " + text_at(pid, a[1]);
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2:
      return "rename " + text_at(pid, a[1]);
    case SYS_linkat:
      return "link " + text_at(pid, a[3]);
    case SYS_symlinkat:
      return "symlink " + text_at(pid, a[2]);
    case SYS_fchmodat:
      return "chmod " + text_at(pid, a[1]);
    case SYS_fchownat:
      return "chown " + text_at(pid, a[1]);
    case SYS_fchmod:
      return "chmod " + file_of(pid, a[0]);
    case SYS_fchown:
      return "chown " + file_of(pid, a[0]);
    case SYS_truncate:
      return "truncate " + text_at(pid, a[0]);
    case SYS_mount:
      return "mount " + text_at(pid, a[1]);
    case SYS_umount2:
      return "umount " + text_at(pid, a[0]);
    case SYS_unshare:
      return "unshare";
    case SYS_sethostname:
      return "sethostname";
    case SYS_kill:
      return a[1] == 0 ? "" : "kill";
    case SYS_ftruncate:
      return "ftruncate " + file_of(pid, a[0]);
    case SYS_bind:
      return "bind " + file_of(pid, a[0]);
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64: {
      const std::string file = file_of(pid, a[0]);
      return begins(file, "/") || begins(file, "socket:") ? "write " + file : "";
    }
    case SYS_close: {
      const std::string file = file_of(pid, a[0]);
      return begins(file, "/dev/net/tun") ? "close " + file : "";
    }
    case SYS_ioctl: {
      // TUNSETIFF and its like, and SIOCSIF...: of what only asks, some are among them.
      const auto type = _IOC_TYPE(a[1]);
      if (type != 'T' && type != 0x89) return "";
      if (type == 'T' && _IOC_DIR(a[1]) != _IOC_WRITE) return "";
      snprintf(number, sizeof number, "ioctl 0x%x ", static_cast<unsigned>(a[1]));
      const std::string file = file_of(pid, a[0]);
      return begins(file, "/dev/pts") || begins(file, "pipe:") ? "" : number + file;
    }
    default:
      return "";
  }
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void seize(pid_t tid) {
  const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
  if (ptrace(PTRACE_SEIZE, tid, 0, options) < 0) fail("PTRACE_SEIZE");
  if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0) fail("PTRACE_INTERRUPT");
}

/** All threads, those too that are made while we look. */
static void seize_all(pid_t pid) {
  std::set<pid_t> seized;
  const std::string path = "/proc/" + std::to_string(pid) + "/task";
  for (bool more = true; more;) {
    more = false;
    DIR* dir = opendir(path.c_str());
    if (dir == nullptr) fail(path.c_str());
    while (const dirent* entry = readdir(dir)) {
      const pid_t tid = atoi(entry->d_name);
      if (tid == 0 || !seized.insert(tid).second) continue;
      seize(tid);
      more = true;
    }
    closedir(dir);
  }
}

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  pid_t pid;
  long left;
  if (argc == 3) {
    pid = atoi(argv[1]);
    left = atol(argv[2]);
    seize_all(pid);
  } else {
    left = atol(argv[1]);
    pid = fork();
    if (pid == 0) {
      raise(SIGSTOP);
      close(0);
      open("/dev/null", O_RDONLY);
      dup2(2, 1);
      execvp(argv[2], argv + 2);
      _exit(127);
    }
    int status;
    waitpid(pid, &status, WUNTRACED);
    seize(pid);
    kill(pid, SIGCONT);
  }
  struct sigaction action {};
  action.sa_handler = [](int) { ended = 1; };
  sigaction(SIGUSR1, &action, nullptr);
  std::thread([self = pthread_self()] {
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    // Once more, for it may just not wait.
    for (;; usleep(1000)) pthread_kill(self, SIGUSR1);
  }).detach();
  puts("ready");
  fflush(stdout);

  while (!ended) {
    int status;
    const pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (tid == pid) break;
      continue;
    }
    const int signal = WSTOPSIG(status), event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info info{};
      ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info);
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        const std::string what = change(pid, info);
        if (!what.empty()) {
          printf("%s\n", what.c_str());
          fflush(stdout);
          if (--left == 0) {
            kill(pid, SIGKILL);
            // Until all of its threads have ended.
            while (waitpid(-1, &status, __WALL) != pid || !(WIFSIGNALED(status) || WIFEXITED(status))) {
              if (errno == ECHILD) break;
            }
            return 0;
          }
        }
      }
      ptrace(PTRACE_SYSCALL, tid, 0, 0);
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
      ptrace(PTRACE_LISTEN, tid, 0, 0);  // stopped as by ^Z
    } else {
      ptrace(PTRACE_SYSCALL, tid, 0, event == 0 ? signal : 0);
    }
  }
  return 0;
}
