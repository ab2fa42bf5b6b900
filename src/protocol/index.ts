export type * from './calls.js';
export { type InstancePaths, instancePaths } from './paths.js';
export {
  type ControlRecord,
  encodeRecord,
  encodeResult,
  Kind,
  MAX_ANSWER,
  MAX_RECORD,
  PROTOCOL_VERSION,
  RecordReader,
  recordLength,
  splitName,
} from './record.js';
