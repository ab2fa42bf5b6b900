import type { Journal } from './journal.js';

export { type Damage, Journal } from './journal.js';
export type OpenedJournal = ReturnType<typeof Journal.open>;
