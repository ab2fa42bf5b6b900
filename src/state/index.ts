export { type Damage, Journal, type OpenedJournal } from './journal.js';
