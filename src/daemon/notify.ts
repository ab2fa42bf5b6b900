import { sendDatagram } from '../linux/index.js';
import type { Log } from './log.js';

/** What the service manager may be told: sd_notify(3). */
export interface Notes {
  READY?: 1;
  STOPPING?: 1;
  WATCHDOG?: 1;
  /** The process that is the service from now on, this one's successor. */
  MAINPID?: number;
  STATUS?: string;
}

/** Word to the service manager that started the daemon, if one did. */
export class ServiceManager {
  private timer: NodeJS.Timeout | undefined;
  private readonly socket: string | undefined;
  /** How often it wants to hear that we are alive, in milliseconds. */
  private readonly patience: number;

  constructor(
    private readonly log: Log,
    env: NodeJS.ProcessEnv = process.env,
  ) {
    this.socket = env.NOTIFY_SOCKET || undefined;
    const { WATCHDOG_USEC: usec = '', WATCHDOG_PID: pid = String(process.pid) } = env;
    this.patience = pid === String(process.pid) && /^[1-9]\d{0,14}$/.test(usec) ? Number(usec) / 1000 : 0;
    // Whoever takes our place is watched, too.
    delete env.WATCHDOG_PID;
  }

  get isThere(): boolean {
    return this.socket !== undefined;
  }

  /** Tells that the daemon serves. */
  ready(status: string): void {
    this.tell({ READY: 1, MAINPID: process.pid, STATUS: status });
  }

  /** Tells from now on that it is alive: from the event loop, so that a blocked one shows. */
  watch(): void {
    if (this.socket === undefined || this.patience === 0) return;
    this.timer = setInterval(() => this.tell({ WATCHDOG: 1 }), this.patience / 2).unref();
  }

  stopping(): void {
    this.tell({ STOPPING: 1 });
  }

  /** Hands the service over to another process, which tells of itself from now on. */
  handOver(pid: number): void {
    clearInterval(this.timer);
    this.tell({ MAINPID: pid });
  }

  private tell(notes: Notes): void {
    if (this.socket === undefined) return;
    const lines = Object.entries(notes).map(
      ([name, value]) => `${name}=${String(value).replace(/\n/g, ' ')}`,
    );
    try {
      sendDatagram(this.socket, lines.join('\n'));
    } catch (error) {
      this.log(`service manager: ${(error as Error).message}`, 'warning');
    }
  }
}
