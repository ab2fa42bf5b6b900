import { u16 } from './bytes.js';
import { ETHERNET_HEADER, type Ethernet, EtherType } from './ethernet.js';

/** Type and tag control information. */
export const VLAN_TAG = 4;

/** More tags than this and the frame is not followed further (VLAN_MAX_DEPTH, linux/if_vlan.h). */
const DEEPEST = 8;

/** One IEEE 802.1Q or 802.1ad tag. */
export interface VlanTag {
  /** The EtherType that announces the tag: 0x8100 or 0x88a8. */
  etherType: number;
  /** Priority code point, 0 to 7. */
  priority: number;
  /** Drop eligible indicator. */
  dropEligible: boolean;
  /** VLAN identifier, 0 to 4095; 0 means a priority tag. */
  id: number;
}

export const isVlan = (etherType: number): boolean =>
  etherType === EtherType.vlan || etherType === EtherType.serviceVlan;

/**
 * The offset of what follows the Ethernet header and all tags, or -1 when the tags run past the frame or are
 * more than 8. The two bytes before the offset are the EtherType of what follows.
 */
export function networkOffset(frame: Ethernet): number {
  const { bytes, end } = frame;
  let at = frame.offset + ETHERNET_HEADER;
  for (let depth = 0; isVlan(u16(bytes, at - 2)); depth++) {
    at += VLAN_TAG;
    if (depth === DEEPEST || at > end) return -1;
  }
  return at;
}

/** The tags of a frame, outermost first, as far as they are whole. */
export function vlanTags(frame: Ethernet): VlanTag[] {
  const { bytes, end } = frame;
  const tags: VlanTag[] = [];
  let at = frame.offset + ETHERNET_HEADER;
  while (isVlan(u16(bytes, at - 2)) && at + VLAN_TAG <= end) {
    const control = u16(bytes, at);
    tags.push({
      etherType: u16(bytes, at - 2),
      priority: control >>> 13,
      dropEligible: (control & 0x1000) !== 0,
      id: control & 0xfff,
    });
    at += VLAN_TAG;
  }
  return tags;
}
