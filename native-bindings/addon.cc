#include "addon.h"

#include <uv.h>

#include <cstring>
#include <optional>

static std::string code_name(int code) {
  // libuv leaves out what only Linux has; EBADFD is what a TAP without a device says.
  if (code == EBADFD) return "EBADFD";
  char name[64];
  return uv_err_name_r(-code, name, sizeof name);
}

Napi::Error to_js(Napi::Env env, const SysError& error) {
  const std::string code = code_name(error.code);
  std::string message = code + ": " + strerror(error.code) + ", " + error.syscall;
  if (!error.object.empty()) message += " '" + error.object + "'";
  Napi::Error js = Napi::Error::New(env, message);
  js.Set("code", Napi::String::New(env, code));
  js.Set("errno", Napi::Number::New(env, -error.code));  // negative, as in Node's own errors
  js.Set("syscall", Napi::String::New(env, error.syscall));
  return js;
}

std::string string_of(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a string");
  std::string text = value.As<Napi::String>();
  // A NUL would cut the string short for the kernel and let another object be named than was checked.
  if (text.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + " must not contain a NUL");
  }
  return text;
}

std::string string_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  return string_of(info[index], name);
}

int int_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsNumber()) {
    throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a number");
  }
  return info[index].As<Napi::Number>().Int32Value();
}

namespace {

class Job : public Napi::AsyncWorker {
 public:
  Job(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result)
      : AsyncWorker(env), promise_(env), work_(std::move(work)), result_(std::move(result)) {}
  Napi::Promise Promise() { return promise_.Promise(); }

 protected:
  void Execute() override {
    try {
      work_();
    } catch (const SysError& error) {
      error_ = error;
    }
  }
  void OnOK() override {
    if (error_) return promise_.Reject(to_js(Env(), *error_).Value());
    promise_.Resolve(result_ ? result_(Env()) : Env().Undefined());
  }

 private:
  Napi::Promise::Deferred promise_;
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::optional<SysError> error_;
};

}  // namespace

Napi::Value promise(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result) {
  Job* job = new Job(env, std::move(work), std::move(result));
  job->Queue();
  return job->Promise();
}

static Napi::Object init(Napi::Env, Napi::Object exports) {
  init_tap(exports);
  init_poller(exports);
  init_netns(exports);
  init_netlink(exports);
  init_peer(exports);
  init_exec(exports);
  init_handover(exports);
  init_service(exports);
  return exports;
}

NODE_API_MODULE(netgraph, init)
