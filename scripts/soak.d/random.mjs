/** Chance with a seed: the same choices every time, whoever else chooses meanwhile. */
export class Chance {
  /** @param words what tells this source from others; the seed is among them */
  constructor(...words) {
    let hash = 0x811c9dc5;
    for (const char of words.join('/')) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193);
    this.state = hash;
  }

  /** From 0 to less than 1: mulberry32. */
  next() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit) {
    return Math.floor(this.next() * limit);
  }

  pick(items) {
    return items[this.below(items.length)];
  }

  maybe(share) {
    return this.next() < share;
  }

  /** One of the keys, each as often as its weight says. */
  weighted(weights) {
    const all = Object.entries(weights);
    let at = this.next() * all.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of all) {
      at -= weight;
      if (at < 0) return key;
    }
    return all[0][0];
  }
}
