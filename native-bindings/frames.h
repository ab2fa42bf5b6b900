// Frames out of TAPs and into them, in batches. They lie in one slab, each behind its vnet header.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "ring.h"

constexpr size_t kVnetHeader = 12;  // struct virtio_net_hdr_mrg_rxbuf

/** Reads frames into the slab. */
class Reader {
 public:
  static constexpr size_t kMost = 64;       // frames in a batch
  static constexpr size_t kRoom = 66048;    // a 64 KiB segment with its headers; less would truncate silently
  static constexpr size_t kAlign = 64;
  static constexpr size_t kStride = kRoom + kAlign;  // odd in cache lines, so that frames do not share their sets
  static constexpr size_t kArea = (kMost + 1) * kStride;  // of the slab

  /** What is known of a TAP from earlier batches. */
  struct Habit {
    uint8_t alone = 0;  // how often in a row there was one frame only
    size_t burst = 0;   // how many there may be, by how many there were last
    size_t mean = 0;    // octets of each of them
  };

  /** @param entries where to write [slot, offset, length] of each frame, its vnet header before offset */
  Reader(Ring& ring, uint8_t* slab, int32_t* entries);

  /** Begins a batch of so many frames at most. */
  void begin(size_t most);
  size_t count() const { return count_; }
  bool has_room() const { return octets_ < kOctets && room() > 0; }

  /**
   * Reads what there is, as far as there is room.
   * @param again whether it was read since this program waited last
   * @returns 0: there may be more; EAGAIN: there was no more; or what else read(2) failed with
   */
  int read(uint32_t slot, int tap, Habit& habit, bool again);

  void emit(uint32_t slot, size_t offset, ssize_t length);

 private:
  static constexpr size_t kOctets = 512u << 10;  // in a batch, should frames be as large as they were last
  static constexpr uint8_t kAlone = 16;  // times with one frame before no more than one is looked for
  static constexpr size_t kMany = 4;     // frames last time from which on more than one is asked for at a time

  /** How many more frames there is room for, whatever their size: places of read_many() may have stayed empty. */
  size_t room() const;
  int read_many(uint32_t slot, int tap, Habit& habit);
  int take(uint32_t slot, size_t at, ssize_t got);

  Ring& ring_;
  uint8_t* slab_;
  int32_t* entries_;
  size_t skew_;  // of the slab, so that frames lie on cache lines
  size_t most_ = 0, count_ = 0, octets_ = 0, used_ = 0;
};

/** One large TCP segment, made of pieces that lie elsewhere. */
struct Merged {
  static constexpr uint32_t kMost = 64;
  iovec parts[1 + kMost];
  uint8_t headers[144];
};

/**
 * Makes one large TCP segment of frames of the slab, as many of the first ones as are pieces of one.
 * @returns how many; `into` then has one part more than that. 1: the first is to be written by itself
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
