// One epoll for all TAPs, netlink monitors and pidfds, in place of the one of libuv.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <uv.h>

#include <cstring>
#include <memory>
#include <vector>

#include "addon.h"
#include "frames.h"

namespace {

constexpr size_t kSlab = Reader::kArea + (3u << 19);
constexpr int kRounds = 8;
constexpr uint64_t kTurn = 2'000'000;  // ns after which other work has its turn, after fewer rounds, too
constexpr uint64_t kRoundTime = 500'000;  // ns that a round should take: a frame may go to a thousand interfaces
constexpr size_t kBatch = 128;  // frames that wait for an interface
constexpr int kEvents = 64;
constexpr uint64_t kLoop = ~uint64_t{0};  // in place of a slot: libuv has something to do

struct Slot {
  int fd = -1;
  uint32_t generation = 0;
  int32_t* pairs = nullptr;  // what is to be written, of `batch`
  Napi::Reference<Napi::Int32Array> batch;
  bool tap = false;
  uint32_t wake = 0;  // when it was ready last
  Reader::Habit habit;
  bool overrun = false;
  bool merge = false;
};

class Poller;
/** Who waits in place of this thread's libuv: the first one. */
thread_local Poller* waiter = nullptr;

/**
 * A frame that comes alone finds the caches cold, so the less code it touches the better: hence plain properties instead
 * of accessors, and flush() without ObjectWrap.
 */
class Poller : public Napi::ObjectWrap<Poller> {
 public:
  static void Init(Napi::Object exports) {
    Napi::Function constructor = DefineClass(
        exports.Env(), "Poller",
        {InstanceMethod("add", &Poller::Add), InstanceMethod("batch", &Poller::Batch),
         InstanceMethod("merge", &Poller::Merge), InstanceMethod("watch", &Poller::Watch),
         InstanceMethod("hold", &Poller::Hold), InstanceMethod("usesIoUring", &Poller::UsesIoUring),
         InstanceMethod("remove", &Poller::Remove), InstanceMethod("close", &Poller::Close)});
    exports.Set("Poller", constructor);
  }

