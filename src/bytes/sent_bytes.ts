/**
 * Counts how much of a blob has been sent, whatever is sent twice, given up or begun anew: what is told is the difference to
 * what was told before, so that the sum is always what the receiver may have.
 */
export class SentBytes {
  readonly #tell: ((count: number, isHeld?: boolean) => void) | undefined;
  #total = 0;
  #round = 0;

  /** `tell` is told of every change; less than nothing where bytes have to be sent again. */
  constructor(tell: ((count: number, isHeld?: boolean) => void) | undefined) {
    this.#tell = tell;
  }

  /** Follows one body, of which others may be sent at the same time: to be told how much of it has been sent by now. */
  ofBody(): (sentBytes: number) => void {
    const round = this.#round;
    let sent = 0;
    return (sentBytes) => {
      // A body of an earlier round may still drain.
      if (round === this.#round) this.#add(sentBytes - sent);
      sent = sentBytes;
    };
  }

  /** Everything before this position has been sent, and nothing behind it. */
  at(position: number): void {
    this.#add(position - this.#total);
  }

  /** So many bytes need not be sent: the receiver has them from an earlier run. */
  hold(count: number): void {
    this.#add(count, true);
  }

  /** All begins anew. */
  reset(): void {
    this.#round++;
    this.at(0);
  }

  #add(count: number, isHeld = false): void {
    if (count === 0) return;
    this.#total += count;
    this.#tell?.(count, isHeld);
  }
}
