/** Somebody who takes buffers out of a shared number of them; who came first is served first. */
interface User {
  /** Place in line: the lower, the sooner. */
  readonly rank: number;
  /** Told once that there may be a buffer, after one was refused. */
  readonly onFree: () => void;
}

/**
 * Equal buffers that several users share, so that all of them together hold a bounded number of bytes.
 *
 * A user that holds none gets one in any case: nobody waits for ever, in whatever order the others let go of theirs. So at
 * most `count` and one for each further user are lent. What else becomes free goes to whoever joined first.
 */
export class SharedBuffers {
  /** Size of every buffer. */
  readonly sizeBytes: number;
  readonly #count: number;
  readonly #idle: ArrayBuffer[] = [];
  #waiting: User[] = [];
  #lent = 0;
  #joined = 0;

  /** `count` buffers of `sizeBytes` each, made on first use. */
  constructor(count: number, sizeBytes: number) {
    this.#count = Math.max(1, count);
    this.sizeBytes = sizeBytes;
  }

  /** A new user, the last in line. `onFree` is called when a buffer may be had after {@linkcode BufferUser.take} gave none. */
  join(onFree: () => void): BufferUser {
    const user: User = { rank: this.#joined++, onFree };
    let held = 0;
    return {
      take: () => {
        const view = held === 0 || this.#lent < this.#count ? this.#lend() : this.#refuse(user);
        if (view) held++;
        return view;
      },
      give: (view) => {
        held--;
        this.#takeBack(view);
      },
      leave: () => this.#waiting = this.#waiting.filter((each) => each !== user),
    };
  }

  #lend(): Uint8Array<ArrayBuffer> {
    this.#lent++;
    return new Uint8Array(this.#idle.pop() ?? new ArrayBuffer(this.sizeBytes));
  }

  #refuse(user: User): undefined {
    if (this.#waiting.includes(user)) return;
    this.#waiting.push(user);
    this.#waiting.sort((left, right) => left.rank - right.rank);
  }

  #takeBack(view: Uint8Array<ArrayBuffer>): void {
    this.#lent--;
    if (view.buffer.byteLength === this.sizeBytes && this.#lent < this.#count) this.#idle.push(view.buffer);
    while (this.#lent < this.#count) {
      const next = this.#waiting.shift();
      if (!next) return;
      next.onFree();
    }
  }
}

/** One user's way to the shared buffers. */
export interface BufferUser {
  /** Lends a buffer with whatever was left in it; undefined when there is none for now. The first one is never refused. */
  take(): Uint8Array<ArrayBuffer> | undefined;
  /** Takes a buffer back (any view of it), also one that was lost underneath (detached). */
  give(view: Uint8Array<ArrayBuffer>): void;
  /** Stops being told; buffers that are held are to be given back all the same. */
  leave(): void;
}
