/** The syntax of jail.conf(5). */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Failure, reasonOf } from '../command.js';

/** A value is made of text and of variables to be replaced. */
export type Piece = { text: string } | { variable: string };

export interface Statement {
  name: string;
  /** `$name = ...`: for replacement only. */
  isVariable: boolean;
  /** `+=` */
  append: boolean;
  values: Piece[][];
}

/** A block with a name, or what stands outside of all blocks, which counts as one named `*`. */
export interface Definition {
  name: string;
  statements: Statement[];
}

type Token =
  | { kind: 'mark'; text: string; line: number }
  | { kind: 'string'; pieces: Piece[]; line: number }
  | { kind: 'end'; line: number };

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\n': '',
};

class Lexer {
  private at = 0;
  line = 1;

  constructor(
    private readonly text: string,
    private readonly file: string,
  ) {}

  error(what: string, line = this.line): Failure {
    return new Failure(1, `${this.file} line ${line}: ${what}`);
  }

  next(): Token {
    this.skip();
    const { line } = this;
    const mark = this.match(/\+=|[,;={}]/y);
    if (mark !== undefined) return { kind: 'mark', text: mark, line };
    if (this.at >= this.text.length) return { kind: 'end', line };
    const pieces: Piece[] = [];
    // What touches belongs together: foo"bar baz"$qux.
    for (let part = this.part(); part !== undefined; part = this.part()) pieces.push(...part);
    if (pieces.length === 0) throw this.error(`syntax error at "${this.text[this.at]}"`);
    return { kind: 'string', pieces: joined(pieces), line };
  }

