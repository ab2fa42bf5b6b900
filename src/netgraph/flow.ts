import type { MessageSpecs } from './define.js';
import { NGM_READONLY } from './message.js';
import { t } from './types/index.js';

const Bandwidth = t.struct({
  nominal_in: t.uint64,
  seen_in: t.uint64,
  nominal_out: t.uint64,
  seen_out: t.uint64,
});

const QueueState = t.struct({
  queue_priority: t.uint32,
  max_queuelen_bytes: t.uint32,
  max_queuelen_packets: t.uint32,
  low_watermark: t.uint32,
  high_watermark: t.uint32,
  current: t.uint32,
});

/**
 * Flow control and link management, netgraph(4): messages of FLOW_COOKIE that travel along hooks. A node that
 * does not understand one passes it on where it has an obvious other side.
 */
export const FlowMessages = {
  link_is_up: { cmd: 32 },
  link_is_down: { cmd: 33 },
  high_water_passed: { cmd: 34, args: QueueState },
  low_water_passed: { cmd: 35, args: QueueState },
  sync_queue_state: { cmd: 36, reply: QueueState },
  drop_link: { cmd: 41 },
  raise_link: { cmd: 42 },
  flush_queue: { cmd: 43 },
  get_bandwidth: { cmd: 44 | NGM_READONLY, reply: Bandwidth },
  set_xmit_q_limits: { cmd: 45, args: QueueState },
  get_xmit_q_limits: { cmd: 46 | NGM_READONLY, reply: QueueState },
  micromanage: { cmd: 47 },
  set_flow_manager: { cmd: 48, args: t.struct({ id: t.hint32 }) },
} as const satisfies MessageSpecs;
