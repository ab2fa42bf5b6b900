// One epoll for all TAPs, and what is read from them in batches. The whole data path of the addon is here.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <uv.h>

#include <cstring>
#include <vector>

#include "addon.h"

namespace {

constexpr size_t kSlab = 2u << 20;
constexpr size_t kRoundBytes = 512u << 10;
constexpr size_t kRoundFrames = 64;
constexpr size_t kRoom = 66048;  // a 64 KiB segment with its headers; less would truncate silently
constexpr size_t kHeader = 12;   // struct virtio_net_hdr_mrg_rxbuf
constexpr size_t kAlign = 64;
constexpr size_t kReadArea = kRoundBytes + kRoom + kRoundFrames * kAlign;
constexpr int kRounds = 8;
constexpr int kEvents = 64;

enum Failure { kDown, kNoBuffer, kGone, kInvalid, kFailedOctets, kFailures };

Failure reason(int code) {
  switch (code) {
    case EIO: case ENETDOWN: return kDown;
    case EBADFD: case EBADF: case ENODEV: case EFAULT: case ENXIO: return kGone;
    case ENOBUFS: case ENOMEM: case EAGAIN: return kNoBuffer;
    default: return kInvalid;
  }
}

struct Slot {
  int fd = -1;
  uint32_t generation = 0;
  bool tap = false;
  bool overrun = false;
};

class Poller : public Napi::ObjectWrap<Poller> {
 public:
  static void Init(Napi::Object exports) {
    Napi::Function constructor = DefineClass(
        exports.Env(), "Poller",
        {InstanceMethod("add", &Poller::Add), InstanceMethod("watch", &Poller::Watch),
         InstanceMethod("remove", &Poller::Remove), InstanceMethod("flush", &Poller::Flush),
         InstanceMethod("close", &Poller::Close), InstanceAccessor("slab", &Poller::Slab, nullptr),
         InstanceAccessor("frames", &Poller::Frames, nullptr),
         InstanceAccessor("failures", &Poller::Failures, nullptr),
         InstanceAccessor("scratch", &Poller::Scratch, nullptr)});
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
    base_ = static_cast<uint8_t*>(slab.Data());
    skew_ = -reinterpret_cast<uintptr_t>(base_) & (kAlign - 1);
    slab_ = Napi::Persistent(slab);
    Napi::Int32Array frames = Napi::Int32Array::New(env, 3 * kRoundFrames);
    frame_data_ = frames.Data();
    frames_ = Napi::Persistent(frames);
    Napi::Int32Array failures = Napi::Int32Array::New(env, kFailures);
    failure_data_ = failures.Data();
    failures_ = Napi::Persistent(failures);

    epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    if (epoll_.get() < 0) throw to_js(env, SysError{errno, "epoll_create1", ""});
    poll_ = new uv_poll_t;
    if (const int error = uv_poll_init(loop, poll_, epoll_.get())) {
      delete poll_;
      throw to_js(env, SysError{-error, "uv_poll_init", ""});
    }
    poll_->data = this;
    uv_poll_start(poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
      static_cast<Poller*>(handle->data)->OnReady();
    });
    uv_unref(reinterpret_cast<uv_handle_t*>(poll_));
    napi_add_async_cleanup_hook(
        env, [](napi_async_cleanup_hook_handle, void* self) { static_cast<Poller*>(self)->Abandon(); }, this,
        &cleanup_);
    Ref();  // until closed: the loop calls into this object
  }

