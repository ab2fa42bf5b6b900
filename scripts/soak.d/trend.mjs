/** What becomes of the memory of the daemon that lived longest. */
export class Trend {
  longest = [];

  add(pid, memory) {
    if (pid !== this.pid) this.samples = [];
    this.pid = pid;
    this.samples.push({ at: Date.now(), memory });
    if (this.samples.length > this.longest.length) this.longest = this.samples;
  }

  /** MiB a minute in its second half, and for how long. */
  get() {
    const half = this.longest.slice(this.longest.length >> 1);
    const minutes = (half.at(-1)?.at - half[0]?.at) / 60_000;
    if (!(minutes > 0)) return null;
    return {
      perMinute: Number(((half.at(-1).memory - half[0].memory) / minutes).toFixed(2)),
      minutes: Number(minutes.toFixed(1)),
    };
  }
}
