/** FreeBSD's socket addresses as bytes, <sys/socket.h>, <netinet/in.h>, <net/if_dl.h>: length first. */

const AF_INET = 2;
const AF_LINK = 18;
const AF_INET6 = 28;
const IFT_ETHER = 6;
const SIZEOF_SOCKADDR_DL = 54;
const SIZEOF_LONG = 8;

function sockaddr(length: number, family: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = length;
  bytes[1] = family;
  return bytes;
}

/** sockaddr_dl: the name and the Ethernet address of an interface. */
export function sockaddrDl(name: string, address: Uint8Array): Uint8Array {
  const bytes = sockaddr(SIZEOF_SOCKADDR_DL, AF_LINK);
  bytes[4] = IFT_ETHER;
  const { written } = new TextEncoder().encodeInto(name, bytes.subarray(8, 8 + 15));
  bytes[5] = written;
  bytes[6] = address.length;
  bytes.set(address, 8 + written);
  return bytes;
}

/** sockaddr_in of an IPv4 address, 4 bytes, and a port. */
export function sockaddrIn(address: Uint8Array, port = 0): Uint8Array {
  const bytes = sockaddr(16, AF_INET);
  new DataView(bytes.buffer).setUint16(2, port);
  bytes.set(address, 4);
  return bytes;
}

/** sockaddr_in6 of an IPv6 address, 16 bytes, and a port. */
export function sockaddrIn6(address: Uint8Array, port = 0): Uint8Array {
  const bytes = sockaddr(28, AF_INET6);
  new DataView(bytes.buffer).setUint16(2, port);
  bytes.set(address, 8);
  return bytes;
}

/** Addresses one behind the other, each rounded up to a multiple of a long: SA_SIZE. */
export function packSockaddrs(addresses: Uint8Array[]): Uint8Array {
  const sizes = addresses.map(({ length }) => Math.ceil(length / SIZEOF_LONG) * SIZEOF_LONG);
  const packed = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  addresses.forEach((address, i) => {
    packed.set(address, at);
    at += sizes[i];
  });
  return packed;
}
