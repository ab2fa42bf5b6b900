// confine ALLOWED KNOWN FAMILIES NAMESPACES PROGRAM ARG...: runs a program with the filters of system calls that systemd
// would give it, made from lists of numbers with commas: SystemCallFilter= and what of the rest it knows, families of
// RestrictAddressFamilies=, flags of the kinds of namespaces that RestrictNamespaces= does not name. seccomp(2)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#ifdef __x86_64__
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined __aarch64__
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#endif

static std::vector<uint32_t> numbers(const char* text) {
  std::vector<uint32_t> all;
  std::stringstream stream{text};
  for (std::string word; std::getline(stream, word, ',');) all.push_back(static_cast<uint32_t>(std::stoul(word)));
  return all;
}

class Filter {
 public:
  Filter& load(uint32_t at) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
    return *this;
  }
  Filter& load_number() { return load(offsetof(seccomp_data, nr)); }
  /** The lower half of an argument, of which some bits count. */
  Filter& load_argument(uint32_t index, uint32_t mask = ~0u) {
    load(offsetof(seccomp_data, args) + 8 * index);
    code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
    return *this;
  }
  Filter& end(uint32_t action) {
    code_.push_back(BPF_STMT(BPF_RET | BPF_K, action));
    return *this;
  }
  Filter& end_if(uint32_t value, uint32_t action) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    return end(action);
  }
  Filter& end_unless(uint32_t value, uint32_t action) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    return end(action);
  }
  /** Of several, the strictest has the last word. */
  void install() {
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) return;
    perror("confine: PR_SET_SECCOMP");
    _exit(125);
  }

 private:
  std::vector<sock_filter> code_;
};

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
static uint32_t refuse(int error) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error); }

static void restrict_calls(const char* allowed, const char* known) {
  Filter filter;
  filter.load(offsetof(seccomp_data, arch)).end_unless(kMachine, refuse(EPERM)).load_number();
  for (uint32_t number : numbers(allowed)) filter.end_if(number, kAllow);
  for (uint32_t number : numbers(known)) filter.end_if(number, refuse(EPERM));
  filter.end(refuse(ENOSYS)).install();
}

static void restrict_families(const char* families) {
  Filter filter;
  filter.load_number().end_unless(SYS_socket, kAllow).load_argument(0);
  for (uint32_t family : numbers(families)) filter.end_if(family, kAllow);
  filter.end(refuse(EAFNOSUPPORT)).install();
}

static void restrict_namespaces(const char* flags) {
  Filter().load_number().end_if(SYS_clone3, refuse(ENOSYS)).end(kAllow).install();
  const struct {
    uint32_t call, argument;
  } places[] = {{SYS_unshare, 0}, {SYS_clone, 0}, {SYS_setns, 1}};
  for (const auto& [call, argument] : places) {
    Filter filter;
    filter.load_number().end_unless(call, kAllow);
    // Any kind at all, that is.
    if (call == SYS_setns) filter.load_argument(argument).end_if(0, refuse(EPERM));
    for (uint32_t flag : numbers(flags)) filter.load_argument(argument, flag).end_if(flag, refuse(EPERM));
    filter.end(kAllow).install();
  }
}

int main(int argc, char** argv) {
  if (argc < 6) return 64;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  restrict_families(argv[3]);
  restrict_namespaces(argv[4]);
  restrict_calls(argv[1], argv[2]);
  execvp(argv[5], argv + 5);
  perror(argv[5]);
  return 127;
}