  private skip(): void {
    for (;;) {
      if (this.match(/\s+|#.*|\/\/.*|\/\*[\s\S]*?\*\//y) !== undefined) continue;
      if (this.text.startsWith('/*', this.at)) throw this.error('unterminated comment');
      return;
    }
  }

  private part(): Piece[] | undefined {
    const start = this.text[this.at];
    if (start === "'") return [{ text: unescaped(this.quoted(/'((?:[^'\\]|\\[\s\S])*)'/y).slice(1, -1)) }];
    if (start === '"') return inQuotes(this.quoted(/"((?:[^"\\]|\\[\s\S])*)"/y).slice(1, -1));
    if (start === '$') {
      const variable = this.match(/\$([A-Za-z_]\w*|\{[^\n{}]+\})/y);
      if (variable !== undefined) return [{ variable: variable.replace(/[${}]/g, '') }];
      if (this.text[this.at + 1] === '{') throw this.error('unterminated variable');
    }
    const plain = this.match(/(?:[\w!%&()\-.:<>?@[\]^`|~*]|\/(?![/*])|\+(?!=)|\\[\s\S])+|\$/y);
    return plain === undefined ? undefined : [{ text: unescaped(plain) }];
  }

  private quoted(pattern: RegExp): string {
    const found = this.match(pattern);
    if (found === undefined) throw this.error('unterminated string');
    return found;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const [found] = pattern.exec(this.text) ?? [];
    if (found === undefined) return undefined;
    this.at += found.length;
    this.line += found.split('\n').length - 1;
    return found;
  }
}

/** Backslash codes as in C. */
const unescaped = (text: string): string =>
  text.replace(/\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|[\s\S])/g, (_all, code: string) => {
    if (code[0] === 'x' && code.length > 1) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    return ESCAPES[code] ?? code;
  });

/** What is between double quotes, with its variables. */
function inQuotes(text: string): Piece[] {
  const parts = text.match(/\$[A-Za-z_]\w*|\$\{[^\n{}]+\}|(?:\\[\s\S]|[^\\$])+|\$/g) ?? [''];
  return parts.map((part) =>
    part.length > 1 && part[0] === '$' ? { variable: part.replace(/[${}]/g, '') } : { text: unescaped(part) },
  );
}

/** Neighbouring texts become one. */
function joined(pieces: Piece[]): Piece[] {
  const result: Piece[] = [];
  for (const piece of pieces) {
    const last = result.at(-1);
    if (last !== undefined && 'text' in last && 'text' in piece) last.text += piece.text;
    else result.push({ ...piece });
  }
  return result;
}

class Parser {
  private token: Token;

  constructor(
    private readonly lexer: Lexer,
    private readonly definitions: Definition[],
    private readonly include: (pattern: string) => void,
  ) {
    this.token = lexer.next();
  }

  file(): void {
    while (this.token.kind !== 'end') this.item();
  }

  private item(): void {
    const line = this.token.line;
    const [name, isVariable] = this.name();
    if (name === '.include' && this.token.kind === 'string') {
      const [pattern] = this.values();
      this.expect(';');
      this.include(pattern.map((piece) => ('text' in piece ? piece.text : '')).join(''));
    } else if (this.takes('{')) {
      if (isVariable) throw this.lexer.error('a jail cannot be named by a variable', line);
      const statements: Statement[] = [];
      while (!this.takes('}')) statements.push(this.statement(...this.name()));
      this.definitions.push({ name, statements });
    } else {
      this.definitions.push({ name: '*', statements: [this.statement(name, isVariable)] });
    }
  }

  private statement(name: string, isVariable: boolean): Statement {
    const append = this.takes('+=');
    const values = append || this.takes('=') ? this.values() : [];
    // The last one in a block may go without.
    if (!(this.token.kind === 'mark' && this.token.text === '}')) this.expect(';');
    return { name, isVariable, append, values };
  }

  private name(): [name: string, isVariable: boolean] {
    const [piece, ...more] = this.string();
    if (more.length > 0) throw this.lexer.error('a name cannot contain variables');
    return 'text' in piece ? [piece.text, false] : [piece.variable, true];
  }

  private values(): Piece[][] {
    const values = [this.string()];
    while (this.takes(',')) values.push(this.string());
    return values;
  }

  private string(): Piece[] {
    const { token } = this;
    if (token.kind !== 'string') throw this.unexpected();
    this.token = this.lexer.next();
    return token.pieces;
  }

  private takes(mark: string): boolean {
    if (this.token.kind !== 'mark' || this.token.text !== mark) return false;
    this.token = this.lexer.next();
    return true;
  }

  private expect(mark: string): void {
    if (!this.takes(mark)) throw this.unexpected();
  }

  private unexpected(): Failure {
    const { token } = this;
    const found = token.kind === 'end' ? 'end of file' : token.kind === 'mark' ? `"${token.text}"` : 'a word';
    return this.lexer.error(`syntax error at ${found}`, token.line);
  }
}

/** @param include is given the pattern of each `.include`, and what it returns stands in its place */
export function parseConf(
  text: string,
  file: string,
  include: (pattern: string) => Definition[] = () => [],
): Definition[] {
  const definitions: Definition[] = [];
  new Parser(new Lexer(text, file), definitions, (pattern) => {
    definitions.push(...include(pattern));
  }).file();
  return definitions;
}

/** How deep files may include others, as in FreeBSD. */
const MAX_DEPTH = 32;

/** Reads a file (`-`: standard input) and what it includes. */
export function readConf(file: string, depth = 0): Definition[] {
  if (depth > MAX_DEPTH) throw new Failure(1, 'maximum include depth exceeded');
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new Failure(1, `open ${file}: ${reasonOf(error)}`);
  }
  return parseConf(text, file === '-' ? 'STDIN' : file, (pattern) =>
    expand(pattern, dirname(file)).flatMap((included) => readConf(included, depth + 1)),
  );
}

/** Files of a pattern with `*` and `?` in its last part, in the order of their names. */
function expand(pattern: string, base: string): string[] {
  const path = pattern.startsWith('/') ? pattern : join(base, pattern);
  const last = basename(path);
  if (!/[*?]/.test(last)) return [path];
  const source = last
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  const expression = new RegExp(`^${source}$`);
  try {
    return readdirSync(dirname(path))
      .filter((name) => !name.startsWith('.') && expression.test(name))
      .sort()
      .map((name) => join(dirname(path), name));
  } catch {
    // What is not there matches nothing.
    return [];
  }
}