 private:
  Napi::Value Slab(const Napi::CallbackInfo&) { return slab_.Value(); }
  Napi::Value Frames(const Napi::CallbackInfo&) { return frames_.Value(); }
  Napi::Value Failures(const Napi::CallbackInfo&) { return failures_.Value(); }
  /** Where the part of the slab begins that is never read into. */
  Napi::Value Scratch(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), kReadArea); }

  // add(fd): slot. Frames read from the TAP come with this slot number.
  Napi::Value Add(const Napi::CallbackInfo& info) { return Enter(info, true); }
  // watch(fd): slot, for a netlink monitor or a pidfd; the Poller owns and closes the descriptor.
  Napi::Value Watch(const Napi::CallbackInfo& info) { return Enter(info, false); }

  Napi::Value Enter(const Napi::CallbackInfo& info, bool tap) {
    const int fd = int_arg(info, 0, "fd");
    if (poll_ == nullptr) throw Napi::Error::New(info.Env(), "the Poller is closed");
    uint32_t index;
    if (free_.empty()) {
      index = slots_.size();
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    Slot& slot = slots_[index];
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(slot.generation) << 32 | index;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) {
      free_.push_back(index);
      throw to_js(info.Env(), SysError{errno, "epoll_ctl", "descriptor " + std::to_string(fd)});
    }
    slot.fd = fd;
    slot.tap = tap;
    slot.overrun = false;
    if (tap && taps_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(poll_));
    return Napi::Number::New(info.Env(), index);
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
    if (slot.tap && --taps_ == 0 && poll_) uv_unref(reinterpret_cast<uv_handle_t*>(poll_));
    slot.fd = -1;
    slot.generation++;
  }

  // flush(slot, pairs, count): failed. Writes `count` [offset, length] pairs of the slab to a TAP; `failures`
  // then holds counts by reason.
  Napi::Value Flush(const Napi::CallbackInfo& info) {
    const uint32_t index = int_arg(info, 0, "slot");
    const Napi::Int32Array array = info[1].As<Napi::Int32Array>();
    const uint32_t count = int_arg(info, 2, "count");
    if (index >= slots_.size() || array.ElementLength() < 2 * size_t{count}) {
      throw Napi::RangeError::New(info.Env(), "flush: no such slot, or fewer pairs than said");
    }
    const int fd = slots_[index].fd;  // -1 when its end was found in this batch: EBADF
    const int32_t* pairs = array.Data();
    uint32_t failed = 0;
    for (uint32_t i = 0; i < count; i++) {
      const size_t offset = static_cast<uint32_t>(pairs[2 * i]);
      const size_t length = static_cast<uint32_t>(pairs[2 * i + 1]);
      const bool inside = offset <= kSlab && length <= kSlab - offset;
      if (inside && write(fd, base_ + offset, length) >= 0) continue;
      if (!inside) errno = EINVAL;
      if (failed++ == 0) memset(failure_data_, 0, kFailures * sizeof *failure_data_);
      failure_data_[reason(errno)]++;
      failure_data_[kFailedOctets] += static_cast<int32_t>(length - kHeader);
    }
    return Napi::Number::New(info.Env(), failed);
  }

  void OnReady() {
    Napi::HandleScope scope(Env());
    for (int round = 0; round < kRounds && poll_ != nullptr; round++) {
      free_.insert(free_.end(), released_.begin(), released_.end());
      released_.clear();
      const size_t frames = Fill();
      if (frames > 0) Call(on_frames_, {Napi::Number::New(Env(), frames)});
      // Nothing left for now. Otherwise epoll, level-triggered, calls again after other work had its turn.
      if (frames == 0 && next_ == ready_count_) break;
    }
  }

  /** Reads one batch; returns how many entries of `frames` it filled. */
  size_t Fill() {
    count_ = 0;
    used_ = skew_;
    bool waited = false;
    while (count_ < kRoundFrames && used_ < kRoundBytes) {
      if (next_ == ready_count_) {
        // Descriptors not reached in one round come first in the next, so that none starves.
        if (waited) break;
        waited = true;
        next_ = 0;
        ready_count_ = std::max(0, epoll_wait(epoll_.get(), ready_, kEvents, 0));
        if (ready_count_ == 0) break;
      }
      const epoll_event& event = ready_[next_++];
      const uint32_t index = static_cast<uint32_t>(event.data.u64);
      Slot& slot = slots_[index];
      if (slot.fd < 0 || slot.generation != event.data.u64 >> 32) continue;
      if (slot.tap) {
        ReadTap(index, event.events);
      } else {
        ReadOther(index);
        if (poll_ == nullptr) return 0;
      }
    }
    return count_;
  }

  void ReadTap(uint32_t index, uint32_t events) {
    Slot& slot = slots_[index];
    int error = 0;
    while (count_ < kRoundFrames && used_ < kRoundBytes) {
      const ssize_t got = read(slot.fd, base_ + used_, kRoom);
      if (got < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) error = errno;
        // The interface is being unregistered: no data ever again, but epoll would go on reporting it.
        if (errno == EAGAIN && (events & EPOLLERR)) error = EBADFD;
        break;
      }
      if (static_cast<size_t>(got) < kHeader) continue;
      Emit(index, used_ + kHeader, got - kHeader);
      used_ = (used_ + got - skew_ + kAlign - 1) / kAlign * kAlign + skew_;
    }
    if (error == 0) return;
    // Whatever it is, reading again would only say the same again, without end.
    Forget(slot);
    released_.push_back(index);
    Emit(index, 0, -error);
  }

  void Emit(int32_t slot, size_t offset, ssize_t length) {
    int32_t* entry = frame_data_ + 3 * count_++;
    entry[0] = slot;
    entry[1] = static_cast<int32_t>(offset);
    entry[2] = static_cast<int32_t>(length);
  }

  /** A netlink monitor or a pidfd: told at once, as it is rare. */
  void ReadOther(uint32_t index) {
    alignas(nlmsghdr) static thread_local uint8_t buffer[64 << 10];
    for (int i = 0; poll_ != nullptr && slots_[index].fd >= 0; i++) {
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
      Call(on_event_, {Napi::Number::New(Env(), index), bytes, Napi::Number::New(Env(), nsid),
                       Napi::Boolean::New(Env(), error == EAGAIN)});
      if (error == EAGAIN) return;
    }
  }

  void Call(const Napi::FunctionReference& function, const std::initializer_list<napi_value>& arguments) {
    try {
      function.MakeCallback(Value(), arguments, context_);
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
    if (poll_ == nullptr) return;
    for (Slot& slot : slots_) {
      if (slot.fd >= 0) Forget(slot);
    }
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(poll_, nullptr)), [](uv_handle_t* handle) {
      Poller* self = static_cast<Poller*>(handle->data);
      delete reinterpret_cast<uv_poll_t*>(handle);
      napi_remove_async_cleanup_hook(self->cleanup_);
      self->Unref();
    });
    next_ = ready_count_ = 0;
    epoll_.reset();
  }

  Napi::AsyncContext context_;
  Napi::FunctionReference on_frames_, on_event_;
  Napi::Reference<Napi::ArrayBuffer> slab_;
  Napi::Reference<Napi::Int32Array> frames_, failures_;
  uint8_t* base_ = nullptr;
  size_t skew_ = 0;  // of the slab, so that frames lie on cache lines
  int32_t* frame_data_ = nullptr;
  int32_t* failure_data_ = nullptr;

  Fd epoll_;
  uv_poll_t* poll_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_, released_;
  uint32_t taps_ = 0;

  epoll_event ready_[kEvents];
  int ready_count_ = 0, next_ = 0;
  size_t count_ = 0, used_ = 0;
};

}  // namespace

void init_poller(Napi::Object exports) { Poller::Init(exports); }
