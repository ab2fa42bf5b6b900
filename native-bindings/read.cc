// A batch of frames on its way out of TAPs.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "frames.h"

Reader::Reader(Ring& ring, uint8_t* slab, int32_t* entries)
    : ring_(ring), slab_(slab), entries_(entries), skew_(-reinterpret_cast<uintptr_t>(slab) & (kAlign - 1)) {}

void Reader::begin(size_t most) {
  most_ = most;
  count_ = octets_ = 0;
  used_ = skew_;
}

size_t Reader::room() const { return std::min(most_ - count_, (kArea - used_) / kStride); }

int Reader::read(uint32_t slot, int tap, Habit& habit, bool again) {
  if (again) habit.alone = 0;
  // Where frames come one by one no second read need say so: should there be more for once, epoll tells.
  const bool single = habit.alone == kAlone;
  const size_t count = count_, octets = octets_;
  int error = 0;
  while (error == 0 && has_room()) {
    if (habit.burst >= kMany && ring_.usable()) {
      error = read_many(slot, tap, habit);
      continue;
    }
    const ssize_t got = ::read(tap, slab_ + used_, kRoom);
    error = take(slot, used_, got < 0 ? -errno : got);
    if (single && error == 0) return 0;
  }
  habit.burst = count_ - count;
  habit.mean = habit.burst > 0 ? (octets_ - octets) / habit.burst : 0;
  habit.alone = habit.burst == 1 && has_room() && !again ? habit.alone + 1 : 0;
  return error;
}

/** As many as may be there, by how many there were last. @returns as take() */
int Reader::read_many(uint32_t slot, int tap, Habit& habit) {
  const size_t most = std::min({room(), 2 * habit.burst, 1 + (kOctets - octets_) / (habit.mean + 1)});
  const size_t start = used_;
  for (size_t i = 0; i < most; i++) ring_.read(tap, slab_ + start + i * kStride, kRoom);
  const uint32_t done = ring_.run();
  bool all = done == most;
  int error = 0;
  for (uint32_t i = 0; i < done; i++) {
    const int32_t result = ring_.result(i);
    if (result == -ENOMEM) {
      all = false;  // io_uring's own want
    } else if (const int why = take(slot, start + i * kStride, result)) {
      error = why;
    }
  }
  if (!all) habit.burst = 0;  // the rest one by one
  return error;
}

/** What a read brought to this place in the slab: octets, or -errno. @returns why there will be no more, or 0 */
int Reader::take(uint32_t slot, size_t at, ssize_t got) {
  if (got == -EINTR) return 0;
  if (got == -EINVAL) {  // a frame that no header describes, which is gone now
    emit(slot, 0, 0);
    return 0;
  }
  if (got < 0) return static_cast<int>(-got);
  if (static_cast<size_t>(got) < kVnetHeader) return 0;
  emit(slot, at + kVnetHeader, got - kVnetHeader);
  octets_ += got;
  used_ = (at + got - skew_ + kAlign - 1) / kAlign * kAlign + skew_;
  return 0;
}

void Reader::emit(uint32_t slot, size_t offset, ssize_t length) {
  int32_t* entry = entries_ + 3 * count_++;
  entry[0] = static_cast<int32_t>(slot);
  entry[1] = static_cast<int32_t>(offset);
  entry[2] = static_cast<int32_t>(length);
}
