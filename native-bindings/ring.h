// io_uring(7) as a way to make many system calls at the price of one.
#pragma once

#include <linux/io_uring.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

/**
 * Reads and writes that are all done when run() returns: nothing stays under way. For descriptors that take RWF_NOWAIT.
 * What it saves is more than the system calls: a receiver that waits for the first frame gets its processor after the last.
 */
class Ring {
 public:
  static constexpr uint32_t kMost = 128;

  Ring() = default;
  Ring(const Ring&) = delete;
  ~Ring() { close(); }

  /** Where it fails, as a kernel or a filter of system calls may not allow io_uring, the Ring stays unusable. */
  void open();
  void close();
  bool usable() const { return fd_ >= 0; }

  /** Adds one, at most kMost before run(). Only for a usable Ring. */
  void read(int fd, uint8_t* into, size_t room) { add(IORING_OP_READ, fd, into, room); }
  void write(int fd, const uint8_t* from, size_t length) { add(IORING_OP_WRITE, fd, from, length); }
  void writev(int fd, const iovec* parts, size_t count) { add(IORING_OP_WRITEV, fd, parts, count); }

  /**
   * Does them in order, and forgets them.
   * @returns how many it did: all but for want of memory, or none where it cannot, after which the Ring is unusable. Of
   *   each, result() is what the system call returned, or -errno. The others were not begun
   */
  uint32_t run();
  int32_t result(uint32_t i) const { return results_[i]; }

 private:
  void add(uint8_t operation, int fd, const void* at, size_t length);

  int fd_ = -1;
  uint8_t* rings_ = nullptr;
  size_t rings_size_ = 0;
  io_uring_sqe* entries_ = nullptr;
  const io_uring_cqe* completions_ = nullptr;
  const uint32_t* head_ = nullptr;  // of the entries: the kernel's
  uint32_t* tail_ = nullptr;
  uint32_t* done_head_ = nullptr;
  const uint32_t* done_tail_ = nullptr;  // of the completions: the kernel's
  uint32_t done_mask_ = 0;
  uint32_t count_ = 0;  // added
  int32_t results_[kMost];
};
