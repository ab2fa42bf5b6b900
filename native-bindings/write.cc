// A batch of frames on its way into TAPs, and why some of it did not get there.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "frames.h"

namespace {

WriteFailure reason(int code) {
  switch (code) {
    case EIO: case ENETDOWN: return kDown;
    case EBADFD: case EBADF: case ENODEV: case EFAULT: case ENXIO: return kGone;
    case ENOBUFS: case ENOMEM: case EAGAIN: return kNoBuffer;
    default: return kInvalid;
  }
}

}  // namespace

void Writer::add(uint32_t index, int tap, bool merge, const int32_t* pairs, uint32_t count) {
  while (count > 0) {
    if (units_count_ == Ring::kMost || merged_count_ == kMerged) run();
    Merged& merged = merged_[merged_count_];
    const uint32_t n = merge && count > 1 ? merge_frames(slab_, pairs, count, merged) : 1;
    if (n > 1) merged_count_++;
    units_[units_count_++] = {index, tap, pairs, n, n > 1 ? &merged : nullptr};
    pairs += 2 * n;
    count -= n;
  }
}

uint32_t Writer::finish() {
  run();
  return std::exchange(dropped_, 0);
}

void Writer::run() {
  const uint32_t count = std::exchange(units_count_, 0);
  merged_count_ = 0;
  uint32_t done = 0;
  if (count > 1 && ring_.usable()) {
    for (uint32_t i = 0; i < count; i++) {
      const Unit& unit = units_[i];
      if (unit.merged != nullptr) {
        ring_.writev(unit.tap, unit.merged->parts, unit.count + 1);
      } else {
        ring_.write(unit.tap, slab_ + unit.pairs[0], unit.pairs[1]);
      }
    }
    done = ring_.run();
  }
  for (uint32_t i = 0; i < count; i++) {
    settle(units_[i], i < done ? std::max(0, -ring_.result(i)) : write_unit(units_[i]));
  }
}

int Writer::write_unit(const Unit& unit) {
  const ssize_t written = unit.merged != nullptr ? writev(unit.tap, unit.merged->parts, unit.count + 1)
                                                 : write(unit.tap, slab_ + unit.pairs[0], unit.pairs[1]);
  return written < 0 ? errno : 0;
}

void Writer::settle(const Unit& unit, int error) {
  if (error == 0) return;
  if (unit.count > 1) {  // what does not work at a time may do so one by one
    for (uint32_t i = 0; i < unit.count; i++) {
      const Unit single{unit.index, unit.tap, unit.pairs + 2 * i, 1, nullptr};
      settle(single, write_unit(single));
    }
    return;
  }
  if (dropped_++ == 0) memset(failures_, 0, kTaps * kWriteFailures * sizeof *failures_);
  int32_t* counts = failures_ + kWriteFailures * unit.index;
  counts[reason(error)]++;
  counts[kFailedOctets] += unit.pairs[1] - static_cast<int32_t>(kVnetHeader);
}
