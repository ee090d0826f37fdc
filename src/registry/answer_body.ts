import { bytesReader, readAll } from "../bytes/blob_reader.ts";
import { gunzipReader, zstdReader } from "../bytes/decompress.ts";
import type { HttpResponse } from "../http/message.ts";

/** How compressed bytes begin, by the `Content-Encoding` that says so. */
const ENCODINGS: Readonly<Record<string, { readonly magic: readonly number[]; readonly open: typeof gunzipReader }>> = {
  gzip: { magic: [0x1f, 0x8b], open: gunzipReader },
  "x-gzip": { magic: [0x1f, 0x8b], open: gunzipReader },
  zstd: { magic: [0x28, 0xb5, 0x2f, 0xfd], open: zstdReader },
};

/**
 * The whole body of an answer with a document in it. Some proxies and storages compress it though nobody asked them to; it
 * is unpacked then, since a digest is one of the document. A header that is not true of the bytes is passed over.
 *
 * `what` names the document in errors. Throws `invalid-input` when it has more than `maxBytes`, `unavailable` when the
 * connection breaks.
 */
export async function answerBody(
  response: HttpResponse,
  maxBytes: number,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await response.bytes(maxBytes);
  const encoding = ENCODINGS[response.headers.get("content-encoding")?.trim().toLowerCase() ?? ""];
  if (!encoding?.magic.every((byte, index) => bytes[index] === byte)) return bytes;
  await using reader = encoding.open(bytesReader(bytes), { what, maxBytes });
  return await readAll(reader, maxBytes, what);
}
