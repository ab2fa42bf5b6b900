// So little of io_uring is used that a library would be larger than this.
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ring.h"

namespace {

template <typename T>
T* map(int fd, off_t what, size_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
  return at == MAP_FAILED ? nullptr : static_cast<T*>(at);
}

uint32_t acquire(const uint32_t* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
void release(uint32_t* at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

}  // namespace

void Ring::open() {
  io_uring_params parameters{};
  fd_ = static_cast<int>(syscall(SYS_io_uring_setup, kMost, &parameters));
  if (fd_ < 0) return;
  const io_sqring_offsets& sq = parameters.sq_off;
  const io_cqring_offsets& cq = parameters.cq_off;
  rings_size_ = std::max(sq.array + parameters.sq_entries * sizeof(uint32_t),
                         cq.cqes + parameters.cq_entries * sizeof(io_uring_cqe));
  rings_ = map<uint8_t>(fd_, IORING_OFF_SQ_RING, rings_size_);
  entries_ = map<io_uring_sqe>(fd_, IORING_OFF_SQES, kMost * sizeof(io_uring_sqe));
  // Linux 5.11 has that. Older ones do not know all of the operations, or have two mappings.
  if (!(parameters.features & IORING_FEAT_EXT_ARG) || rings_ == nullptr || entries_ == nullptr) return close();
  const auto at = [this](uint32_t offset) { return reinterpret_cast<uint32_t*>(rings_ + offset); };
  head_ = at(sq.head);
  tail_ = at(sq.tail);
  done_head_ = at(cq.head);
  done_tail_ = at(cq.tail);
  done_mask_ = *at(cq.ring_mask);
  completions_ = reinterpret_cast<const io_uring_cqe*>(rings_ + cq.cqes);
  for (uint32_t i = 0; i < parameters.sq_entries; i++) at(sq.array)[i] = i;
}

void Ring::close() {
  if (rings_ != nullptr) munmap(std::exchange(rings_, nullptr), rings_size_);
  if (entries_ != nullptr) munmap(std::exchange(entries_, nullptr), kMost * sizeof(io_uring_sqe));
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Ring::add(uint8_t operation, int fd, const void* at, size_t length) {
  io_uring_sqe& entry = entries_[(*tail_ + count_) % kMost];
  entry = {};
  entry.opcode = operation;
  entry.fd = fd;
  entry.addr = reinterpret_cast<uintptr_t>(at);
  entry.len = static_cast<uint32_t>(length);
  entry.rw_flags = RWF_NOWAIT;  // or it would wait for what O_NONBLOCK does not wait for
  entry.user_data = count_++;
}

uint32_t Ring::run() {
  const uint32_t first = *tail_, count = std::exchange(count_, 0);
  release(tail_, first + count);
  uint32_t begun = 0, done = 0;
  while (done < count) {
    const bool failed = syscall(SYS_io_uring_enter, fd_, count - begun, count - done, IORING_ENTER_GETEVENTS, nullptr,
                                0) < 0 && errno != EINTR;
    begun = acquire(head_) - first;
    const uint32_t end = acquire(done_tail_);
    for (uint32_t i = *done_head_; i != end; i++, done++) {
      const io_uring_cqe& completion = completions_[i & done_mask_];
      results_[completion.user_data] = completion.res;
    }
    release(done_head_, end);
    if (!failed || done != begun) continue;
    if (errno == ENOMEM || errno == EAGAIN) break;
    close();  // a filter of system calls that forbids only this one
    return done;
  }
  release(tail_, first + begun);
  // The TAPs of older kernels take no RWF_NOWAIT.
  if (std::none_of(results_, results_ + done, [](int32_t result) { return result == -EOPNOTSUPP; })) return done;
  close();
  return 0;
}
