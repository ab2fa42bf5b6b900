const PER_LINE = 16;

/** Bytes as ngctl(8) and nghook(8) show them: offset, hexadecimal and ASCII, 16 bytes a line. */
export function* hexdump(bytes: Uint8Array): Iterable<string> {
  for (let offset = 0; offset < bytes.length; offset += PER_LINE) {
    const line = [...bytes.subarray(offset, offset + PER_LINE)];
    const hex = line.map((byte) => `${byte.toString(16).padStart(2, '0')} `).join('');
    const ascii = line
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'))
      .join('');
    const address = offset.toString(16).padStart(4, '0');
    yield `${address}:  ${hex.padEnd(3 * PER_LINE)} ${ascii.padEnd(PER_LINE)}`;
  }
}