  explicit Poller(const Napi::CallbackInfo& info) : ObjectWrap(info), context_(info.Env(), "netgraph.Poller") {
    Napi::Env env = info.Env();
    if (!info[0].IsFunction() || !info[1].IsFunction()) {
      throw Napi::TypeError::New(env, "Poller takes two functions");
    }
    on_frames_ = Napi::Persistent(info[0].As<Napi::Function>());
    on_event_ = Napi::Persistent(info[1].As<Napi::Function>());
    Napi::ArrayBuffer slab = Napi::ArrayBuffer::New(env, kSlab);
    uint8_t* base = static_cast<uint8_t*>(slab.Data());
    Napi::Int32Array frames = Napi::Int32Array::New(env, 3 * Reader::kMost);
    reader_ = std::make_unique<Reader>(ring_, base, frames.Data());
    Napi::Int32Array list = Napi::Int32Array::New(env, 2 * Writer::kTaps);
    list_data_ = list.Data();
    Napi::Int32Array failures = Napi::Int32Array::New(env, Writer::kTaps * kWriteFailures);
    writer_ = std::make_unique<Writer>(ring_, base, failures.Data());
    const Napi::Object self = info.This().As<Napi::Object>();
    napi_value flush;
    napi_create_function(env, "flush", NAPI_AUTO_LENGTH, Flush, this, &flush);
    Napi::Function(env, flush).Set("poller", self);  // which so lives as long as the function
    self.DefineProperties({
        Napi::PropertyDescriptor::Value("slab", slab, napi_enumerable),
        Napi::PropertyDescriptor::Value("frames", frames, napi_enumerable),
        Napi::PropertyDescriptor::Value("list", list, napi_enumerable),
        Napi::PropertyDescriptor::Value("failures", failures, napi_enumerable),
        // Where the part of the slab begins that is never read into.
        Napi::PropertyDescriptor::Value("scratch", Napi::Number::New(env, Reader::kArea), napi_enumerable),
        Napi::PropertyDescriptor::Value("flush", Napi::Value(env, flush), napi_enumerable),
    });

    if (info[2].IsUndefined() || info[2].ToBoolean()) ring_.open();
    epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
    if (epoll_.get() < 0) throw to_js(env, SysError{errno, "epoll_create1", ""});
    napi_get_uv_event_loop(env, &loop_);
    auto handles = std::make_unique<Handles>();
    handles->any.data = handles->idle.data = this;
    if (waiter == nullptr) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = kLoop;
      if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, uv_backend_fd(loop_), &event) < 0) {
        throw to_js(env, SysError{errno, "epoll_ctl", "event loop"});
      }
      waiter = this;
      uv_idle_init(loop_, &handles->idle);
      uv_unref(reinterpret_cast<uv_handle_t*>(&handles->idle));
      uv_prepare_init(loop_, &handles->prepare);
      uv_prepare_start(&handles->prepare, [](uv_prepare_t* handle) { static_cast<Poller*>(handle->data)->Wait(); });
    } else {
      if (const int error = uv_poll_init(loop_, &handles->poll, epoll_.get())) {
        throw to_js(env, SysError{-error, "uv_poll_init", ""});
      }
      uv_poll_start(&handles->poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
        static_cast<Poller*>(handle->data)->Serve(0);
      });
    }
    uv_unref(&handles->any);
    handles_ = handles.release();
    napi_add_async_cleanup_hook(
        env, [](napi_async_cleanup_hook_handle, void* self) { static_cast<Poller*>(self)->Abandon(); }, this,
        &cleanup_);
    Ref();  // until closed: the loop calls into this object
  }

 private:
  // add(fd): slot. Frames read from the TAP come with this slot number.
  Napi::Value Add(const Napi::CallbackInfo& info) { return Enter(info, true); }
  // watch(fd): slot, for a netlink monitor or a pidfd; the Poller owns and closes the descriptor.
  Napi::Value Watch(const Napi::CallbackInfo& info) { return Enter(info, false); }

  Napi::Value Enter(const Napi::CallbackInfo& info, bool tap) {
    const int fd = int_arg(info, 0, "fd");
    Fd owned(tap ? -1 : fd);
    if (handles_ == nullptr) throw Napi::Error::New(info.Env(), "the Poller is closed");
    uint32_t index;
    if (free_.empty()) {
      index = slots_.size();
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    Slot& slot = slots_[index];
    slot.fd = fd;
    slot.tap = tap;
    if (Await(EPOLL_CTL_ADD, index) < 0) {
      const int error = errno;
      slot.fd = -1;
      free_.push_back(index);
      throw to_js(info.Env(), SysError{error, "epoll_ctl", "descriptor " + std::to_string(fd)});
    }
    owned.release();
    slot.habit = {};
    slot.overrun = false;
    slot.merge = false;
    if (tap && taps_++ == 0) uv_ref(&handles_->any);
    return Napi::Number::New(info.Env(), index);
  }

  int Await(int operation, uint32_t index) {
    const Slot& slot = slots_[index];
    epoll_event event{};
    if (!slot.tap || !held_) event.events = EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(slot.generation) << 32 | index;
    return epoll_ctl(epoll_.get(), operation, slot.fd, &event);
  }

  // hold(on): whether frames stay in the TAPs. Their end is noticed all the same.
  Napi::Value Hold(const Napi::CallbackInfo& info) {
    held_ = info[0].ToBoolean();
    for (uint32_t index = 0; index < slots_.size(); index++) {
      if (slots_[index].tap && slots_[index].fd >= 0) Await(EPOLL_CTL_MOD, index);
    }
    return info.Env().Undefined();
  }

  // batch(slot): the array that flush() takes [offset, length] pairs from.
  Napi::Value Batch(const Napi::CallbackInfo& info) {
    const uint32_t index = int_arg(info, 0, "slot");
    if (index >= slots_.size()) throw Napi::RangeError::New(info.Env(), "batch: no such slot");
    Slot& slot = slots_[index];
    if (slot.batch.IsEmpty()) {
      Napi::Int32Array batch = Napi::Int32Array::New(info.Env(), 2 * kBatch);
      slot.pairs = batch.Data();
      slot.batch = Napi::Persistent(batch);
    }
    return slot.batch.Value();
  }

  // merge(slot, on): whether small TCP segments may be written as large ones.
  Napi::Value Merge(const Napi::CallbackInfo& info) {
    const uint32_t index = int_arg(info, 0, "slot");
    if (index < slots_.size()) slots_[index].merge = info[1].ToBoolean();
    return info.Env().Undefined();
  }

  Napi::Value UsesIoUring(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), ring_.usable());
  }

  // remove(slot): nothing more is read from it. The descriptor of a TAP stays open, its owner's to close.
  Napi::Value Remove(const Napi::CallbackInfo& info) {
    const uint32_t index = int_arg(info, 0, "slot");
    if (index < slots_.size() && slots_[index].fd >= 0) {
      Forget(slots_[index]);
      released_.push_back(index);  // not free before the present batch is used up
    }
    return info.Env().Undefined();
  }

  void Forget(Slot& slot) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.fd, nullptr);  // fails for what Abandon closed
    if (!slot.tap) close(slot.fd);
    if (slot.tap && --taps_ == 0) uv_unref(&handles_->any);
    slot.fd = -1;
    slot.generation++;
  }

  // flush(taps): failed. Writes to as many TAPs of `list`, [slot, pairs of its batch] each; `failures` then holds counts
  // by TAP and reason.
  static napi_value Flush(napi_env env, napi_callback_info info) {
    size_t arguments = 1;
    napi_value argument[1];
    void* data;
    uint32_t taps;
    napi_get_cb_info(env, info, &arguments, argument, nullptr, &data);
    Poller* self = static_cast<Poller*>(data);
    if (napi_get_value_uint32(env, argument[0], &taps) != napi_ok || !self->Listed(taps)) {
      napi_throw_range_error(env, nullptr, "flush: no such slot, more pairs than its batch has, or not of the slab");
      return nullptr;
    }
    for (uint32_t i = 0; i < taps; i++) {
      const Slot& slot = self->slots_[self->list_data_[2 * i]];  // its fd is -1 when its end was found just now: EBADF
      self->writer_->add(i, slot.fd, slot.merge, slot.pairs, self->list_data_[2 * i + 1]);
    }
    napi_value result;
    napi_create_uint32(env, self->writer_->finish(), &result);
    return result;
  }

  /** Whether `list` and the batches it names can be what they should. */
  bool Listed(uint32_t taps) const {
    if (taps > Writer::kTaps) return false;
    for (uint32_t i = 0; i < taps; i++) {
      const uint32_t index = list_data_[2 * i], count = list_data_[2 * i + 1];
      if (index >= slots_.size() || slots_[index].pairs == nullptr || count > kBatch) return false;
      for (uint32_t k = 0; k < count; k++) {
        const uint32_t offset = slots_[index].pairs[2 * k], length = slots_[index].pairs[2 * k + 1];
        if (offset > kSlab || length > kSlab - offset) return false;
      }
    }
    return true;
  }

  /**
   * Waits in place of libuv, for frames and for whatever libuv waits for: that saves two system calls a wake, and one
   * epoll behind another. Returns as soon as libuv has something to do.
   */
  void Wait() {
    uv_idle_stop(&handles_->idle);
    for (;;) {
      uv_update_time(loop_);
      const int timeout = uv_backend_timeout(loop_);
      Serve(timeout);
      if (handles_ == nullptr) return;
      if (timeout == 0 || others_turn_) break;
    }
    // libuv must not wait now, whatever it finds: an idle handle sees to that.
    uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
  }

  /** Waits for frames and hands them over, until there are no more or it is the turn of other work. */
  void Serve(int timeout) {
    others_turn_ = false;
    wake_++;
    const Napi::Env env = Env();
    Napi::HandleScope scope(env);
    size_t frames = Fill(timeout);
    if (frames == 0) return;
    const napi_value function = on_frames_.Value();
    const uint64_t begin = uv_hrtime();
    uint64_t now = begin;
    for (int round = 1; frames > 0; round++) {
      napi_value count;
      napi_create_uint32(env, frames, &count);
      if (napi_call_function(env, function, function, 1, &count, nullptr) == napi_pending_exception) {
        napi_value error;
        napi_get_and_clear_last_exception(env, &error);
        napi_fatal_exception(env, error);  // 'uncaughtException', as from any other callback
      }
      const uint64_t took = uv_hrtime() - now;
      now += took;
      most_ = took > kRoundTime ? std::max<size_t>(1, frames * kRoundTime / took) : std::min(2 * most_, Reader::kMost);
      if (round == kRounds || now - begin > kTurn) others_turn_ = true;
      if (handles_ == nullptr || others_turn_) break;
      frames = Fill(0);
    }
    // Promises and process.nextTick() have their turn. Not before: the first frame of a wake must not wait for that code.
    napi_callback_scope callbacks;
    napi_open_callback_scope(env, Value(), context_, &callbacks);
    napi_close_callback_scope(env, callbacks);
  }

  /** Reads one batch; returns how many entries of `frames` it filled. */
  size_t Fill(int timeout) {
    free_.insert(free_.end(), released_.begin(), released_.end());
    released_.clear();
    reader_->begin(most_);
    bool waited = false;
    while (reader_->has_room()) {
      if (next_ == ready_count_) {
        // Descriptors not reached in one round come first in the next, so that none starves.
        if (waited) break;
        waited = true;
        next_ = 0;
        ready_count_ = std::max(0, epoll_wait(epoll_.get(), ready_, kEvents, reader_->count() == 0 ? timeout : 0));
        if (ready_count_ == 0) break;
      }
      const epoll_event& event = ready_[next_++];
      if (event.data.u64 == kLoop) {
        others_turn_ = true;
        continue;
      }
      const uint32_t index = static_cast<uint32_t>(event.data.u64);
      Slot& slot = slots_[index];
      if (slot.fd < 0 || slot.generation != event.data.u64 >> 32) continue;
      if (slot.tap) {
        ReadTap(index, event.events);
      } else {
        ReadOther(index);
        if (handles_ == nullptr) return 0;
      }
    }
    return reader_->count();
  }

  void ReadTap(uint32_t index, uint32_t events) {
    Slot& slot = slots_[index];
    const bool again = std::exchange(slot.wake, wake_) == wake_;
    int error = reader_->read(index, slot.fd, slot.habit, again);
    // The interface is being unregistered: no data ever again, but epoll would go on reporting it.
    if (error == EAGAIN) error = events & EPOLLERR ? EBADFD : 0;
    if (error == 0) return;
    // Whatever it is, reading again would only say the same again, without end.
    Forget(slot);
    released_.push_back(index);
    reader_->emit(index, 0, -error);
  }

  /** A netlink monitor or a pidfd: told at once, as it is rare. */
  void ReadOther(uint32_t index) {
    alignas(nlmsghdr) static thread_local uint8_t buffer[64 << 10];
    for (int i = 0; handles_ != nullptr && slots_[index].fd >= 0; i++) {
      if (i >= kEvents && !slots_[index].overrun) return;
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
      iovec vector{buffer, sizeof buffer};
      msghdr message{};
      message.msg_iov = &vector;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t got = recvmsg(slots_[index].fd, &message, 0);
      const int error = got < 0 ? errno : 0;
      if (error == EINTR) continue;
      // Told after what had still found room, so that the state read then is newer than all of it.
      if (error == ENOBUFS) slots_[index].overrun = true;
      if (error == EAGAIN && !std::exchange(slots_[index].overrun, false)) return;
      if (error == ENOBUFS) continue;
      int nsid = -1;
      for (cmsghdr* c = CMSG_FIRSTHDR(&message); error == 0 && c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID) {
          memcpy(&nsid, CMSG_DATA(c), sizeof nsid);
        }
      }
      Napi::HandleScope scope(Env());
      Napi::Value bytes = Env().Null();
      if (error == 0) {
        Napi::Uint8Array array = Napi::Uint8Array::New(Env(), got);
        memcpy(array.Data(), buffer, got);
        bytes = array;
      } else if (error != EAGAIN) {
        // A pidfd (ENOTSOCK) whose process ended, or a socket that broke: said once.
        Forget(slots_[index]);
        released_.push_back(index);
      }
      CallEvent({Napi::Number::New(Env(), index), bytes, Napi::Number::New(Env(), nsid),
                 Napi::Boolean::New(Env(), error == EAGAIN)});
      if (error == EAGAIN) return;
    }
  }

  void CallEvent(const std::initializer_list<napi_value>& arguments) {
    try {
      on_event_.MakeCallback(Value(), arguments, context_);
    } catch (const Napi::Error& error) {
      napi_fatal_exception(Env(), error.Value());  // 'uncaughtException', as from any other callback
    }
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    Shut();
    return info.Env().Undefined();
  }

  /** The thread ends, and with it who would have closed the TAPs. */
  void Abandon() {
    for (Slot& slot : slots_) {
      if (slot.fd >= 0 && slot.tap) close(slot.fd);
    }
    Shut();
  }

  void Shut() {
    if (handles_ == nullptr) return;
    for (Slot& slot : slots_) {
      if (slot.fd >= 0) Forget(slot);
    }
    closing_ = std::exchange(handles_, nullptr);
    const auto closed = [](uv_handle_t* handle) {
      Poller* self = static_cast<Poller*>(handle->data);
      if (--self->open_handles_ > 0) return;
      delete self->closing_;
      napi_remove_async_cleanup_hook(self->cleanup_);
      self->Unref();
    };
    open_handles_ = 1;
    if (waiter == this) {
      waiter = nullptr;
      open_handles_ = 2;
      uv_close(reinterpret_cast<uv_handle_t*>(&closing_->idle), closed);
    }
    uv_close(&closing_->any, closed);
    next_ = ready_count_ = 0;
    epoll_.reset();
    ring_.close();
  }

  Napi::AsyncContext context_;
  Napi::FunctionReference on_frames_, on_event_;
  Ring ring_;
  std::unique_ptr<Reader> reader_;
  int32_t* list_data_ = nullptr;
  std::unique_ptr<Writer> writer_;

  Fd epoll_;
  uv_loop_t* loop_ = nullptr;
  struct Handles {
    union {
      uv_handle_t any;
      uv_prepare_t prepare;  // of the waiter
      uv_poll_t poll;        // of any other Poller in the thread: libuv, or rather the waiter, waits for its epoll
    };
    uv_idle_t idle;
  };
  Handles* handles_ = nullptr;  // nullptr: closed
  Handles* closing_ = nullptr;
  int open_handles_ = 0;
  bool others_turn_ = false;
  bool held_ = false;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_, released_;
  uint32_t taps_ = 0;

  epoll_event ready_[kEvents];
  int ready_count_ = 0, next_ = 0;
  size_t most_ = Reader::kMost;  // of this round
  uint32_t wake_ = 0;
};

}  // namespace

void init_poller(Napi::Object exports) { Poller::Init(exports); }
