// TAP interfaces: tun_tap.txt of the kernel, netdevice(7).
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>

#include <cstring>
#include <vector>

#include "addon.h"

// Of Linux 6.2, absent from older headers.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

static constexpr int kVnetHeader = 12;  // struct virtio_net_hdr_mrg_rxbuf

/** Opens /dev/net/tun as seen from a namespace: TUNSETIFF acts in the namespace current at open. */
static Fd open_tun(int netns) {
  InNetns scope(netns);
  Fd fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) fail("open", "/dev/net/tun");
  return fd;
}

/** Asks for the most offloads that this kernel has, or for none; returns what it granted. */
static int set_offloads(int fd, bool wanted) {
  if (!wanted) {
    if (ioctl(fd, TUNSETOFFLOAD, 0) < 0) fail("TUNSETOFFLOAD", "TAP descriptor " + std::to_string(fd));
    return 0;
  }
  const int csum_tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  for (int flags : {csum_tso | TUN_F_USO4 | TUN_F_USO6, csum_tso, TUN_F_CSUM}) {
    if (ioctl(fd, TUNSETOFFLOAD, flags) == 0) return flags;
  }
  return 0;
}

static ifreq request_for(int fd) {
  ifreq request{};
  if (ioctl(fd, TUNGETIFF, &request) < 0) fail("TUNGETIFF", "TAP descriptor " + std::to_string(fd));
  return request;
}

// tapOpen(netns, name, offloads): { fd, offloads }, of a new interface.
// tapAttach, the same of one that outlived the process that made it.
template <bool attach>
static Napi::Value tap_open(const Napi::CallbackInfo& info) {
  Fd netns = open_namespace(info[0]);
  const std::string name = string_arg(info, 1, "name");
  // The kernel would cut a long name, and count up for a '%d'.
  if (name.size() >= IFNAMSIZ) fail("TUNSETIFF", name, ENAMETOOLONG);
  if (name.empty() || name.find('%') != std::string::npos) fail("TUNSETIFF", name, EINVAL);

  Fd fd = open_tun(netns.get());
  ifreq request{};
  memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (attach ? 0 : IFF_TUN_EXCL));
  if (ioctl(fd.get(), TUNSETIFF, &request) < 0) {
    if (attach) fail("TUNSETIFF", name);
    // With IFF_TUN_EXCL the kernel says EBUSY for any interface of that name, a persistent TAP too.
    fail("TUNSETIFF", name, errno == EBUSY ? EEXIST : errno);
  }
  int size = kVnetHeader;
  if (ioctl(fd.get(), TUNSETVNETHDRSZ, &size) < 0) fail("TUNSETVNETHDRSZ", name);
  const int offloads = set_offloads(fd.get(), info[2].ToBoolean());

  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("fd", fd.release());
  result.Set("offloads", offloads);
  return result;
}

static Napi::Value tap_name(const Napi::CallbackInfo& info) {
  const ifreq request = request_for(int_arg(info, 0, "fd"));
  return Napi::String::New(info.Env(), request.ifr_name);
}

// tapNetns(fd): a descriptor of the namespace that the interface is in now, which others may have changed.
static Napi::Value tap_netns(const Napi::CallbackInfo& info) {
  const int fd = int_arg(info, 0, "fd");
  const int netns = ioctl(fd, TUNGETDEVNETNS);
  if (netns < 0) fail("TUNGETDEVNETNS", "TAP descriptor " + std::to_string(fd));
  return Napi::Number::New(info.Env(), netns);
}

static Napi::Value tap_set_carrier(const Napi::CallbackInfo& info) {
  const int fd = int_arg(info, 0, "fd");
  int on = info[1].ToBoolean() ? 1 : 0;
  if (ioctl(fd, TUNSETCARRIER, &on) < 0) fail("TUNSETCARRIER", "TAP descriptor " + std::to_string(fd));
  return info.Env().Undefined();
}

static Napi::Value tap_set_persist(const Napi::CallbackInfo& info) {
  const int fd = int_arg(info, 0, "fd");
  if (ioctl(fd, TUNSETPERSIST, info[1].ToBoolean() ? 1L : 0L) < 0) {
    fail("TUNSETPERSIST", "TAP descriptor " + std::to_string(fd));
  }
  return info.Env().Undefined();
}

static Napi::Value tap_set_offloads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), set_offloads(int_arg(info, 0, "fd"), info[1].ToBoolean()));
}

static Napi::Value tap_address(const Napi::CallbackInfo& info) {
  const int fd = int_arg(info, 0, "fd");
  ifreq request{};
  if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) fail("SIOCGIFHWADDR", "TAP descriptor " + std::to_string(fd));
  Napi::Uint8Array address = Napi::Uint8Array::New(info.Env(), 6);
  memcpy(address.Data(), request.ifr_hwaddr.sa_data, 6);
  return address;
}

static Napi::Value tap_set_address(const Napi::CallbackInfo& info) {
  const int fd = int_arg(info, 0, "fd");
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().ByteLength() != 6) {
    throw Napi::TypeError::New(info.Env(), "address must be a Uint8Array of 6 bytes");
  }
  ifreq request{};
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(request.ifr_hwaddr.sa_data, info[1].As<Napi::Uint8Array>().Data(), 6);
  if (ioctl(fd, SIOCSIFHWADDR, &request) < 0) fail("SIOCSIFHWADDR", "TAP descriptor " + std::to_string(fd));
  return info.Env().Undefined();
}

// closeFds(fds): of TAPs. One that still has its interface takes some 20 ms, so it is done on the pool.
static Napi::Value close_fds(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) throw Napi::TypeError::New(info.Env(), "fds must be an array of numbers");
  const Napi::Array list = info[0].As<Napi::Array>();
  std::vector<int> fds;
  for (uint32_t i = 0; i < list.Length(); i++) fds.push_back(list.Get(i).ToNumber().Int32Value());
  return promise(info.Env(), [fds = std::move(fds)] {
    for (int fd : fds) {
      ioctl(fd, TUNSETPERSIST, 0L);  // fails where the interface was deleted, as it should be by now
      close(fd);
    }
  });
}

void init_tap(Napi::Object exports) {
  define<tap_open<false>>(exports, "tapOpen");
  define<tap_open<true>>(exports, "tapAttach");
  define<tap_set_persist>(exports, "tapSetPersist");
  define<tap_name>(exports, "tapName");
  define<tap_netns>(exports, "tapNetns");
  define<tap_set_carrier>(exports, "tapSetCarrier");
  define<tap_set_offloads>(exports, "tapSetOffloads");
  define<tap_address>(exports, "tapAddress");
  define<tap_set_address>(exports, "tapSetAddress");
  define<close_fds>(exports, "closeFds");
}
