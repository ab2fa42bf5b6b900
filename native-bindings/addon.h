// What the files of the addon share. Each with an init function implements one group of functions of index.d.ts; how
// frames move is in frames.h and ring.h.
#pragma once

#include <napi.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <utility>

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

void init_tap(Napi::Object exports);
void init_poller(Napi::Object exports);
void init_netns(Napi::Object exports);
void init_netlink(Napi::Object exports);
void init_peer(Napi::Object exports);
void init_exec(Napi::Object exports);
void init_handover(Napi::Object exports);
void init_service(Napi::Object exports);
