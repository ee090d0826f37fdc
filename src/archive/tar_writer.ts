import { ImageError } from "../errors.ts";
import { type BlobReader, bytesReader } from "../bytes/blob_reader.ts";
import { lengthMismatch } from "../bytes/exact_reader.ts";
import { TAR_BLOCK_BYTES, tarHeaderBlocks, tarPadding } from "./tar_header.ts";

/** A file on its way into a tar. */
export interface TarMember {
  readonly name: string;
  readonly sizeBytes: number;
  /** Opens exactly `sizeBytes` bytes; called when the member's turn has come. */
  open(): Promise<BlobReader>;
}

/** A member whose bytes are at hand. */
export function bytesMember(name: string, bytes: Uint8Array): TarMember {
  return { name, sizeBytes: bytes.byteLength, open: () => Promise.resolve(bytesReader(bytes)) };
}

/**
 * A tar of regular files as a stream, made while it is read: equal members give equal bytes (fixed owner, mode and time).
 *
 * With `isOpen` the empty blocks at the end are left out, so that more members can follow.
 *
 * What a member's reader throws ends the stream. Throws `invalid-input` when a member has fewer or more bytes than it
 * said. Closing the reader early closes the member that is open.
 */
export function tarReader(
  members: AsyncIterable<TarMember> | Iterable<TarMember>,
  { isOpen = false }: { readonly isOpen?: boolean } = {},
): BlobReader {
  const parts = tarParts(members, isOpen);
  let current: BlobReader | undefined;
  let isEnded = false;
  const close = async () => {
    const reader = current;
    current = undefined;
    await reader?.[Symbol.asyncDispose]();
  };
  return {
    async read(into) {
      while (into.byteLength > 0 && !isEnded) {
        if (!current) {
          const next = await parts.next();
          if (next.done) {
            isEnded = true;
            break;
          }
          current = next.value;
        }
        // No part touches the buffer when it has nothing more to give, so the next one goes on with it.
        const piece = await current.read(into);
        if (piece.byteLength > 0) return piece;
        await close();
      }
      return into.subarray(0, 0);
    },
    async [Symbol.asyncDispose]() {
      isEnded = true;
      try {
        await close();
      } finally {
        await parts.return(undefined);
      }
    },
  };
}

/** The pieces of the tar: for each member its header, its data, its padding; two empty blocks at the end. */
async function* tarParts(
  members: AsyncIterable<TarMember> | Iterable<TarMember>,
  isOpen: boolean,
): AsyncGenerator<BlobReader, void, undefined> {
  for await (const member of members) {
    yield bytesReader(tarHeaderBlocks(member.name, member.sizeBytes));
    yield exactReader(await member.open(), member);
    yield bytesReader(new Uint8Array(tarPadding(member.sizeBytes)));
  }
  if (!isOpen) yield bytesReader(new Uint8Array(2 * TAR_BLOCK_BYTES));
}

/** Keeps a member to the size that its header has promised. */
function exactReader(source: BlobReader, member: TarMember): BlobReader {
  let left = member.sizeBytes;
  const wrong = (got: number | "more") =>
    new ImageError("invalid-input", `Cannot write "${member.name}": ${lengthMismatch(member.sizeBytes, got)}`);
  return {
    async read(into) {
      if (left === 0) {
        // One read more lets the source check itself, also where it is empty.
        const extra = await source.read(new Uint8Array(1));
        if (extra.byteLength > 0) throw wrong("more");
        return into.subarray(0, 0);
      }
      const piece = await source.read(into.subarray(0, Math.min(left, into.byteLength)));
      if (piece.byteLength === 0) throw wrong(member.sizeBytes - left);
      left -= piece.byteLength;
      return piece;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
