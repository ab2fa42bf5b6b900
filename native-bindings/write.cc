// A batch of frames on its way into a TAP, and why some of it did not get there.
#include <cstring>

#include "addon.h"

namespace {

constexpr size_t kHeader = 12;  // struct virtio_net_hdr_mrg_rxbuf

WriteFailure reason(int code) {
  switch (code) {
    case EIO: case ENETDOWN: return kDown;
    case EBADFD: case EBADF: case ENODEV: case EFAULT: case ENXIO: return kGone;
    case ENOBUFS: case ENOMEM: case EAGAIN: return kNoBuffer;
    default: return kInvalid;
  }
}

}  // namespace

uint32_t write_frames(int tap, bool merge, const uint8_t* slab, size_t size, const int32_t* pairs, uint32_t count,
                      int32_t* failures) {
  uint32_t failed = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (merge && i + 1 < count) {
      const int merged = write_merged(tap, slab, size, pairs + 2 * i, count - i);
      merge = merged >= 0;  // what does not work at a time may do so one by one
      if (merged > 0) {
        i += merged - 1;
        continue;
      }
    }
    const size_t offset = static_cast<uint32_t>(pairs[2 * i]);
    const size_t length = static_cast<uint32_t>(pairs[2 * i + 1]);
    const bool inside = offset <= size && length <= size - offset;
    if (inside && write(tap, slab + offset, length) >= 0) continue;
    if (!inside) errno = EINVAL;
    if (failed++ == 0) memset(failures, 0, kWriteFailures * sizeof *failures);
    failures[reason(errno)]++;
    failures[kFailedOctets] += static_cast<int32_t>(length - kHeader);
  }
  return failed;
}
