export { type Damage, Journal, MustRewrite, type OpenedJournal } from './journal.js';
