// What the files of the addon share. Each .cc file implements one group of functions of index.d.ts.
#pragma once

#include <napi.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <utility>

#include "ring.h"

/** A system call that failed. Thrown by plain code on any thread; becomes a JS Error at the edge. */
struct SysError {
  int code;
  const char* syscall;
  std::string object;
};

[[noreturn]] inline void fail(const char* syscall, std::string object, int code = errno) {
  throw SysError{code, syscall, std::move(object)};
}

/** Owns a file descriptor. */
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

/** Puts the calling thread into a network namespace for the life of the object. */
class InNetns {
 public:
  explicit InNetns(int netns);
  InNetns(const InNetns&) = delete;
  ~InNetns();

 private:
  Fd home_;
};

/** Opens a namespace given from JS as a descriptor (duplicated) or a path. */
Fd open_namespace(const Napi::Value& spec);

/** Read strings and numbers; throw a TypeError that names the argument. */
std::string string_of(const Napi::Value& value, const char* name);
std::string string_arg(const Napi::CallbackInfo& info, size_t index, const char* name);
int int_arg(const Napi::CallbackInfo& info, size_t index, const char* name);

Napi::Error to_js(Napi::Env env, const SysError& error);

/** The edge: makes a function of index.d.ts from plain code that throws SysError. */
template <Napi::Value (*F)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return F(info);
  } catch (const SysError& error) {
    throw to_js(info.Env(), error);
  }
}

template <Napi::Value (*F)(const Napi::CallbackInfo&)>
void define(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<F>>(exports.Env(), name));
}

/** Runs `work` on libuv's pool; the promise gets what `result` makes of it on the JS thread, or undefined. */
Napi::Value promise(Napi::Env env, std::function<void()> work,
                    std::function<Napi::Value(Napi::Env)> result = nullptr);

/** One large TCP segment, made of pieces that lie elsewhere. */
struct Merged {
  static constexpr uint32_t kMost = 64;
  iovec parts[1 + kMost];
  uint8_t headers[144];
};

/**
 * Makes one large TCP segment of frames of the slab, as many of the first ones as are pieces of one.
 * @returns how many, and thereby that there is one more of parts; 1: the first is to be written by itself
 */
uint32_t merge_frames(const uint8_t* slab, const int32_t* pairs, uint32_t count, Merged& into);

/** What Writer counts: frames by why they were dropped, and the octets of all of them. */
enum WriteFailure { kDown, kNoBuffer, kGone, kInvalid, kFailedOctets, kWriteFailures };

/** Writes frames of a slab to TAPs. */
class Writer {
 public:
  static constexpr uint32_t kTaps = 64;  // at a time

  /** @param failures of each TAP kWriteFailures numbers, written only when there are any */
  Writer(Ring& ring, const uint8_t* slab, int32_t* failures) : ring_(ring), slab_(slab), failures_(failures) {}

  /**
   * @param index of the TAP among those written to at a time
   * @param merge whether pieces of a TCP segment may go as one
   * @param pairs offset and length of each frame in the slab, its vnet header included
   */
  void add(uint32_t index, int tap, bool merge, const int32_t* pairs, uint32_t count);
  /** Writes all that was added. @returns how many frames were dropped */
  uint32_t finish();

 private:
  /** Frames that are one write. */
  struct Unit {
    uint32_t index;
    int tap;
    const int32_t* pairs;
    uint32_t count;
    const Merged* merged;  // of more than one
  };
  static constexpr uint32_t kMerged = 32;

  void run();
  int write_unit(const Unit& unit);
  void settle(const Unit& unit, int error);

  Ring& ring_;
  const uint8_t* slab_;
  int32_t* failures_;
  uint32_t dropped_ = 0;
  uint32_t units_count_ = 0, merged_count_ = 0;
  Unit units_[Ring::kMost];
  Merged merged_[kMerged];
};

void init_tap(Napi::Object exports);
void init_poller(Napi::Object exports);
void init_netns(Napi::Object exports);
void init_netlink(Napi::Object exports);
void init_peer(Napi::Object exports);
void init_exec(Napi::Object exports);
void init_handover(Napi::Object exports);
void init_service(Napi::Object exports);
