import type { Count, Place } from '../../src/netgraph/types/index.js';

/** The rest of the message, behind `header` bytes. */
const rest =
  (header: number) =>
  ({ arglen }: Place): number | undefined =>
    arglen === undefined ? undefined : arglen - header;

/** Where the arrays of FreeBSD's messages have their length, by node type: its code says so, the schemas do not. */
export const lengths: Readonly<Record<string, Readonly<Record<string, Count>>>> = {
  generic: { linkinfo: 'nodeinfo.hooks', nodeinfo: 'numnames', typeinfo: 'numtypes', data: 'arglen' },
  bpf: { bpf_prog: 'bpf_prog_len' },
  bridge: { hosts: 'numHosts' },
  // A sockaddr's length counts its two bytes of header, and is at least that.
  ksocket: { value: rest(8), 'addr.data': ({ bytes, base }) => Math.max(bytes[base] - 2, 0) },
  nat: { redirects: 'total_count' },
  patch: { ops: 'count' },
  tag: { tag_data: 'tag_len' },
  vlan: { filter: 'n' },
};

/** The same for the synthetic types of parse_pure_types.json, by name. */
export const pureLengths: Readonly<Record<string, Readonly<Record<string, Count>>>> = {
  array_int16_len5: { '': () => 5 },
  bytearray_len5: { '': () => 5 },
  struct_foo: { ary: 'alen' },
  struct_bytes: { data: 'len' },
  struct_cnt32: { v: 'n' },
  ng_mesg: { data: 'arglen' },
};
