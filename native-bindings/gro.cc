// Generic receive offload: what a network stack without offloads sent as many TCP segments reaches one with offloads as
// few large ones. The kernel there could cut each back into the very same frames, checksums included.
#include <endian.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "frames.h"

namespace {

/** struct virtio_net_hdr_mrg_rxbuf: <linux/virtio_net.h> is no C++. */
struct Vnet {
  uint8_t flags, gso_type;
  uint16_t headers, gso_size, checksum_start, checksum_offset, buffers;
};
constexpr uint8_t kNeedsChecksum = 1, kGsoTcp4 = 1, kGsoTcp6 = 4;

constexpr size_t kVnet = sizeof(Vnet);
constexpr size_t kEthernet = 14, kTag = 4, kTags = 2, kIpv4 = 20, kIpv6 = 40, kTcp = 20;
constexpr size_t kMostHeaders = kEthernet + kTags * kTag + kIpv6 + 60;
constexpr size_t kMostPacket = 65535;  // what an IP header can say
constexpr uint16_t kTcpChecksum = 16;
constexpr uint8_t kProtocolTcp = 6, kAck = 0x10, kPush = 0x08;

uint16_t u16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

uint32_t u32(const uint8_t* at) { return uint32_t{u16(at)} << 16 | u16(at + 2); }

void put16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

bool is_tag(uint16_t ether_type) { return ether_type == 0x8100 || ether_type == 0x88a8; }

uint16_t fold(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/** The ones' complement sum of RFC 1071, in the byte order of the machine: swapped, it is that of the network. */
uint64_t sum(const uint8_t* at, size_t length) {
  uint64_t total[4] = {};
  for (; length >= 16; at += 16, length -= 16) {
    uint32_t words[4];
    memcpy(words, at, sizeof words);
    for (int i = 0; i < 4; i++) total[i] += words[i];
  }
  uint16_t words[8] = {};
  memcpy(words, at, length);
  for (uint16_t word : words) total[0] += word;
  return total[0] + total[1] + total[2] + total[3];
}

/** Exactly what whoever computes it comes to, which is never 0xffff: the kernel will have to come to the same. */
bool checks_out(uint64_t sum_with_field, const uint8_t* field) {
  return fold(sum_with_field) == 0xffff && u16(field) != 0xffff;
}

/** A frame that is nothing but a TCP segment with data, of which nobody wants anything but ACK. */
struct Segment {
  const uint8_t* frame;
  size_t ip, tcp, data, length;  // where each begins, and the end

  /** Of a frame behind its offload header. Looks at no checksum. */
  static bool parse(const uint8_t* vnet, size_t size, Segment& into) {
    if (size < kVnet + kEthernet + kIpv4 + kTcp) return false;
    const uint8_t* frame = vnet + kVnet;
    size_t length = size - kVnet;
    if ((vnet[0] & kNeedsChecksum) || vnet[1] != 0) return false;
    size_t ip = kEthernet;
    while (ip < kEthernet + kTags * kTag && is_tag(u16(frame + ip - 2))) ip += kTag;
    const uint8_t* packet = frame + ip;
    size_t tcp;
    if (u16(packet - 2) == 0x0800) {
      tcp = ip + kIpv4;
      // No options, no fragments, nothing behind the packet.
      if (length < tcp + kTcp || packet[0] != 0x45 || (u16(packet + 6) & ~0x4000) != 0) return false;
      if (packet[9] != kProtocolTcp || u16(packet + 2) != length - ip) return false;
    } else if (u16(packet - 2) == 0x86dd) {
      tcp = ip + kIpv6;
      if (length < tcp + kTcp || packet[0] >> 4 != 6 || packet[6] != kProtocolTcp) return false;
      if (u16(packet + 4) != length - tcp) return false;
    } else {
      return false;
    }
    const size_t words = frame[tcp + 12] >> 4;
    const size_t data = tcp + 4 * words;
    if (words < 5 || data >= length || (frame[tcp + 12] & 0xf) || (frame[tcp + 13] & ~kPush) != kAck) return false;
    into = {frame, ip, tcp, data, length};
    return true;
  }

  bool v4() const { return tcp == ip + kIpv4; }
  bool push() const { return frame[tcp + 13] & kPush; }
  size_t payload() const { return length - data; }
  uint16_t id() const { return u16(frame + ip + 4); }
  uint32_t sequence() const { return u32(frame + tcp + 4); }

  /** The sum of what stands before a TCP header that is so long with its data. */
  uint64_t pseudo(size_t size) const {
    const size_t addresses = v4() ? 8 : 32;
    return sum(frame + tcp - addresses, addresses) + htobe16(static_cast<uint16_t>(size)) + htobe16(kProtocolTcp);
  }

  bool intact() const {
    if (v4() && !checks_out(sum(frame + ip, kIpv4), frame + ip + 10)) return false;
    return checks_out(pseudo(length - tcp) + sum(frame + tcp, length - tcp), frame + tcp + kTcpChecksum);
  }

  bool same(const Segment& other, size_t from, size_t to) const {
    return memcmp(frame + from, other.frame + from, to - from) == 0;
  }

  /** Whether `next` is what the kernel would make of the data at `n` times our size in one large segment. */
  bool continued(const Segment& next, size_t n) const {
    if (next.ip != ip || next.tcp != tcp || next.data != data || next.payload() > payload()) return false;
    if (next.sequence() != static_cast<uint32_t>(sequence() + n * payload())) return false;
    // All the rest of the headers is the same, but for lengths and checksums.
    if (!same(next, tcp + 8, tcp + 13) || !same(next, tcp + 14, tcp + 16) || !same(next, tcp + 18, data)) return false;
    if (!v4()) return same(next, 0, ip + 4) && same(next, ip + 6, tcp + 4);
    if (next.id() != static_cast<uint16_t>(id() + n)) return false;
    return same(next, 0, ip + 2) && same(next, ip + 6, ip + 10) && same(next, ip + 12, tcp + 4);
  }
};

/** Puts the headers of the large segment into `into`, behind an offload header that says how to cut it. */
void write_headers(uint8_t* into, const Segment& first, bool push, size_t payload) {
  const Vnet vnet{kNeedsChecksum, first.v4() ? kGsoTcp4 : kGsoTcp6, static_cast<uint16_t>(first.data),
                  static_cast<uint16_t>(first.payload()), static_cast<uint16_t>(first.tcp), kTcpChecksum, 0};
  memcpy(into, &vnet, kVnet);
  uint8_t* frame = into + kVnet;
  memcpy(frame, first.frame, first.data);
  const size_t behind_ip = first.data - first.tcp + payload;
  if (first.v4()) {
    put16(frame + first.ip + 2, kIpv4 + behind_ip);
    put16(frame + first.ip + 10, 0);
    const uint16_t checksum = ~fold(sum(frame + first.ip, kIpv4));
    memcpy(frame + first.ip + 10, &checksum, sizeof checksum);
  } else {
    put16(frame + first.ip + 4, behind_ip);
  }
  if (push) frame[first.tcp + 13] |= kPush;
  const uint16_t partial = fold(first.pseudo(behind_ip));
  memcpy(frame + first.tcp + kTcpChecksum, &partial, sizeof partial);
}

}  // namespace

uint32_t merge_frames(const uint8_t* slab, const int32_t* pairs, uint32_t count, Merged& into) {
  const auto frame = [=](uint32_t i, Segment& segment) {
    return Segment::parse(slab + static_cast<uint32_t>(pairs[2 * i]), static_cast<uint32_t>(pairs[2 * i + 1]), segment);
  };
  Segment first, next;
  if (!frame(0, first)) return 1;
  count = std::min(count, Merged::kMost);
  size_t payload = first.payload();
  bool push = first.push(), more = !push;
  uint32_t n = 1;
  while (more && n < count && frame(n, next) && first.continued(next, n)) {
    if (first.data - first.ip + payload + next.payload() > kMostPacket) break;
    if ((n == 1 && !first.intact()) || !next.intact()) break;
    payload += next.payload();
    push = next.push();
    more = !push && next.payload() == first.payload();
    into.parts[++n] = {const_cast<uint8_t*>(next.frame + next.data), next.payload()};
  }
  if (n == 1) return 1;
  static_assert(sizeof into.headers >= kVnet + kMostHeaders);
  write_headers(into.headers, first, push, payload);
  into.parts[0] = {into.headers, kVnet + first.data};
  into.parts[1] = {const_cast<uint8_t*>(first.frame + first.data), first.payload()};
  return n;
}
