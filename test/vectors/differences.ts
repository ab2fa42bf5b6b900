/** A recorded answer of FreeBSD 10.4 that ours differs from, on purpose. */
export interface Difference {
  file: string;
  /** Whether this case of the file is meant. */
  match(vector: Case): boolean;
  reason: string;
}

interface Case {
  type: string;
  dir?: 'unparse';
  text: string | null;
  hex?: string;
  errno: string | 0;
  buflen?: number;
}

// `\\`, `\x..` and unknown escapes, and an octal escape of a NUL with more than one digit.
const miscounted = /\\(x|[^tnrvf"0-7]|400)/;

const escapes: Omit<Difference, 'file'> = {
  match: ({ dir, text }) => dir === undefined && text !== null && miscounted.test(text),
  reason:
    'FreeBSD miscounts the length of strings with these escapes: the offset is too small, and inside a structure, or ' +
    'behind a NUL that was written with several digits, correct text is refused with EINVAL',
};

const overrun: Omit<Difference, 'file'> = {
  match: ({ buflen, errno, hex }) => errno === 0 && buflen !== undefined && hex!.length / 2 > buflen,
  reason: 'FreeBSD writes past the end of a buffer that is too small; ours is ERANGE',
};

/** The count is the first uint32, but 10.4 reads the second one. */
const patch: Omit<Difference, 'file'> = {
  match: ({ type }) => type === 'patch',
  reason: 'FreeBSD 10.4 takes the number of ops from the wrong place: its ASCII setconfig is unusable',
};

export const differences: readonly Difference[] = [
  { file: 'parse_pure_cases.json', ...escapes },
  { file: 'parse_pure_cases.json', ...overrun },
  {
    file: 'parse_pure_cases.json',
    match: ({ type, dir, hex }) => type === 'sizedstring' && dir === 'unparse' && hex === '03006162',
    reason: 'FreeBSD reads past the end of the arguments; ours is EINVAL',
  },
  { file: 'parse_messages.json', ...escapes },
  { file: 'parse_messages.json', ...overrun },
  { file: 'parse_messages.json', ...patch },
  { file: 'parse_special.json', ...patch },
];
